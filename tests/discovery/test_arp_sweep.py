"""Tests of the ARP sweep and its parts, with a kernel, a resolver and hosts in memory."""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.arp import ArpResolver, KernelArp, Resolved
from twisted_detector.discovery.sweep.arp_sweep import ArpSweep, SweepDrivers
from twisted_detector.discovery.sweep.connecting import MAX_TRIES
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.ports import CAMERA_PORTS, HTTP_PORTS, RTSP_PORTS, ports_to_try
from twisted_detector.discovery.sweep.targets import SweepSettings
from twisted_detector.interfaces import IAddressProbe, IDiscoverer, ISweepProgress
from twisted_detector.model import Interface, Mac
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.testing.lan import ETH0, LOOPBACK, MemoryHosts, MemoryNeighbours, RecordingSink

TABLE = 1024
LATENCY = 0.001
#: Seconds between two steps of a test's reactor.
STEP = 0.002


def mac_of(address: str) -> Mac:
    return Mac("02:00:" + ":".join(f"{int(part):02x}" for part in address.split(".")))


class MemoryLink:
    """A link with living hosts, and a kernel with a neighbour table that asks three times, one second apart.

    :ivar requests: (seconds, address) of every request.
    :ivar lose: whether a request, or its answer, is lost now.
    """

    def __init__(self, clock: Clock, neighbours: MemoryNeighbours, living: set[str]) -> None:
        self.clock = clock
        self.neighbours = neighbours
        self.living = living
        self.requests: list[tuple[float, str]] = []
        self.lose: Callable[[], bool] = lambda: False
        self.entries: set[str] = set()
        self.most_entries = 0
        self.others = 0  #: entries that other programs hold
        self.refused = 0
        self.closed = 0

    def raw(self, reactor: object, interfaces: Sequence[Interface], resolved: Resolved) -> ArpResolver:
        return _MemoryRaw(self, resolved)

    def kernel(self, reactor: object, interfaces: Sequence[Interface], resolved: Resolved) -> ArpResolver:
        return KernelArp(table=TABLE, send=self.provoke)

    def provoke(self, address: str) -> None:
        self.requests.append((self.clock.seconds(), address))
        if address in self.entries:
            return
        if len(self.entries) + self.others >= TABLE:
            self.refused += 1
            raise OSError(errno.ENOBUFS, "No buffer space available")
        self.entries.add(address)
        self.most_entries = max(self.most_entries, len(self.entries))
        self._solicit(address, 1)

    def _solicit(self, address: str, time: int) -> None:
        if time > 3:
            self.entries.discard(address)
            self.neighbours.learn(address, None)
        elif address in self.living and not self.lose():
            self.clock.callLater(LATENCY, self.neighbours.learn, address, mac_of(address))
        else:
            self.clock.callLater(1.0, self._solicit, address, time + 1)


class _MemoryRaw:
    def receive(self) -> bool:
        return True

    rounds = 3
    packets = 1
    after: tuple[float, ...] = ()
    capacity: int | None = None

    def __init__(self, link: MemoryLink, resolved: Resolved) -> None:
        self._link = link
        self._resolved = resolved

    def resolve(self, address: str) -> bool:
        link = self._link
        link.requests.append((link.clock.seconds(), address))
        if address in link.living and not link.lose():
            link.clock.callLater(LATENCY, self._answer, address)
        return True

    def _answer(self, address: str) -> None:
        self._resolved(address, mac_of(address))

    def close(self) -> None:
        self._link.closed += 1


