"""SCAN_EXCLUDE: by no method is anything sent to such an address, and whatever announces itself there is asked nothing.

The sweeps have their own tests beside their others: ``test_exclude``, ``test_excluded``.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.detector.case import HERE, THERE, XADDR, DetectorCase, SearchingDiscoverer
from tests.discovery.case import NeighboursCase
from tests.doubles.kernel import MAC, neighbour
from tests.facts import A, B, inspection, sighting
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera, Evidence, EvidenceKind, Status
from twisted_detector.model.addresses import Exclusions
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.testing.doubles import RecordingPublisher

OUT = "10.0.0.66"
#: What each method tells of a device that it has seen.
SEEN: dict[str, dict[str, Any]] = {
    "wsdiscovery": {"xaddrs": (f"http://{OUT}/onvif/device_service",), "reference": "urn:uuid:1"},
    "mdns": {"rtsp_ports": (554,), "evidence": (Evidence(EvidenceKind.MDNS, "cam.local", "mdns", 0.0),)},
    "ssdp": {"open_ports": (80,), "evidence": (Evidence(EvidenceKind.UPNP, "uuid:1", "ssdp", 0.0),)},
    "neighboursweep": {"open_ports": (80, 554), "rtsp_ports": (554,), "mac": B},
    "portscan": {"open_ports": (80, 554), "rtsp_ports": (554,)},
    "neighbours": {"mac": B},
    "dhcp": {"mac": A},
    "arp": {"mac": A},
    "command": {"rtsp_ports": (554, 8554), "open_ports": (80,)},
}


class ExclusionsTests(DetectorCase):
    excluded = Exclusions(("10.0.0.64/26", "fe80::66", "fd00::/64"))

    def test_addresses(self) -> None:
        """An address is excluded in whatever notation it is written."""
        out = self.excluded
        for text in (OUT, "::ffff:10.0.0.66", "fe80::66%eth0", "fe80::66", "fd00::1"):
            self.assertIn(text, out)
        for text in (HERE, "fe80::67", "10.0.0.66.1", "", "camera.local"):
            self.assertNotIn(text, out)
        self.assertNotIn(OUT, Exclusions())
        self.assertRaises(ValueError, Exclusions, ("camera",))

    def test_others(self) -> None:
        """After a reload others are excluded, for all who have it."""
        out = Exclusions((OUT,))
        self.assertRaises(ValueError, out.use, ("camera",))
        out.use((HERE,))
        self.assertEqual([False, True], [one in out for one in (OUT, HERE)])

    def test_every_method(self) -> None:
        """Whatever method sees an excluded device: no MAC is looked up, no inspector is called, nothing is probed."""
        self.method = SearchingDiscoverer()
        self.methods = [self.method]
        self.start()
        self.clock.pump([1] * 30)
        for method, said in SEEN.items():
            self.neighbours.lookups.clear()
            self.watcher.report(sighting(OUT, said.get("mac"), said.get("reference", ""), method=method, **_rest(said)))
            self.clock.pump([1] * 5)
            self.assertEqual([], self.neighbours.lookups, method)
            self.assertEqual(([], []), (self.inspector.calls, self.method.probed), method)
        self.assertEqual((len(SEEN), ()), (self.detector.counts["excluded_sightings"], self.registry.devices()))

    def test_a_camera_moves_there(self) -> None:
        """A known camera that says it is at an excluded address now is not followed there."""
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        asked = len(self.inspector.calls)
        self.watcher.report(sighting(OUT, A, xaddrs=XADDR))
        self.assertEqual((HERE, asked), (self.registry.cameras()[0].address, len(self.inspector.calls)))

    def test_known_from_before(self) -> None:
        """A camera of an earlier run whose address is excluded now is neither asked nor searched for: offline."""
        self.method = SearchingDiscoverer()
        self.methods = [self.method]
        known = Camera("a", "a", OUT, mac=A, status=Status.ONLINE, streams=inspection(OUT).streams)
        self.build()
        self.registry.restore([known])
        self.detector.start()
        self.addCleanup(self.stop)
        self.clock.pump([1] * 300)
        self.assertEqual(([], [], []), (self.inspector.calls, self.validator.validated, self.method.searched))
        camera = self.registry.cameras()[0]
        self.assertEqual((Status.OFFLINE, "its address is in SCAN_EXCLUDE"), (camera.status, camera.reason))
        self.detector.check("a")
        self.assertEqual([], self.inspector.calls)
        self.assertIs(Phase.OFFLINE, self.registry.phase(1))

    def test_probe(self) -> None:
        """The command ``probe`` refuses an excluded address, however it is written."""
        self.start()
        commands = MqttCommands(
            self.clock,
            detector=self.detector,
            registry=self.registry,
            node_id="n",
            topic="t",
            publish=RecordingPublisher().publish,
            excluded=self.excluded,
        )
        for address in (OUT, "::ffff:10.0.0.66"):
            self.assertRaises(RemoteError, commands.execute, {"command": "probe", "address": address})
        self.assertEqual({"address": THERE}, commands.execute({"command": "probe", "address": THERE}))


def _rest(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in ("mac", "reference")}


class LookupTests(NeighboursCase):
    """The look-up of a MAC makes the kernel ask: not for excluded addresses, and at the rate of all."""

    def setUp(self) -> None:
        super().setUp()
        self.limiter = PacketRateLimiter(2, self.clock.seconds, self.clock)
        self.neighbours = KernelNeighbours(
            self.clock,
            monotonic=self.clock.seconds,
            open_socket=self.kernel.open,
            provoke=self.provoke,
            excluded=Exclusions(("10.0.0.66",)).__contains__,
            acquire=lambda: self.limiter.acquire(by="lookup"),
        )
        self.start()

    def test_excluded(self) -> None:
        """The kernel is not made to ask for an excluded address."""
        self.assertIsNone(self.mac_of("10.0.0.66"))
        self.assertEqual([], self.provoked)

    def test_in_turn(self) -> None:
        """Look-ups wait until they may send; each that did is counted."""
        asked: list[Deferred[Any]] = [self.look_up(f"10.0.0.{number}") for number in range(20, 26)]
        self.assertEqual(1, len(self.provoked))
        self.clock.pump([0.05] * 140)
        self.assertEqual((6, 6), (len(self.provoked), self.limiter.sent["lookup"]))
        for one in asked:
            self.assertIsNone(self.successResultOf(one))

    def test_together(self) -> None:
        """Who asks for one address at the same time waits for one answer, however long its turn takes."""
        for number in range(30, 33):
            self.look_up(f"10.0.0.{number}")
        asked = [self.look_up("10.0.0.40") for _ in range(200)]
        asked[1].cancel()
        self.failureResultOf(asked[1], CancelledError)
        for _ in range(80):
            self.clock.advance(0.05)
            if ("10.0.0.40", 2) in self.provoked:
                break
        self.receive(neighbour(2, "10.0.0.40", MAC.text, 0x02))
        self.assertEqual({MAC}, {self.successResultOf(one) for one in (asked[0], *asked[2:])})
        self.assertEqual(1, self.provoked.count(("10.0.0.40", 2)))
        self.clock.pump([0.05] * 40)
