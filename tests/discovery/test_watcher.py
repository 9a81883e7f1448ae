"""Neighbour events: what is news, what is not, and that a storm of them is one look through the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.discovery.case import NeighboursCase
from tests.doubles.kernel import FAILED, REACHABLE, STALE, UP, address, link, neighbour
from tests.facts import A, B
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.interfaces import IWatcher
from twisted_detector.model import Mac
from twisted_detector.testing.lan import ETH0, MemoryNeighbours, RecordingSink
from twisted_detector.wire.netlink import messages as netlink

HERE, THERE = "10.0.0.5", "10.0.0.6"


class CountingNeighbours(MemoryNeighbours):
    """Counts how often the table is looked through."""

    looked_through = 0

    def known(self) -> Mapping[str, Mac]:
        self.looked_through += 1
        return super().known()


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.neighbours = CountingNeighbours(ETH0)
        self.changes: list[float] = []
        self.watch = NeighbourWatcher(self.clock, self.neighbours)
        self.watch.network_changed.add(lambda: self.changes.append(self.clock.seconds()))
        self.sink = RecordingSink()

    def tearDown(self) -> None:
        self.watch.stopWatching()
        self.assertEqual(([], []), (self.clock.getDelayedCalls(), self.neighbours.watchers))

    def seen(self) -> list[tuple[str, Mac | None]]:
        self.clock.advance(0.1)
        return [(one.address, one.mac) for one in self.sink.sightings]

    def test_a_new_neighbour(self) -> None:
        """Who comes is told with his MAC, once; who was there before is not."""
        verifyObject(IWatcher, self.watch)
        self.neighbours.learn(HERE, A)
        self.watch.startWatching(self.sink)
        self.neighbours.learn(HERE, A)
        self.assertEqual([], self.seen())
        for _ in range(3):
            self.neighbours.learn(THERE, B)
            self.assertEqual([(THERE, B)], self.seen())

    def test_another_mac(self) -> None:
        """Another device at a known address is news; an address that nobody answers at is not."""
        self.neighbours.learn(HERE, A)
        self.watch.startWatching(self.sink)
        self.neighbours.learn(THERE, None)
        self.neighbours.learn(HERE, B)
        self.assertEqual([(HERE, B)], self.seen())

    def test_gone_and_back(self) -> None:
        """Who went from the table and comes again is news."""
        self.neighbours.learn(HERE, A)
        self.watch.startWatching(self.sink)
        self.neighbours.learn(HERE, None)
        self.neighbours.learn(HERE, A)
        self.assertEqual([(HERE, A)], self.seen())

    def test_gone_before_it_is_told(self) -> None:
        """Who came and went within the moment in which events are gathered is not told."""
        self.watch.startWatching(self.sink)
        self.neighbours.learn(HERE, A)
        self.neighbours.learn(HERE, None)
        self.assertEqual([], self.seen())

    def test_a_storm(self) -> None:
        """A thousand events within a moment are one look through the table."""
        self.watch.startWatching(self.sink)
        before = self.neighbours.looked_through
        for number in range(1000):
            self.neighbours.learn(f"10.0.{number // 250}.{number % 250}", A)
        self.assertEqual((1000, before + 1), (len(self.seen()), self.neighbours.looked_through))

    def test_our_own_addresses(self) -> None:
        """A new address of ours is told when it has settled; what is repeated, or was so before, is not."""
        self.watch.startWatching(self.sink)
        self.neighbours.change_interfaces(ETH0)
        self.clock.advance(5)
        self.assertEqual([], self.changes)
        self.neighbours.change_interfaces()
        self.clock.advance(1)
        self.neighbours.change_interfaces(replace(ETH0, address="10.0.1.9"))
        self.clock.advance(1.5)
        self.assertEqual([7.5], self.changes)
        self.neighbours.change_interfaces()
        self.clock.advance(1.5)
        self.assertEqual([7.5, 9.0], self.changes)


class KernelWatching(NeighboursCase):
    """The same by the events of the kernel."""

    def setUp(self) -> None:
        super().setUp()
        self.changes: list[float] = []
        self.sink = RecordingSink()
        self.watch = NeighbourWatcher(self.clock, self.neighbours)
        self.watch.network_changed.add(lambda: self.changes.append(self.clock.seconds()))
        self.start()
        self.watch.startWatching(self.sink)

    def tearDown(self) -> None:
        self.watch.stopWatching()
        super().tearDown()

    def seen(self) -> list[tuple[str, Mac | None]]:
        self.clock.advance(0.1)
        return [(one.address, one.mac) for one in self.sink.sightings]

    def test_neighbours(self) -> None:
        """Who comes, whom another follows, and who was gone is told; what is repeated, fails or was there is not."""
        mac = "02:00:00:00:00:0a"
        self.receive(neighbour(2, HERE, "02:00:00:00:00:05", REACHABLE), neighbour(2, "10.0.0.7", "", FAILED))
        self.assertEqual([], self.seen())
        self.receive(neighbour(2, THERE, mac, REACHABLE), neighbour(2, THERE, mac, STALE))
        self.assertEqual([(THERE, A)], self.seen())
        self.receive(neighbour(2, HERE, mac, REACHABLE))
        self.assertEqual([(THERE, A), (HERE, A)], self.seen())
        self.receive(neighbour(2, HERE, mac, STALE, kind=netlink.RTM_DELNEIGH), neighbour(2, HERE, mac, REACHABLE))
        self.assertEqual([(THERE, A), (HERE, A), (HERE, A)], self.seen())

    def test_link_local(self) -> None:
        """An IPv6 address of the link is told with its interface."""
        self.receive(neighbour(2, "fe80::5", "02:00:00:00:00:0a", REACHABLE))
        self.assertEqual([("fe80::5%eth0", A)], self.seen())

    def test_our_own_addresses(self) -> None:
        """A new address of ours is told when it has settled, a lost link too; what is repeated is not."""
        self.receive(link(2, "eth0", UP), link(2, "eth0", UP | 0x100), address(2, "10.0.0.9", 24))
        self.clock.advance(5)
        self.assertEqual([], self.changes)
        self.receive(address(2, "10.0.0.9", 24, kind=netlink.RTM_DELADDR))
        self.clock.advance(1)
        self.receive(address(2, "10.0.1.9", 24))
        self.clock.advance(1.5)
        self.assertEqual([7.5], self.changes)
        self.receive(link(2, "eth0", netlink.IFF_UP))
        self.clock.advance(1.5)
        self.assertEqual([7.5, 9.0], self.changes)

    def test_missed(self) -> None:
        """An address that came while events were lost is told by the dump that repairs the loss."""
        self.kernel.addresses.append(address(2, "10.0.1.9", 24))
        self.receive(OSError(105, "No buffer space available"))
        self.clock.advance(1)
        self.read()
        self.clock.advance(1.5)
        self.assertEqual([2.5], self.changes)
