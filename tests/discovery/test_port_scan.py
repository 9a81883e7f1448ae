"""Tests of ``discovery.portscan``, ``discovery.scan_plan`` and ``discovery.connector``, with hosts in memory."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Network, ip_address
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.targets import ScanPlan, ScanTarget, SweepSettings
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import IDiscoverer
from twisted_detector.model import Interface, Mac
from twisted_detector.testing.lan import ETH0, LOOPBACK, MemoryHosts, MemoryNeighbours, RecordingSink

MAC = Mac("02:00:00:00:00:05")
SMALL = Interface("eth0", 2, "10.0.0.9", 28)
#: Has no ARP: its addresses are on no link.
TUNNEL = Interface("wg0", 3, "10.0.0.9", 24, arp=False)


def plan(
    *networks: str,
    exclude: tuple[str, ...] = (),
    interfaces: tuple[Interface, ...] = (LOOPBACK, SMALL),
    known: tuple[str, ...] = (),
    max_addresses: int = 4096,
) -> ScanPlan:
    return ScanPlan(networks, exclude, interfaces, known, max_addresses=max_addresses)


def addresses(of: ScanPlan) -> list[str]:
    return [target.address for target in of.targets()]


class PlanTests(SynchronousTestCase):
    """Which addresses are tried."""

    def test_interface(self) -> None:
        """The network of an interface is tried without our own address, the network's and the broadcast's."""
        expected = [f"10.0.0.{n}" for n in range(1, 15) if n != 9]
        self.assertEqual(addresses(plan("interfaces")), expected)

    def test_known_first(self) -> None:
        """Addresses that the kernel knows come first; those of other networks are not tried."""
        targets = list(plan("interfaces", known=("10.0.0.7", "10.0.0.3", "192.0.2.1", "fe80::1%eth0")).targets())
        self.assertEqual(targets[:2], [ScanTarget("10.0.0.3", True), ScanTarget("10.0.0.7", True)])
        self.assertEqual(targets[2], ScanTarget("10.0.0.1", True))
        self.assertEqual(len(targets), 13)

    def test_exclude(self) -> None:
        """Excluded networks and addresses are left out, known or not."""
        excluded = plan("interfaces", exclude=("10.0.0.0/29", "10.0.0.12"), known=("10.0.0.3",))
        self.assertEqual(addresses(excluded), ["10.0.0.8", "10.0.0.10", "10.0.0.11", "10.0.0.13", "10.0.0.14"])

    def test_named(self) -> None:
        """A named network is tried whatever its size, and is not on-link; overlapping ones are tried once."""
        targets = list(plan("10.7.0.0/30", "10.7.0.0/29", "10.7.0.6").targets())
        # .3 ends the smaller of the two: it may be its broadcast address.
        self.assertEqual([one.address for one in targets], ["10.7.0.1", "10.7.0.2", "10.7.0.4", "10.7.0.5", "10.7.0.6"])
        self.assertFalse(any(one.on_link for one in targets))
        self.assertEqual(next(plan("10.0.0.0/8").targets()), ScanTarget("10.0.0.1", True))

    def test_too_large(self) -> None:
        """Of an interface's large network only known addresses are tried, unless it is named."""
        large = (Interface("eth0", 2, "10.0.0.9", 16),)
        of = plan("interfaces", interfaces=large, known=("10.0.3.3",))
        self.assertEqual((addresses(of), of.too_large), (["10.0.3.3"], ("10.0.0.0/16",)))
        named = plan("interfaces", "10.0.0.0/16", interfaces=large)
        self.assertEqual(len(addresses(named)), 65_536 - 3)

    def test_loopback(self) -> None:
        """Loopback is tried when it is named only, and then our own addresses on it too."""
        self.assertEqual(addresses(plan("interfaces", interfaces=(LOOPBACK,))), [])
        self.assertEqual(addresses(plan("127.0.0.1/32", "127.0.0.8/31")), ["127.0.0.1", "127.0.0.8", "127.0.0.9"])
        self.assertFalse(any(one.on_link for one in plan("127.0.0.0/29").targets()))

    def test_ipv6(self) -> None:
        """IPv6 is not swept."""
        six = Interface("eth0", 2, "2001:db8::9", 64)
        self.assertEqual(addresses(plan("interfaces", "2001:db8::/120", interfaces=(six,), known=("2001:db8::1",))), [])

    def test_no_network(self) -> None:
        """A text that is no network is our own mistake."""
        self.assertRaises(LocalError, plan, "10.0.0.0/33")
        self.assertRaises(LocalError, plan, "interfaces", exclude=("cam",))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=4), st.sets(st.integers(0, 255)))
    def test_once(self, networks: list[tuple[int, int]], known: set[int]) -> None:
        """Whatever overlaps, no address comes twice, and none from outside."""
        texts = [f"10.0.0.{last}/{length}" for last, length in networks]
        tried = addresses(plan(*texts, known=tuple(f"10.0.0.{one}" for one in known)))
        self.assertEqual(len(tried), len(set(tried)))
        self.assertNotIn(SMALL.address, tried)
        self.assertTrue(all(str(ip_address(one)).startswith("10.0.0.") for one in tried))


