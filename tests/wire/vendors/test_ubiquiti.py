"""Tests of ``wire.vendors.ubiquiti``: a header, and items of type, length and value."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.ubiquiti import UbiquitiDevice
from twisted_detector.wire.vendors.protocol import BROADCAST, Answer, Query
from twisted_detector.wire.vendors.ubiquiti import Ubiquiti

MAC = Mac("74:83:c2:01:02:03")
ITEMS = (
    b"\x02\x00\x0a\x74\x83\xc2\x01\x02\x03\x0a\x00\x00\x50",
    b"\x01\x00\x06\x74\x83\xc2\x01\x02\x03",
    b"\x0a\x00\x04\x00\x01\x51\x80",
    b"\x16\x00\x074.50.23",
    b"\x0b\x00\x04Gate",
    b"\x03\x00\x20UVC.S2L.v4.50.23.67.abcdef.00000",
    b"\x0c\x00\x06UVC G3",
    b"\x10\x00\x02\x34\xa5",
    b"\x17\x00\x04\x00\x00\x00\x00",
    b"\x20\x00\x2412345678-9abc-def0-1234-56789abcdef0",
)
BODY = b"".join(ITEMS)
GOLDEN = b"\x01\x00" + bytes((len(BODY) // 256, len(BODY) % 256)) + BODY
ANSWER = Answer(
    Announced(
        manufacturer="Ubiquiti",
        model="UVC G3",
        name="Gate",
        firmware_version="4.50.23",
        kind=DeviceKind.CAMERA,
        conditions=(Condition.MANAGED,),
    ),
    mac=MAC,
    vendor_id="12345678-9abc-def0-1234-56789abcdef0",
    address="10.0.0.80",
)


def datagram(*items: bytes, version: bytes = b"\x01\x00") -> bytes:
    """An answer of these items."""
    body = b"".join(items)
    return version + len(body).to_bytes(2, "big") + body


class Answers(golden.Golden):
    """What a camera answers."""

    protocol, golden, answer, device = Ubiquiti(), GOLDEN, ANSWER, UbiquitiDevice()
    facts = DeviceFacts(
        "10.0.0.9", MAC, model="UVC G4 Bullet", firmware_version="4.69", name="Shed",
        uid="00112233-4455-6677-8899-aabbccddeeff",
    )  # fmt: skip
    heard = Answer(
        Announced("Ubiquiti", "UVC G4 Bullet", "Shed", firmware_version="4.69", kind=DeviceKind.CAMERA),
        mac=MAC,
        vendor_id="00112233-4455-6677-8899-aabbccddeeff",
        address="10.0.0.9",
    )

    def test_searches(self) -> None:
        """Both versions."""
        first, second = b"\x01\0\0\0", b"\x02\x08\0\0"
        self.assertEqual(
            self.protocol.queries(golden.random, golden.OWN_ADDRESS),
            (Query(first, 10001, BROADCAST), Query(first, 10001, "233.89.188.1"), Query(second, 10001, BROADCAST)),
        )

    def test_who_is_a_camera(self) -> None:
        """By UVC in model or firmware; nobody else is managed for us; who says neither may be anything."""
        for items, kind, conditions in (
            (ITEMS, DeviceKind.CAMERA, (Condition.MANAGED,)),
            ((*ITEMS[:6], *ITEMS[8:]), DeviceKind.CAMERA, (Condition.MANAGED,)),
            ((*ITEMS[:5], b"\x15\x00\x06UVC G5", ITEMS[8]), DeviceKind.CAMERA, (Condition.MANAGED,)),
            ((ITEMS[0], b"\x03\x00\x07BZ.v6.5", b"\x0c\x00\x04U7LR", ITEMS[8]), DeviceKind.OTHER, ()),
            ((ITEMS[0], b"\x03\x00\x07BZ.v6.5"), DeviceKind.OTHER, ()),
            ((ITEMS[0], b"\x0c\x00\x04U7LR"), DeviceKind.OTHER, ()),
            ((ITEMS[0], ITEMS[8]), DeviceKind.UNKNOWN, ()),
        ):
            found = self.protocol.parse(datagram(*items))
            self.assertEqual(found and (found.announced.kind, found.announced.conditions), (kind, conditions))

    def test_managed(self) -> None:
        """1, in one octet or at the end of four, means that it is not; what is not said is not known."""
        for item, conditions in (
            (b"\x17\x00\x01\x00", (Condition.MANAGED,)),
            (b"\x17\x00\x01\x01", ()),
            (b"\x17\x00\x04\x00\x00\x00\x01", ()),
            (b"\x17\x00\x00", ()),
            (b"", ()),
        ):
            found = self.protocol.parse(datagram(*ITEMS[:8], item, ITEMS[9]))
            expected = replace(ANSWER, announced=replace(ANSWER.announced, conditions=conditions))
            self.assertEqual(found, expected, item)

    def test_odd_answers(self) -> None:
        """Version 2, a length of nothing, another order, a MAC in one place only, an address of nobody before it."""
        for data in (
            datagram(*ITEMS, version=b"\x02\x06"),
            b"\x01\x00\xff\xff" + BODY,
            datagram(*reversed(ITEMS)),
            datagram(*ITEMS[1:2], b"\x02\x00\x0a" + bytes(10), *ITEMS[:1], *ITEMS[2:]),
            datagram(b"\x02\x00\x0a" + bytes(6) + b"\x0a\x00\x00\x50", b"\x13" + ITEMS[1][1:], *ITEMS[2:]),
        ):
            self.assertTrue(self.protocol.recognises(data), data)
            self.assertEqual(self.protocol.parse(data), ANSWER, data)
        for first in (b"\x01" + ITEMS[1][1:], ITEMS[0], b"\x13" + ITEMS[1][1:]):
            self.assertEqual(self.protocol.parse(b"\x01\x00\x00\x07" + first + BODY), ANSWER)
        self.assertRaises(Malformed, self.protocol.parse, b"\x01\x00\x00\x07" + ITEMS[4] + BODY)
        self.assertRaises(Malformed, self.protocol.parse, b"\x03" + GOLDEN[1:])

    def test_one_item(self) -> None:
        """A MAC alone is an answer."""
        self.assertEqual(self.protocol.parse(datagram(ITEMS[1])), Answer(Announced("Ubiquiti"), mac=MAC))

    def test_long_items(self) -> None:
        """The length has two octets."""
        data = datagram(ITEMS[0], b"\xee\x01\x2c" + bytes(300), *ITEMS[1:])
        self.assertEqual(self.protocol.parse(data), ANSWER)

    def test_device_id(self) -> None:
        """Sixteen octets are a UUID too; sixteen zeros are none."""
        octets = bytes.fromhex("123456789abcdef0123456789abcdef0")
        for value, expected in ((octets, ANSWER.vendor_id), (bytes(16), ""), (b"0123456789ABCDEF", "0123456789ABCDEF")):
            found = self.protocol.parse(datagram(*ITEMS[:9], b"\x20\x00\x10" + value))
            self.assertEqual(found, replace(ANSWER, vendor_id=expected), value)

    def test_what_says_nothing(self) -> None:
        """An answer of whom nothing can be said, and items that are all cut off."""
        for data in (datagram(b"\x0a\x00\x04\0\0\0\0"), b"\x01\x00\x00\x09\x01\x00\x06\x74\x83"):
            self.assertRaises(Malformed, self.protocol.parse, data)

    def test_simulated_versions(self) -> None:
        """It answers each version in its own, and says whether it is managed."""
        data = self.device.answer(Request(b"\x02\x08\0\0", 10001), replace(self.facts, managed=True)) or b""
        self.assertEqual(data[:1], b"\x02")
        found = self.protocol.parse(data)
        self.assertEqual(found and found.announced.conditions, (Condition.MANAGED,))
