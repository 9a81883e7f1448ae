"""Channels for RTP and RTCP packets: interleaved on the RTSP connection, or a pair of UDP ports."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol

from twisted_detector.errors import LocalError
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved

#: Where pairs of ports are looked for: above what services use, below what Linux gives to clients (32768).
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
#: Attempts to find a free pair; each fails with the small chance that one of two ports is taken.
_PORT_ATTEMPTS = 32


class InterleavedChannel:
    """Two channels of one RTSP connection (RFC 2326, 10.12)."""

    def __init__(self, write: Callable[[bytes], None], numbers: tuple[int, int], is_ready: Callable[[], bool]) -> None:
        self._write = write
        self._numbers = numbers
        self._is_ready = is_ready

    @property
    def ready(self) -> bool:
        return self._is_ready()

    def rtp(self, packet: bytes) -> None:
        self._write(format_interleaved(self._numbers[0], packet))

    def rtcp(self, packet: bytes) -> None:
        self._write(format_interleaved(self._numbers[1], packet))

    def close(self) -> Deferred[None]:
        """Nothing is to be closed: the connection is not ours."""
        return succeed(None)


class _UdpPort(DatagramProtocol):
    """One of the two ports. A datagram from the client's host on the RTCP port keeps the session alive."""

    noisy = False

    def __init__(self, host: str, keep_alive: Callable[[], None] | None) -> None:
        self._host = host
        self._keep_alive = keep_alive

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if self._keep_alive is not None and addr[0] == self._host:
            self._keep_alive()

    def connectionRefused(self) -> None:
        """The client is gone; the session's time-out finds out."""


class UdpChannel:
    """A pair of UDP ports, the even one for RTP (RFC 3550, 11), on the camera's own address.

    :ivar server_port: both ports, as the Transport header says them.
    """

    def __init__(
        self,
        reactor: Any,
        address: str,
        *,
        host: str,
        client_port: tuple[int, int],
        keep_alive: Callable[[], None],
        random: Random,
    ) -> None:
        """Open both ports.

        :param host: the client's address; nothing is ever sent elsewhere, whatever it asks for.
        :raises LocalError: no pair of ports is free.
        """
        self._host = host
        self._client_port = client_port
        self._rtp = _UdpPort(host, None)
        self._rtcp = _UdpPort(host, keep_alive)
        for _ in range(_PORT_ATTEMPTS):
            first = random.randrange(_FIRST_PORT, _LAST_PORT, 2)
            try:
                rtp_port = reactor.listenUDP(first, self._rtp, interface=address)
            except CannotListenError:
                continue
            try:
                rtcp_port = reactor.listenUDP(first + 1, self._rtcp, interface=address)
            except CannotListenError:
                rtp_port.stopListening()
                self._rtp = _UdpPort(host, None)
                continue
            self._ports: tuple[Any, ...] = (rtp_port, rtcp_port)
            self.server_port = (first, first + 1)
            return
        raise LocalError("no free pair of UDP ports", shown=address)

    @property
    def ready(self) -> bool:
        return True

    def rtp(self, packet: bytes) -> None:
        self._send(self._rtp, packet, self._client_port[0])

    def rtcp(self, packet: bytes) -> None:
        self._send(self._rtcp, packet, self._client_port[1])

    def _send(self, half: _UdpPort, packet: bytes, port: int) -> None:
        if half.transport is None:
            return
        try:
            half.transport.write(packet, (self._host, port))
        except OSError:
            return  # the network refuses it now; lost datagrams are what UDP promises

    def close(self) -> Deferred[None]:
        """Close both ports; fires when they are. A second time is allowed."""
        ports, self._ports = self._ports, ()
        stopping = [port.stopListening() or succeed(None) for port in ports]
        done: Deferred[None] = gatherResults(stopping).addCallback(lambda _: None)
        return done
