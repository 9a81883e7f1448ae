"""Tests of ``wire.vendors.foscam``: a body in clear and one that is XORed, whatever the header says of it."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.foscam import FoscamDevice
from twisted_detector.wire.vendors.foscam import Foscam
from twisted_detector.wire.vendors.protocol import Answer

MAC = Mac("00:62:6e:a1:b2:c3")
BODY = (
    b"00626EA1B2C3\0"
    b"Gate\0left of before\0\0"
    b"\x0a\x00\x00\x05\xff\xff\xff\x00\x0a\x00\x00\x01\x08\x08\x08\x08"
    b"\x00\x00\x00\x00"  # kind of device
    b"\x0b\x25\x02\x2c"  # firmware 11.37.2.44
    b"\x02\x00\x04\x0b"
    b"\x1f\x90"  # port 8080
)
KEY = b"_Secret_"
XORED_BODY = bytes(one ^ other for one, other in zip(BODY, KEY * 8, strict=True))
PLAIN = b"MO_I" + b"\x01\x00" + b"\x00" + bytes(8) + b"\x40" + bytes(7) + BODY
XORED = b"MO_I" + b"\x01\x00" + b"\x01" + KEY + b"\x40" + bytes(7) + XORED_BODY
ANSWER = Answer(
    Announced("Foscam", name="Gate", firmware_version="11.37.2.44"), mac=MAC, address="10.0.0.5", http_port=8080
)


class Plain(golden.Golden):
    """An answer in clear."""

    protocol = Foscam()
    golden = PLAIN
    answer = ANSWER
    device = FoscamDevice()
    facts = DeviceFacts(
        "10.0.0.5", MAC, name="Gate", firmware_version="11.37.2.44", http_port=8080, first_generation=True
    )
    heard = ANSWER

    def test_layout(self) -> None:
        """The table of fields adds up."""
        self.assertEqual((len(BODY), len(PLAIN), PLAIN.index(b"\x1f\x90")), (0x40, 87, 0x55))

    def test_search(self) -> None:
        """The search is 27 octets, and asks for nothing but an answer."""
        (query,) = self.protocol.queries(golden.random, "10.0.0.9")
        self.assertEqual(
            query.data,
            b"MO_I" + b"\x00\x00" + b"\x00" + bytes(8) + b"\x04" + bytes(7) + b"\x00\x00\x00\x01",
        )
        self.assertEqual((len(query.data), query.port, query.to), (27, 10000, "255.255.255.255"))

    def test_other_kinds(self) -> None:
        """Messages that set something, and the answers to them, are none of a search."""
        for kind in (0, 2, 3, 0xFFFF):
            self.assertIsNone(self.protocol.parse(b"MO_I" + kind.to_bytes(2, "little") + PLAIN[6:]))

    def test_id_that_is_no_mac(self) -> None:
        """Clones write something else there: an identifier all the same."""
        found = self.protocol.parse(PLAIN.replace(b"00626EA1B2C3", b"CAM0012345\0\0"))
        assert found is not None
        self.assertEqual((found.mac, found.vendor_id), (None, "CAM0012345"))

    def test_full_fields(self) -> None:
        """A text may fill its field, without a NUL; the next field is none of it."""
        found = self.protocol.parse(PLAIN.replace(BODY[:34], b"CAM0012345678" + b"The gate of the farm."))
        assert found is not None
        self.assertEqual((found.vendor_id, found.announced.name), ("CAM0012345678", "The gate of the farm."))

    def test_without_id(self) -> None:
        """A body without an id says nothing to know the device by."""
        self.assertRaises(Malformed, self.protocol.parse, PLAIN.replace(b"00626EA1B2C3", bytes(12)))


class Xored(golden.Golden):
    """An answer whose body is XORed."""

    protocol = Foscam()
    golden = XORED
    answer = ANSWER
    device = FoscamDevice()
    facts = DeviceFacts("10.0.0.5", MAC, name="Gate", firmware_version="11.37.2.44", http_port=8080)
    heard = ANSWER

    def test_header_that_lies(self) -> None:
        """The body is believed, not the octet that says what it is."""
        self.assertEqual(self.protocol.parse(XORED[:6] + b"\x00" + XORED[7:]), ANSWER)
        self.assertEqual(self.protocol.parse(XORED[:23] + BODY), ANSWER)

    def test_header_where_the_body_leaves_it_open(self) -> None:
        """A key by which one reading looks like an id as well as the other: the header decides."""
        key = b"z0" + bytes(6)  # "J" and a NUL, XORed
        mixed = bytes(one ^ other for one, other in zip(BODY, key * 8, strict=True))
        head = b"MO_I" + b"\x01\x00"
        self.assertEqual(mixed[:2], b"J\0")
        self.assertEqual(self.protocol.parse(head + b"\x01" + key + b"\x40" + bytes(7) + mixed), ANSWER)
        self.assertEqual(self.protocol.parse(head + b"\x00" + key + b"\x40" + bytes(7) + BODY), ANSWER)
