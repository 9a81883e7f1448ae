"""Tests for Hikvision's SADP."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.sadp import SadpDevice
from twisted_detector.wire.vendors.protocol import BROADCAST, Answer
from twisted_detector.wire.vendors.sadp import Sadp

MAC = Mac("c0:56:e3:01:02:03")
GOLDEN = (
    b'<?xml version="1.0" encoding="UTF-8" ?>\r\n<ProbeMatch>\r\n'
    b"<Uuid>31323334-3536-3738-393A-3B3C3D3E3F40</Uuid>\r\n<Types>inquiry</Types>\r\n"
    b"<DeviceType>1</DeviceType>\r\n<DeviceDescription>DS-2CD2042WD-I</DeviceDescription>\r\n"
    b"<DeviceSN>DS-2CD2042WD-I20160915AAWR123456789</DeviceSN>\r\n<CommandPort>8000</CommandPort>\r\n"
    b"<HttpPort>81</HttpPort>\r\n<MAC>c0-56-e3-01-02-03</MAC>\r\n<IPv4Address>10.0.0.64</IPv4Address>\r\n"
    b"<IPv4SubnetMask>255.255.255.0</IPv4SubnetMask>\r\n<IPv4Gateway>0.0.0.0</IPv4Gateway>\r\n"
    b"<IPv6Address>::</IPv6Address>\r\n<DHCP>false</DHCP>\r\n<AnalogChannelNum>1</AnalogChannelNum>\r\n"
    b"<DigitalChannelNum>0</DigitalChannelNum>\r\n<SoftwareVersion>V5.4.5 build 170124</SoftwareVersion>\r\n"
    b"<OEMInfo>N/A</OEMInfo>\r\n<Activated>false</Activated>\r\n</ProbeMatch>\r\n"
)
ANSWER = Answer(
    Announced(
        manufacturer="Hikvision",
        model="DS-2CD2042WD-I",
        serial_number="DS-2CD2042WD-I20160915AAWR123456789",
        firmware_version="V5.4.5 build 170124",
        kind=DeviceKind.CAMERA,
        channels=1,
        conditions=(Condition.NOT_ACTIVATED,),
    ),
    mac=MAC,
    address="10.0.0.64",
    http_port=81,
)


class SadpCase(golden.Golden):
    """One golden datagram."""

    protocol, golden, answer, device = Sadp(), GOLDEN, ANSWER, SadpDevice()
    facts = DeviceFacts(
        "10.0.0.9", MAC, manufacturer="Annke", model="NVR <8>", serial_number="N812345", firmware_version="V4.1",
        kind=DeviceKind.RECORDER, channels=16,
    )  # fmt: skip
    heard = Answer(
        Announced("Annke", "NVR <8>", "", "N812345", "V4.1", DeviceKind.RECORDER, 16),
        mac=MAC,
        address="10.0.0.9",
        http_port=80,
    )

    def test_queries(self) -> None:
        """One line each, to the group and by broadcast; nothing but inquiries."""
        queries = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        self.assertEqual([query.to for query in queries], ["239.255.255.250", BROADCAST, "239.255.255.250"])
        self.assertEqual({query.port for query in queries}, {37020})
        self.assertEqual(
            queries[0].data,
            b'<?xml version="1.0" encoding="utf-8"?><Probe><Uuid>31323334-3536-3738-393A-3B3C3D3E3F40</Uuid>'
            b"<Types>inquiry</Types></Probe>",
        )
        self.assertEqual(queries[2].data, queries[0].data.replace(b"inquiry", b"inquiry_v32"))

    def test_where_answers_are_heard(self) -> None:
        """They are sent to the port that asked, and by some to the group: both are heard at the group's port."""
        self.assertEqual((self.protocol.reply_port, self.protocol.groups), (37020, ("239.255.255.250",)))

    def test_activated(self) -> None:
        """Who was activated, or does not say, has no condition; all ways to say no are known."""
        for said, conditions in (
            (b"true", ()),
            (b"TRUE", ()),
            (b"", ()),
            (b"False", (Condition.NOT_ACTIVATED,)),
            (b"flase", (Condition.NOT_ACTIVATED,)),
            (b"no", (Condition.NOT_ACTIVATED,)),
            (b" 0 ", (Condition.NOT_ACTIVATED,)),
        ):
            found = self.protocol.parse(GOLDEN.replace(b"<Activated>false", b"<Activated>" + said))
            self.assertEqual(found and found.announced.conditions, conditions)
        without = self.protocol.parse(GOLDEN.replace(b"<Activated>false</Activated>", b""))
        self.assertEqual(without and without.announced.conditions, ())

    def test_rude_envelopes(self) -> None:
        """Marks, lengths, other case, a namespace, a prefix, another order: it is read all the same."""
        body = GOLDEN.partition(b"\r\n")[2]
        text = GOLDEN.decode("ascii")
        for data in (
            b"\xef\xbb\xbf" + GOLDEN,
            text.replace(' encoding="UTF-8"', "").encode("utf-16"),
            body,
            b"\x10\0\0\xff\x21\x02\0\0" + GOLDEN,
            GOLDEN + b"\0" * 60_000,
            GOLDEN + b"\0" * 40 + b"</ProbeMatch><rest of an older one",
            GOLDEN.replace(b"<ProbeMatch>", b'<ProbeMatch xmlns="http://www.hikvision.com/ver10/XMLSchema">'),
            body.replace(b"<ProbeMatch>", b'<h:ProbeMatch xmlns:h="urn:h">').replace(b"</Pr", b"</h:Pr"),
            body.replace(b"ProbeMatch", b"PROBEMATCH").replace(b"MAC>", b"Mac>").replace(b"DeviceSN", b"deviceSn"),
            GOLDEN.replace(b"<HttpPort>81</HttpPort>\r\n", b"").replace(b"<MAC>", b"<HttpPort>81</HttpPort><MAC>"),
        ):
            self.assertTrue(self.protocol.recognises(data), data)
            self.assertEqual(self.protocol.parse(data), ANSWER, data)

    def test_fields_that_are_missing_or_wrong(self) -> None:
        """Each costs itself alone."""
        empty = replace(ANSWER.announced, channels=0, firmware_version="", conditions=())
        wrong = (
            GOLDEN.replace(b"c0-56-e3-01-02-03", b"00-00-00-00-00-00")
            .replace(b"10.0.0.64", b"0.0.0.0")
            .replace(b">81<", b">99999<")
            .replace(b"Num>1<", b"Num>-1<")
            .replace(b"<SoftwareVersion>V5.4.5 build 170124</SoftwareVersion>", b"")
            .replace(b"<Activated>false</Activated>", b"")
        )
        self.assertEqual(self.protocol.parse(wrong), Answer(empty))
        for mac in (b"ff-ff-ff-ff-ff-ff", b"01-00-5e-00-00-01", b"", b"c0-56"):
            found = self.protocol.parse(GOLDEN.replace(b"c0-56-e3-01-02-03", mac))
            self.assertEqual(found, replace(ANSWER, mac=None))

    def test_brands(self) -> None:
        """Of rebrands by their own words; a number is no word, and the maker's name has one spelling."""
        for said, brand in (
            (b"Annke", "Annke"),
            (b"N/A", "Hikvision"),
            (b"", "Hikvision"),
            (b"0", "Hikvision"),
            (b"HIKVISION-CHINA", "Hikvision"),
        ):
            found = self.protocol.parse(GOLDEN.replace(b"<OEMInfo>N/A", b"<OEMInfo>" + said))
            self.assertEqual(found and found.announced.manufacturer, brand)

    def test_ports(self) -> None:
        """All that it states, whichever firmware does."""
        more = b"<HttpsPort>444</HttpsPort><RtspPort>10554</RtspPort></ProbeMatch>"
        found = self.protocol.parse(GOLDEN.replace(b"</ProbeMatch>", more))
        self.assertEqual(found, replace(ANSWER, https_port=444, rtsp_port=10554))

    def test_kinds(self) -> None:
        """By what its model begins with."""
        for model, kind in (
            ("DS-7616NI-K2", DeviceKind.RECORDER),
            ("iDS-9632NXI-I8", DeviceKind.RECORDER),
            ("DS-96256NI-I24", DeviceKind.RECORDER),
            ("HWN-4104MH", DeviceKind.UNKNOWN),
            ("DVR-108G-F1", DeviceKind.RECORDER),
            ("DS-KV6113-WPE1", DeviceKind.DOORBELL),
            ("DS-KH6320-WTE1", DeviceKind.OTHER),
            ("DS-3E0505P-E", DeviceKind.OTHER),
            ("DS-6704HUHI", DeviceKind.ENCODER),
            ("DS-2DE4A425IW", DeviceKind.CAMERA),
            ("DS-B2101", DeviceKind.CAMERA),
            ("IPC-B140H", DeviceKind.CAMERA),
            ("IPCamera", DeviceKind.CAMERA),
            ("HWI-T641H", DeviceKind.CAMERA),
            ("CS-C3N", DeviceKind.CAMERA),
            ("iDS-2CD7A46G0", DeviceKind.CAMERA),
            ("", DeviceKind.UNKNOWN),
        ):
            found = self.protocol.parse(GOLDEN.replace(b">DS-2CD2042WD-I<", f">{model}<".encode()))
            self.assertEqual(found and found.announced.kind, kind, model)

    def test_answers_that_are_none(self) -> None:
        """What a setting was answered says nothing of a device; an inquiry's answer must."""
        match = b"<ProbeMatch><Types>%s</Types><Result>failed</Result></ProbeMatch>"
        self.assertIsNone(self.protocol.parse(match % b"update"))
        self.assertRaises(Malformed, self.protocol.parse, match % b"inquiry")
        self.assertRaises(Malformed, self.protocol.parse, b"<Envelope><Probe/></Envelope>")

    def test_hostile(self) -> None:
        """Entities, depth, size and control characters."""
        for data in (
            b'<!DOCTYPE a [<!ENTITY b "c">]>' + GOLDEN,
            b"<ProbeMatch>" + b"<a>" * 2000 + b"</a>" * 2000 + b"</ProbeMatch>",
            GOLDEN.replace(b"N/A", b"x" * 70_000),
        ):
            self.assertRaises(Malformed, self.protocol.parse, data)
        found = self.protocol.parse(GOLDEN.replace(b">DS-2CD2042WD-I<", b">DS-2CD\x1b[2J\x00" + b"y" * 9000 + b"<"))
        self.assertTrue(found and found.announced.model.isprintable() and len(found.announced.model) == 128)

    def test_simulated_ignores_unicast(self) -> None:
        """As real ones do."""
        query = self.protocol.queries(golden.random, golden.OWN_ADDRESS)[0]
        self.assertIsNone(self.device.answer(Request(query.data, 37020, unicast=True), self.facts))

    def test_simulated_not_activated(self) -> None:
        """It says so."""
        query = self.protocol.queries(golden.random, golden.OWN_ADDRESS)[0]
        data = self.device.answer(Request(query.data, 37020), replace(self.facts, activated=False)) or b""
        found = self.protocol.parse(data)
        self.assertEqual(found and found.announced.conditions, (Condition.NOT_ACTIVATED,))
