"""Stand-in of the reactor for a plugin: whatever it calls the plugin back for is a call of that, watched and counted.

That is timers, sockets, datagrams, connections that the plugin opens or takes, whether by an endpoint or not, processes
that it starts and what comes back from a thread. Not watched are triggers of system events, receivers of the name
resolver, and what runs in a thread. Twisted asks factories and protocols for little, and by attributes alone: so a
:class:`Delegate` passes for each of them, below TLS too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import Protocol

from twisted_detector.service.extensions.stand_ins import Delegate, Guard


class _Calls(Delegate):
    """Stand-in some of whose methods are calls of the plugin."""

    #: Their names.
    CALLS: ClassVar[frozenset[str]]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._other, name)
        return partial(self._call, found) if name in self.CALLS else found

    def _call(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if self._guard.has_ended:
            return self._refuse()
        return self._guard.run(partial(call, **named) if named else call, *args)

    def _refuse(self) -> None:
        """The plugin is called no more."""


class _GuardedDescriptor(_Calls):
    """A file descriptor of the plugin, for both directions: epoll calls one object of each. It is watched no more once
    the plugin has ended.
    """

    CALLS = frozenset({"doRead", "doWrite", "connectionLost"})

    def __init__(self, other: Any, guard: Guard, reactor: Any) -> None:
        super().__init__(other, guard)
        self._reactor = reactor

    def _refuse(self) -> None:
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)


class _GuardedDatagrams(_Calls):
    """Protocol of a UDP socket."""

    CALLS = frozenset({"datagramReceived", "connectionRefused"})

    def _call(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if not self._guard.record.disabled:
            self._guard.run(call, *args)


class _GuardedProtocol(_Calls):
    """Protocol of a connection, or of a process; what comes after the plugin has ended ends that, too."""

    CALLS = frozenset(
        {
            "dataReceived", "connectionLost", "readConnectionLost", "writeConnectionLost", "fileDescriptorReceived",
            "handshakeCompleted", "childDataReceived", "childConnectionLost", "processExited", "processEnded",
        }
    )  # fmt: skip
    _transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol and IProcessProtocol."""
        self._transport = transport
        self._call(self._other.makeConnection, transport)

    def _refuse(self) -> None:
        if IProcessTransport.providedBy(self._transport):
            with suppress(ProcessExitedAlready):
                self._transport.signalProcess("KILL")
        else:
            getattr(self._transport, "abortConnection", lambda: None)()


class _GuardedFactory(_Calls):
    """Factory of the plugin, for a server or a client."""

    CALLS = frozenset({"doStart", "doStop", "startedConnecting", "clientConnectionFailed", "clientConnectionLost"})

    def buildProtocol(self, addr: Any) -> _GuardedProtocol | None:
        """See IProtocolFactory."""
        if self._guard.has_ended:  # one that aborts: of None TLS would ask more, and leave the socket open
            return _GuardedProtocol(Protocol(), self._guard)
        protocol = self._call(self._other.buildProtocol, addr)
        return None if protocol is None else _GuardedProtocol(protocol, self._guard)


#: By method of the reactor: which argument the reactor calls back, its name, and what stands for it.
CALLED_BACK: Mapping[str, tuple[int, str, Callable[[Any, Guard], Any]]] = MappingProxyType(
    {
        "connectTCP": (2, "factory", _GuardedFactory),
        "connectSSL": (2, "factory", _GuardedFactory),
        "connectUNIX": (1, "factory", _GuardedFactory),
        "listenTCP": (1, "factory", _GuardedFactory),
        "listenSSL": (1, "factory", _GuardedFactory),
        "listenUNIX": (1, "factory", _GuardedFactory),
        "adoptStreamConnection": (2, "factory", _GuardedFactory),
        "adoptStreamPort": (2, "factory", _GuardedFactory),
        "adoptDatagramPort": (2, "protocol", _GuardedDatagrams),
        "connectUNIXDatagram": (1, "protocol", _GuardedDatagrams),
        "listenMulticast": (1, "protocol", _GuardedDatagrams),
        "listenUDP": (1, "protocol", _GuardedDatagrams),
        "listenUNIXDatagram": (1, "protocol", _GuardedDatagrams),
        "spawnProcess": (0, "processProtocol", _GuardedProtocol),
    }
)


class GuardedReactor(Delegate):
    """The reactor, for a plugin."""

    def __init__(self, reactor: Any, guard: Guard) -> None:
        super().__init__(reactor, guard)
        #: By what they stand for; the reactor has them for as long as it watches one direction.
        self._descriptors: WeakValueDictionary[Any, _GuardedDescriptor] = WeakValueDictionary()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._other, name)
        return partial(self._guarding, found, *CALLED_BACK[name]) if name in CALLED_BACK else found

    def _guarding(
        self,
        call: Callable[..., Any],
        place: int,
        word: str,
        kind: Callable[[Any, Guard], Any],
        /,
        *args: Any,
        **named: Any,
    ) -> Any:
        if word in named:
            named[word] = kind(named[word], self._guard)
        elif len(args) > place:
            args = (*args[:place], kind(args[place], self._guard), *args[place + 1 :])
        return call(*args, **named)

    def addReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._other.addReader(self._descriptor(reader))

    def removeReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._other.removeReader(self._descriptors.get(reader, reader))

    def addWriter(self, writer: Any) -> None:
        """See IReactorFDSet."""
        self._other.addWriter(self._descriptor(writer))

    def removeWriter(self, writer: Any) -> None:
        """See IReactorFDSet."""
        self._other.removeWriter(self._descriptors.get(writer, writer))

    def _descriptor(self, other: Any) -> _GuardedDescriptor:
        return self._descriptors.setdefault(other, _GuardedDescriptor(other, self._guard, self._other))

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """See IReactorTime."""
        return self._other.callLater(delay, self._guard.fire, partial(call, *args, **named))

    def callWhenRunning(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """See IReactorCore."""
        return self._other.callWhenRunning(self._guard.fire, partial(call, *args, **named))

    def callFromThread(self, call: Callable[..., Any], *args: Any, **named: Any) -> None:
        """See IReactorFromThreads. It is made once the plugin has ended, too: a thread may wait for it."""
        self._other.callFromThread(self._guard.run, partial(call, *args, **named))
