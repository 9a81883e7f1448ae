"""Tests of ``wire.vendors.vstarcam``: fields of fixed size with garbage behind their NULs."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.vstarcam import VStarcamDevice
from twisted_detector.wire.vendors.protocol import Answer
from twisted_detector.wire.vendors.vstarcam import VStarcam

MAC = Mac("48:02:2a:a1:b2:c3")
GOLDEN = (
    b"DH\x01\x08"
    + b"10.0.0.5\0\0\0\0\0\0\0\0"
    + b"255.255.255.0\0\0\0"
    + b"10.0.0.1\0\xfe\xfe\xfe\xfe\xfe\xfe\xfe"
    + b"8.8.8.8\0\0\0\0\0\0\0\0\0"
    + b"8.8.4.4\0\0\0\0\0\0\0\0\0"
    + b"\x48\x02\x2a\xa1\xb2\xc3"
    + b"\x90\x1f"  # port 8080
    + b"VSTC123456ABCDE\0" + b"\xcd" * 16
    + b"Gate\0of before" + bytes(18)
    + b"\xcc" * 48
    + b"48.53.75.92\0" + b"\xcd" * 20
    + bytes(0x210 - 0xEC)
)  # fmt: skip


class Answers(golden.Golden):
    """What a camera answers."""

    protocol = VStarcam()
    golden = GOLDEN
    answer = Answer(
        Announced("VStarcam", name="Gate", serial_number="VSTC123456ABCDE", firmware_version="48.53.75.92"),
        mac=MAC,
        address="10.0.0.5",
        http_port=8080,
    )
    device = VStarcamDevice()
    facts = DeviceFacts(
        "10.0.0.5",
        MAC,
        serial_number="VSTC123456ABCDE",
        firmware_version="48.53.75.92",
        name="Gate",
        http_port=8080,
    )
    heard = answer

    def test_layout(self) -> None:
        """The table of fields adds up."""
        self.assertEqual((len(GOLDEN), GOLDEN.index(b"48.53"), GOLDEN.index(b"VSTC")), (0x210, 0xCC, 0x5C))

    def test_search(self) -> None:
        """The search is four octets."""
        (query,) = self.protocol.queries(golden.random, "10.0.0.9")
        self.assertEqual((query.data, query.port, query.to), (b"DH\x01\x01", 8600, "255.255.255.255"))

    def test_other_kinds(self) -> None:
        """Messages that set something are no answers."""
        for kind in (0, 1, 2, 9, 255):
            self.assertIsNone(self.protocol.parse(GOLDEN[:3] + bytes((kind,)) + GOLDEN[4:]))

    def test_old_firmware(self) -> None:
        """An answer that ends behind the name is read up to there; without a serial number, the MAC is enough."""
        found = self.protocol.parse(GOLDEN[:0x9C].replace(b"VSTC123456ABCDE", bytes(15)))
        self.assertEqual(found, Answer(Announced("VStarcam", name="Gate"), MAC, address="10.0.0.5", http_port=8080))

    def test_full_fields(self) -> None:
        """A text may fill its field, without a NUL; the next field is none of it."""
        serial, name, firmware = (bytes((letter,)) * 32 for letter in b"snf")
        data = GOLDEN[:0x5C] + serial + name + GOLDEN[0x9C:0xCC] + firmware + b"x" * 0x124
        found = self.protocol.parse(data)
        assert found is not None
        said = found.announced
        self.assertEqual((said.serial_number, said.name, said.firmware_version), ("s" * 32, "n" * 32, "f" * 32))

    def test_mac_of_nobody(self) -> None:
        """The serial number is enough without a MAC; with neither there is nobody."""
        for octets in (bytes(6), b"\xff" * 6):
            data = GOLDEN[:0x54] + octets + GOLDEN[0x5A:]
            found = self.protocol.parse(data)
            assert found is not None
            self.assertEqual((found.mac, found.announced.serial_number), (None, "VSTC123456ABCDE"))
            self.assertRaises(Malformed, self.protocol.parse, data.replace(b"VSTC123456ABCDE", bytes(15)))
