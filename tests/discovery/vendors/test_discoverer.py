"""Tests of ``discovery.vendors.discoverer``, on links in memory, with made-up protocols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.discovery.case import SWEEP
from tests.doubles.vendor_lan import Device, MadeUp, VendorLAN
from twisted_detector.discovery.multicast.discoverer import MulticastSettings
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.vendors.discoverer import MAX_LINKS, VendorDiscovery
from twisted_detector.discovery.vendors.listener import VendorListener
from twisted_detector.discovery.vendors.port import RETRY_INTERVAL
from twisted_detector.errors import CamdetectError
from twisted_detector.model import Evidence, EvidenceKind, Interface
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.testing.lan import ETH0, LOOPBACK, MemoryNeighbours, RecordingSink
from twisted_detector.wire.vendors.catalog import PROTOCOLS
from twisted_detector.wire.vendors.protocol import BROADCAST, VendorProtocol

ETH1 = Interface("eth1", 3, "10.1.0.9", 24)
IPV6 = Interface("eth0", 2, "fe80::9", 64)
TUNNEL = Interface("wg0", 4, "10.8.0.2", 24, arp=False)
#: Answered at the port that asks; to a fixed port; by broadcast to a fixed port that devices announce themselves at.
PLAIN = MadeUp("plain", 1000)
FIXED = MadeUp("fixed", 2000, reply_port=3000)
TELLING = MadeUp("telling", 4000, reply_port=4000, groups=("234.0.0.1",), announces=True)
DIRECT = MadeUp("direct", 5000, unicast=True)
PER_SENDER = VendorListener.bounds.sightings_per_sender
#: Datagrams that a sweep by all protocols may send by one interface.
MAX_PACKETS = 40


class VendorCase(SynchronousTestCase):
    interfaces: tuple[Interface, ...] = (LOOPBACK, ETH0)
    protocols: tuple[VendorProtocol, ...] = (PLAIN, FIXED, TELLING, DIRECT)

    def setUp(self) -> None:
        self.clock = Clock()
        self.lan = VendorLAN(self.clock)
        self.neighbours = MemoryNeighbours(*self.interfaces)
        self.sink = RecordingSink()
        self.limiter = PacketRateLimiter(1000, self.clock.seconds)
        self.recorded: list[tuple[str, str, str]] = []
        self.discovery = self.make()

    def make(self, **options: Any) -> VendorDiscovery:
        settings = MulticastSettings(
            record=lambda at, address, source, text: self.recorded.append((address, source, text)),
            **options.pop("settings", {}),
        )
        return VendorDiscovery(
            self.clock,
            self.neighbours,
            protocols=options.pop("protocols", self.protocols),
            open_udp=self.lan.open_udp,
            settings=settings,
            random=Random(7),
            monotonic=self.clock.seconds,
            limiter=self.limiter,
            **options,
        )

    def tearDown(self) -> None:
        self.assertEqual(self.lan.ports, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.01] * round(seconds * 100))

    def sweep(self, seconds: float = SWEEP) -> None:
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        self.pass_time(seconds)
        self.successResultOf(sweeping)

    def seen(self) -> set[tuple[str, str]]:
        """Methods and addresses that were reported."""
        return {(one.method, one.address) for one in self.sink.sightings}

    def names_sent(self) -> Counter[str]:
        """How often each protocol was asked by."""
        return Counter(data.split()[1].decode() for _, _, data, _, _ in self.lan.sent)


class SweepTests(VendorCase):
    """Sweeping once."""

    def test_sighting(self) -> None:
        """A device is reported by the name of its protocol; what it says is hearsay of its kind, and no MAC."""
        self.lan.attach(Device("10.0.0.5", [PLAIN]))
        self.sweep()
        (sighting,) = self.sink.sightings
        self.assertEqual(
            (sighting.method, sighting.address, sighting.interface, sighting.name, sighting.mac),
            ("plain", "10.0.0.5", "eth0", "Gate", None),
        )
        self.assertEqual((sighting.open_ports, sighting.rtsp_ports, sighting.seen_at), ((80,), (554,), 0.01))
        mac = "00:40:8c:00:00:05"
        self.assertEqual(
            sighting.evidence,
            (
                Evidence(EvidenceKind.ANNOUNCED_MAC, mac, "plain", 0.01),
                Evidence(EvidenceKind.SERIAL, "S" + mac, "plain", 0.01),
                Evidence(EvidenceKind.VENDOR_ID, "U1", "plain", 0.01),
                Evidence(EvidenceKind.VENDOR, "Maker", "plain", 0.01),
            ),
        )
        said = Announced("Maker", "M1", "Gate", "S" + mac, "1.0", DeviceKind.CAMERA, address="10.0.0.200")
        self.assertEqual(sighting.announced, said)

    def test_every_way(self) -> None:
        """Devices are heard that answer at the port that asks, to a fixed port, and by broadcast to either."""
        for number, protocol in enumerate((PLAIN, FIXED, TELLING, DIRECT)):
            for to_all in (False, True):
                self.lan.attach(Device(f"10.0.0.{10 * (1 + to_all) + number}", [protocol], to_all=to_all))
        self.sweep()
        wanted = {
            (one.name, f"10.0.0.{10 * (1 + to_all) + number}")
            for number, one in enumerate((PLAIN, FIXED, TELLING, DIRECT))
            for to_all in (False, True)
        }
        self.assertEqual(wanted, self.seen())

    def test_once(self) -> None:
        """The same answer again is not reported again; another one of the same device is."""
        self.lan.attach(Device("10.0.0.5", [MadeUp("plain", 1000)]))
        self.discovery = self.make(protocols=[MadeUp("plain", 1000, times=3), FIXED])
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        self.pass_time(1)
        self.assertEqual((3, 1), (self.names_sent()["plain"], len(self.sink.sightings)))
        self.lan.deliver(FIXED.answer(), "10.0.0.5", 3000, to="")
        self.lan.deliver(FIXED.answer(kind="recorder"), "10.0.0.5", 3000, to="")
        self.pass_time(3)
        self.successResultOf(sweeping)
        self.assertEqual(["plain", "fixed", "fixed"], [one.method for one in self.sink.sightings])

    def test_no_camera(self) -> None:
        """What says that it is something else is counted only."""
        self.lan.attach(Device("10.0.0.5", [PLAIN], kind="other"))
        self.lan.attach(Device("10.0.0.6", [PLAIN], kind=""))
        self.sweep()
        self.assertEqual({("plain", "10.0.0.6")}, self.seen())
        self.assertEqual((1, 1), (self.discovery.counts["non_cameras"], self.discovery.counts["plain"]))

    def test_interfaces(self) -> None:
        """IPv4 interfaces that can broadcast are searched; loopback only where the operator named it."""
        self.neighbours.addresses += [ETH1, IPV6, TUNNEL]
        self.sweep()
        self.assertEqual({"10.0.0.9", "10.1.0.9"}, {address for _, address, _, _, _ in self.lan.sent})
        self.lan.sent.clear()
        self.discovery = self.make(settings={"include_loopback": lambda: True})
        self.sweep()
        self.assertIn("127.0.0.1", {address for _, address, _, _, _ in self.lan.sent})

    def test_two_interfaces(self) -> None:
        """Of two interfaces each device is reported with its own, though both have a socket at the same port."""
        self.neighbours.addresses = [ETH0, ETH1]
        self.lan.attach(Device("10.0.0.5", [FIXED, PLAIN]))
        self.lan.attach(Device("10.1.0.5", [FIXED, PLAIN], interface="eth1"))
        self.sweep()
        self.assertEqual(
            {(name, *where) for name in ("fixed", "plain") for where in (("10.0.0.5", "eth0"), ("10.1.0.5", "eth1"))},
            {(one.method, one.address, one.interface) for one in self.sink.sightings},
        )

    def test_many_interfaces(self) -> None:
        """Of hundreds of interfaces some are searched from."""
        self.neighbours.addresses = [Interface(f"br{n}", n, f"10.2.{n}.1", 24) for n in range(1, 200)]
        self.sweep()
        self.assertEqual(MAX_LINKS * len(self.protocols), len(self.lan.sent))

    def test_excluded(self) -> None:
        """Nothing is sent on a link whose whole network is excluded, and it is no fault when all are."""
        self.neighbours.addresses = [ETH0, ETH1]
        self.discovery = self.make(excluded=Exclusions(("10.1.0.0/16", "10.0.0.4", "fd00::/8")))
        self.sweep()
        self.assertEqual({"eth0"}, {name for name, _, _, _, _ in self.lan.sent})
        self.lan.sent.clear()
        self.discovery = self.make(excluded=Exclusions(("10.0.0.0/8",)))
        self.sweep(0.01)
        self.assertEqual([], self.lan.sent)

    def test_held_port(self) -> None:
        """A port that another program holds is told once and costs its protocol only, which is not asked by."""
        self.lan.held = {3000}
        self.lan.attach(Device("10.0.0.5", [PLAIN, FIXED]))
        self.neighbours.addresses = [ETH0, ETH1]
        with capturedLogs() as logged:
            self.sweep()
            self.sweep()
        told = [event["about"] for event in logged if "about" in event]
        self.assertEqual(["UDP port 3000, to which devices answer by fixed"], told)
        self.assertEqual({("plain", "10.0.0.5")}, self.seen())
        self.assertEqual(0, self.names_sent()["fixed"])
        self.lan.held.clear()
        self.sweep()
        self.assertIn(("fixed", "10.0.0.5"), self.seen())

    def test_nothing_can_be_sent(self) -> None:
        """Then the sweep fails; one interface that cannot send is told once for each protocol and is no failure."""
        self.lan.broken = {"eth0"}
        self.failureResultOf(Deferred.fromCoroutine(self.discovery.sweep(self.sink)), CamdetectError)
        self.neighbours.addresses.append(ETH1)
        with capturedLogs() as logged:
            self.discovery = self.make()
            self.sweep()
            self.sweep()
        told = [event["about"] for event in logged if "about" in event]
        self.assertEqual([f"{one.name} from 10.0.0.9 on eth0" for one in self.protocols], told)

    def test_own_searches_come_back(self) -> None:
        """What we sent ourselves, and what another daemon or a manufacturer's tool sends, is no answer."""
        self.sweep()
        self.assertEqual(1, self.discovery.counts["own"])  # that of the protocol which asks and answers at one port
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        self.lan.deliver(b"search telling 01020304", "10.0.0.5", 4000)
        self.lan.deliver(b"\xff something else", "10.0.0.6", 4000)
        self.pass_time(SWEEP)
        self.successResultOf(sweeping)
        self.assertEqual([], self.sink.sightings)
        self.assertEqual((2, 0), (self.discovery.counts["others"], self.discovery.counts["malformed"]))

    def test_nobody_is_answered(self) -> None:
        """Whatever comes, searches of others above all, nothing more is sent."""
        self.sweep()
        before = len(self.lan.sent)
        self.discovery.startWatching(self.sink)
        self.pass_time(0.1)
        for number in range(200):
            self.lan.deliver(b"search telling %d" % number, f"10.0.0.{number}", 4000)
            self.lan.deliver(TELLING.answer(), f"10.0.0.{number}", 4000)
        self.pass_time(5)
        self.discovery.stopWatching()
        self.assertEqual(before, len(self.lan.sent))
        self.assertEqual(before, self.limiter.sent["vendors.group"])

    def test_content_before_port(self) -> None:
        """Two protocols share ports: the content decides; what both recognise has the one whose port it came from,
        unless only the other can read it.
        """
        one, other = MadeUp("one", 1000, magic="x"), MadeUp("other", 2000, magic="x")
        self.discovery = self.make(protocols=[PLAIN, one, other])
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        asking = self.lan.ports[0].number
        for number, (data, source) in enumerate(
            (
                (PLAIN.answer(), 2000),
                (one.answer(), 1000),
                (one.answer(), 2000),
                (one.answer(), 9999),
                (one.answer() + b" one", 2000),
            )
        ):
            self.lan.deliver(data, f"10.0.0.{number}", asking, source=source, to="")
        self.pass_time(SWEEP)
        self.successResultOf(sweeping)
        self.assertEqual(["plain", "one", "other", "one", "one"], [each.method for each in self.sink.sightings])

    def test_malformed(self) -> None:
        """A datagram that its protocol cannot read is counted and logged once; the sender's next one is read."""
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        asking = self.lan.ports[0].number
        for mac in ("?", "? x", "00:40:8c:00:00:05"):
            self.lan.deliver(PLAIN.answer(mac), "10.0.0.5", asking, to="")
        self.pass_time(SWEEP)
        self.successResultOf(sweeping)
        self.assertEqual((2, 1), (self.discovery.counts["malformed"], len(self.sink.sightings)))

    def test_beyond_the_link(self) -> None:
        """A camera with an address of another network is no candidate: it is recorded, with what to do; unless the
        operator named its network.
        """
        self.lan.attach(Device("192.168.1.108", [PLAIN]))
        self.sweep()
        self.assertEqual([], self.sink.sightings)
        [(address, source, text)] = self.recorded
        self.assertEqual(("192.168.1.108", "vendors"), (address, source))
        self.assertIn("which is no network of eth0", text)
        self.discovery = self.make(settings={"listed": lambda: [ip_network("192.168.1.0/24")]})
        self.sweep()
        self.assertEqual({("plain", "192.168.1.108")}, self.seen())

    def test_cancelled(self) -> None:
        """A sweep that is cancelled closes its sockets and repeats nothing."""
        self.discovery = self.make(protocols=[MadeUp("plain", 1000, times=3)])
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        self.pass_time(1)
        self.assertEqual(1, len(self.lan.sent))

    def test_rate(self) -> None:
        """What the rate does not allow now is sent later."""
        self.limiter = PacketRateLimiter(3, self.clock.seconds, self.clock)
        self.discovery = self.make()
        self.sweep()
        self.assertEqual(len(self.protocols), len(self.lan.sent))
        self.assertLessEqual(self.limiter.most_in_second, 3)


