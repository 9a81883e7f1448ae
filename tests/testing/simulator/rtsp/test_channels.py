"""Pairs of UDP ports."""

from __future__ import annotations

from random import Random

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.testing.simulator.rtsp.channels import UdpChannel


class Datagrams:
    """A UDP reactor in memory: which ports are taken is given, what is written is kept."""

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.open: list[int] = []
        self.written: list[tuple[bytes, tuple[str, int]]] = []

    def listenUDP(self, port: int, protocol: object, interface: str) -> object:
        if self.taken:
            self.taken -= 1
            raise CannotListenError(interface, port, OSError("taken"))
        self.open.append(port)
        reactor = self

        class Port:
            def write(self, data: bytes, address: tuple[str, int]) -> None:
                reactor.written.append((data, address))

            def stopListening(self) -> None:
                if port in reactor.open:
                    reactor.open.remove(port)

        protocol.transport = Port()  # type: ignore[attr-defined]
        return protocol.transport  # type: ignore[attr-defined]


class UdpPorts(SynchronousTestCase):
    def test_pair(self) -> None:
        """An even port and its neighbour are opened, and packets go to the client's two ports and no other host."""
        reactor = Datagrams(taken=3)
        heard: list[None] = []
        channel = UdpChannel(
            reactor,
            "10.0.0.9",
            host="10.0.0.2",
            client_port=(5000, 5001),
            keep_alive=lambda: heard.append(None),
            random=Random(1),
        )
        self.assertEqual(list(channel.server_port), reactor.open)
        self.assertEqual((channel.server_port[0] % 2, channel.server_port[1] - channel.server_port[0]), (0, 1))
        channel.rtp(b"a")
        channel.rtcp(b"b")
        self.assertEqual(reactor.written, [(b"a", ("10.0.0.2", 5000)), (b"b", ("10.0.0.2", 5001))])
        channel._rtcp.datagramReceived(b"report", ("10.0.0.2", 5001))
        channel._rtcp.datagramReceived(b"report", ("10.0.0.3", 5001))
        self.assertEqual(len(heard), 1)
        channel.close()
        channel.close()
        self.assertEqual(reactor.open, [])
