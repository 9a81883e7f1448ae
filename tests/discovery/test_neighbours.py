"""Tests of ``discovery.neighbours`` over a kernel in memory."""

from __future__ import annotations

import errno

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tests.discovery.case import NeighboursCase
from tests.doubles.kernel import (
    FAILED,
    INCOMPLETE,
    MAC,
    REACHABLE,
    STALE,
    UP,
    address,
    link,
    neighbour,
)
from twisted_detector.errors import CamdetectError, LocalError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface, Mac
from twisted_detector.testing.lan import MemoryNeighbours
from twisted_detector.wire.netlink import messages as netlink


class MacTests(NeighboursCase):
    """Which address has which MAC."""

    def test_interface(self) -> None:
        """It provides INeighbours, as does its double."""
        verifyObject(INeighbours, self.neighbours)
        verifyObject(INeighbours, MemoryNeighbours())

    def test_known(self) -> None:
        """What the kernel would send to is answered at once, and nobody is lookup."""
        self.kernel.neighbours.append(neighbour(2, "fe80::5", MAC.text, REACHABLE))
        self.start()
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)
        self.assertEqual(self.mac_of("fe80::5%eth0"), MAC)
        self.assertEqual(self.mac_of("fe80::5%2"), MAC)
        self.assertEqual(self.mac_of("fe80::5"), MAC)
        self.assertEqual(self.mac_of("::ffff:10.0.0.5"), MAC)
        self.assertEqual(self.provoked, [])
        self.assertEqual(self.neighbours.known(), {"10.0.0.5": MAC, "fe80::5%eth0": MAC})

    def test_before_the_first_dump(self) -> None:
        """A question before the tables are there waits for them."""
        self.neighbours.start()
        lookup = self.look_up("10.0.0.5")
        self.assertNoResult(lookup)
        self.read()
        self.assertEqual(self.successResultOf(lookup), MAC)

    def test_not_on_link(self) -> None:
        """Other networks, ourselves, groups and nonsense have no MAC, even when the kernel has an entry."""
        self.kernel.neighbours += [
            neighbour(2, "192.0.2.1", MAC.text, REACHABLE),
            neighbour(2, "10.0.0.9", MAC.text, 2),
        ]
        self.start()
        for text in (
            "192.0.2.1", "10.0.0.9", "127.0.0.1", "127.0.0.7", "::1", "10.0.0.255", "10.0.0.0", "224.0.0.1", "0.0.0.0",
            "255.255.255.255", "2001:db8::5", "fe80::5%lo", "fe80::5%wlan0", "fe80::5%", "camera.local", "",
        ):  # fmt: skip
            self.assertIs(self.mac_of(text), None, text)
        self.assertEqual(self.provoked, [])
        self.assertEqual(self.neighbours.known(), {"10.0.0.5": MAC})

    def test_provoked(self) -> None:
        """An unknown on-link address is provoked once, and its MAC comes with the event."""
        self.start()
        first, second = self.look_up("10.0.0.6"), self.look_up("10.0.0.6")
        self.receive(neighbour(2, "10.0.0.6", "", INCOMPLETE))
        self.assertNoResult(first)
        self.receive(neighbour(2, "10.0.0.7", MAC.text, REACHABLE), neighbour(2, "10.0.0.6", MAC.text, REACHABLE))
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (MAC, MAC))
        self.assertEqual(self.provoked, [("10.0.0.6", 2)])

    def test_told_already(self) -> None:
        """What the kernel has told, and nobody has read yet, is known: nothing is sent, nobody waits."""
        self.start()
        self.kernel.pending.append(neighbour(2, "10.0.0.7", MAC.text, STALE))
        self.assertEqual(self.mac_of("10.0.0.7"), MAC)
        self.assertEqual(self.provoked, [])

    def test_silent(self) -> None:
        """An address that does not answer is None after 0.3 s; one that the kernel gave up, at once."""
        self.start()
        lookup = self.look_up("10.0.0.6")
        self.clock.advance(0.29)
        self.assertNoResult(lookup)
        self.clock.advance(0.02)
        self.assertIs(self.successResultOf(lookup), None)
        lookup = self.look_up("10.0.0.6")
        self.receive(neighbour(2, "10.0.0.6", "", FAILED))
        self.assertIs(self.successResultOf(lookup), None)

    def test_cannot_send(self) -> None:
        """An address that cannot be sent to is None at once."""
        self.start()
        self.provoke_problem = OSError(errno.ENOBUFS, "No buffer space available")
        self.assertIs(self.mac_of("10.0.0.6"), None)

    def test_provocations_are_bounded(self) -> None:
        """At most 128 unknown addresses are provoked within 3.2 s: the kernel's table is everybody's."""
        self.kernel.addresses.append(address(2, "10.1.0.9", 16))
        self.start()
        lookup = [self.look_up(f"10.1.1.{number}") for number in range(1, 200)]
        self.assertEqual(len(self.provoked), 128)
        self.assertIs(self.successResultOf(lookup[150]), None)
        self.clock.advance(3.2)
        self.assertEqual([self.successResultOf(one) for one in lookup[:150]], [None] * 150)
        self.look_up("10.1.2.1")
        self.assertEqual(len(self.provoked), 129)

    def test_cancelled(self) -> None:
        """A question that is cancelled leaves nothing behind."""
        self.start()
        lookup = self.look_up("10.0.0.6")
        lookup.cancel()
        self.failureResultOf(lookup)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.receive(neighbour(2, "10.0.0.6", MAC.text, REACHABLE))

    def test_ambiguous_link_local(self) -> None:
        """A link-local address without scope is not provoked when there are two links, but found where it is known."""
        self.kernel.links.append(link(3, "eth1", UP))
        self.kernel.addresses.append(address(3, "fe80::8", 64))
        self.start()
        self.assertIs(self.mac_of("fe80::5"), None)
        self.assertEqual(self.provoked, [])
        self.receive(neighbour(3, "fe80::5", MAC.text, STALE))
        self.assertEqual(self.mac_of("fe80::5"), MAC)
        lookup = self.look_up("fe80::5%eth0")
        self.assertEqual(self.provoked, [("fe80::5", 2)])
        self.clock.advance(1)
        self.assertIs(self.successResultOf(lookup), None)

    def test_no_arp(self) -> None:
        """A tunnel has no MACs, and nothing is sent into it."""
        self.kernel.links.append(link(3, "wg0", UP | netlink.IFF_NOARP))
        self.kernel.addresses.append(address(3, "10.8.0.2", 24))
        self.start()
        self.assertIs(self.mac_of("10.8.0.1"), None)
        self.assertEqual(self.provoked, [])

    def test_stopped(self) -> None:
        """Who waits when it stops gets None, and so does who asks later."""
        self.start()
        lookup = self.look_up("10.0.0.6")
        self.neighbours.stop()
        self.assertIs(self.successResultOf(lookup), None)
        self.assertIs(self.mac_of("10.0.0.6"), None)


