"""Inventory of the plugins: which the daemon loads, and why it leaves out the others; nothing is made or started."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detection
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IInspectorMaker,
    IListenerMaker,
    IOutputMaker,
    IServiceExtension,
    IWatcherMaker,
)
from twisted_detector.service.detection import detection_offers
from twisted_detector.service.extensions import loader
from twisted_detector.service.extensions.assembly import Offers
from twisted_detector.service.extensions.entries import PluginEntry, PluginState
from twisted_detector.service.extensions.order import Declaration, order, read_declaration
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.operations import Operations
from twisted_detector.service.publishing import Publishing

T = TypeVar("T")

#: What a plugin may be, as people call it.
KINDS: Mapping[Any, str] = MappingProxyType(
    {
        IOutputMaker: "output",
        IDiscovererMaker: "discoverer",
        IWatcherMaker: "watcher",
        IInspectorMaker: "inspector",
        IListenerMaker: "listener",
        IServiceExtension: "service",
    }
)


def _hollow(stage: type[T]) -> T:
    """A stage that is made of nothing: its offers name what it would offer."""
    kind: Any = stage
    made: T = kind(**{one.name: None for one in fields(kind)})
    return made


#: The stages of the daemon: what each offers, and the kinds that are made after it.
STAGES: tuple[tuple[Callable[[], Offers], tuple[Any, ...]], ...] = (
    (lambda: {**_hollow(Ground).offers, **_hollow(Knowledge).offers, **_hollow(Publishing).offers}, (IOutputMaker,)),
    (dict, (IDiscovererMaker, IWatcherMaker, IInspectorMaker)),
    (
        lambda: {**detection_offers(_hollow(Detection)), **_hollow(Operations).offers},
        (IListenerMaker, IServiceExtension),
    ),
)


def inventory(config: Config) -> list[PluginEntry]:
    """Every plugin, the built-in ones last. The files of those that are wanted are imported, as the daemon does it."""
    wanted = config.plugins
    loader.look_for_plugins(config.plugin_path)
    entries = [
        PluginEntry("", (), folder, PluginState.LEFT_OUT, f"its folder {reason} (chown, chmod go-w)")
        for folder, reason in loader.untrusted_folders().items()
    ]
    broken = loader.broken(wanted)
    entries += [PluginEntry(Path(file).stem, (), file, PluginState.LEFT_OUT, why) for file, why in broken.items()]
    entries += [
        PluginEntry(file.stem, (), str(file), PluginState.OFF, "PLUGINS does not name it")
        for file in loader.not_wanted(wanted)
    ]
    entries += [
        PluginEntry(one.name, (), file, PluginState.OFF, "PLUGINS does not name it", package=one.package)
        for one, file in loader.not_wanted_entry_points(wanted)
    ]
    entries += [
        PluginEntry(one.name, kinds_of(one), loader.file_of(one), PluginState.LEFT_OUT, doubled_reason(one, first))
        for one, first in loader.doubled(wanted)
    ]
    return sorted([*entries, *_makers(config)], key=lambda one: (one.is_builtin, one.name, one.file))


def problems(config: Config) -> list[str]:
    """What the settings of plugins name and nobody has, in sentences for people."""
    found = [f"PLUGINS names {name}, but no plugin has that name" for name in loader.unknown_names(config.plugins)]
    folders = loader.missing_folders(config.plugin_path)
    return found + [f"PLUGIN_PATH: {folder} is no folder that can be read" for folder in folders]


def kinds_of(maker: Any) -> tuple[str, ...]:
    """What a maker makes, as people call it."""
    return tuple(word for kind, word in KINDS.items() if kind.providedBy(maker))


def doubled_reason(maker: Any, first: str) -> str:
    """Why a maker is left out whose name another one has."""
    return f"{first} has a plugin of the name {maker.name} too, which comes first: give this one another name"


def _makers(config: Config) -> Iterator[PluginEntry]:
    every: dict[int, Any] = {}
    reasons: dict[int, str] = {}
    there: set[Any] = set()
    for offers, made in STAGES:
        there |= set(offers())
        of_stage: dict[int, Any] = {}
        for kind in made:
            for maker in loader.makers(kind, config.plugins):
                of_stage[id(maker)] = maker
        fresh = {number: maker for number, maker in of_stage.items() if number not in every}
        every |= fresh
        reasons |= _left_out(fresh.values(), there)
    for number, maker in every.items():
        reason = reasons.get(number, "")
        yield PluginEntry(
            maker.name,
            kinds_of(maker),
            loader.file_of(maker),
            PluginState.LEFT_OUT if reason else PluginState.LOADED,
            reason,
            loader.is_builtin(maker),
            loader.package_of(maker),
        )


def _left_out(makers: Collection[Any], there: set[Any]) -> dict[int, str]:
    """Why makers of one stage are not called, by id; what the others provide is added to ``there``."""
    reasons: dict[int, str] = {}
    declared: list[Declaration] = []
    for maker in makers:
        try:
            declared.append(read_declaration(maker, is_builtin=loader.is_builtin(maker)))
        except LocalError as error:
            reasons[id(maker)] = str(error)
    ordered, in_circles = order(declared)
    reasons |= {id(one.maker): reason for one, reason in in_circles.items()}
    for one in ordered:
        missing = [kind for kind, is_optional in one.needs if kind not in there and not is_optional]
        if one.provides is not None and one.provides in there:
            reasons[id(one.maker)] = f"it provides {_name(one.provides)}, which is there already"
        elif missing:
            reasons[id(one.maker)] = f"it needs {_name(missing[0])}, which nobody provides before it is made"
        else:
            there |= {one.provides} - {None}
    return reasons


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))