class CatalogTests(VendorCase):
    """All protocols that there are."""

    protocols = PROTOCOLS

    def test_few_packets(self) -> None:
        """A sweep by all of them is at most forty datagrams for each interface, to all of a link or to groups."""
        self.neighbours.addresses = [ETH0, ETH1]
        self.sweep()
        by_interface = Counter(name for name, _, _, _, _ in self.lan.sent)
        self.assertEqual({"eth0", "eth1"}, set(by_interface))
        self.assertLessEqual(max(by_interface.values()), MAX_PACKETS)
        self.assertEqual(by_interface.total(), self.discovery.counts["sent"])
        for _, _, _, to, _ in self.lan.sent:
            self.assertTrue(to == BROADCAST or ip_network("224.0.0.0/4").supernet_of(ip_network(to)), to)

    def test_announcements(self) -> None:
        """Who announces himself does so at a port of his own: that is where he is heard."""
        self.assertEqual([], [one.name for one in PROTOCOLS if one.announces and not one.reply_port])

    def test_named(self) -> None:
        """The names that a camera's methods may have stand in the page about topics."""
        page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text("utf-8")
        self.assertEqual([], [one.name for one in PROTOCOLS if f"`{one.name}`" not in page])

    def test_own_only(self) -> None:
        """Alone on a link it reports nobody, though its own searches come back."""
        self.discovery.startWatching(self.sink)
        self.sweep()
        self.discovery.stopWatching()
        self.assertEqual([], self.sink.sightings)
        self.assertGreater(self.discovery.counts["own"], 0)


