"""The kernel's events: what is news, what is not, and that a storm of them is one look through the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.facts import A, B
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.interfaces import IWatcher
from twisted_detector.model import Mac
from twisted_detector.testing.lan import RecordingSink
from twisted_detector.wire.netlink import messages as netlink
from twisted_detector.wire.netlink.messages import AddressMessage, LinkMessage, NeighbourMessage, NetlinkMessage

HERE, THERE = "10.0.0.5", "10.0.0.6"
UP = netlink.IFF_UP | netlink.IFF_RUNNING


class Kernel:
    """Neighbours as the test says."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[NetlinkMessage], None]] = []
        self.macs: dict[str, Mac] = {}
        self.looked_through = 0

    def known(self) -> Mapping[str, Mac]:
        self.looked_through += 1
        return dict(self.macs)

    def tell(self, message: NetlinkMessage) -> None:
        for listener in self.listeners:
            listener(message)

    def learn(self, address: str, mac: Mac, state: int = netlink.NUD_REACHABLE) -> None:
        self.macs[address] = mac
        self.tell(NeighbourMessage(2, address, mac, state))


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.kernel = Kernel()
        self.changes: list[float] = []
        self.watch = NeighbourWatcher(
            self.clock, self.kernel, network_changed=lambda: self.changes.append(self.clock.seconds())
        )
        self.sink = RecordingSink()

    def tearDown(self) -> None:
        self.watch.stopWatching()
        self.assertEqual(([], []), (self.clock.getDelayedCalls(), self.kernel.listeners))

    def seen(self) -> list[tuple[str, Mac | None]]:
        self.clock.advance(0.1)
        return [(one.address, one.mac) for one in self.sink.sightings]

    def test_a_new_neighbour(self) -> None:
        """Who comes is told with his MAC, once; who was there before is not."""
        verifyObject(IWatcher, self.watch)
        self.kernel.learn(HERE, A)
        self.watch.startWatching(self.sink)
        self.kernel.learn(HERE, A, netlink.NUD_STALE)
        self.assertEqual([], self.seen())
        for _ in range(3):
            self.kernel.learn(THERE, B)
            self.assertEqual([(THERE, B)], self.seen())

    def test_another_mac(self) -> None:
        """Another device at a known address is news; an address that nobody answers at is not."""
        self.kernel.learn(HERE, A)
        self.watch.startWatching(self.sink)
        self.kernel.tell(NeighbourMessage(2, THERE, None, netlink.NUD_FAILED))
        self.kernel.learn(HERE, B)
        self.assertEqual([(HERE, B)], self.seen())

    def test_gone_and_back(self) -> None:
        """Who went from the table and comes again is news."""
        self.kernel.learn(HERE, A)
        self.watch.startWatching(self.sink)
        self.kernel.tell(NeighbourMessage(2, HERE, A, netlink.NUD_STALE, removed=True))
        self.kernel.learn(HERE, A)
        self.assertEqual([(HERE, A)], self.seen())

    def test_link_local(self) -> None:
        """An IPv6 address of the link is told with its interface."""
        self.watch.startWatching(self.sink)
        self.kernel.macs["fe80::5%eth0"] = A
        self.kernel.tell(NeighbourMessage(2, "fe80::5", A, netlink.NUD_REACHABLE))
        self.assertEqual([("fe80::5%eth0", A)], self.seen())

    def test_a_storm(self) -> None:
        """A thousand events within a moment are one look through the table."""
        self.watch.startWatching(self.sink)
        before = self.kernel.looked_through
        for number in range(1000):
            self.kernel.learn(f"10.0.{number // 250}.{number % 250}", A)
        self.assertEqual((1000, before + 1), (len(self.seen()), self.kernel.looked_through))

    def test_our_own_addresses(self) -> None:
        """A new address of ours is told when it has settled; what is repeated, or was so before, is not."""
        link, address = LinkMessage(2, "eth0", UP), AddressMessage(2, "10.0.0.9", "10.0.0.9", 24, 0)
        for message in (link, address):
            self.kernel.tell(message)
        self.watch.startWatching(self.sink)
        for message in (link, address, LinkMessage(2, "eth0", UP | 0x40)):
            self.kernel.tell(message)
        self.clock.advance(5)
        self.assertEqual([], self.changes)
        self.kernel.tell(AddressMessage(2, "10.0.0.9", "10.0.0.9", 24, 0, removed=True))
        self.clock.advance(1)
        self.kernel.tell(AddressMessage(2, "10.0.1.9", "10.0.1.9", 24, 0))
        self.clock.advance(1.5)
        self.assertEqual([7.5], self.changes)
        self.kernel.tell(LinkMessage(2, "eth0", 0))
        self.clock.advance(1.5)
        self.assertEqual([7.5, 9.0], self.changes)
