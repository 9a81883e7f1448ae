"""Which addresses are asked, whoever names them, and whose word a MAC is."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.detector.case import HERE, ID, MOVED, THERE, XADDR, DetectorCase, SearchingDiscoverer
from tests.facts import A, B, C, inspection, sighting
from twisted_detector.detector.address_gate import AddressGate
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import Evidence, EvidenceKind, Interface, Status
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.testing.lan import LOOPBACK, MemoryNeighbours

REFUSED = ("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "8.8.8.8", "2001:db8::1", "100.100.100.200")
PUBLIC = Interface("eth1", 3, "8.8.8.1", 24)
#: A device beyond a router: no MAC of it is seen.
ROUTED = "10.20.0.5"


class ReachTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.method = SearchingDiscoverer()
        self.methods = [self.method]

    def commands(self) -> Any:
        return MqttCommands(
            self.clock,
            detector=self.detector,
            registry=self.registry,
            node_id="n",
            topic="t",
            publish=lambda message: Deferred(),
        )

    def test_whoever_names_it(self) -> None:
        """By no method: no MAC is looked up, nothing is asked or probed, and ``why`` has the reason."""
        self.start()
        for method in ("wsdiscovery", "mdns", "ssdp", "portscan", "neighbours", "arp", "a-plugin"):
            for address in REFUSED:
                self.watcher.report(sighting(address, method=method, xaddrs=(f"http://{address}/o",)))
                self.watcher.report(sighting(address, C, method=method))
        self.clock.pump([1] * 5)
        self.assertEqual(
            ([], [], [], ()),
            (self.inspector.calls, self.neighbours.lookups, self.method.probed, self.registry.devices()),
        )
        self.assertEqual(7 * 7 * 2, self.detector.counts["out_of_reach"])
        self.assertTrue(all("SCAN_NETWORKS" in text for _, _, text in self.observed))

    def test_the_command(self) -> None:
        """``probe`` says why not and what to do; of a private address and of a link's it is executed."""
        self.start()
        for address in REFUSED:
            problem = self.assertRaises(RemoteError, self.commands().execute, {"command": "probe", "address": address})
            self.assertIn("SCAN_NETWORKS", str(problem))
        for address in ("0.0.0.0", "239.255.255.250", "255.255.255.255"):
            self.assertRaises(RemoteError, self.commands().execute, {"command": "probe", "address": address})
        self.assertEqual((), self.registry.devices())
        for address in (HERE, ROUTED):
            self.commands().execute({"command": "probe", "address": address})
        self.clock.pump([1] * 5)
        self.assertEqual({HERE, ROUTED}, {address for address, _ in self.inspector.calls})

    def test_a_network_that_comes(self) -> None:
        """A link with public addresses is a link as soon as this machine has it."""
        self.start()
        self.watcher.report(sighting("8.8.8.8", xaddrs=("http://8.8.8.8/o",)))
        self.assertEqual((), self.registry.devices())
        self.neighbours.addresses.append(PUBLIC)
        self.detector.network_changed()
        self.watcher.report(sighting("8.8.8.8", xaddrs=("http://8.8.8.8/o",)))
        self.assertEqual(1, len(self.registry.devices()))

    def test_known_from_before(self) -> None:
        """A camera that was known at an address out of reach is asked nothing any more, and its status says why."""
        self.neighbours.addresses.append(PUBLIC)
        self.neighbours.macs["8.8.8.8"] = C
        self.inspector.answers["8.8.8.8"] = inspection("8.8.8.8")
        self.start()
        self.watcher.report(sighting("8.8.8.8", xaddrs=("http://8.8.8.8/o",)))
        self.clock.pump([1] * 5)
        [camera] = self.registry.cameras()
        self.neighbours.addresses.remove(PUBLIC)
        self.detector.network_changed()
        self.inspector.calls.clear()
        self.validator.validated.clear()
        self.clock.pump([1] * 200)
        self.assertEqual(([], []), (self.inspector.calls, self.validator.validated))
        [camera] = self.registry.cameras()
        self.assertIs(Status.OFFLINE, camera.status)
        self.assertIn("SCAN_NETWORKS", camera.reason)


class ListedTests(DetectorCase):
    listed = ("127.0.0.0/8", "169.254.0.0/16")

    def test_listed(self) -> None:
        """Loopback and link-local addresses that the operator named are asked, as simulated cameras are."""
        self.start()
        for address in ("127.0.0.1", "169.254.7.7"):
            self.watcher.report(sighting(address, xaddrs=(f"http://{address}/o",)))
        self.assertEqual(2, len(self.registry.devices()))