class FloodTests(VendorCase):
    """Ten thousand answers: from one sender and from many."""

    interfaces = (Interface("eth0", 2, "10.0.0.9", 16),)

    def flood(self, senders: Sequence[str]) -> None:
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        asking = next(one for one in self.lan.ports if one.number >= 40_000)
        for number in range(10_000):
            mac = f"00:40:8c:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
            asking.receive(PLAIN.answer(mac), senders[number % len(senders)], 1000)
        asking.receive(PLAIN.answer(), "10.0.0.5", 1000)
        self.pass_time(SWEEP)
        self.successResultOf(sweeping)

    def test_one_sender(self) -> None:
        """He has some sightings; another is seen."""
        self.flood(["10.0.0.66"])
        seen = Counter(one.address for one in self.sink.sightings)
        self.assertEqual({"10.0.0.66": PER_SENDER, "10.0.0.5": 1}, seen)
        self.assertGreater(self.discovery.counts["dropped"], 9_900)

    def test_many_senders(self) -> None:
        """Each has his own bound, those beyond the link one together; another is seen."""
        self.flood([f"10.0.{number >> 8}.{number & 255}" for number in range(256, 1256)])
        seen = Counter(one.address for one in self.sink.sightings)
        self.assertLessEqual(max(seen.values()), PER_SENDER)
        self.assertEqual(1, seen["10.0.0.5"])
        self.sink.sightings.clear()
        self.flood([f"10.9.{number >> 8}.{number & 255}" for number in range(256, 1256)])
        self.assertEqual({"10.0.0.5"}, {one.address for one in self.sink.sightings})


