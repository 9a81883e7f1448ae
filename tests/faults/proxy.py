"""A port goes in; a TCP proxy before it comes out that delays, throttles, swallows, resets and cuts as it is told."""

from __future__ import annotations

import random
import socket
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet import task
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from zope.interface import implementer

#: Bytes of one direction that the proxy holds before it stops reading: what a home router has in its queue.
MAX_HELD = 65_536

#: What an Ethernet carries in one TCP segment.
SEGMENT = 1460

#: A throttled direction gets its share so often, in seconds.
SLICE = 0.02


class Mode(Enum):
    """What becomes of the bytes."""

    OPEN = "they are passed on"
    SWALLOW = "half-open: they are taken and thrown away, nothing comes back"
    BLACKHOLE = "they are not even taken: the kernel's buffers fill up"


class Pipe:
    """One direction of one connection: bytes with the time at which they may leave."""

    def __init__(self, proxy: Proxy, source: Any, target: Any, upward: bool) -> None:
        self.proxy, self.source, self.target, self.upward = proxy, source, target, upward
        self.held: deque[tuple[float, bytes]] = deque()
        self.octets = 0
        self.ended = False
        self._call: Any = None
        self._allowance = 0.0

    def take(self, data: bytes) -> None:
        proxy = self.proxy
        if proxy.mode is Mode.SWALLOW:
            return
        if self.upward and proxy.cutting is not None:
            data = proxy.cut(data, self)
        if not data:
            return
        self.held.append((proxy.reactor.seconds() + proxy.latency, data))
        self.octets += len(data)
        if self.octets >= MAX_HELD:
            self.source.pauseProducing()
        self.pump()

    def pump(self) -> None:
        proxy = self.proxy
        if self._call is not None:
            return
        now = proxy.reactor.seconds()
        while self.held and self.held[0][0] <= now:
            stamp, data = self.held.popleft()
            if proxy.bandwidth:
                if self._allowance <= 0:
                    self._allowance += proxy.bandwidth * SLICE
                    self.held.appendleft((stamp, data))
                    self._later(SLICE)
                    return
                part = data[: max(1, int(self._allowance))]
                if len(part) < len(data):
                    self.held.appendleft((stamp, data[len(part) :]))
                data = part
                self._allowance -= len(data)
            self.octets -= len(data)
            self.target.write(data)
            if self.octets < MAX_HELD and proxy.mode is not Mode.BLACKHOLE:
                self.source.resumeProducing()
        if self.held:
            self._later(self.held[0][0] - now)
        elif self.ended:
            self.target.loseWriteConnection()

    def _later(self, delay: float) -> None:
        self._call = self.proxy.reactor.callLater(max(0.0, delay), self._again)

    def _again(self) -> None:
        self._call = None
        self.pump()

    def stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.held.clear()


@implementer(IHalfCloseableProtocol)
class _End(Protocol):
    """One end of a connection through the proxy; ``pipe`` carries what it hears."""

    pipe: Pipe | None = None
    other: _End | None = None
    early = b""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.proxy.ends.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self.pipe is None:
            self.early += data
        else:
            self.pipe.take(data)

    def readConnectionLost(self) -> None:
        if self.pipe is not None:
            self.pipe.ended = True
            self.pipe.pump()

    def writeConnectionLost(self) -> None:
        """The other direction is not touched."""

    def connectionLost(self, reason: Any) -> None:
        self.proxy.ends.discard(self)
        if self.pipe is not None:
            self.pipe.stop()
        if self.other is not None and self.proxy.mode is Mode.OPEN:
            self.other.transport.loseConnection()


class _Outward(ClientFactory):
    noisy = False

    def __init__(self, proxy: Proxy, inner: _End) -> None:
        self.proxy, self.inner = proxy, inner

    def buildProtocol(self, _: Any) -> Protocol:
        inner, proxy = self.inner, self.proxy
        outer = _End(proxy)
        made = outer.connectionMade

        def paired() -> None:
            made()
            inner.other, outer.other = outer, inner
            inner.pipe = Pipe(proxy, inner.transport, outer.transport, True)
            outer.pipe = Pipe(proxy, outer.transport, inner.transport, False)
            if inner.transport.disconnected:
                outer.transport.loseConnection()
                return
            early, inner.early = inner.early, b""
            inner.pipe.take(early)

        outer.connectionMade = paired  # type: ignore[method-assign]
        return outer

    def clientConnectionFailed(self, *_: Any) -> None:
        self.inner.transport.abortConnection()


