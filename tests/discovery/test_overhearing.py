"""Captured claims are reported only when the kernel confirms them, within bounds."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.doubles.dhcp_client import MAC, REQUEST, arp, packet
from tests.doubles.kernel import FDClock
from tests.facts import A, B
from twisted_detector.discovery.overhearing import MAX_PENDING, PacketCapture
from twisted_detector.interfaces import IWatcher
from twisted_detector.model.addresses import Exclusions
from twisted_detector.testing.lan import MemoryNeighbours, RecordingSink

REQUESTED = "192.168.1.77"


class Packets:
    """A packet socket that has what the test puts in."""

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes, Any]] = []
        self.closed = False

    def fileno(self) -> int:
        return 99

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]:
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.pop(0)

    def close(self) -> None:
        self.closed = True


class OverhearingTests(SynchronousTestCase):
    def make(self, kind: str) -> PacketCapture:
        self.clock = FDClock()
        self.packets = Packets()
        self.neighbours = MemoryNeighbours()
        self.sink = RecordingSink()
        watch = PacketCapture(
            kind,
            self.clock,
            self.neighbours,
            excluded=Exclusions(["10.9.0.0/16"]),
            open_socket=lambda kind: self.packets,
        )
        watch.startWatching(self.sink)
        self.addCleanup(self.end, watch)
        return watch

    def end(self, watch: PacketCapture) -> None:
        self.successResultOf(watch.stopWatching())
        self.assertEqual(([], [], True), (self.clock.getDelayedCalls(), self.clock.readers, self.packets.closed))

    def come(self, data: bytes, kind: int = 1) -> None:
        self.packets.waiting.append((data, ("eth0", 0x800, kind, 1, b"")))
        self.clock.readers[0].doRead()

    def test_a_lease(self) -> None:
        """A request is told when the device answers there, some moments later, with its name."""
        verifyObject(IWatcher, self.make("dhcp"))
        self.come(packet(REQUEST))
        self.clock.pump([0.1] * 15)
        self.assertEqual([], self.sink.sightings)
        self.neighbours.macs[REQUESTED] = MAC
        self.clock.pump([0.1] * 10)
        (seen,) = self.sink.sightings
        self.assertEqual((REQUESTED, MAC, "axis-cam", "dhcp"), (seen.address, seen.mac, seen.name, seen.method))

    def test_forged(self) -> None:
        """A claim that the kernel does not confirm moves nobody."""
        watch = self.make("arp")
        self.neighbours.macs["10.0.0.5"] = A
        self.come(arp())
        self.clock.advance(5)
        self.clock.advance(5)
        self.assertEqual(([], 0), (self.sink.sightings, watch.counts["confirmed"]))

    def test_arp_is_said_all_day(self) -> None:
        """What was confirmed once is not looked up again; another MAC at the address is."""
        watch = self.make("arp")
        self.neighbours.macs["10.0.0.5"] = MAC
        for _ in range(5):
            self.come(arp())
            self.clock.advance(1)
        self.assertEqual((1, 1), (len(self.sink.sightings), watch.counts["claims"]))
        other = arp().replace(bytes.fromhex(MAC.compact), bytes.fromhex(B.compact))
        self.neighbours.macs["10.0.0.5"] = B
        self.come(other)
        self.clock.advance(1)
        self.assertEqual(B, self.sink.sightings[-1].mac)

    def test_our_own_packets(self) -> None:
        """What this machine sends, and what cannot be read, is nobody's claim."""
        watch = self.make("arp")
        self.come(arp(), kind=4)
        self.come(b"rubbish")
        self.assertEqual((1, 1, 0), (watch.counts["packets"], watch.counts["malformed"], watch.counts["claims"]))

    def test_excluded(self) -> None:
        """A claim in an excluded network is not verified: nothing is sent there."""
        watch = self.make("arp")
        self.come(arp(bytes((10, 9, 0, 5))))
        self.clock.advance(1)
        self.assertEqual((0, []), (watch.counts["claims"], self.neighbours.lookups))

    def test_flood(self) -> None:
        """Of a flood of claims so many are verified at one time; the rest is counted."""
        watch = self.make("arp")
        for number in range(1000):
            self.come(arp(bytes((10, 0, number // 250, number % 250 + 1))))
        self.assertEqual((1000, 1000 - MAX_PENDING), (watch.counts["claims"], watch.counts["dropped"]))

    def test_not_allowed(self) -> None:
        """Without the privilege nothing is captured, and nothing fails."""

        def forbidden(kind: str) -> Packets:
            raise PermissionError(1, "Operation not permitted")

        watch = PacketCapture("dhcp", Clock(), MemoryNeighbours(), open_socket=forbidden)
        watch.startWatching(RecordingSink())
        self.successResultOf(watch.stopWatching())