class SweepCase(SynchronousTestCase):
    """A sweep of a network in memory."""

    interface = ETH0

    def setUp(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock, latency=LATENCY)
        self.neighbours = MemoryNeighbours(LOOPBACK, self.interface)
        self.link = MemoryLink(self.clock, self.neighbours, set())
        self.well: dict[str, Mac] = {}  #: cameras that are well, over their MACs
        self.sink = RecordingSink()

    def tearDown(self) -> None:
        self.assertEqual(self.hosts.running, {})
        self.assertEqual(self.neighbours.watchers, [])

    def live(self, address: str, *opened: int, rest: Outcome | None = Outcome.REFUSED) -> None:
        self.link.living.add(address)
        ports: dict[int | None, Outcome] = dict.fromkeys(opened, Outcome.OPEN)
        if rest is not None:
            ports[None] = rest
        self.hosts.ports[address] = ports

    def make(self, *, raw: bool = False, rate: int = 10_000, beyond: PortScan | None = None, **settings_: Any) -> None:
        self.scan = ArpSweep(
            self.clock,
            self.neighbours,
            settings=lambda: SweepSettings(**settings_),
            limiter=PacketRateLimiter(rate, self.clock.seconds),
            is_well=lambda address, mac: (address, mac) in self.well.items(),
            beyond=beyond,
            drivers=SweepDrivers(
                self.hosts.connector, self.link.raw if raw else self.link.kernel, monotonic=self.clock.seconds
            ),
        )

    def begin(self, *, raw: bool = False, **settings_: Any) -> Deferred[None]:
        self.make(raw=raw, **settings_)
        return Deferred.fromCoroutine(self.scan.sweep(self.sink))

    def sweep(self, *, raw: bool = False, within: float = 60.0, **settings_: Any) -> float:
        """Sweep; the seconds that it took."""
        return self.finish(self.begin(raw=raw, **settings_), within)

    def finish(self, sweeping: Deferred[None], within: float = 60.0) -> float:
        began = self.clock.seconds()
        while not sweeping.called and self.clock.seconds() - began < within:
            self.clock.advance(STEP)
        self.successResultOf(sweeping)
        return self.clock.seconds() - began

    def opened(self) -> dict[str, list[int]]:
        """address → open ports as reported last."""
        return {sighting.address: sorted(sighting.open_ports) for sighting in self.sink.sightings}


