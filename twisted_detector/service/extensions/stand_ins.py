"""Stand-ins for what a plugin is given: the reactor, the bus and MQTT. What they call it back for goes by its guard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from zope.interface import directlyProvides, providedBy

from twisted_detector.service.extensions.record import PluginRecord


class Guard(Protocol):
    """What a stand-in needs of the guard of a plugin (:class:`service.extensions.guard.PluginGuard`)."""

    @property
    def record(self) -> PluginRecord: ...

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


class GuardedReactor(Delegate):
    """The reactor, for a plugin: its timers and what it does with a datagram are calls of it, and what they raise is
    counted. What comes by TCP is not watched.
    """

    def __init__(self, reactor: Any, guard: Guard) -> None:
        super().__init__(reactor, guard)
        self._readers: dict[Any, _GuardedReader] = {}

    def addReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._other.addReader(self._readers.setdefault(reader, _GuardedReader(reader, self._guard)))

    def removeReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._other.removeReader(self._readers.pop(reader, reader))

    def listenUDP(self, port: int, protocol: Any, *args: Any, **named: Any) -> Any:
        """See IReactorUDP."""
        return self._other.listenUDP(port, _GuardedDatagrams(protocol, self._guard), *args, **named)

    def listenMulticast(self, port: int, protocol: Any, *args: Any, **named: Any) -> Any:
        """See IReactorMulticast."""
        return self._other.listenMulticast(port, _GuardedDatagrams(protocol, self._guard), *args, **named)

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """See IReactorTime."""
        return self._other.callLater(delay, self._guard.fire, partial(call, *args, **named))


class _GuardedReader(Delegate):
    def doRead(self) -> Any:
        """See IReadDescriptor."""
        return self._guard.run(self._other.doRead)


class _GuardedDatagrams(Delegate):
    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """See DatagramProtocol."""
        if not self._guard.record.disabled:
            self._guard.run(self._other.datagramReceived, datagram, addr)


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