class WatchTests(VendorCase):
    """Listening all the time."""

    def setUp(self) -> None:
        super().setUp()
        self.discovery.startWatching(self.sink)
        self.pass_time(0.1)

    def tearDown(self) -> None:
        self.discovery.stopWatching()
        super().tearDown()

    def test_announcement(self) -> None:
        """Only the protocols in which devices announce themselves have a socket; who does so is reported."""
        self.assertEqual([(4000, ("234.0.0.1",))], [(one.number, one.groups) for one in self.lan.ports])
        self.lan.deliver(TELLING.answer(), "10.0.0.5", 4000, to="234.0.0.1")
        self.pass_time(0.1)
        self.assertEqual({("telling", "10.0.0.5")}, self.seen())

    def test_repeated(self) -> None:
        """Who says the same every ten seconds is reported every half minute."""
        for _ in range(12):
            self.lan.deliver(TELLING.answer(), "10.0.0.5", 4000)
            self.clock.pump([1] * 10)
        self.assertEqual(4, len(self.sink.sightings))

    def test_sweep_beside(self) -> None:
        """A sweep at the same time hears its own answers, and leaves the watcher's socket open."""
        self.lan.attach(Device("10.0.0.5", [TELLING]))
        self.sweep()
        self.assertEqual({("telling", "10.0.0.5")}, self.seen())
        self.assertEqual([4000], [one.number for one in self.lan.ports])

    def test_held_port(self) -> None:
        """A port that another program holds is told once, and had when he is gone."""
        self.discovery.stopWatching()
        self.lan.held = {4000}
        with capturedLogs() as logged:
            self.discovery = self.make()
            self.discovery.startWatching(self.sink)
            self.clock.pump([RETRY_INTERVAL] * 3)
        self.assertEqual(1, len([event for event in logged if "about" in event]))
        self.assertEqual([], self.lan.ports)
        self.lan.held.clear()
        self.clock.advance(RETRY_INTERVAL)
        self.assertEqual([4000], [one.number for one in self.lan.ports])

    def test_interface_comes(self) -> None:
        """An interface that comes is listened on, one that goes is not."""
        self.neighbours.addresses = [ETH1]
        self.pass_time(10)
        self.assertEqual(["eth1"], [one.interface.name for one in self.lan.ports])