class FindingTests(SweepCase):
    """What is found."""

    def test_interface(self) -> None:
        """It is a discoverer that tells how far it is."""
        self.make()
        self.assertTrue(verifyObject(IDiscoverer, self.scan))
        self.assertTrue(verifyObject(ISweepProgress, self.scan))
        self.live("10.0.0.20", 554)
        self.sweep(raw=True)
        self.assertGreater(self.scan.progress(), 253)

    def found_by(self, raw: bool) -> None:
        self.live("10.0.0.20", 554, 80)
        self.live("10.0.0.21", 8899)
        self.live("10.0.0.22")
        self.live("10.0.0.23", 88, rest=None)
        seconds = self.sweep(raw=raw)
        self.assertLess(seconds, 1.5)
        self.assertEqual(self.scan.alive, {address: mac_of(address) for address in self.link.living})
        self.assertEqual(self.opened(), {"10.0.0.20": [80, 554], "10.0.0.21": [8899], "10.0.0.23": [88]})
        last = {sighting.address: sighting for sighting in self.sink.sightings}
        self.assertEqual(last["10.0.0.20"].rtsp_ports, (554,))
        self.assertEqual(last["10.0.0.21"].rtsp_ports, ())
        self.assertEqual({sighting.mac for sighting in self.sink.sightings}, {mac_of(each) for each in last})
        self.assertEqual({address for _, address, _ in self.hosts.attempts}, self.link.living)
        self.assertEqual(
            {address for _, address in self.link.requests}, {f"10.0.0.{n}" for n in range(1, 255) if n != 9}
        )

    def test_kernel(self) -> None:
        """Everybody who lives is found with MAC and open ports by the kernel's ARP; nobody else is connected to."""
        self.found_by(raw=False)

    def test_raw(self) -> None:
        """The same by our own ARP, which is closed at the end."""
        self.found_by(raw=True)
        self.assertEqual(self.link.closed, 1)

    def test_quick(self) -> None:
        """Where nothing is lost, a /24 takes less than half a second."""
        for n in range(20, 80):
            self.live(f"10.0.0.{n}", 554)
        self.assertLess(self.sweep(), 0.45)
        self.assertLess(self.sweep(raw=True), 0.45)

    def test_soon(self) -> None:
        """Open ports are reported a quarter of a second after the first, however long the others are tried."""
        self.live("10.0.0.20", 554, rest=None)
        self.live("10.0.0.21", 80, 8899, rest=None)
        sweeping = self.begin(raw=True)
        self.clock.pump([STEP] * 160)
        self.assertEqual(self.opened(), {"10.0.0.20": [554], "10.0.0.21": [80, 8899]})
        self.finish(sweeping)

    def test_one_sighting(self) -> None:
        """Each host is reported once, with all its open ports, whatever their number; a firewall that drops the rest
        changes nothing about that.
        """
        self.live("10.0.0.20", 554, 80, 8554, 8000)
        self.live("10.0.0.21", 554, 80, 8554, 8000, rest=None)
        self.live("10.0.0.22")
        self.sweep(raw=True)
        reported = [(one.address, sorted(one.open_ports)) for one in self.sink.sightings]
        ports = [80, 554, 8000, 8554]
        self.assertEqual([("10.0.0.20", ports), ("10.0.0.21", ports)], sorted(reported))

    def test_one_sighting_of_many(self) -> None:
        """So it is where the rate spreads a sweep over seconds: who was begun is finished before others are begun."""
        for n in range(20, 220):
            self.live(f"10.0.0.{n}", 554, 8899)
        took = self.sweep(raw=True, rate=1000)
        self.assertGreater(took, 3.0)
        self.assertEqual(200, len(self.sink.sightings))
        self.assertEqual({(554, 8899)}, {tuple(sorted(one.open_ports)) for one in self.sink.sightings})

    def test_late_port(self) -> None:
        """A port that answers only after the report brings another, with all ports."""
        self.live("10.0.0.20", 554, rest=None)
        sweeping = self.begin(raw=True)
        self.clock.pump([STEP] * 160)
        self.assertEqual([(554,)], [one.open_ports for one in self.sink.sightings])
        self.hosts.ports["10.0.0.20"][None] = Outcome.REFUSED
        self.hosts.ports["10.0.0.20"][80] = Outcome.OPEN
        self.finish(sweeping)
        self.assertEqual([(554,), (554, 80)], [one.open_ports for one in self.sink.sightings])

    def test_known(self) -> None:
        """A host that the kernel knows already is connected to without a question, by our own ARP it is asked."""
        self.live("10.0.0.20", 554)
        self.neighbours.macs["10.0.0.20"] = mac_of("10.0.0.20")
        self.sweep()
        self.assertNotIn("10.0.0.20", [address for _, address in self.link.requests])
        self.assertEqual(self.opened(), {"10.0.0.20": [554]})
        self.sweep(raw=True)
        self.assertIn("10.0.0.20", [address for _, address in self.link.requests])

    def test_learnt_meanwhile(self) -> None:
        """A host that another program made known before its turn came is found, although no event follows."""
        self.live("10.0.0.250", 554)
        sweeping = self.begin(rate=300)
        self.neighbours.learn("10.0.0.250", mac_of("10.0.0.250"))
        self.finish(sweeping)
        self.assertEqual(self.opened(), {"10.0.0.250": [554]})

    def test_nobody_asked(self) -> None:
        """Who was not asked is not connected to, whatever the kernel or the network says."""
        sweeping = self.begin(exclude=("10.0.0.64/26",))
        self.clock.pump([STEP] * 30)
        for address in ("10.0.0.70", "10.9.9.9"):
            self.neighbours.learn(address, mac_of(address))
        self.finish(sweeping)
        self.assertEqual(self.hosts.attempts, [])
        self.assertFalse([address for _, address in self.link.requests if 64 <= int(address.split(".")[3]) < 128])

    def test_tunnel(self) -> None:
        """On a link without ARP nobody is asked."""
        self.neighbours.addresses = [Interface("wg0", 5, "10.0.0.9", 24, arp=False)]
        self.sweep()
        self.assertEqual(self.link.requests, [])

    def test_beyond(self) -> None:
        """A named network beyond a router is left to the TCP sweep, which leaves the links alone."""
        self.live("10.0.0.20", 554)
        self.hosts.ports["10.7.0.1"] = {554: Outcome.OPEN, None: Outcome.REFUSED}
        networks = ("interfaces", "10.7.0.0/30")
        beyond = PortScan(
            self.clock,
            self.neighbours,
            settings=lambda: SweepSettings(networks=networks),
            limiter=PacketRateLimiter(1000, self.clock.seconds),
            monotonic=self.clock.seconds,
            make_connector=self.hosts.connector,
        )
        self.sweep(networks=networks, beyond=beyond)
        self.assertEqual(self.opened(), {"10.0.0.20": [554], "10.7.0.1": [554]})
        tried = {address for _, address, _ in self.hosts.attempts}
        self.assertEqual(tried, {"10.0.0.20", "10.7.0.1", "10.7.0.2"})

    def test_cancelled(self) -> None:
        """A cancelled sweep sends nothing more."""
        self.live("10.0.0.20", 554, rest=None)
        sweeping = self.begin(raw=True)
        self.clock.pump([STEP] * 10)
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        asked = len(self.link.requests)
        self.clock.pump([STEP] * 500)
        self.assertEqual(len(self.link.requests), asked)
        self.assertTrue(self.hosts.is_closed)