class LiveTests(NeighboursCase):
    """The tables follow the kernel."""

    def interfaces(self) -> list[Interface]:
        return list(self.successResultOf(Deferred.fromCoroutine(self.neighbours.interfaces())))

    def test_interfaces(self) -> None:
        """Addresses of interfaces that are up are listed, IPv4 first, without those still under detection."""
        self.kernel.links.append(link(3, "down0", netlink.IFF_UP))
        self.kernel.addresses += [
            address(3, "10.3.0.1", 24),
            address(2, "2001:db8::9", 64, flags=netlink.IFA_F_TENTATIVE),
            address(2, "10.0.0.10", 24),
        ]
        self.start()
        self.assertEqual(
            self.interfaces(),
            [
                Interface("lo", 1, "127.0.0.1", 8, multicast=False, loopback=True),
                Interface("eth0", 2, "10.0.0.9", 24),
                Interface("eth0", 2, "10.0.0.10", 24),
                Interface("eth0", 2, "fe80::9", 64),
            ],
        )

    def test_changes(self) -> None:
        """Addresses, links and neighbours that come and go are followed."""
        self.start()
        self.receive(address(2, "10.5.0.9", 24), neighbour(2, "10.5.0.5", MAC.text, STALE))
        self.assertEqual(self.mac_of("10.5.0.5"), MAC)
        self.receive(neighbour(2, "10.5.0.5", MAC.text, STALE, kind=netlink.RTM_DELNEIGH))
        self.assertEqual(self.neighbours.known(), {"10.0.0.5": MAC})
        self.receive(address(2, "10.0.0.9", 24, kind=netlink.RTM_DELADDR))
        self.assertEqual([one.address for one in self.interfaces() if one.index == 2], ["10.5.0.9", "fe80::9"])
        self.assertIs(self.mac_of("10.0.0.5"), None)
        self.receive(link(2, "eth0", netlink.IFF_UP))
        self.assertEqual([one.name for one in self.interfaces()], ["lo"])

    def test_new_mac(self) -> None:
        """When another device takes the address, the new MAC is answered."""
        self.start()
        other = Mac("02:00:00:00:00:66")
        self.receive(neighbour(2, "10.0.0.5", other.text, REACHABLE))
        self.assertEqual(self.mac_of("10.0.0.5"), other)

    def test_watch(self) -> None:
        """Who watches is told of every MAC that is learnt and of every address that fails, on-link only."""
        heard: list[tuple[str, Mac | None]] = []
        unwatch = self.neighbours.watch(lambda *what: heard.append(what))
        self.start()
        self.assertEqual(heard, [("10.0.0.5", MAC)])
        self.receive(
            neighbour(2, "10.0.0.6", MAC.text, REACHABLE),
            neighbour(2, "10.0.0.7", "00:00:00:00:00:00", INCOMPLETE),
            neighbour(2, "10.0.0.7", "00:00:00:00:00:00", FAILED),
            neighbour(2, "fe80::6", MAC.text, REACHABLE),
            neighbour(2, "192.0.2.6", MAC.text, REACHABLE),
        )
        self.assertEqual(heard[1:], [("10.0.0.6", MAC), ("10.0.0.7", None), ("fe80::6%eth0", MAC)])
        unwatch()
        unwatch()
        self.receive(neighbour(2, "10.0.0.8", MAC.text, REACHABLE))
        self.assertEqual(len(heard), 4)

    def test_lost_changes(self) -> None:
        """After ENOBUFS all tables are dumped again, once for a storm, and what vanished meanwhile is forgotten."""
        self.start()
        self.kernel.neighbours = [neighbour(2, "10.0.0.8", MAC.text, STALE)]
        before = len(self.kernel.dumps)
        self.receive(b"", OSError(errno.ENOBUFS, ""), OSError(errno.ENOBUFS, ""))
        self.assertEqual(len(self.kernel.dumps), before)
        self.clock.advance(1)
        self.read()
        self.assertEqual(self.kernel.dumps[before:], [netlink.RTM_GETLINK, netlink.RTM_GETADDR, netlink.RTM_GETNEIGH])
        self.assertEqual(self.neighbours.known(), {"10.0.0.8": MAC})

    def test_lost_during_a_dump(self) -> None:
        """A loss during a dump lets the dump end, and then another begins."""
        self.neighbours.start()
        self.kernel.pending.insert(0, OSError(errno.ENOBUFS, ""))
        self.read()
        self.assertEqual(len(self.kernel.dumps), 3)
        self.clock.advance(1)
        self.read()
        self.assertEqual(len(self.kernel.dumps), 6)

    def test_interrupted(self) -> None:
        """A dump during which the table changed is asked for again, but not for ever."""
        self.kernel.interrupt = 2
        self.start()
        self.assertEqual(self.kernel.dumps[:3], [netlink.RTM_GETLINK] * 3)
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)
        self.kernel.interrupt = 1000
        self.receive(OSError(errno.ENOBUFS, ""))
        before = len(self.kernel.dumps)
        self.clock.advance(1)
        self.read()
        self.assertEqual(len(self.kernel.dumps) - before, 3 + 5)
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)

    def test_refused(self) -> None:
        """A dump that the kernel refuses is asked for again a second later."""
        self.kernel.refuse = 1
        self.start()
        lookup = self.look_up("10.0.0.5")
        self.assertNoResult(lookup)
        self.clock.advance(1)
        self.read()
        self.assertEqual(self.successResultOf(lookup), MAC)

    def test_silence(self) -> None:
        """Without any answer, interfaces() says so after 2 s, and the dumps are asked for again after 5 s."""
        self.kernel.silent = True
        self.start()
        lookup = Deferred.fromCoroutine(self.neighbours.interfaces())
        self.clock.advance(2)
        self.failureResultOf(lookup, CamdetectError)
        self.kernel.silent = False
        self.clock.advance(3)
        self.read()
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)

    def test_garbage(self) -> None:
        """A message that cannot be read leads to new dumps, and one that is not the kernel's is not read at all."""
        self.start()
        self.receive(b"garbage that is no message")
        before = len(self.kernel.dumps)
        self.clock.advance(1)
        self.read()
        self.assertEqual(len(self.kernel.dumps), before + 3)
        self.kernel.sender = 4711
        self.receive(neighbour(2, "10.0.0.5", "02:00:00:00:00:99", REACHABLE))
        self.kernel.sender = 0
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)

    def test_socket_lost(self) -> None:
        """A socket that fails, or that the reactor gives up, is replaced after a second."""
        self.start()
        self.receive(OSError(errno.EBADF, ""))
        self.assertEqual((self.kernel.opened, self.kernel.closed), (1, 1))
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)
        self.clock.advance(1)
        self.read()
        self.assertEqual((self.kernel.opened, len(self.clock.readers)), (2, 1))
        self.neighbours.connectionLost(None)  # type: ignore[arg-type]
        self.clock.advance(1)
        self.assertEqual((self.kernel.opened, len(self.clock.readers)), (3, 1))

    def test_started_twice(self) -> None:
        """Starting twice is our own mistake; starting after stopping is none."""
        self.start()
        self.assertRaises(LocalError, self.neighbours.start)
        self.neighbours.stop()
        self.start()
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)
