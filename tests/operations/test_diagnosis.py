"""Each situation of an address gets its reason, and the reason says what to do."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Camera, Interface, Status
from twisted_detector.operations.diagnosis import OPEN, REFUSED, SILENT, AddressState, diagnose
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import Observation

ETH0 = Interface("eth0", 2, "10.0.0.9", 24)
HERE = "10.0.0.5"
CLOSED = {554: REFUSED, 80: REFUSED}
LIVING = AddressState(HERE, (ETH0,), mac="02:00:00:00:00:0a", ports=CLOSED)
CAMERA = Camera("cam", "cam", HERE, status=Status.ONLINE, reason="why")


def fact(source: str, text: str) -> Observation:
    return Observation(0.0, 0.0, source, text)


CASES = {
    "shown": replace(LIVING, cameras=(CAMERA,)),
    "offline": replace(LIVING, mac=None, ports={}, cameras=(replace(CAMERA, status=Status.OFFLINE),)),
    "busy": replace(LIVING, cameras=(replace(CAMERA, status=Status.BUSY),)),
    "stream_error": replace(LIVING, cameras=(replace(CAMERA, status=Status.STREAM_ERROR),)),
    "wrong-credential": replace(LIVING, cameras=(replace(CAMERA, status=Status.AUTH_REQUIRED),), logins=2),
    "no-credential": replace(LIVING, ports={554: OPEN}, facts=(fact("rtsp", "login wanted: 401"),)),
    "moved": replace(LIVING, mac=None, moved_to="10.0.0.77"),
    "this-machine": replace(LIVING, address="10.0.0.9"),
    "excluded": replace(LIVING, mac=None, ports={}, excluded=("10.0.0.0/28",)),
    "out-of-reach": AddressState("8.8.8.8", (ETH0,), out_of_reach="it is no private address: SCAN_NETWORKS"),
    "speaks-elsewhere": AddressState(
        "192.168.1.108", (ETH0,), facts=(fact("ssdp", "it speaks from 192.168.1.108, which is no network of eth0"),)
    ),
    "no-answer-to-arp": replace(LIVING, mac=None, ports={}),
    "container-bridge": replace(LIVING, mac=None, ports={}, bridge="/.dockerenv exists"),
    "not-on-any-network": AddressState("192.168.7.7", (ETH0,), ports={554: SILENT}),
    "router-between": AddressState(
        "192.168.7.7", (ETH0,), ports={554: SILENT}, scanned=("interfaces", "192.168.7.0/24")
    ),
    "ports-closed": LIVING,
    "not-a-camera": replace(LIVING, ports={80: OPEN}, phase=Phase.FOREIGN),
    "onvif-off": replace(LIVING, ports={80: OPEN, 554: REFUSED}),
    "onvif-disabled": replace(LIVING, ports={80: OPEN, 554: REFUSED}, onvif_enabled=False),
    "not-swept-yet": replace(LIVING, ports={554: OPEN}),
    "scan-off": replace(LIVING, ports={554: OPEN}, scan_enabled=False),
    "being-asked": replace(LIVING, ports={554: OPEN}, phase=Phase.INSPECTING),
}
#: Situations in which there is nothing to be done.
FINE = {"shown", "this-machine", "moved", "being-asked"}


class Reasons(SynchronousTestCase):
    def test_each(self) -> None:
        """The word, a sentence, and an advice where something can be done."""
        for word, case in CASES.items():
            with self.subTest(word):
                reason = diagnose(case)
                self.assertEqual(word, reason.code, reason)
                self.assertTrue(reason.text.endswith("."), reason.text)
                self.assertEqual(word not in FINE, bool(reason.advice), reason)

    def test_ipv6(self) -> None:
        """An IPv6 address with a scope is judged as well."""
        link = Interface("eth0", 2, "fe80::9", 64)
        self.assertEqual("no-answer-to-arp", diagnose(AddressState("fe80::5%eth0", (link, ETH0))).code)
        self.assertIn("neighbour solicitation", diagnose(AddressState("fe80::5%eth0", (link, ETH0))).text)

    def test_behind_a_router_but_answering(self) -> None:
        """What answers behind a router is judged by what it answered, not by the way."""
        self.assertEqual("ports-closed", diagnose(AddressState("192.168.7.7", (ETH0,), ports={554: REFUSED})).code)