class GateTests(SynchronousTestCase):
    def test_networks_that_change(self) -> None:
        """An address is asked as long as its network is named."""
        listed = [ip_network("8.8.8.0/24")]
        gate = AddressGate(lambda: tuple(listed), MemoryNeighbours(LOOPBACK).interfaces)
        self.successResultOf(Deferred.fromCoroutine(gate.refresh()))
        self.assertEqual("", gate.explain_refusal("8.8.8.8"))
        listed.clear()
        self.assertIn("SCAN_NETWORKS", gate.explain_refusal("8.8.8.8"))

    def test_failing_interfaces(self) -> None:
        """Where the interfaces cannot be read, those that were known stay."""
        neighbours = MemoryNeighbours(LOOPBACK, PUBLIC)
        gate = AddressGate(interfaces=neighbours.interfaces)
        self.assertEqual("", gate.explain_refusal("1.2.3.4"))
        self.successResultOf(Deferred.fromCoroutine(gate.refresh()))
        for problem in (None, OSError("netlink"), CamdetectError("no kernel")):
            neighbours.problem = problem
            self.successResultOf(Deferred.fromCoroutine(gate.refresh()))
            self.assertEqual("", gate.explain_refusal("8.8.8.8"))
            self.assertNotEqual("", gate.explain_refusal("1.2.3.4"))
        self.successResultOf(Deferred.fromCoroutine(AddressGate().refresh()))


class HearsayTests(DetectorCase):
    """MACs that a discoverer, or a plugin, only says."""

    def setUp(self) -> None:
        super().setUp()
        self.inspector.answers[ROUTED] = inspection(ROUTED)

    def seen(self, *more: Evidence, address: str = ROUTED, mac: Any = C, **facts: Any) -> Any:
        self.start()
        self.watcher.report(sighting(address, mac, evidence=more, xaddrs=(f"http://{address}/o",), **facts))
        self.clock.pump([1] * 5)
        key = self.registry.key_at(address)
        assert key is not None
        return self.registry.candidate(key)

    def test_made_up(self) -> None:
        """A MAC that this machine does not see there is no MAC: no secret goes there; it is a claim of the device."""
        candidate = self.seen()
        self.assertEqual((None, False), (candidate.mac, candidate.at_layer2))
        [camera] = self.registry.cameras()
        self.assertIsNone(camera.mac)
        self.assertIn((EvidenceKind.ANNOUNCED_MAC, C.text), [(one.kind, one.value) for one in camera.evidence])

    def test_among_the_evidence(self) -> None:
        """Evidence cannot pass for what was seen either, now or after a restart."""
        forged = (
            Evidence(EvidenceKind.MAC, C.text, "plugin", 0.0),
            Evidence(EvidenceKind.SHARED_MAC, C.text, "plugin", 0.0),
        )
        candidate = self.seen(*forged, mac=None)
        self.assertEqual((None, False, False), (candidate.mac, candidate.behind_shared_mac, candidate.at_layer2))
        [camera] = self.registry.cameras()
        kinds = {one.kind for one in camera.evidence}
        self.assertFalse(kinds & {EvidenceKind.MAC, EvidenceKind.SHARED_MAC}, kinds)

    def test_another_than_seen(self) -> None:
        """What this machine sees at the address counts, whatever is said."""
        self.assertEqual(A, self.seen(address=HERE).mac)
        self.assertEqual([ID], self.ids())

    def test_seen(self) -> None:
        """A MAC that this machine sees there is one, whoever says it first."""
        self.assertEqual((A, True), ((found := self.seen(address=HERE, mac=A)).mac, found.at_layer2))

    def test_a_known_mac(self) -> None:
        """The MAC of a known camera, said of another address, moves nothing and gives that address no secret."""
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        for address in (ROUTED, MOVED, THERE):
            self.watcher.report(sighting(address, A))
            self.watcher.report(sighting(address, A, rtsp_ports=(554,)))
        self.clock.pump([1] * 5)
        camera = self.registry.camera(ID)
        assert camera is not None
        self.assertEqual(HERE, camera.address)
        self.assertEqual(3, self.detector.counts["unseen_macs"])
        for address, mac in ((ROUTED, None), (MOVED, None), (THERE, B)):
            key = self.registry.key_at(address)
            self.assertEqual(mac, self.registry.candidate(key).mac if key is not None else None)
