"""Assembly of what plugins make, stage by stage: each maker is called once, with the parts that it declares to need."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from txaio.tx import make_logger
from zope.interface.interface import InterfaceClass

from twisted_detector.errors import LocalError
from twisted_detector.interfaces import MakerContext
from twisted_detector.service import plugin_loader
from twisted_detector.service.plugin_order import Declaration, order, read_declaration

#: Parts by the class or interface under which a maker may need them.
Offers = Mapping[type[Any], object]


class PluginAssembly:
    """Assembler of the parts of plugins, ours among them.

    A stage of the daemon offers its parts, and then has those kinds made that may need them. A maker that cannot be
    called, or that fails, is logged and left out; the others are made.

    :param context: for all makers; each gets its own settings in it.
    """

    log = make_logger()

    def __init__(self, context: MakerContext) -> None:
        self._context = context
        self._settings: Mapping[str, Mapping[str, Any]] = context.config.plugin_settings
        self._wanted = context.config.plugins
        plugin_loader.look_for_plugins(context.config.plugin_path)
        for file, fault in plugin_loader.broken(self._wanted).items():
            self.log.error("Plugin {file} is left out: {fault}", file=file, fault=fault)
        for name in plugin_loader.unknown_names(self._wanted):
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
        found = [plugin_loader.makers(kind, self._wanted) for kind in kinds]
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
            return read_declaration(maker, is_builtin=plugin_loader.is_builtin(maker))
        except LocalError as error:
            self.log.error("Plugin {name} is left out: {reason}", name=maker.name, reason=str(error))
            return None

    def _part(self, one: Declaration) -> object | None:
        """What one maker makes, None when it is left out or switched off."""
        part = None
        if reason := self._refusal(one):
            self._leave_out(one, reason)
        else:
            context = replace(self._context, settings=self._settings.get(one.name, {}))
            try:
                part = one.maker.make(context, *(self._offered.get(kind) for kind, _ in one.needs))
            except Exception:
                self.log.failure("Plugin {name} could not be made and is left out", name=one.name)
        if part is None or one.provides is None:
            self._note_missing(one)
        elif _is_a(part, one.provides):
            self._offered[one.provides] = part
        else:
            self._leave_out(one, f"it declares to provide {_name(one.provides)}, and makes something else")
            return None
        return part

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
        self._note_missing(one)

    def _note_missing(self, one: Declaration) -> None:
        if one.provides is not None:
            self._missing.setdefault(one.provides, one.name)


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _is_a(part: object, kind: Any) -> bool:
    return bool(kind.providedBy(part) if isinstance(kind, InterfaceClass) else isinstance(part, kind))
