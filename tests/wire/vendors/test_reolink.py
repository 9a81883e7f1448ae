"""Tests of ``wire.vendors.reolink``: 388 octets, answered to port 3000."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.reolink import ReolinkDevice
from twisted_detector.wire.vendors.protocol import Answer, Query
from twisted_detector.wire.vendors.reolink import Reolink

MAC = Mac("ec:71:db:01:02:03")
GOLDEN = b"".join(
    (
        bytes(58),
        b"IPC" + bytes(15),  # 58
        bytes(4),
        b"\xec\x71\xdb\x01\x02\x03",  # 80
        bytes(18),
        b"\xaa\xaa\x00\x00",  # 104
        b"10.0.0.31" + bytes(7),  # 108
        bytes(8),
        b"Drive way" + bytes(23),  # 132
        b"ec:71:db:01:02:03\0",  # 164
        bytes(46),
        b"95270000ABCDEFGH" + bytes(16),  # 228
        bytes(128),
    )
)
ANSWER = Answer(
    Announced(manufacturer="Reolink", model="IPC", name="Drive way", kind=DeviceKind.CAMERA),
    mac=MAC,
    vendor_id="95270000ABCDEFGH",
    address="10.0.0.31",
)


def changed(data: bytes, at: int, octets: bytes) -> bytes:
    """``data`` with other octets at one place."""
    return data[:at] + octets + data[at + len(octets) :]


class Answers(golden.Golden):
    """What a camera answers."""

    protocol, golden, answer, device = Reolink(), GOLDEN, ANSWER, ReolinkDevice()
    facts = DeviceFacts("10.0.0.9", MAC, model="RLN8-410", name="NVR", uid="952700001234ABCD", kind=DeviceKind.RECORDER)
    heard = Answer(
        Announced("Reolink", "RLN8-410", "NVR", kind=DeviceKind.RECORDER),
        mac=MAC,
        vendor_id="952700001234ABCD",
        address="10.0.0.9",
    )

    def test_layout(self) -> None:
        """The golden datagram is as long as real ones."""
        self.assertEqual(len(GOLDEN), 388)

    def test_search(self) -> None:
        """Four octets by broadcast."""
        queries = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        self.assertEqual(queries, (Query(b"\xaa\xaa\x00\x00", 2000),))
        self.assertEqual(self.protocol.reply_port, 3000)

    def test_odd_answers(self) -> None:
        """Garbage behind a NUL, no echo, one of the two MACs missing, a UID of 32 octets."""
        for at, octets in (
            (58, b"IPC\0RLC-410\xff"),
            (132, b"Drive way\0\xfe\xff old name"),
            (104, b"\0\0\0\0"),
            (80, bytes(6)),
            (80, b"\xff" * 6),
            (164, bytes(18)),
            (164, b"not a MAC at all!\0"),
        ):
            data = changed(GOLDEN, at, octets)
            self.assertTrue(self.protocol.recognises(data), at)
            self.assertEqual(self.protocol.parse(data), ANSWER, (at, octets))
        uid = b"952700001234ABCD952700001234ABCD"
        found = self.protocol.parse(changed(GOLDEN, 228, uid))
        self.assertEqual(found, replace(ANSWER, vendor_id=uid.decode()))

    def test_kinds(self) -> None:
        """By the family of its model."""
        for model, kind in (
            (b"Reolink Doorbell", DeviceKind.DOORBELL),
            (b"NVR", DeviceKind.RECORDER),
            (b"Home Hub", DeviceKind.RECORDER),
            (b"RLC-811A", DeviceKind.CAMERA),
            (b"Argus Cam", DeviceKind.CAMERA),
            (b"", DeviceKind.UNKNOWN),
        ):
            found = self.protocol.parse(changed(GOLDEN, 58, model.ljust(18, b"\0")))
            self.assertEqual(found and found.announced.kind, kind, model)

    def test_full_fields(self) -> None:
        """A field ends where it ends, with a NUL or without."""
        data = b"".join((
            GOLDEN[:58], b"m" * 18, b"xxxx", GOLDEN[80:86], b"x" * 18, GOLDEN[104:108], b"255.255.255.2547", b"x" * 8,
            b"n" * 32, b"ec:71:db:01:02:03 ", b"x" * 46, b"u" * 32, b"x" * 128,
        ))  # fmt: skip
        found = self.protocol.parse(data)
        announced = Announced("Reolink", "m" * 18, "n" * 32)
        self.assertEqual(found, Answer(announced, mac=MAC, vendor_id="u" * 32))
        found = self.protocol.parse(changed(data, 80, bytes(6)).replace(b"255.255.255.2547", b" 123.123.123.123"))
        self.assertEqual(found, Answer(announced, mac=MAC, vendor_id="u" * 32, address="123.123.123.123"))

    def test_nobody(self) -> None:
        """Neither MAC nor UID; one of the two is enough."""
        found = self.protocol.parse(changed(GOLDEN, 228, bytes(32)))
        self.assertEqual(found, replace(ANSWER, vendor_id=""))
        found = self.protocol.parse(changed(changed(GOLDEN, 80, bytes(6)), 164, bytes(18)))
        self.assertEqual(found, replace(ANSWER, mac=None))
        data = changed(changed(changed(GOLDEN, 80, bytes(6)), 164, bytes(18)), 228, bytes(32))
        self.assertRaises(Malformed, self.protocol.parse, data)
