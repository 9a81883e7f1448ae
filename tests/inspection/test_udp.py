"""Ports for media over UDP, and a sender that does not stop."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.rtsp.udp import MAX_IN_TURN, _MediaReceiver


class Port:
    """Twisted's loop over a socket that always has another datagram (``twisted.internet.udp.Port.doRead``)."""

    maxThroughput = 262_144

    def __init__(self, receiver: _MediaReceiver) -> None:
        self.receiver = receiver
        receiver.transport = self

    def doRead(self, datagram: bytes) -> int:
        read = count = 0
        while read < self.maxThroughput:
            read += len(datagram)
            self.receiver.datagramReceived(datagram, ("10.0.0.5", 5))
            count += 1
            assert count < 10_000, "it never ends"
        return count


class FloodTests(SynchronousTestCase):
    def test_other_work_has_its_turn(self) -> None:
        """However small the datagrams are, so many are taken in one turn; the next turn goes on."""
        clock, got = Clock(), []
        receiver = _MediaReceiver(clock, "10.0.0.5", receive=got.append)
        port = Port(receiver)
        for turn in (1, 2, 3):
            self.assertEqual(MAX_IN_TURN, port.doRead(b""))
            self.assertEqual(0, port.doRead(b""))
            clock.advance(0)
            self.assertEqual(turn * MAX_IN_TURN, len(got))
        self.assertEqual(262_144, port.maxThroughput)

    def test_closed_in_a_pause(self) -> None:
        """Nothing is left of a port that was closed."""
        clock = Clock()
        receiver = _MediaReceiver(clock, "10.0.0.5", receive=lambda data: None)
        Port(receiver).doRead(b"")
        receiver.stopProtocol()
        self.assertEqual([], clock.getDelayedCalls())