class ProbeTests(VendorCase):
    """One address at which a host appeared."""

    def probe(self, address: str = "10.0.0.5") -> Deferred[None]:
        return Deferred.fromCoroutine(self.discovery.probe(address, self.sink))

    def test_direct(self) -> None:
        """Who answers what is sent to him alone is found with that; the link is not searched."""
        self.lan.attach(Device("10.0.0.5", [DIRECT]))
        probing = self.probe()
        self.pass_time(0.4)
        self.successResultOf(probing)
        self.assertEqual({("direct", "10.0.0.5")}, self.seen())
        self.assertEqual([("10.0.0.5", 5000)], [(to, port) for _, _, _, to, port in self.lan.sent])
        self.assertEqual(1, self.limiter.sent["vendors.unicast"])

    def test_by_search(self) -> None:
        """Who refuses that is found within three seconds by a search of the link; others there are not reported."""
        self.lan.attach(Device("10.0.0.5", [FIXED], mute=True))
        self.lan.attach(Device("10.0.0.6", [FIXED, DIRECT], mute=True))
        probing = self.probe()
        self.pass_time(3)
        self.successResultOf(probing)
        self.assertEqual({("fixed", "10.0.0.5")}, self.seen())
        self.assertEqual({"direct": 1, "plain": 1, "fixed": 1, "telling": 1}, self.names_sent())

    def test_fifty_hosts(self) -> None:
        """Fifty hosts in a minute are asked one by one, and cost fifteen searches of the link; each is found, the
        first within three seconds and all within ten.
        """
        probes = []
        for number in range(50):
            self.lan.attach(Device(f"10.0.0.{100 + number}", [FIXED], mute=True))
            probes.append((self.clock.seconds(), number, self.probe(f"10.0.0.{100 + number}")))
            self.pass_time(1.2)
        self.pass_time(10)
        for _, _, probing in probes:
            self.successResultOf(probing)
        sent = self.names_sent()
        self.assertEqual(50, sent["direct"])
        self.assertLessEqual(sent["fixed"], 15)
        waited = {
            number: min(one.seen_at for one in self.sink.sightings if one.address == f"10.0.0.{100 + number}") - began
            for began, number, _ in probes
        }
        self.assertLess(max(waited.values()), 10)
        self.assertLess(max(waited[number] for number in range(3)), 3)

    def test_at_once(self) -> None:
        """Hosts that appear together share one search."""
        probes = [self.probe(f"10.0.0.{number}") for number in (5, 6, 7)]
        for number in (5, 6, 7):
            self.lan.attach(Device(f"10.0.0.{number}", [FIXED], mute=True))
        self.pass_time(3)
        for one in probes:
            self.successResultOf(one)
        self.assertEqual({("fixed", f"10.0.0.{number}") for number in (5, 6, 7)}, self.seen())
        self.assertEqual(1, self.names_sent()["fixed"])

    def test_cancelled_with_others(self) -> None:
        """The one that searches is cancelled: the next one searches in its place."""
        self.lan.attach(Device("10.0.0.6", [FIXED], mute=True))
        first, second = self.probe("10.0.0.5"), self.probe("10.0.0.6")
        self.pass_time(0.3)
        self.sink.sightings.clear()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.pass_time(3)
        self.successResultOf(second)
        self.assertEqual({("fixed", "10.0.0.6")}, self.seen())

    def test_not_here(self) -> None:
        """Nothing is sent to an excluded address, nor for one that is on no link, or of IPv6."""
        self.discovery = self.make(excluded=Exclusions(("10.0.0.4",)))
        for address in ("10.0.0.4", "10.7.0.5", "fe80::5%eth0", "fd00::5"):
            self.successResultOf(self.probe(address))
        self.assertEqual([], self.lan.sent)