class ScanCase(SynchronousTestCase):
    """A PortScan over hosts in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock)
        self.neighbours = MemoryNeighbours(LOOPBACK, TUNNEL)
        self.sink = RecordingSink()
        self.well: set[str] = set()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.hosts.is_closed)
        self.assertEqual(self.hosts.running, {})

    def begin(self, rate: int = 1000, **settings_: Any) -> Deferred[None]:
        self.scan = PortScan(
            self.clock,
            self.neighbours,
            settings=lambda: SweepSettings(
                **{"ports": (554, 8554), "rtsp_ports": (554, 8554, 7070), "half_open": 256, **settings_}
            ),
            limiter=PacketRateLimiter(rate, self.clock.seconds),
            is_well=lambda address, mac: address in self.well,
            monotonic=self.clock.seconds,
            make_connector=self.hosts.connector,
        )
        return Deferred.fromCoroutine(self.scan.sweep(self.sink))

    def sweep(self, within: float = 30.0, **settings_: Any) -> float:
        """Sweep; the seconds that it took."""
        sweeping = self.begin(**settings_)
        began = self.clock.seconds()
        while not sweeping.called and self.clock.seconds() - began < within:
            self.clock.advance(0.005)
        self.successResultOf(sweeping)
        return self.clock.seconds() - began

    def tries_of(self, address: str) -> list[int]:
        return [port for _, tried, port in self.hosts.attempts if tried == address]


class ScanTests(ScanCase):
    """What is found."""

    def test_interface(self) -> None:
        """It is a discoverer."""
        self.sweep(ports=())
        verifyObject(IDiscoverer, self.scan)

    def test_open(self) -> None:
        """A host is reported once, with all its open ports; behind a router there is no MAC."""
        self.hosts.ports["10.0.0.5"] = {554: Outcome.OPEN, 8554: Outcome.OPEN}
        self.sweep()
        (sighting,) = self.sink.sightings
        self.assertEqual((sighting.method, sighting.address, sighting.mac), ("portscan", "10.0.0.5", None))
        self.assertEqual((sighting.rtsp_ports, sighting.open_ports), ((554, 8554), (554, 8554)))

    def test_soon(self) -> None:
        """An open port is reported soon, though the next one is silent, and again only with one more."""
        self.hosts.ports["10.0.0.5"] = {554: Outcome.OPEN, 7070: Outcome.OPEN}
        sweeping = self.begin(ports=(554, 8554, 7070))
        self.clock.pump([0.005] * 60)
        (sighting,) = self.sink.sightings
        self.assertEqual(sighting.rtsp_ports, (554,))
        self.clock.pump([0.005] * 1000)
        self.successResultOf(sweeping)
        self.assertEqual([one.rtsp_ports for one in self.sink.sightings], [(554,), (554, 7070)])

    def test_well(self) -> None:
        """A camera beyond a router that is well is not connected to; when it is not, it is."""
        self.hosts.ports["10.0.0.5"] = {554: Outcome.OPEN, 8554: Outcome.OPEN}
        self.well.add("10.0.0.5")
        self.sweep()
        self.assertEqual(([], 1), (self.tries_of("10.0.0.5"), self.scan.counts["well"]))
        self.well.clear()
        self.sweep()
        self.assertEqual([554, 8554], self.tries_of("10.0.0.5"))

    def test_refused(self) -> None:
        """A host that refuses the first port is alive: the others are tried; of one that does not answer, none is."""
        self.hosts.ports["10.0.0.5"] = {554: Outcome.REFUSED, 8554: Outcome.OPEN}
        self.hosts.ports["10.0.0.6"] = {554: Outcome.UNREACHABLE, 8554: Outcome.OPEN}
        self.sweep()
        self.assertEqual([one.rtsp_ports for one in self.sink.sightings], [(8554,)])
        self.assertEqual(self.tries_of("10.0.0.5"), [554, 8554])
        self.assertEqual(self.tries_of("10.0.0.6"), [554])
        self.assertEqual(self.tries_of("10.0.0.7"), [554, 554, 554])

    def test_firewall(self) -> None:
        """A host that answers, and drops a later port, is tried three times there, and then on the next port."""
        self.hosts.ports["10.0.0.5"] = {554: Outcome.REFUSED, 7070: Outcome.OPEN}
        self.sweep(ports=(554, 8554, 7070))
        self.assertEqual(self.tries_of("10.0.0.5"), [554, 8554, 8554, 8554, 7070])
        times = [when for when, address, _ in self.hosts.attempts if address == "10.0.0.5"][1:]
        for expected, when in zip((0, 0.25, 0.75, 1.75), times, strict=True):
            self.assertTrue(expected <= when <= expected + 0.07, times)
        self.assertEqual([one.rtsp_ports for one in self.sink.sightings], [(7070,)])

    def test_routed(self) -> None:
        """Behind a router a silent host is tried three times on the first port only, and one that refuses on all."""
        self.hosts.ports["10.7.0.2"] = {554: Outcome.REFUSED, 8554: Outcome.OPEN}
        self.sweep(networks=("10.7.0.0/30",))
        self.assertEqual(self.tries_of("10.7.0.1"), [554, 554, 554])
        self.assertEqual(self.tries_of("10.7.0.2"), [554, 8554])

    def test_answers_late(self) -> None:
        """A host in power save that answers after 0.9 s is found: the last wait is the longest."""
        self.hosts = MemoryHosts(self.clock, latency=0.9)
        self.hosts.ports["10.7.0.1"] = {554: Outcome.OPEN}
        self.sweep(networks=("10.7.0.1/32",), ports=(554,))
        self.assertEqual(len(self.sink.sightings), 1)

    def test_no_room(self) -> None:
        """When the kernel has no room for an attempt, it is made again."""
        self.hosts.ports["10.0.0.5"] = {554: Outcome.NO_ROOM}
        self.sweep()
        self.assertEqual(self.tries_of("10.0.0.5"), [554, 554, 554])

    def test_whole_network(self) -> None:
        """A /24 of dead addresses with three cameras takes little more than two seconds, each tried three times."""
        for last in (5, 100, 254):
            self.hosts.ports[f"10.0.0.{last}"] = {None: Outcome.OPEN}
        took = self.sweep()
        self.assertLess(took, 2.4)
        self.assertEqual(
            {one.address: one.rtsp_ports for one in self.sink.sightings},
            {f"10.0.0.{last}": (554, 8554) for last in (5, 100, 254)},
        )
        self.assertEqual(self.scan.counts["addresses"], 253)

    def test_too_large_is_said_once(self) -> None:
        """A network that is too large is logged once, and costs nothing but the addresses that are known."""
        self.neighbours.addresses = [replace(TUNNEL, prefix_length=16)]
        self.neighbours.macs["10.0.3.3"] = MAC
        self.hosts.ports["10.0.3.3"] = {554: Outcome.OPEN}
        with capturedLogs() as logged:
            self.sweep(ports=(554,))
            self.assertEqual([address for _, address, _ in self.hosts.attempts], ["10.0.3.3"])
            again = Deferred.fromCoroutine(self.scan.sweep(self.sink))
            again.cancel()
            self.failureResultOf(again, CancelledError)
        self.assertEqual([event["network"] for event in logged if "network" in event], ["10.0.0.0/16"])


class HarmlessTests(ScanCase):
    """What must not happen."""

    def test_half_open(self) -> None:
        """Never more attempts at the same time than allowed."""
        self.sweep(half_open=20, networks=("10.7.0.0/25",), within=60)
        self.assertEqual(self.hosts.most_running, 20)

    def test_rate(self) -> None:
        """Never more attempts in a second than allowed."""
        self.hosts.ports = {f"10.7.{n // 256}.{n % 256}": {None: Outcome.REFUSED} for n in range(1024)}
        took = self.sweep(rate=200, networks=("10.7.0.0/23",), ports=(554,))
        self.assertGreater(took, 510 / 200 - 0.1)
        moments = [when for when, _, _ in self.hosts.attempts]
        for index in range(len(moments) - 220):
            self.assertGreater(moments[index + 220] - moments[index], 0.99)

    def test_late_reactor(self) -> None:
        """A reactor that was busy for long does not make up for it with a burst."""
        sweeping = self.begin(networks=("10.7.0.0/24",))
        self.clock.advance(0.01)
        before = len(self.hosts.attempts)
        self.clock.advance(5)
        self.assertLessEqual(len(self.hosts.attempts) - before, 50)
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)

    def test_links_are_left_alone(self) -> None:
        """No address on a link is tried, not even one that is named or known: the kernel's table is everybody's."""
        self.neighbours.addresses = [ETH0]
        self.neighbours.macs["10.0.0.5"] = MAC
        self.sweep(networks=("interfaces", "10.0.0.0/25", "10.7.0.1/32"))
        self.assertEqual({address for _, address, _ in self.hosts.attempts}, {"10.7.0.1"})

    def test_cancelled(self) -> None:
        """A sweep that is cancelled gives everything up."""
        sweeping = self.begin()
        self.clock.advance(0.1)
        before = len(self.hosts.attempts)
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        self.clock.advance(1)
        self.assertEqual(len(self.hosts.attempts), before)

    def test_no_sockets(self) -> None:
        """When no socket can be opened, the sweep fails: silence would say that no camera is there."""

        class Exhausted(MemoryHosts):
            def connect(self, address: str, port: int, ended: object) -> object:  # type: ignore[override]
                raise OSError(errno.EMFILE, "Too many open files")

        self.hosts = Exhausted(self.clock)
        self.failureResultOf(self.begin(), OSError)

    def test_nothing_to_do(self) -> None:
        """Without networks or ports the sweep ends at once."""
        self.neighbours.addresses = [LOOPBACK]
        self.successResultOf(self.begin())
        self.successResultOf(self.begin(ports=(), networks=("10.7.0.0/24",)))
        self.assertEqual(self.hosts.attempts, [])


class NetworkTests(ScanCase):
    """What is swept follows the settings, and is counted by network."""

    def test_settings_that_change(self) -> None:
        """Each sweep sees the settings as they are then."""
        networks = ["10.7.0.1/32"]
        sweeping = self.begin(networks=networks, ports=(554,))
        self.clock.pump([0.05] * 100)
        self.successResultOf(sweeping)
        networks[:] = ["10.8.0.1/32"]
        sweeping = Deferred.fromCoroutine(self.scan.sweep(self.sink))
        self.clock.pump([0.05] * 100)
        self.successResultOf(sweeping)
        self.assertEqual(
            ["10.7.0.1", "10.8.0.1"], list(dict.fromkeys(address for _, address, _ in self.hosts.attempts))
        )

    def test_one_network(self) -> None:
        """One network can be swept alone."""
        sweeping = self.begin(networks=("10.7.0.1/32",), ports=())
        self.successResultOf(sweeping)
        self.scan = self.made(("10.7.0.1/32", "10.8.0.0/30"))
        sweeping = Deferred.fromCoroutine(self.scan.sweep(self.sink, "10.8.0.0/30"))
        self.clock.pump([0.05] * 100)
        self.successResultOf(sweeping)
        self.assertEqual({"10.8.0.1", "10.8.0.2"}, {address for _, address, _ in self.hosts.attempts})

    def made(self, networks: tuple[str, ...], limiter: PacketRateLimiter | None = None) -> PortScan:
        return PortScan(
            self.clock,
            self.neighbours,
            settings=lambda: SweepSettings(ports=(554,), networks=networks),
            limiter=limiter or PacketRateLimiter(1000, self.clock.seconds),
            is_well=lambda address, mac: address in self.well,
            monotonic=self.clock.seconds,
            make_connector=self.hosts.connector,
        )

    def test_counted(self) -> None:
        """Each attempt, and the reset of an open port, counts for the network; so does each host that answers."""
        limiter, network = PacketRateLimiter(1000, self.clock.seconds), IPv4Network("10.7.0.0/29")
        limiter.traffic.follow((network,))
        limiter.traffic.begin()
        self.hosts.ports["10.7.0.1"] = {554: Outcome.OPEN, None: Outcome.REFUSED}
        self.hosts.ports["10.7.0.2"] = {None: Outcome.REFUSED}
        self.well.add("10.7.0.3")
        sweeping = Deferred.fromCoroutine(self.made((str(network),), limiter).sweep(self.sink))
        self.clock.pump([0.05] * 100)
        self.successResultOf(sweeping)
        limiter.traffic.end(1.0)
        found = limiter.traffic.of(network)
        self.assertEqual((len(self.hosts.attempts) + 1, 3), (found.sweep, found.hosts))
        self.assertEqual(limiter.packets, found.sweep)
