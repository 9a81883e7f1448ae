"""Tests of ``neighbours`` with ``wire.kernel``: a kernel in memory that is told what to say."""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.wire.test_netlink import MAC, address, done, link, message, neighbour
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.errors import CamdetectError, LocalError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface, Mac
from twisted_detector.testing.lan import MemoryNeighbours
from twisted_detector.wire.netlink import messages as netlink

UP = netlink.IFF_UP | netlink.IFF_RUNNING | netlink.IFF_MULTICAST
FAILED, STALE, REACHABLE, INCOMPLETE = 0x20, 0x04, 0x02, 0x01


class Kernel:
    """A netlink socket, and the tables behind it."""

    def __init__(self) -> None:
        self.links = [link(1, "lo", 0x49), link(2, "eth0", UP)]
        self.addresses = [address(1, "127.0.0.1", 8), address(2, "10.0.0.9", 24), address(2, "fe80::9", 64)]
        self.neighbours = [neighbour(2, "10.0.0.5", MAC.text, STALE)]
        self.pending: list[bytes | OSError] = []
        self.dumps: list[int] = []
        self.refuse = 0
        self.interrupt = 0
        self.silent = False
        self.opened = 0
        self.closed = 0
        self.sender = 0

    def open(self) -> Kernel:
        self.opened += 1
        return self

    def fileno(self) -> int:
        return 77

    def close(self) -> None:
        self.closed += 1

    def send(self, data: bytes, /) -> int:
        _, kind, _, sequence, _ = struct.unpack_from("=IHHII", data)
        self.dumps.append(kind)
        if self.silent:
            return len(data)
        if self.refuse:
            self.refuse -= 1
            self.pending.append(message(netlink.NLMSG_ERROR, struct.pack("=i", -errno.EBUSY), sequence=sequence))
            return len(data)
        rows = {
            netlink.RTM_GETLINK: self.links,
            netlink.RTM_GETADDR: self.addresses,
            netlink.RTM_GETNEIGH: self.neighbours,
        }[kind]
        if self.interrupt:
            self.interrupt -= 1
            self.pending.append(message(99, b"", flags=0x10, sequence=sequence))
        self.pending += [b"".join(rows), done(sequence)]
        return len(data)

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]:
        if not self.pending:
            raise BlockingIOError
        first = self.pending.pop(0)
        if isinstance(first, OSError):
            raise first
        return first, (self.sender, 0)