class TakenTests(VendorCase):
    """Two daemons on one machine, whose sockets at a fixed port are one port to whoever answers."""

    def test_two_daemons(self) -> None:
        """Each takes the port anew before it asks: the answer comes to the one that asked last."""
        self.lan.attach(Device("10.0.0.5", [FIXED]))
        other, other_sink = self.make(), RecordingSink()
        first = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        self.pass_time(0.5)
        second = Deferred.fromCoroutine(other.sweep(other_sink))
        self.pass_time(0.5)
        self.assertIn(("fixed", "10.0.0.5"), self.seen())
        self.assertEqual(["fixed"], [one.method for one in other_sink.sightings])
        self.sink.sightings.clear()
        third = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        self.pass_time(SWEEP)
        self.assertIn(("fixed", "10.0.0.5"), self.seen())
        for one in (first, second, third):
            self.successResultOf(one)

    def test_drained(self) -> None:
        """What came before the port was taken anew is read."""
        self.discovery = self.make(protocols=[MadeUp("fixed", 2000, reply_port=3000, times=2)])
        sweeping = Deferred.fromCoroutine(self.discovery.sweep(self.sink))
        self.lan.ports[-1].unread.append((FIXED.answer(), "10.0.0.5", 2000))
        self.pass_time(SWEEP)
        self.successResultOf(sweeping)
        self.assertEqual({("fixed", "10.0.0.5")}, self.seen())