class Proxy:
    """Passes TCP connections on to ``target``; every knob may be turned while connections stand.

    :ivar latency: seconds, each way. :ivar bandwidth: bytes per second, each way; 0: unbounded.
    :ivar mode: what becomes of the bytes. :ivar cutting: bytes upward until the connection is cut, None for never.
    :ivar connections: how many there have been. :ivar cuts: how many were cut.
    """

    def __init__(self, reactor: Any, target: int) -> None:
        self.reactor = reactor
        self.target = target
        self.latency = 0.0
        self.bandwidth = 0.0
        self.mode = Mode.OPEN
        self.cutting: int | None = None
        self.next_cut: Callable[[], int | None] = lambda: None
        self.connections = 0
        self.cuts = 0
        self.ends: set[_End] = set()
        self._flapping: task.LoopingCall | None = None
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = self._accept  # type: ignore[method-assign]
        self._listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
        # Loopback's segments of 64 kB would open a full window in jumps of that, seconds apart at modem speed.
        self._listening.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.port: int = self._listening.getHost().port

    def _accept(self, _: Any) -> Protocol:
        self.connections += 1
        inner = _End(self)
        made = inner.connectionMade

        def connect() -> None:
            made()
            if self.mode is Mode.BLACKHOLE:
                inner.transport.pauseProducing()
            else:
                self.reactor.connectTCP("127.0.0.1", self.target, _Outward(self, inner), timeout=5)

        inner.connectionMade = connect  # type: ignore[method-assign]
        return inner

    def turn(self, mode: Mode) -> None:
        """From now on ``mode``. Connections of another mode than OPEN do not come back to life: they are reset."""
        before, self.mode = self.mode, mode
        if mode is Mode.BLACKHOLE:
            for end in self.ends:
                end.transport.pauseProducing()
        elif mode is Mode.OPEN and before is not Mode.OPEN:
            self.reset()

    def reset(self) -> None:
        """RST to both sides of every connection."""
        for end in tuple(self.ends):
            end.other = None
            end.transport.abortConnection()

    def half_close(self) -> None:
        """FIN to the clients; what they say is still passed on."""
        for end in tuple(self.ends):
            if end.pipe is not None and end.pipe.upward:
                end.transport.loseWriteConnection()

    def cut_after(self, octets: int | None, following: Callable[[], int | None] = lambda: None) -> None:
        """Pass ``octets`` more upward, then reset, wherever in a packet; ``following`` gives the next number."""
        self.cutting, self.next_cut = octets, following

    def cut(self, data: bytes, pipe: Pipe) -> bytes:
        """What of ``data`` still passes."""
        assert self.cutting is not None
        if len(data) < self.cutting:
            self.cutting -= len(data)
            return data
        data = data[: self.cutting]
        self.cuts += 1
        self.cutting = self.next_cut()
        pipe.held.append((0.0, data))
        pipe.octets += len(data)
        pipe.pump()
        pipe.held.clear()
        # The bytes before the cut must arrive: an orderly end to the broker, a reset to the client.
        pipe.target.loseConnection()
        pipe.source.abortConnection()
        return b""

    def flap(self, period: float) -> None:
        """Reset everything every ``period`` seconds; 0: no more."""
        if self._flapping is not None:
            self._flapping.stop()
            self._flapping = None
        if period:
            self._flapping = task.LoopingCall(self.reset)
            self._flapping.clock = self.reactor
            self._flapping.start(period, now=False)

    async def stop(self) -> None:
        """Close everything."""
        self.flap(0)
        for end in tuple(self.ends):
            if end.pipe is not None:
                end.pipe.stop()
        self.reset()
        await maybeDeferred(self._listening.stopListening)


def cut_points(seed: int, least: int, most: int) -> Callable[[], int]:
    """Numbers of bytes between two cuts, the same for the same seed."""
    chance = random.Random(seed)
    return lambda: chance.randint(least, most)
