"""Tests of ``wire.vendors.hanwha``: one structure of 334 octets, of which old devices send 262."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.hanwha import HanwhaDevice
from twisted_detector.wire.vendors.hanwha import Hanwha
from twisted_detector.wire.vendors.protocol import Answer

MAC = Mac("00:09:18:01:02:03")
GOLDEN = b"".join(
    (
        b"\x0c",
        bytes(range(0x31, 0x43)),  # 0x01, the packet's id
        b"00:09:18:01:02:03\0",  # 0x13
        b"10.0.0.50" + bytes(7),  # 0x25
        b"255.255.255.0" + bytes(3),  # 0x35
        b"10.0.0.1" + bytes(8),  # 0x45
        bytes(20),  # 0x55
        b"\1\0\0\0",  # 0x69
        b"XNV-8080R\0",  # 0x6D
        b"\0",  # 0x77
        b"\x90\x1f",  # 0x78: 8080
        b"\xa8\x11",  # 0x7A
        b"\xa8\x11",  # 0x7C
        bytes(4),
        b"\x04\x00",  # 0x82: channels
        b"\1",  # 0x84
        b"http://10.0.0.50/".ljust(128, b"\0"),  # 0x85
        b"Lobby" + bytes(27),  # 0x105
        b"XNV-8080R" + bytes(23),  # 0x125
        b"\3",  # 0x145
        b"\x02\x05",  # 0x146
        b"\1\0",  # 0x148
        b"\xbb\x01",  # 0x14A: 443
        b"\0",
        b"\1",  # 0x14D
    )
)
ANSWER = Answer(
    Announced(
        manufacturer="Hanwha",
        model="XNV-8080R",
        name="Lobby",
        kind=DeviceKind.RECORDER,
        channels=4,
        conditions=(Condition.OPEN,),
    ),
    mac=MAC,
    address="10.0.0.50",
    http_port=8080,
    https_port=443,
)
OLD = b"\x0b" + GOLDEN[1:262]


def changed(data: bytes, at: int, octets: bytes) -> bytes:
    """``data`` with other octets at one place."""
    return data[:at] + octets + data[at + len(octets) :]


class Answers(golden.Golden):
    """What a device answers to the extended search."""

    protocol, golden, answer, device = Hanwha(), GOLDEN, ANSWER, HanwhaDevice()
    facts = DeviceFacts("10.0.0.9", MAC, model="PNM-C12083RVD-LONGNAME", name="Hall", channels=2, password_set=False)
    heard = Answer(
        Announced(
            "Hanwha", "PNM-C12083RVD-LONGNAME", "Hall", kind=DeviceKind.CAMERA, channels=2, conditions=(Condition.OPEN,)
        ),
        mac=MAC,
        address="10.0.0.9",
        http_port=80,
    )

    def test_layout(self) -> None:
        """The golden datagram is as long as the structure."""
        self.assertEqual(len(GOLDEN), 334)

    def test_searches(self) -> None:
        """Both modes, a packet id, and nothing but zeros behind it: there is a field for a password."""
        queries = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        ids = bytes(range(0x31, 0x43))
        self.assertEqual([query.data for query in queries], [b"\6" + ids + bytes(315), b"\1" + ids + bytes(315)])
        self.assertEqual((queries[0].port, self.protocol.reply_port), (7701, 7711))

    def test_old_answer(self) -> None:
        """262 octets; of one in mode 11 that is longer, no more is read: it is the rest of a buffer."""
        short = replace(
            ANSWER,
            https_port=0,
            announced=Announced(manufacturer="Hanwha", model="XNV-8080R"),
        )
        for data in (OLD, OLD[:261], b"\x0b" + GOLDEN[1:]):
            self.assertEqual(self.protocol.parse(data), short, len(data))
        in_full = self.protocol.parse(GOLDEN[:262])
        self.assertEqual(in_full, replace(short, announced=replace(short.announced, channels=4)))

    def test_old_device(self) -> None:
        """It answers to the older search alone, and is read."""
        facts = replace(self.facts, first_generation=True, model="SNB-5000")
        older, extended = reversed(self.protocol.queries(golden.random, golden.OWN_ADDRESS))
        self.assertIsNone(self.device.answer(Request(extended.data, 7701), facts))
        data = self.device.answer(Request(older.data, 7701), facts) or b""
        self.assertEqual(len(data), 262)
        self.assertEqual(
            self.protocol.parse(data),
            Answer(Announced("Hanwha", "SNB-5000"), mac=MAC, address="10.0.0.9", http_port=80),
        )

    def test_kinds(self) -> None:
        """As the table says; what has no picture is something else."""
        for number, kind in (
            (0, DeviceKind.CAMERA),
            (1, DeviceKind.ENCODER),
            (3, DeviceKind.RECORDER),
            (5, DeviceKind.OTHER),
            (77, DeviceKind.OTHER),
        ):
            found = self.protocol.parse(changed(GOLDEN, 0x145, bytes((number,))))
            self.assertEqual(found and found.announced.kind, kind)

    def test_password_and_https(self) -> None:
        """Open only when it says so; no port of HTTPS as long as that is switched off."""
        for at, value, expected in (
            (0x14D, b"\0", replace(ANSWER, announced=replace(ANSWER.announced, conditions=()))),
            (0x14D, b"\xff", replace(ANSWER, announced=replace(ANSWER.announced, conditions=()))),
            (0x148, b"\0", replace(ANSWER, https_port=0)),
        ):
            self.assertEqual(self.protocol.parse(changed(GOLDEN, at, value)), expected)

    def test_odd_answers(self) -> None:
        """Garbage behind a NUL, a MAC with dashes, no new model; a MAC of nobody costs itself alone."""
        for at, octets in (
            (0x6D, b"XNV-8080R\xff"[:9] + b"\0"),
            (0x125, b"XNV-8080R\0\xff\xfeold"),
            (0x125, bytes(32)),
        ):
            self.assertEqual(self.protocol.parse(changed(GOLDEN, at, octets)), ANSWER, at)
        self.assertEqual(self.protocol.parse(GOLDEN.replace(b"00:09:18:01:02:03", b"00-09-18-01-02-03")), ANSWER)
        found = self.protocol.parse(GOLDEN.replace(b"00:09:18:01:02:03", b"ff:ff:ff:ff:ff:ff"))
        self.assertEqual(found, replace(ANSWER, mac=None))

    def test_full_fields(self) -> None:
        """A field ends where it ends, with a NUL or without."""
        data = GOLDEN
        for at, octets in (
            (0x13, b"00:09:18:01:02:03 9"),
            (0x25, b"123.123.123.123 9"),
            (0x6D, b"s" * 11),
            (0x105, b"n" * 32 + b"m" * 32 + b"\x09"),
        ):
            data = changed(data, at, octets)
        expected = replace(
            ANSWER,
            address="123.123.123.123",
            announced=replace(ANSWER.announced, model="m" * 32, name="n" * 32, kind=DeviceKind.DOORBELL),
        )
        self.assertEqual(self.protocol.parse(data), expected)
        found = self.protocol.parse(changed(data, 0x125, bytes(32)))
        self.assertEqual(found and found.announced.model, "s" * 10)

    def test_shortest(self) -> None:
        """It reaches behind the ports at least."""
        self.assertTrue(self.protocol.recognises(OLD[:0x7C]))
        self.assertEqual(self.protocol.parse(OLD[:0x7C]), self.protocol.parse(OLD))
        self.assertFalse(self.protocol.recognises(OLD[:0x7B]))

    def test_other_modes(self) -> None:
        """Answers to somebody's settings are none; an unknown mode breaks the protocol."""
        for mode in (13, 23, 24, 25, 33, 66, 77):
            self.assertIsNone(self.protocol.parse(changed(GOLDEN, 0, bytes((mode,)))))
        for mode in (0, 2, 10, 255):
            self.assertRaises(Malformed, self.protocol.parse, changed(GOLDEN, 0, bytes((mode,))))
