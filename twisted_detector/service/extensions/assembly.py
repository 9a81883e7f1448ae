"""Assembly of what plugins make, stage by stage: each maker is called once, with the parts that it declares to need."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from inspect import iscoroutine
from typing import Any

from txaio.tx import make_logger
from zope.interface.interface import InterfaceClass

from twisted_detector.errors import LocalError
from twisted_detector.interfaces import (
    IDiscoverer,
    IDiscovererMaker,
    IEventListener,
    IInspector,
    IInspectorMaker,
    IListenerMaker,
    IOutput,
    IOutputMaker,
    IServiceExtension,
    IWatcher,
    IWatcherMaker,
    MakerContext,
)
from twisted_detector.service.extensions import loader
from twisted_detector.service.extensions.order import Declaration, order, read_declaration
from twisted_detector.service.extensions.record import describe_fault
from twisted_detector.service.extensions.supervision import Supervision

#: Parts by the class or interface under which a maker may need them.
Offers = Mapping[type[Any], object]
#: What is asked of the parts of each kind of maker before anything else is.
_CALLED_BY: Mapping[Any, Sequence[str]] = {
    IDiscovererMaker: tuple(IDiscoverer.names(all=True)),
    IWatcherMaker: tuple(IWatcher.names(all=True)),
    IInspectorMaker: tuple(IInspector.names(all=True)),
    IOutputMaker: tuple(IOutput.names(all=True)),
    IListenerMaker: tuple(IEventListener.names(all=True)),
    IServiceExtension: ("startService", "stopService"),
}


class PluginAssembly:
    """Assembler of the parts of plugins, ours among them.

    A stage of the daemon offers its parts, and then has those kinds made that may need them. A maker that cannot be
    called, or that fails, is logged and left out; the others are made. What a user's maker makes is under supervision.

    :param context: for all makers; each gets its own settings in it.
    :ivar supervision: of the plugins that are not ours.
    """

    log = make_logger()

    def __init__(self, context: MakerContext) -> None:
        self._context = context
        self.supervision = Supervision(time.monotonic)
        self._settings: Mapping[str, Mapping[str, Any]] = context.config.plugin_settings
        self._wanted = context.config.plugins
        loader.look_for_plugins(context.config.plugin_path)
        for file, fault in loader.broken(self._wanted).items():
            self.log.error("Plugin {file} is left out: {fault}", file=file, fault=fault)
        for maker, first in loader.doubled(self._wanted):
            self.log.error(
                "Plugin {name} in {module} is left out: {first} has a plugin of that name too, which comes first",
                name=maker.name,
                module=type(maker).__module__,
                first=first,
            )
        for name in loader.unknown_names(self._wanted):
            self.log.warn("PLUGINS names {name}, but no plugin has that name (camdetect plugins lists them)", name=name)
        self._offered: dict[type[Any], object] = {}
        #: Who was to provide what is not offered, for the log.
        self._missing: dict[type[Any], str] = {}
        #: What each maker made, by its id, for makers may be unhashable: one that is of two kinds makes one part.
        self._made: dict[int, object | None] = {}

    def offer(self, parts: Offers) -> None:
        """Give these parts to those makers that are called from now on and need them."""
        self._offered.update(parts)

    def make(self, *kinds: type[Any]) -> tuple[list[Any], ...]:
        """The parts of each kind. All kinds are made together, in the order that their makers declare."""
        found = [loader.makers(kind, self._wanted) for kind in kinds]
        every = {id(maker): maker for makers in found for maker in makers}
        ordered, left_out = order([one for maker in every.values() if (one := self._declaration(maker)) is not None])
        for one, reason in left_out.items():
            self._leave_out(one, reason)
        for one in ordered:
            if id(one.maker) not in self._made:
                self._made[id(one.maker)] = self._part(one)
        return tuple(self._made_by(ordered, {id(maker) for maker in makers}) for makers in found)

    def _made_by(self, ordered: Sequence[Declaration], makers: Container[int]) -> list[Any]:
        parts = [self._made[id(one.maker)] for one in ordered if id(one.maker) in makers]
        return [part for part in parts if part is not None]

    def _declaration(self, maker: Any) -> Declaration | None:
        try:
            return read_declaration(maker, is_builtin=loader.is_builtin(maker))
        except LocalError as error:
            self.log.error("Plugin {name} is left out: {reason}", name=maker.name, reason=str(error))
            self.supervision.record(maker.name).why = str(error)
            return None

    def _part(self, one: Declaration) -> object | None:
        """What one maker makes, None when it is left out or switched off."""
        part = guarded = None
        record = self.supervision.record(one.name)
        if reason := self._refusal(one):
            self._leave_out(one, reason)
        else:
            context = replace(self._context, settings=self._settings.get(one.name, {}))
            needed = [self._offered.get(kind) for kind, _ in one.needs]
            guard = None if one.is_builtin else self.supervision.guard(one.name)
            try:
                if guard is None:
                    part = guarded = one.maker.make(context, *needed)
                else:
                    part = guard.make(one.maker.make, context, needed)
                    if part is not None and (lacks := _lacks(one.maker, part)):
                        if iscoroutine(part):
                            part.close()
                        self._leave_out(one, lacks)
                        return None
                    guarded = guard.part(part)
                record.made |= part is not None
            except (Exception, SystemExit) as error:
                record.why = f"it could not be made: {describe_fault(error)}; the log has more"
                self.log.failure("Plugin {name} could not be made and is left out", name=one.name)
        if part is None or one.provides is None:
            self._note_missing(one)
        elif _is_a(part, one.provides):
            self._offered[one.provides] = part
        else:
            self._leave_out(one, f"it declares to provide {_name(one.provides)}, and makes something else")
            return None
        return guarded

    def _refusal(self, one: Declaration) -> str:
        """Why a maker is not called, "" when it is."""
        if one.provides in self._offered:
            return f"it provides {_name(one.provides)}, which is there already"
        for kind, is_optional in one.needs:
            if kind not in self._offered and not is_optional:
                who = f" ({self._missing[kind]} was to provide it)" if kind in self._missing else ""
                return f"it needs {_name(kind)}, which nobody provides before it is made{who}"
        return ""

    def _leave_out(self, one: Declaration, reason: str) -> None:
        self.log.error("Plugin {name} is left out: {reason}", name=one.name, reason=reason)
        self.supervision.record(one.name).why = reason
        self._note_missing(one)

    def _note_missing(self, one: Declaration) -> None:
        if one.provides is not None:
            self._missing.setdefault(one.provides, one.name)


def _lacks(maker: Any, part: object) -> str:
    """What a part lacks of what its kind is called by, in words; "" when it has all."""
    wanted = [name for kind, names in _CALLED_BY.items() if kind.providedBy(maker) for name in names]
    if wanted and (isinstance(part, type) or not any(hasattr(part, name) for name in wanted)):
        return f"what it makes is {type(part).__name__}, and none of what its kind makes (docs/plugins.md)"
    missing = [name for name in wanted if not hasattr(part, name)]
    return f"what it makes has no {', '.join(missing)}" if missing else ""


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _is_a(part: object, kind: Any) -> bool:
    return bool(kind.providedBy(part) if isinstance(kind, InterfaceClass) else isinstance(part, kind))
