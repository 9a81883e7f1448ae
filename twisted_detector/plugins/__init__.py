"""Where twisted.plugin looks for makers: the built-in ones beside this file, and those in ``plugins/`` of a checkout.

:func:`load_makers` appends further folders to ``__path__``.
"""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
