"""Tests for XM's search."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.xm import XmDevice
from twisted_detector.wire.vendors.protocol import Answer, Query
from twisted_detector.wire.vendors.xm import Xm

MAC = Mac("00:12:31:0a:0b:0c")
BODY = (
    b'{ "NetWork.NetCommon" : { "BuildDate" : "2021-03-04 11:22:33", "ChannelNum" : 1, "DeviceType" : 0, '
    b'"GateWay" : "0x0100000A", "HostIP" : "0x2A00000A", "HostName" : "NBIS6B", "HttpPort" : 8088, '
    b'"MAC" : "00:12:31:0a:0b:0c", "SN" : "a1b2c3d4e5f60718", "SSLPort" : 8443, "Submask" : "0x00FFFFFF", '
    b'"TCPMaxConn" : 10, "TCPPort" : 34567, "UDPPort" : 34568, "Version" : "V5.00.R02" }, "Ret" : 100, '
    b'"SessionID" : "0x00000000" }\n\0'
)
GOLDEN = b"\xff\x01" + bytes(12) + b"\xfb\x05" + bytes((len(BODY) % 256, len(BODY) // 256, 0, 0)) + BODY
ANSWER = Answer(
    Announced(
        manufacturer="Xiongmai",
        name="NBIS6B",
        serial_number="a1b2c3d4e5f60718",
        firmware_version="V5.00.R02",
        kind=DeviceKind.CAMERA,
        channels=1,
    ),
    mac=MAC,
    address="10.0.0.42",
    http_port=8088,
)


class XmCase(golden.Golden):
    """One golden datagram."""

    protocol, golden, answer, device = Xm(), GOLDEN, ANSWER, XmDevice()
    facts = DeviceFacts("10.0.0.9", MAC, serial_number="0011223344556677", name="DVR", channels=8)
    heard = Answer(
        Announced("Xiongmai", "", "DVR", "0011223344556677", "", DeviceKind.RECORDER, 8),
        mac=MAC,
        address="10.0.0.9",
        http_port=80,
    )

    def test_query(self) -> None:
        """Twenty octets, three times, a tenth of a second apart; nothing to the port that logs strangers."""
        search = bytes.fromhex("ff00000000000000 000000000000fa05 00000000")
        self.assertEqual(
            self.protocol.queries(golden.random, golden.OWN_ADDRESS), (Query(search, 34569, times=3, interval=0.1),)
        )
        self.assertEqual(self.device.answers_each, 3)

    def test_rude_envelopes(self) -> None:
        """One octet behind it or none, a head of zeros, a length of nothing, no head."""
        for data in (
            GOLDEN[:-1],
            GOLDEN[:-2],
            GOLDEN[:16] + b"\xff\xff\xff\xff" + BODY,
            bytes(20) + BODY,
            BODY,
            GOLDEN + b"\xfe\xff}",
        ):
            self.assertTrue(self.protocol.recognises(data), data)
            self.assertEqual(self.protocol.parse(data), ANSWER, data)

    def test_texts_of_another_encoding(self) -> None:
        """A name in GBK costs no more than its letters."""
        found = self.protocol.parse(GOLDEN.replace(b"NBIS6B", b"\xc9\xe3\xcf\xf1\xcd\xb7 1"))
        self.assertIsNotNone(found)
        assert found is not None
        self.assertEqual(replace(found, announced=replace(found.announced, name="NBIS6B")), ANSWER)
        self.assertTrue(found.announced.name.endswith(" 1"))

    def test_fields_that_are_missing_or_wrong(self) -> None:
        """Each costs itself alone; an address with dots is read too."""
        for said, address in ((b"10.0.0.42", "10.0.0.42"), (b"0x", ""), (b"0x1FFFFFFFF", ""), (b"0xZZ", ""), (b"", "")):
            found = self.protocol.parse(GOLDEN.replace(b"0x2A00000A", said))
            self.assertEqual(found, replace(ANSWER, address=address), said)
        found = self.protocol.parse(GOLDEN.replace(b"00:12:31:0a:0b:0c", b"00:00:00:00:00:00"))
        self.assertEqual(found, replace(ANSWER, mac=None))
        for count, kind in ((2, DeviceKind.UNKNOWN), (4, DeviceKind.RECORDER), (0, DeviceKind.UNKNOWN)):
            found = self.protocol.parse(GOLDEN.replace(b'"ChannelNum" : 1', b'"ChannelNum" : %d' % count))
            self.assertEqual(found and (found.announced.channels, found.announced.kind), (count, kind))

    def test_what_says_nothing(self) -> None:
        """An answer without MAC and serial number, of another kind, or without JSON."""
        for body in (b'{"Ret":100}', b'{"NetWork.NetCommon":[]}', b'{"NetWork.NetCommon":{"HttpPort":80}}', b"", b"{"):
            self.assertRaises(Malformed, self.protocol.parse, GOLDEN[:20] + body)
        unnamed = b"{" + b" " * 200 + BODY[1:]
        self.assertFalse(self.protocol.recognises(bytes(20) + unnamed))
        self.assertRaises(Malformed, self.protocol.parse, bytes(20) + unnamed)
        self.assertEqual(self.protocol.parse(GOLDEN[:20] + unnamed), ANSWER)

    def test_search_with_a_body(self) -> None:
        """What has an answer's body is one, whatever its number says."""
        self.assertEqual(self.protocol.parse(GOLDEN[:14] + b"\xfa" + GOLDEN[15:]), ANSWER)
