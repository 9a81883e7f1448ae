"""Protocols and factories of faulty servers: silent, sending garbage, with a limit of connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

#: Connections that one server of a camera has at once: real ones have 10 to 20 (Dahua about 20).
MAX_CONNECTIONS = 20
#: Seconds after which a silent connection is closed after all, so that forgotten ones do not add up for ever.
SILENCE_SECONDS = 600.0
#: What a garbage camera sends: the beginning of an RTSP answer that no parser can believe, then bytes.
GARBAGE = b"RTSP/1.0 9999999999 \xff\xfe\r\nContent-Length: -1\r\n" + bytes(range(256)) * 4


class SilentProtocol(Protocol):
    """Protocol that accepts every connection and sends nothing."""

    transport: Any

    def __init__(self, call_later: Callable[..., Any]) -> None:
        self._call_later = call_later
        self._end: Any = None

    def connectionMade(self) -> None:
        self._end = self._call_later(SILENCE_SECONDS, self.transport.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._end is not None and self._end.active():
            self._end.cancel()


class GarbageProtocol(Protocol):
    """Protocol that answers each piece of data with bytes of no protocol, a bounded number of times."""

    transport: Any
    #: Pieces answered before the connection is closed.
    MAX_ANSWERS = 16

    def __init__(self) -> None:
        self._answers = 0

    def dataReceived(self, data: bytes) -> None:
        self._answers += 1
        self.transport.write(GARBAGE)
        if self._answers >= self.MAX_ANSWERS:
            self.transport.loseConnection()


class FunctionFactory(Factory):
    """Factory whose protocols a function makes; it logs nothing."""

    noisy = False

    def __init__(self, make: Callable[[], Protocol]) -> None:
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._make()


class ConnectionLimit(WrappingFactory):
    """Factory that limits how many connections are open at once, and can close them all."""

    noisy = False

    def __init__(self, wrapped: Factory, *, limit: int = MAX_CONNECTIONS) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self._limit = limit

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:  # type: ignore[override]  # as Factory may
        if len(self.protocols) >= self._limit:
            return None
        return super().buildProtocol(addr)

    def close_all(self) -> None:
        """Cut every open connection."""
        for protocol in tuple(self.protocols):
            if protocol.transport is not None:
                protocol.transport.abortConnection()