class FDClock(Clock):
    """A clock that is also a reactor of descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class NeighboursCase(SynchronousTestCase):
    """A KernelNeighbours over a kernel in memory."""

    def setUp(self) -> None:
        self.kernel = Kernel()
        self.clock = FDClock()
        self.provoked: list[tuple[str, int]] = []
        self.provoke_problem: OSError | None = None
        self.neighbours = KernelNeighbours(
            self.clock, monotonic=self.clock.seconds, open_socket=self.kernel.open, provoke=self.provoke
        )

    def tearDown(self) -> None:
        self.neighbours.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.clock.readers, [])

    def provoke(self, target: IPv4Address | IPv6Address, index: int) -> None:
        self.provoked.append((str(target), index))
        if self.provoke_problem is not None:
            raise self.provoke_problem

    def start(self) -> None:
        self.neighbours.start()
        self.read()

    def read(self) -> None:
        for reader in list(self.clock.readers):
            reader.doRead()

    def hear(self, *messages: bytes | OSError) -> None:
        self.kernel.pending += messages
        self.read()

    def ask(self, text: str) -> Deferred[Mac | None]:
        return Deferred.fromCoroutine(self.neighbours.mac_of(text))

    def mac_of(self, text: str) -> Mac | None:
        return self.successResultOf(self.ask(text))


class MacTests(NeighboursCase):
    """Which address has which MAC."""

    def test_interface(self) -> None:
        """It provides INeighbours, as does its double."""
        verifyObject(INeighbours, self.neighbours)
        verifyObject(INeighbours, MemoryNeighbours())

    def test_known(self) -> None:
        """What the kernel would send to is answered at once, and nobody is asked."""
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
        asked = self.ask("10.0.0.5")
        self.assertNoResult(asked)
        self.read()
        self.assertEqual(self.successResultOf(asked), MAC)

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
        first, second = self.ask("10.0.0.6"), self.ask("10.0.0.6")
        self.hear(neighbour(2, "10.0.0.6", "", INCOMPLETE))
        self.assertNoResult(first)
        self.hear(neighbour(2, "10.0.0.7", MAC.text, REACHABLE), neighbour(2, "10.0.0.6", MAC.text, REACHABLE))
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
        asked = self.ask("10.0.0.6")
        self.clock.advance(0.29)
        self.assertNoResult(asked)
        self.clock.advance(0.02)
        self.assertIs(self.successResultOf(asked), None)
        asked = self.ask("10.0.0.6")
        self.hear(neighbour(2, "10.0.0.6", "", FAILED))
        self.assertIs(self.successResultOf(asked), None)

    def test_cannot_send(self) -> None:
        """An address that cannot be sent to is None at once."""
        self.start()
        self.provoke_problem = OSError(errno.ENOBUFS, "No buffer space available")
        self.assertIs(self.mac_of("10.0.0.6"), None)

    def test_provocations_are_bounded(self) -> None:
        """At most 128 unknown addresses are provoked within 3.2 s: the kernel's table is everybody's."""
        self.kernel.addresses.append(address(2, "10.1.0.9", 16))
        self.start()
        asked = [self.ask(f"10.1.1.{number}") for number in range(1, 200)]
        self.assertEqual(len(self.provoked), 128)
        self.assertIs(self.successResultOf(asked[150]), None)
        self.clock.advance(3.2)
        self.assertEqual([self.successResultOf(one) for one in asked[:150]], [None] * 150)
        self.ask("10.1.2.1")
        self.assertEqual(len(self.provoked), 129)

    def test_cancelled(self) -> None:
        """A question that is cancelled leaves nothing behind."""
        self.start()
        asked = self.ask("10.0.0.6")
        asked.cancel()
        self.failureResultOf(asked)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.hear(neighbour(2, "10.0.0.6", MAC.text, REACHABLE))

    def test_ambiguous_link_local(self) -> None:
        """A link-local address without scope is not provoked when there are two links, but found where it is known."""
        self.kernel.links.append(link(3, "eth1", UP))
        self.kernel.addresses.append(address(3, "fe80::8", 64))
        self.start()
        self.assertIs(self.mac_of("fe80::5"), None)
        self.assertEqual(self.provoked, [])
        self.hear(neighbour(3, "fe80::5", MAC.text, STALE))
        self.assertEqual(self.mac_of("fe80::5"), MAC)
        asked = self.ask("fe80::5%eth0")
        self.assertEqual(self.provoked, [("fe80::5", 2)])
        self.clock.advance(1)
        self.assertIs(self.successResultOf(asked), None)

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
        asked = self.ask("10.0.0.6")
        self.neighbours.stop()
        self.assertIs(self.successResultOf(asked), None)
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
        self.hear(address(2, "10.5.0.9", 24), neighbour(2, "10.5.0.5", MAC.text, STALE))
        self.assertEqual(self.mac_of("10.5.0.5"), MAC)
        self.hear(neighbour(2, "10.5.0.5", MAC.text, STALE, kind=netlink.RTM_DELNEIGH))
        self.assertEqual(self.neighbours.known(), {"10.0.0.5": MAC})
        self.hear(address(2, "10.0.0.9", 24, kind=netlink.RTM_DELADDR))
        self.assertEqual([one.address for one in self.interfaces() if one.index == 2], ["10.5.0.9", "fe80::9"])
        self.assertIs(self.mac_of("10.0.0.5"), None)
        self.hear(link(2, "eth0", netlink.IFF_UP))
        self.assertEqual([one.name for one in self.interfaces()], ["lo"])

    def test_new_mac(self) -> None:
        """When another device takes the address, the new MAC is answered."""
        self.start()
        other = Mac("02:00:00:00:00:66")
        self.hear(neighbour(2, "10.0.0.5", other.text, REACHABLE))
        self.assertEqual(self.mac_of("10.0.0.5"), other)

    def test_watch(self) -> None:
        """Who watches is told of every MAC that is learnt and of every address that fails, on-link only."""
        heard: list[tuple[str, Mac | None]] = []
        unwatch = self.neighbours.watch(lambda *what: heard.append(what))
        self.start()
        self.assertEqual(heard, [("10.0.0.5", MAC)])
        self.hear(
            neighbour(2, "10.0.0.6", MAC.text, REACHABLE),
            neighbour(2, "10.0.0.7", "00:00:00:00:00:00", INCOMPLETE),
            neighbour(2, "10.0.0.7", "00:00:00:00:00:00", FAILED),
            neighbour(2, "fe80::6", MAC.text, REACHABLE),
            neighbour(2, "192.0.2.6", MAC.text, REACHABLE),
        )
        self.assertEqual(heard[1:], [("10.0.0.6", MAC), ("10.0.0.7", None), ("fe80::6%eth0", MAC)])
        unwatch()
        unwatch()
        self.hear(neighbour(2, "10.0.0.8", MAC.text, REACHABLE))
        self.assertEqual(len(heard), 4)

    def test_lost_changes(self) -> None:
        """After ENOBUFS all tables are dumped again, once for a storm, and what vanished meanwhile is forgotten."""
        self.start()
        self.kernel.neighbours = [neighbour(2, "10.0.0.8", MAC.text, STALE)]
        before = len(self.kernel.dumps)
        self.hear(b"", OSError(errno.ENOBUFS, ""), OSError(errno.ENOBUFS, ""))
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
        self.hear(OSError(errno.ENOBUFS, ""))
        before = len(self.kernel.dumps)
        self.clock.advance(1)
        self.read()
        self.assertEqual(len(self.kernel.dumps) - before, 3 + 5)
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)

    def test_refused(self) -> None:
        """A dump that the kernel refuses is asked for again a second later."""
        self.kernel.refuse = 1
        self.start()
        asked = self.ask("10.0.0.5")
        self.assertNoResult(asked)
        self.clock.advance(1)
        self.read()
        self.assertEqual(self.successResultOf(asked), MAC)

    def test_silence(self) -> None:
        """Without any answer, interfaces() says so after 2 s, and the dumps are asked for again after 5 s."""
        self.kernel.silent = True
        self.start()
        asked = Deferred.fromCoroutine(self.neighbours.interfaces())
        self.clock.advance(2)
        self.failureResultOf(asked, CamdetectError)
        self.kernel.silent = False
        self.clock.advance(3)
        self.read()
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)

    def test_garbage(self) -> None:
        """A message that cannot be read leads to new dumps, and one that is not the kernel's is not read at all."""
        self.start()
        self.hear(b"garbage that is no message")
        before = len(self.kernel.dumps)
        self.clock.advance(1)
        self.read()
        self.assertEqual(len(self.kernel.dumps), before + 3)
        self.kernel.sender = 4711
        self.hear(neighbour(2, "10.0.0.5", "02:00:00:00:00:99", REACHABLE))
        self.kernel.sender = 0
        self.assertEqual(self.mac_of("10.0.0.5"), MAC)

    def test_socket_lost(self) -> None:
        """A socket that fails, or that the reactor gives up, is replaced after a second."""
        self.start()
        self.hear(OSError(errno.EBADF, ""))
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
