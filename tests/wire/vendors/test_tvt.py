"""Tests of ``wire.vendors.tvt``: 240 octets to a group."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.tvt import TvtDevice
from twisted_detector.wire.vendors.protocol import Answer, Query
from twisted_detector.wire.vendors.tvt import Tvt

MAC = Mac("00:18:ae:01:02:03")
GOLDEN = b"".join(
    (
        b"MHED\x08\0\x01\0\x02\0\0\0",
        b"IPC" + bytes(17),  # 12
        b"\x00\x18\xae\x01\x02\x03\0\0",  # 0x20
        b"\x0a\0\0\x3c\xff\xff\xff\0\x0a\0\0\x01",  # 0x28
        bytes(4),
        b"\xdf\xd7\x34\x01",  # 0x38: 20240351
        b"\x51\0",  # 0x3C: 81
        b"\x2a\x02",  # 0x3E: 554
        bytes(0x8C - 0x40),
        b"N1234567890\0\xff\xff\xff\xff",  # 0x8C
        b"5.1.4.0" + bytes(9),  # 0x9C
        bytes(24),
        b"TD-9544E3" + bytes(7),  # 0xC4
        b"TVT" + bytes(13),  # 0xD4
        bytes(12),
    )
)
ANSWER = Answer(
    Announced(
        manufacturer="TVT",
        model="TD-9544E3",
        name="IPC",
        serial_number="N1234567890",
        firmware_version="5.1.4.0",
        kind=DeviceKind.CAMERA,
    ),
    mac=MAC,
    address="10.0.0.60",
    http_port=81,
    rtsp_port=554,
)


class Answers(golden.Golden):
    """What a device answers, and announces."""

    protocol, golden, answer, device = Tvt(), GOLDEN, ANSWER, TvtDevice()
    facts = DeviceFacts(
        "10.0.0.9", MAC, "Brand", "TD-3332B4", "I999", "2.0", kind=DeviceKind.RECORDER, channels=32, rtsp_port=8554
    )
    heard = Answer(
        Announced("Brand", "TD-3332B4", "NVR", "I999", "2.0", DeviceKind.RECORDER),
        mac=MAC,
        address="10.0.0.9",
        http_port=80,
        rtsp_port=8554,
    )

    def test_layout(self) -> None:
        """The golden datagram is as long as real ones."""
        self.assertEqual(len(GOLDEN), 240)

    def test_search(self) -> None:
        """140 octets to the first group; both groups are joined, and announcements heard."""
        search = b"MHED" + bytes((9, 0, 1, 0, 1, 0)) + bytes(130)
        queries = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        self.assertEqual(queries, (Query(search, 23456, to="234.55.55.55"),))
        self.assertEqual(self.protocol.groups, ("234.55.55.55", "234.55.55.56"))
        self.assertEqual((self.protocol.reply_port, self.protocol.announces), (23456, True))

    def test_announcement(self) -> None:
        """What it says unasked is the same."""
        self.assertEqual(self.protocol.parse(self.device.announcement(self.facts)), self.heard)

    def test_odd_answers(self) -> None:
        """Another version; a kind that is a name; no brand, no MAC, no serial number."""
        self.assertEqual(self.protocol.parse(GOLDEN.replace(b"MHED\x08", b"MHED\x09")), ANSWER)
        announced = ANSWER.announced
        for before, after, expected in (
            (b"IPC", b"Bay", replace(ANSWER, announced=replace(announced, name="Bay", kind=DeviceKind.UNKNOWN))),
            (b"TVT", b"\0\0\0", ANSWER),
            (b"TVT", b"XYZ", replace(ANSWER, announced=replace(announced, manufacturer="XYZ"))),
            (MAC_OCTETS, bytes(6), replace(ANSWER, mac=None)),
            (b"N1234567890", bytes(11), replace(ANSWER, announced=replace(announced, serial_number=""))),
        ):
            self.assertEqual(self.protocol.parse(GOLDEN.replace(before, after)), expected, before)

    def test_full_fields(self) -> None:
        """A field ends where it ends, with a NUL or without; a kind is known by the model too."""
        data = b"".join((
            GOLDEN[:12], b"n" * 20, GOLDEN[0x20:0x8C], b"s" * 16, b"f" * 16, b"x" * 24, b"m" * 12, b"XDOM", b"b" * 16,
            b"x" * 12,
        ))  # fmt: skip
        found = self.protocol.parse(data)
        announced = Announced("b" * 16, "m" * 12 + "XDOM", "n" * 20, "s" * 16, "f" * 16)
        self.assertEqual(found, replace(ANSWER, announced=announced))
        for model, kind in (
            *((one, DeviceKind.RECORDER) for one in (b"xNVR", b" DVR", b" XVR", b" hvr")),
            *((one, DeviceKind.CAMERA) for one in (b" IPC", b" CAM", b"Dome")),
        ):
            found = self.protocol.parse(data.replace(b"XDOM", model))
            self.assertEqual(found and found.announced.kind, kind)

    def test_shortest(self) -> None:
        """It reaches behind the ports at least."""
        short = replace(ANSWER, announced=Announced("TVT", name="IPC", kind=DeviceKind.CAMERA))
        self.assertEqual(self.protocol.parse(GOLDEN[:0x40]), short)
        for length in (0x3F, 10, 9, 4):
            self.assertRaises(Malformed, self.protocol.parse, GOLDEN[:length])

    def test_other_commands(self) -> None:
        """Somebody's search or setting is none; an answer of nobody breaks the protocol."""
        for command in (1, 3, 9):
            self.assertIsNone(self.protocol.parse(GOLDEN[:8] + bytes((command,)) + GOLDEN[9:]))
        nobody = GOLDEN.replace(MAC_OCTETS, bytes(6)).replace(b"N1234567890", bytes(11))
        self.assertRaises(Malformed, self.protocol.parse, nobody)


MAC_OCTETS = b"\x00\x18\xae\x01\x02\x03"