class WellTests(SweepCase):
    """Cameras that are well."""

    def setUp(self) -> None:
        super().setUp()
        for n in range(20, 70):
            self.live(f"10.0.0.{n}", 554, 80)
            self.well[f"10.0.0.{n}"] = mac_of(f"10.0.0.{n}")

    def again(self) -> None:
        self.hosts.attempts.clear()
        self.link.requests.clear()
        self.sink.sightings.clear()
        self.finish(Deferred.fromCoroutine(self.scan.sweep(self.sink)))

    def test_no_connect(self) -> None:
        """A sweep connects to no camera that is well, by either way: one ARP request of our own asks whether it is
        there, and what the kernel knows already costs no packet.
        """
        for raw in (True, False):
            self.sweep(raw=raw)
            self.assertEqual(([], []), (self.hosts.attempts, self.sink.sightings))
            self.assertEqual((50, 50), (self.scan.counts["alive"], self.scan.counts["well"]))
            for _ in range(3):
                self.again()
                asked = Counter(address for _, address in self.link.requests if address in self.well)
                self.assertEqual([1] * 50 if raw else [], list(asked.values()))
                self.assertEqual(([], []), (self.hosts.attempts, self.sink.sightings))

    def test_who_is_not_well(self) -> None:
        """Who is not well, and who answers over another MAC, has its ports asked in every sweep, and is reported."""
        del self.well["10.0.0.20"]
        self.well["10.0.0.21"] = mac_of("10.9.9.9")
        self.sweep(raw=True)
        for _ in range(2):
            self.again()
            self.assertEqual({"10.0.0.20", "10.0.0.21"}, {address for _, address, _ in self.hosts.attempts})
            self.assertEqual(2 * len(CAMERA_PORTS), len(self.hosts.attempts))
            self.assertEqual({"10.0.0.20": [80, 554], "10.0.0.21": [80, 554]}, self.opened())

    def test_once_a_day(self) -> None:
        """The ports of a camera that is well are looked at again after a day, and within two, once a day at most; and
        not all of fifty cameras in one sweep.
        """
        well, self.well = self.well, {}
        self.sweep(raw=True)
        self.assertEqual(50, len(self.opened()))
        self.well = well
        looked: Counter[str] = Counter()
        most = 0
        for _ in range(24 * 2):
            self.clock.rightNow += 3600
            self.again()
            looked.update({address for _, address, _ in self.hosts.attempts})
            most = max(most, len({address for _, address, _ in self.hosts.attempts}))
            if self.clock.seconds() < 86_400:
                self.assertEqual([], self.hosts.attempts)
        self.assertEqual(dict.fromkeys(well, 1), dict(looked))
        self.assertLess(most, 10)

    def test_meant(self) -> None:
        """One address that is probed has its ports asked, though it be well."""
        self.make(raw=True)
        self.finish(Deferred.fromCoroutine(self.scan.probe("10.0.0.20", self.sink)))
        self.assertEqual({"10.0.0.20": [80, 554]}, self.opened())


