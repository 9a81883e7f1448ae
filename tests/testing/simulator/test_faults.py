"""Servers that are silent, send garbage or take a limited number of connections."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.testing.simulator.faults import (
    GARBAGE,
    ConnectionLimit,
    FunctionFactory,
    GarbageProtocol,
    SilentProtocol,
)


class Faults(SynchronousTestCase):
    def test_silent(self) -> None:
        """A silent server takes everything, says nothing, and lets go after ten minutes."""
        clock = Clock()
        protocol, transport = SilentProtocol(clock.callLater), StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"OPTIONS * RTSP/1.0\r\n\r\n")
        clock.advance(599)
        self.assertEqual((transport.value(), transport.disconnected), (b"", False))
        clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_garbage(self) -> None:
        """A garbage server answers each piece, sixteen times at most."""
        protocol, transport = GarbageProtocol(), StringTransport()
        protocol.makeConnection(transport)
        for _ in range(16):
            self.assertFalse(transport.disconnecting)
            protocol.dataReceived(b"x")
        self.assertEqual(transport.value(), GARBAGE * 16)
        self.assertTrue(transport.disconnecting)

    def test_limit(self) -> None:
        """Connections over the bound are refused until one is closed."""
        factory = ConnectionLimit(FunctionFactory(GarbageProtocol), limit=2)
        transports = []
        for _ in range(2):
            protocol, transport = factory.buildProtocol(None), StringTransport()
            assert protocol is not None
            protocol.makeConnection(transport)
            transports.append(transport)
        self.assertIsNone(factory.buildProtocol(None))
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(factory.buildProtocol(None))
        factory.close_all()
        self.assertEqual([transport.disconnected for transport in transports], [True, False])
