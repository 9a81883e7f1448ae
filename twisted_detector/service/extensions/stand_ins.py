"""Stand-ins for what a plugin is given: the bus, MQTT and what all are. What calls it back goes by its guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from zope.interface import directlyProvides, providedBy

from twisted_detector.service.extensions.record import PluginRecord


class Guard(Protocol):
    """What a stand-in needs of the guard of a plugin (:class:`service.extensions.guard.PluginGuard`)."""

    @property
    def record(self) -> PluginRecord: ...

    @property
    def has_ended(self) -> bool: ...

    def run(self, call: Callable[..., Any], *args: Any) -> Any: ...

    def fire(self, call: Callable[[], Any]) -> None: ...

    def part(self, part: Any) -> Any: ...

    def publishing(self, publish: Callable[..., Any]) -> Callable[..., Any]: ...

    def subscribing(self, subscribe: Callable[..., Any]) -> Callable[..., Any]: ...


class Delegate:
    """Stand-in that provides what another object provides, and has its attributes."""

    def __init__(self, other: Any, guard: Guard) -> None:
        self._other = other
        self._guard = guard
        directlyProvides(self, providedBy(other))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)

    def __repr__(self) -> str:
        return repr(self._other)


class GuardedBus(Delegate):
    """The bus, for a plugin: the listeners that it subscribes are guarded."""

    def subscribe(self, listener: Any) -> Any:
        """See :class:`Bus`."""
        return self._other.subscribe(self._guard.part(listener))


class GuardedMqtt(Delegate):
    """An MQTT service, for a plugin."""

    def __init__(self, other: Any, guard: Guard) -> None:
        super().__init__(other, guard)
        self.publish = guard.publishing(other.publish)
        self.subscribe = guard.subscribing(other.subscribe)
