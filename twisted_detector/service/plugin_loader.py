"""Loader of plugins: the makers of one kind, built-in ones first, then those of the user."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from twisted.plugin import getPlugins
from txaio.tx import make_logger
from zope.interface.interface import InterfaceClass

from twisted_detector import plugins
from twisted_detector.interfaces import IMaker, MakerContext

log = make_logger()

#: The folder of a checkout where a user puts files.
CHECKOUT_PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

#: Ours are in ``builtin.py`` and, by family, in ``builtin_<family>.py``.
BUILTIN = f"{plugins.__name__}.builtin"


def look_in(folders: Iterable[Path]) -> None:
    """Search for plugins in these folders too, in those that exist."""
    for folder in folders:
        if folder.is_dir() and str(folder) not in plugins.__path__:
            plugins.__path__.append(str(folder))


def broken() -> dict[str, str]:
    """Plugin files that cannot be imported, each with the reason in one line.

    twisted.plugin only writes a traceback to the log for those, which nobody who has just put a file there would find.
    """
    faults = {}
    for folder in plugins.__path__:
        for file in sorted(Path(folder).glob("*.py")):
            if file.stem == "__init__" or not file.stem.isidentifier():
                continue
            try:
                importlib.import_module(f"{plugins.__name__}.{file.stem}")
            except Exception as error:
                faults[str(file)] = f"{type(error).__name__}: {error}"
    return faults


def makers(kind: InterfaceClass, wanted: Sequence[str] = ()) -> list[Any]:
    """All makers that provide ``kind``: the built-in ones, then the user's by name.

    :param wanted: names of the user's plugins to load; none: all that are found. Built-in ones are always there.
    """
    # getPlugins is annotated for a class; it works with an interface.
    offered: Iterable[Any] = getPlugins(cast(Any, kind), plugins)
    found = [maker for maker in offered if IMaker.providedBy(maker)]
    chosen = [maker for maker in found if _builtin(maker) or not wanted or maker.name in wanted]
    # ``early`` makers make what others find in ``parts``, for instance pictures.
    return sorted(chosen, key=lambda maker: (not _builtin(maker), not getattr(maker, "early", False), maker.name))


def _builtin(maker: Any) -> bool:
    return type(maker).__module__.startswith(BUILTIN)


def loader(context: MakerContext) -> Callable[[Any], list[Any]]:
    """A function that makes all parts of one kind, with the plugins and the settings that the configuration names."""
    look_in([CHECKOUT_PLUGINS])
    config = context.config
    return partial(make_all, context=context, settings=config.plugin_settings, wanted=config.plugins)


def make_all(
    kind: InterfaceClass,
    context: MakerContext,
    *,
    settings: Mapping[str, Mapping[str, Any]],
    wanted: Sequence[str] = (),
) -> list[Any]:
    """Let every maker of ``kind`` make its part; one that fails is reported and left out.

    :param settings: the plugins' tables of the configuration file, by name of the maker.
    """
    parts = []
    for maker in makers(kind, wanted):
        try:
            part = maker.make(replace(context, settings=settings.get(maker.name, {})))
        except Exception:
            log.failure("Plugin {name} could not be made and is left out", name=maker.name)
            continue
        if part is not None:
            parts.append(part)
    return parts
