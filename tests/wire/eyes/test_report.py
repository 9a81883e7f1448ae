"""Reports of eyes: what a sighting keeps on its way, and what an eye cannot claim."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import Announced, Evidence, EvidenceKind, Mac, Sighting
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.devices import BY_HAND, SHARED
from twisted_detector.wire.eyes.report import (
    MAX_COUNTS,
    MAX_ENTRIES,
    MAX_TEXT,
    METHODS,
    Departure,
    Report,
    SignOfLife,
    encode_report,
    parse_report,
)

MAC = Mac("02:00:00:00:00:21")
SEEN = Sighting(
    "sadp",
    "10.0.0.21",
    5.0,
    endpoint_reference="urn:uuid:1",
    xaddrs=("http://10.0.0.21/onvif/device_service",),
    scopes=("onvif://www.onvif.org/name/Porch",),
    types=("NetworkVideoTransmitter",),
    rtsp_ports=(554,),
    open_ports=(80,),
    name="Porch",
    interface="barn",
    evidence=(Evidence("serial", "S1", "sadp", 5.0),),
    announced=Announced(
        "Acme", "M1", "Porch", "S1", "1.0", DeviceKind.CAMERA, 2, (Condition.NOT_ACTIVATED,), "console", "10.0.0.9"
    ),
)


def said(report: Report) -> Report:
    return parse_report(encode_report(report), "barn", 5.0)


def parsed(**fields: Any) -> Any:
    return parse_report(json.dumps({"k": "seen", "m": "mdns", "a": "10.0.0.21", **fields}).encode(), "barn", 5.0)


class ReportTests(SynchronousTestCase):
    def test_whole(self) -> None:
        """All that a device announced arrives; the eye is the interface, the time is the node's."""
        self.assertEqual(SEEN, said(replace(SEEN, interface="eth0", seen_at=1.0)))

    def test_goodbye_and_life(self) -> None:
        """A goodbye and a sign of life arrive."""
        for report in (Departure("wsdiscovery", "10.0.0.21", "urn:uuid:1"), SignOfLife("1.2", {"reported": 3})):
            self.assertEqual(report, said(report))

    def test_mac_is_hearsay(self) -> None:
        """A MAC beside other words is an announced one; alone it stays, for the detector to look up."""
        seen = said(replace(SEEN, mac=MAC))
        assert isinstance(seen, Sighting)
        self.assertIsNone(seen.mac)
        self.assertIn(("announced_mac", MAC.text), [(one.kind, one.value) for one in seen.evidence])
        for words in ({"epr": "x"}, {"said": {}}, {"rtsp": [554]}, {"ports": [80]}, {"ev": [["upnp", "x"]]}):
            self.assertIsNone(parsed(mac=MAC.text, **words).mac, words)
        self.assertEqual(Sighting("arp", "10.0.0.21", 5.0, mac=MAC, interface="barn"), said(
            Sighting("arp", "10.0.0.21", 1.0, mac=MAC)
        ))  # fmt: skip

    def test_evidence(self) -> None:
        """Identifiers that only a kernel or an inspection gives are not taken from an eye."""
        kinds = [*EvidenceKind, *(SHARED + kind for kind in EvidenceKind), "anything"]
        found = parsed(ev=[[kind, "x"] for kind in kinds])
        self.assertEqual(
            {"scope_mac", "serial", "mdns", "upnp", "announced_mac", "vendor", "vendor_id"},
            {one.kind for one in found.evidence},
        )

    def test_xaddrs(self) -> None:
        """Service addresses lead to the device's own address, whatever host they name."""
        urls = ["http://10.0.0.9/a", "http://127.0.0.1:8080/b", "http://10.0.0.21/c", "http://192.0.2.1/d"]
        self.assertEqual({"10.0.0.21"}, {url.split("/")[2].partition(":")[0] for url in parsed(xaddrs=urls).xaddrs})
        self.assertEqual(("http://[fd00::21]/c",), parsed(a="fd00::21", xaddrs=["http://[fd00::21]/c"]).xaddrs)

    def test_methods(self) -> None:
        """A person's word and a method of the node's own are not an eye's."""
        for method in (BY_HAND, "neighboursweep", "onvif", ""):
            self.assertNotIn(method, METHODS)
            self.assertRaises(RemoteError, parsed, m=method)

    def test_refused(self) -> None:
        """Wrong types, numbers out of bounds, texts and lists that are too long, and other kinds."""
        long = "x" * (MAX_TEXT + 1)
        for fields in (
            {"k": "else"}, {"k": None}, {"a": "10.0.0"}, {"a": "224.0.0.1"}, {"a": 5}, {"name": long}, {"name": 5},
            {"epr": []}, {"mac": "x"}, {"mac": "ff:ff:ff:ff:ff:ff"}, {"scopes": "x"}, {"scopes": [5]},
            {"scopes": ["x"] * (MAX_ENTRIES + 1)}, {"rtsp": [0]}, {"rtsp": [65_536]}, {"rtsp": [True]},
            {"rtsp": [1.5]}, {"ports": {}}, {"ev": [["serial"]]}, {"ev": [5]}, {"said": []},
            {"said": {"channels": -1}}, {"said": {"model": 5}}, {"said": {"conditions": 5}},
            {"k": "alive"}, {"k": "alive", "counts": {"a": -1}}, {"k": "alive", "counts": {"a": "1"}},
            {"k": "alive", "counts": {str(number): 1 for number in range(MAX_COUNTS + 1)}},
        ):  # fmt: skip
            self.assertRaises(RemoteError, parsed, **fields)
        for body in (b"", b"[]", b"\xff", b"[" * 30_000, b"5" * 5_000):
            self.assertRaises(RemoteError, parse_report, body, "barn", 5.0)

    def test_unseen_characters(self) -> None:
        """Characters that nobody can see, and halves of pairs, are left out."""
        self.assertEqual("Porch", parsed(name="Po\u202e\x1brc\ud800h\n").name)

    def test_unknown(self) -> None:
        """Fields, kinds and conditions of a later version are passed over."""
        found = parsed(later=1, said={"kind": "toaster", "conditions": ["later", "not-activated"]})
        self.assertEqual(Announced(conditions=(Condition.NOT_ACTIVATED,)), found.announced)
