"""Pair of UDP ports that receives RTP from one host, for the few devices that send none over TCP (461 to SETUP)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from twisted_detector.errors import RemoteError, Unreachable
from twisted_detector.model import parse_address

#: The kernel gives a random port: every second one is even, and its neighbour is rarely taken.
_ATTEMPTS = 16
#: Datagrams that are received before other sockets and timers have their turn: some milliseconds of work.
MAX_IN_TURN = 256
#: An RTP packet without payload; it opens the path through a firewall that lets responses in (as FFmpeg and VLC do).
_OPENER = b"\x80\x00" + bytes(10)


class _MediaReceiver(DatagramProtocol):
    """Receiver of the datagrams of one sender."""

    noisy = False
    transport: Any = None

    def __init__(self, clock: IReactorTime, sender: str, *, receive: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._sender = sender
        self._receive = receive
        self._left = MAX_IN_TURN
        self._throughput = 0
        self._pausing: IDelayedCall | None = None

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._left -= 1
        if self._left <= 0 and self._pausing is None and self.transport is not None:
            # Twisted's loop goes on until it has received so many octets: of empty datagrams, for ever.
            self._throughput, self.transport.maxThroughput = self.transport.maxThroughput, 0
            self._pausing = self._clock.callLater(0, self._resume)
        if addr[0].partition("%")[0] == self._sender:
            self._receive(datagram)

    def _resume(self) -> None:
        self._pausing = None
        self._left = MAX_IN_TURN
        if self.transport is not None:
            self.transport.maxThroughput = self._throughput

    def stopProtocol(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None


class UdpPortPair:
    """Two neighbouring ports, the first even (RFC 3550 section 11).

    :param receive: called with each datagram that ``host`` sends to the first port.
    :raises Unreachable: ``host`` is no IP address, or there are no ports to be had.
    """

    def __init__(self, reactor: Any, host: str, *, receive: Callable[[bytes], None]) -> None:
        try:
            address = parse_address(host)
        except RemoteError:
            raise Unreachable("RTP over UDP needs an IP address") from None
        self._host = host
        self._interface = "" if address.version == 4 else "::"
        self._ports: list[Any] = []
        sender = host.partition("%")[0]
        for _ in range(_ATTEMPTS):
            first = self._listen(reactor, 0, _MediaReceiver(reactor, sender, receive=receive))
            number = first.getHost().port
            if number % 2 == 0:
                try:
                    self._ports = [
                        first,
                        self._listen(reactor, number + 1, _MediaReceiver(reactor, sender, receive=lambda _: None)),
                    ]
                except CannotListenError:
                    pass
                else:
                    self.numbers = (number, number + 1)
                    return
            first.stopListening()
        raise Unreachable("no pair of UDP ports is free")

    def _listen(self, reactor: Any, port: int, receiver: _MediaReceiver) -> Any:
        # 64 KiB is the largest datagram: a larger packet than the network's is put together by the kernel.
        return reactor.listenUDP(port, receiver, interface=self._interface, maxPacketSize=65_535)

    def open_path(self, server_port: int) -> None:
        """Send an empty packet to where the media will come from."""
        try:
            self._ports[0].write(_OPENER, (self._host, server_port))
        except OSError:
            return  # no route: then no media come, and the proof says so

    def close(self) -> None:
        """Give the ports back. May be called again."""
        ports, self._ports = self._ports, []
        for port in ports:
            port.stopListening()