class LateTests(SweepCase):
    """A reactor that is always behind."""

    def late_sweep(self, raw: bool) -> list[int]:
        """Packets of each step, of a sweep whose every step comes 0.2 s after the one before."""
        for n in range(20, 40):
            self.live(f"10.0.0.{n}", 554)
        sweeping = self.begin(raw=raw)
        sent = []
        for _ in range(300):
            if sweeping.called:
                break
            before = len(self.link.requests) + len(self.hosts.attempts)
            self.clock.advance(0.2)
            sent.append(len(self.link.requests) + len(self.hosts.attempts) - before)
        self.successResultOf(sweeping)
        return sent

    def test_it_goes_on(self) -> None:
        """A sweep under a reactor that is always late sends in every turn while there is somebody to ask, ends, and
        takes nobody for silent whose answer was not read yet.
        """
        for raw in (True, False):
            self.setUp()
            sent = self.late_sweep(raw)
            self.assertEqual(20, len(self.opened()))
            self.assertNotIn(0, sent[:5])
            self.assertEqual(20 * len(CAMERA_PORTS), len(self.hosts.attempts))
            self.tearDown()


class LookAtTests(SweepCase):
    """One address, and nobody else."""

    def look(self, address: str, *, raw: bool = False, **settings_: Any) -> None:
        self.live("10.0.0.5", 554, 80)
        self.live("10.0.0.6", 554)
        self.live("10.0.1.5", 554)
        self.make(raw=raw, networks=("10.0.0.0/25", "10.0.1.0/24"), **settings_)
        self.finish(Deferred.fromCoroutine(self.scan.probe(address, self.sink)), within=10.0)

    def test_interface(self) -> None:
        """It can look at one address."""
        self.make()
        verifyObject(IAddressProbe, self.scan)

    def test_found(self) -> None:
        """Who stands there is reported with MAC and open ports; nobody else is asked, nor forgotten."""
        for raw in (False, True):
            self.sink.sightings.clear()
            self.link.requests.clear()
            self.look("10.0.0.5", raw=raw)
            self.assertEqual({"10.0.0.5": [80, 554]}, {key: sorted(ports) for key, ports in self.opened().items()})
            self.assertEqual(mac_of("10.0.0.5"), self.sink.sightings[-1].mac)
            self.assertLessEqual({address for _, address in self.link.requests}, {"10.0.0.5"})
            self.assertEqual({}, self.scan.alive)

    def test_left_alone(self) -> None:
        """Nothing is sent to what is excluded, not to be swept, beyond a router, or of IPv6."""
        for address in ("10.0.0.5", "10.0.0.200", "10.0.1.5", "fe80::5%eth0"):
            self.look(address, exclude=("10.0.0.0/29",))
            self.assertEqual(([], []), (self.sink.sightings, self.link.requests))


