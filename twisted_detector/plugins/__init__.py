"""Package of the makers that twisted.plugin finds: the built-in ones beside this file, and the user's.

:func:`service.extensions.loader.look_in` appends the folders of the user to ``__path__``.
"""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
