"""Tests for Dahua's DHIP."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.dhip import DhipDevice
from twisted_detector.wire.vendors.dhip import Dhip
from twisted_detector.wire.vendors.protocol import BROADCAST, Answer

MAC = Mac("3c:ef:8c:0a:0b:0c")
BODY = (
    b'{"mac":"3c:ef:8c:0a:0b:0c","method":"client.notifyDevInfo","params":{"deviceInfo":{'
    b'"AlarmInputChannels":8,"DeviceClass":"VTO","DeviceType":"VTO2202F","HttpPort":80,"IPv4Address":'
    b'{"DefaultGateway":"10.0.0.1","DhcpEnable":false,"IPAddress":"10.0.0.110","SubnetMask":"255.255.255.0"},'
    b'"IPv6Address":{"IPAddress":"2001:db8::110\\/64"},"Init":150,"MachineName":"Front door","Manufacturer":"General",'
    b'"Port":37777,"RemoteVideoInputChannels":0,"SerialNo":"4C0123FPAJ00001","Vendor":"General",'
    b'"Version":"4.500.0000.0.R","VideoInputChannels":1}}}\n'
)
# 0x01bb = 443 octets of body
LENGTH = bytes((len(BODY) % 256, len(BODY) // 256)) + bytes(6)
GOLDEN = b"\x20\0\0\0" + b"DHIP" + bytes(8) + LENGTH + LENGTH + BODY
ANSWER = Answer(
    Announced(
        manufacturer="Dahua",
        model="VTO2202F",
        name="Front door",
        serial_number="4C0123FPAJ00001",
        firmware_version="4.500.0000.0.R",
        kind=DeviceKind.DOORBELL,
        channels=1,
    ),
    mac=MAC,
    address="10.0.0.110",
    http_port=80,
)


class DhipCase(golden.Golden):
    """One golden datagram."""

    protocol, golden, answer, device = Dhip(), GOLDEN, ANSWER, DhipDevice()
    facts = DeviceFacts(
        "10.0.0.9", MAC, manufacturer="Amcrest", model="AMDV8M16", serial_number="AMC000123", firmware_version="4.0",
        kind=DeviceKind.RECORDER, channels=16, http_port=8080,
    )  # fmt: skip
    heard = Answer(
        Announced("Amcrest", "AMDV8M16", "", "AMC000123", "4.0", DeviceKind.RECORDER, 16),
        mac=MAC,
        address="10.0.0.9",
        http_port=8080,
    )

    def test_query(self) -> None:
        """A header of 32 octets with both lengths, then the search; to the group and by broadcast."""
        queries = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        body = b'{"method":"DHDiscover.search","params":{"mac":"","uni":1}}\n'
        length = b"\x3b\0\0\0\0\0\0\0"
        self.assertEqual(queries[0].data, b"\x20\0\0\0DHIP" + bytes(8) + length + length + body)
        self.assertEqual({query.data for query in queries}, {queries[0].data})
        self.assertEqual([(one.to, one.port) for one in queries], [("239.255.255.251", 37810), (BROADCAST, 37810)])

    def test_rude_envelopes(self) -> None:
        """Another header, none at all, lengths of nothing, garbage behind, a line feed in a text, capitals."""
        for data in (
            b"\x20\0\0\0PIHD" + bytes(24) + BODY,
            b"\x28\0\0\0DHIP" + bytes(32) + BODY,
            b"\x20\0\0\0DHIP" + b"\xff" * 24 + BODY,
            BODY,
            GOLDEN + bytes(60_000),
            GOLDEN + b"\xff\xfe{{{{",
            GOLDEN.replace(b'"SerialNo"', b'"SERIALNO"').replace(b'"mac"', b'"MAC"'),
            GOLDEN.replace(b"Front door", b"Front\ndoor"),
        ):
            self.assertTrue(self.protocol.recognises(data), data)
            self.assertEqual(self.protocol.parse(data), ANSWER, data)

    def test_brands(self) -> None:
        """The vendor's name, else the manufacturer's; those that stand for nobody are Dahua."""
        for vendor, manufacturer, brand in (
            (b"Lorex", b"Private", "Lorex"),
            (b"General", b"Intelbras", "Intelbras"),
            (b"private", b"GENERAL", "Dahua"),
            (b"", b"", "Dahua"),
        ):
            data = GOLDEN.replace(b'Vendor":"General', b'Vendor":"' + vendor)
            found = self.protocol.parse(data.replace(b'Manufacturer":"General', b'Manufacturer":"' + manufacturer))
            self.assertEqual(found and found.announced.manufacturer, brand)

    def test_classes(self) -> None:
        """By the class that it says; another one may be a camera."""
        for said, kind in (
            (b"IPC", DeviceKind.CAMERA),
            (b"sd", DeviceKind.CAMERA),
            (b"TPC", DeviceKind.CAMERA),
            *((one, DeviceKind.RECORDER) for one in (b"NVR", b"DVR", b"HDVR", b"XVR", b"HCVR", b"EVS")),
            (b"NVS", DeviceKind.ENCODER),
            (b"VTH", DeviceKind.OTHER),
            (b"BSC", DeviceKind.UNKNOWN),
        ):
            found = self.protocol.parse(GOLDEN.replace(b'"VTO"', b'"%b"' % said))
            self.assertEqual(found and found.announced.kind, kind, said)

    def test_init(self) -> None:
        """The lowest two bits: 1, nobody has initialised it; 2, somebody has; 0, too old to be."""
        for init, fresh in ((b"149", True), (b"1", True), (b"1162", False), (b"2", False), (b"0", False)):
            found = self.protocol.parse(GOLDEN.replace(b'"Init":150', b'"Init":' + init))
            self.assertEqual(found and found.announced.conditions, (Condition.DEFAULT_STATE,) if fresh else (), init)
        for init in (b"true", b'"1"', b"1.0", b"null", b"[1]"):
            found = self.protocol.parse(GOLDEN.replace(b'"Init":150', b'"Init":' + init))
            self.assertEqual(found, ANSWER, init)

    def test_fields_that_are_missing_or_wrong(self) -> None:
        """Each costs itself alone."""
        found = self.protocol.parse(GOLDEN.replace(b"3c:ef:8c:0a:0b:0c", b"ff:ff:ff:ff:ff:ff"))
        self.assertEqual(found, replace(ANSWER, mac=None))
        found = self.protocol.parse(
            GOLDEN.replace(b'"HttpPort":80', b'"HttpPort":"80"')
            .replace(b'"VideoInputChannels":1', b'"VideoInputChannels":1e9')
            .replace(b'"Front door"', b'"4C0123FPAJ00001"')
            .replace(b'"IPv4Address":{', b'"IPv4Address":[],"x":{')
            .replace(b'"mac":"3c:ef', b'"m":"3c:ef')
            .replace(b'"AlarmInputChannels":8', b'"Mac":"3C-EF-8C-0A-0B-0C"')
        )
        self.assertEqual(found, replace(ANSWER, address="", announced=replace(ANSWER.announced, name="", channels=0)))

    def test_what_is_none(self) -> None:
        """Searches, ours and the shorter forms of others; answers to settings; answers without a device."""
        for body in (
            b'{"method":"DHDiscover.search","params":{"mac":"","uni":0}}',
            b'{"method":"DHDiscover.search","params":{"mac":"","uuid":""}}',
            b'{"method":"client.notifySetResult","mac":"3c:ef:8c:0a:0b:0c","params":{"result":true}}',
        ):
            self.assertIsNone(self.protocol.parse(b"\x20\0\0\0DHIP" + bytes(24) + body))
        self.assertRaises(Malformed, self.protocol.parse, b'{"params":{"deviceInfo":{"SerialNo":"4C0123FPAJ00001"}}}')
        nobody = b'{"method":"client.notifyDevInfo","params":{"deviceInfo":{"HttpPort":80}}}'
        for body in (
            nobody,
            b'{"method":"client.notifyDevInfo"}',
            b'{"params":{"deviceInfo":[]}}',
            b"{}",
            b"[]",
            b"{" * 999,
        ):
            self.assertRaises(Malformed, self.protocol.parse, b"\x20\0\0\0DHIP" + bytes(24) + body)

    def test_hostile(self) -> None:
        """Depth, size, numbers without end, half a surrogate."""
        for value in (b"[" * 300 + b"]" * 300, b'"' + b"x" * 20_000 + b'"', b"1" * 9_000):
            data = GOLDEN.replace(b'"AlarmInputChannels":8', b'"AlarmInputChannels":' + value)
            self.assertRaises(Malformed, self.protocol.parse, data)
        found = self.protocol.parse(GOLDEN.replace(b"Front door", b"\\ud800Front\\u0000 \\u202edoor"))
        self.assertEqual(found and found.announced.name, "Front")

    def test_simulated_default_state(self) -> None:
        """It says so, and wants no bare JSON."""
        query = self.protocol.queries(golden.random, golden.OWN_ADDRESS)[0]
        self.assertIsNone(self.device.answer(Request(query.data[32:], 37810), self.facts))
        data = self.device.answer(Request(query.data, 37810, unicast=True), replace(self.facts, activated=False)) or b""
        found = self.protocol.parse(data)
        self.assertEqual(found and found.announced.conditions, (Condition.DEFAULT_STATE,))