class LossTests(SweepCase):
    """Networks that lose packets."""

    def lossy(self, raw: bool, seed: int) -> int:
        """How many of 60 hosts with one open port are found at the first sweep; all must be known after the second."""
        chance = Random(seed)
        self.link.lose = lambda: chance.random() < 0.0975
        for n in range(20, 80):
            self.live(f"10.0.0.{n}", 554)
        connect = self.hosts.connect

        def lossy_connect(address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
            if chance.random() >= 0.0975:
                return connect(address, port, ended)
            host = self.hosts.ports.pop(address)
            try:
                return connect(address, port, ended)
            finally:
                self.hosts.ports[address] = host

        self.hosts.connect = lossy_connect  # type: ignore[method-assign]
        self.sweep(raw=raw)
        first = len(self.opened())
        self.finish(Deferred.fromCoroutine(self.scan.sweep(self.sink)))
        self.assertEqual(len(self.opened()), 60)
        return first

    def test_loss(self) -> None:
        """With 5 % lost each way the first sweep finds 95 %, and with the second all are found, by either way."""
        for seed in range(3):
            for raw in (False, True):
                self.setUp()
                self.assertGreaterEqual(self.lossy(raw, seed), 57)

    def test_rounds(self) -> None:
        """Our own ARP asks three times, 0.1 s apart, whoever stays silent."""
        self.sweep(raw=True)
        self.assertEqual(set(Counter(address for _, address in self.link.requests).values()), {3})
        times = [seconds for seconds, address in self.link.requests if address == "10.0.0.100"]
        for earlier, later in pairwise(times):
            self.assertTrue(0.099 <= later - earlier <= 0.13, times)

    def test_sure(self) -> None:
        """The third round is left out where twenty answered at once and nobody later."""
        for n in range(20, 45):
            self.live(f"10.0.0.{n}")
        self.sweep(raw=True)
        asked = Counter(address for _, address in self.link.requests)
        self.assertEqual((asked["10.0.0.20"], asked["10.0.0.100"]), (1, 2))

    def test_silent_ports(self) -> None:
        """A port that never answers is tried four times and then left."""
        self.live("10.0.0.20", 554, rest=None)
        seconds = self.sweep(raw=True)
        tries = Counter(port for _, _, port in self.hosts.attempts)
        self.assertEqual(tries[554], 1)
        self.assertEqual({tries[port] for port in CAMERA_PORTS if port != 554}, {MAX_TRIES})
        self.assertLess(seconds, 1.0)

    def test_held_up(self) -> None:
        """When the reactor was held up, what was answered meanwhile is read before anything counts as lost."""
        self.live("10.0.0.20", 554)
        sweeping = self.begin()
        while not self.hosts.running:
            self.clock.advance(STEP)
        waiting = list(self.hosts.running.values())
        self.clock.rightNow += 0.5  # the reactor comes back: timers are due first, the answers come after
        for call in waiting:
            assert call is not None
            call.delay(0.5)
        self.clock.advance(0)
        self.finish(sweeping)
        self.assertEqual(len(self.hosts.attempts), len(CAMERA_PORTS))

    def test_unreachable(self) -> None:
        """A host that a firewall forbids is not tried twice."""
        self.live("10.0.0.20", rest=Outcome.UNREACHABLE)
        self.sweep()
        self.assertEqual(len(self.hosts.attempts), len(CAMERA_PORTS))

    def test_no_room(self) -> None:
        """An attempt for which there was no room is made again and does not count."""
        self.live("10.0.0.20", 554, rest=Outcome.NO_ROOM)
        sweeping = self.begin(ports=(554, 80))
        self.clock.pump([STEP] * 400)
        self.hosts.ports["10.0.0.20"][80] = Outcome.OPEN
        self.finish(sweeping)
        self.assertEqual(self.opened(), {"10.0.0.20": [80, 554]})


class LargeTests(SweepCase):
    """A /20 with a neighbour table of 1 024 entries."""

    interface = Interface("eth0", 2, "10.0.0.9", 20)

    def people(self) -> None:
        for n in range(100):
            self.live(f"10.0.{n // 7}.{10 + n}", 554)

    def test_kernel(self) -> None:
        """Without privilege all are found within 15 s, and the table never has more than 900 entries of ours."""
        self.people()
        self.assertLess(self.sweep(), 15.0)
        self.assertEqual(len(self.opened()), 100)
        self.assertLessEqual(self.link.most_entries, 900)
        self.assertLessEqual(self.scan.counts["most_unanswered"], 800)
        self.assertEqual(self.link.refused, 0)

    def test_full(self) -> None:
        """Where others hold most of the table, it waits as often as the kernel says so, and misses nobody."""
        self.people()
        self.link.others = 600
        self.sweep(within=120.0)
        self.assertEqual(len(self.opened()), 100)
        self.assertLess(self.link.refused, 60)

    def test_raw(self) -> None:
        """By our own ARP all are found within 2 s, and no entry is taken."""
        self.people()
        self.assertLess(self.sweep(raw=True), 2.0)
        self.assertEqual((len(self.opened()), self.link.most_entries), (100, 0))

    def test_too_large(self) -> None:
        """More addresses than allowed are asked only where they are named."""
        self.people()
        self.sweep(raw=True, max_addresses=4095)
        self.assertEqual(self.link.requests, [])
        self.sweep(raw=True, max_addresses=4095, networks=("10.0.0.0/20",))
        self.assertEqual(len(self.opened()), 100)


class CapTests(SweepCase):
    """Hard limits."""

    def test_rate(self) -> None:
        """No second sees more packets than SCAN_RATE, counted by the network."""
        for n in range(20, 60):
            self.live(f"10.0.0.{n}", 554, 80)
        for raw in (True, False):
            self.link.requests.clear()
            self.hosts.attempts.clear()
            self.sweep(raw=raw, rate=200)
            times = deque(sorted([*self.link.requests, *((at, where) for at, where, _ in self.hosts.attempts)]))
            most, window = 0, deque[float]()
            for at, _ in times:
                window.append(at)
                while window[0] <= at - 1:
                    window.popleft()
                most = max(most, len(window))
            self.assertLessEqual(most, 200)
            self.assertLessEqual(self.scan.counts["most_in_second"], 200 + 16)
            self.assertGreaterEqual(self.scan.counts["packets"], len(times))

    def test_half_open(self) -> None:
        """Never more attempts at one time than allowed, nor at one host."""
        for n in range(20, 60):
            self.live(f"10.0.0.{n}", 554, rest=None)
        self.sweep(raw=True, half_open=25, per_host=3)
        self.assertEqual(self.hosts.most_running, 25)
        self.assertEqual(self.scan.counts["most_half_open"], 25)
        self.assertLessEqual(self.scan.counts["most_per_host"], 3)
        self.assertEqual(len(self.opened()), 40)

    def test_per_host(self) -> None:
        """However much room there is, one host gets so many attempts at one time."""
        for n in range(20, 24):
            self.live(f"10.0.0.{n}", 554, rest=None)
        self.sweep(raw=True, half_open=25, per_host=3)
        self.assertEqual((self.hosts.most_running, self.scan.counts["most_per_host"]), (12, 3))

    def test_forbidden(self) -> None:
        """The ports that log an illegal login are not tried, even when told to."""
        self.live("10.0.0.20", 9000, 554)
        self.sweep(ports=(9000, 554, 37777, 34567))
        self.assertEqual({port for _, _, port in self.hosts.attempts}, {554})

    @settings(max_examples=50, deadline=None)
    @given(st.integers(1, 20_000), st.lists(st.floats(0, 0.2), min_size=1, max_size=60))
    def test_rate_of_any_load(self, rate: int, pauses: list[float]) -> None:
        """Whatever the pauses between the turns, no second sees more packets than the rate."""
        clock = Clock()
        limiter = PacketRateLimiter(rate, clock.seconds)
        spent: list[tuple[float, int]] = []
        for pause in pauses:
            clock.advance(pause)
            packets = 0
            while limiter.allows():
                limiter.charge()
                packets += 1
            spent.append((clock.seconds(), packets))
        for begin, _ in spent:
            # 1e-6: sums of binary fractions
            self.assertLessEqual(sum(n for at, n in spent if begin <= at < begin + 1 - 1e-6), rate)


class PortsTests(SynchronousTestCase):
    """Which ports are tried."""

    def test_fourteen(self) -> None:
        """Fourteen, each of one kind, RTSP's own first."""
        self.assertEqual(sorted(CAMERA_PORTS), sorted((*RTSP_PORTS, *HTTP_PORTS)))
        self.assertEqual((len(set(CAMERA_PORTS)), CAMERA_PORTS[0]), (14, 554))

    def test_more(self) -> None:
        """Further ports come after, each once, never a forbidden one."""
        self.assertEqual(ports_to_try((554, 8081, *SILENT_PORTS)), (*CAMERA_PORTS, 8081))
