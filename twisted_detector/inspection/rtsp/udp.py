"""A host goes in; a pair of UDP ports comes out, and what that host (and nobody else) sends to the first of them.

For the few devices that send no RTP over TCP (they answer SETUP with 461).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol

from twisted_detector.errors import RemoteError, Unreachable
from twisted_detector.model import parse_address

#: The kernel gives a random port: every second one is even, and its neighbour is rarely taken.
_ATTEMPTS = 16
#: An RTP packet without payload; it opens the way through a firewall that lets answers in (as FFmpeg and VLC do).
_OPENER = b"\x80\x00" + bytes(10)


class _Ear(DatagramProtocol):
    noisy = False

    def __init__(self, sender: str, heard: Callable[[bytes], None]) -> None:
        self._sender = sender
        self._heard = heard

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if addr[0].partition("%")[0] == self._sender:
            self._heard(datagram)


class UdpPair:
    """Two neighbouring ports, the first even (RFC 3550 section 11).

    :param heard: is told each datagram that ``host`` sends to the first one.
    :raises Unreachable: ``host`` is no IP address, or there are no ports to be had.
    """

    def __init__(self, reactor: Any, host: str, heard: Callable[[bytes], None]) -> None:
        try:
            address = parse_address(host)
        except RemoteError:
            raise Unreachable("RTP over UDP needs an IP address") from None
        self._host = host
        self._interface = "" if address.version == 4 else "::"
        self._ports: list[Any] = []
        sender = host.partition("%")[0]
        for _ in range(_ATTEMPTS):
            first = self._listen(reactor, 0, _Ear(sender, heard))
            number = first.getHost().port
            if number % 2 == 0:
                try:
                    self._ports = [first, self._listen(reactor, number + 1, _Ear(sender, lambda _: None))]
                except CannotListenError:
                    pass
                else:
                    self.numbers = (number, number + 1)
                    return
            first.stopListening()
        raise Unreachable("no pair of UDP ports is free")

    def _listen(self, reactor: Any, port: int, ear: _Ear) -> Any:
        # 64 KiB is the largest datagram: a larger packet than the network's is put together by the kernel.
        return reactor.listenUDP(port, ear, interface=self._interface, maxPacketSize=65_535)

    def open_way(self, server_port: int) -> None:
        """Send an empty packet to where the media will come from."""
        try:
            self._ports[0].write(_OPENER, (self._host, server_port))
        except OSError:
            return  # no way there: then nothing will come, and that is told

    def close(self) -> None:
        """Give the ports back. May be called again."""
        ports, self._ports = self._ports, []
        for port in ports:
            port.stopListening()
