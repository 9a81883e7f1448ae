"""Tests of ``wire.vendors.sony``: texts between 0x02 and 0x03."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.sony import SonyDevice
from twisted_detector.wire.vendors.protocol import Answer
from twisted_detector.wire.vendors.sony import Sony

MAC = Mac("08:00:46:a1:b2:c3")
TEXTS = (
    b"MAC:08-00-46-a1-b2-c3", b"MODEL:SNC-EP550", b"SERIAL:100234", b"INFO:allinfo", b"DHCP:OFF", b"IPADR:10.0.0.5",
    b"MASK:255.255.255.0", b"GATEWAY:", b"DNS1:", b"WEBPORT:8080", b"TIMEZONE:0", b"SOFTVERSION:1.30.0",
)  # fmt: skip
GOLDEN = b"\x02" + b"\xff".join(TEXTS) + b"\xff\x03"


class Answers(golden.Golden):
    """What a camera answers."""

    protocol = Sony()
    golden = GOLDEN
    answer = Answer(
        Announced("Sony", "SNC-EP550", serial_number="100234", firmware_version="1.30.0"),
        mac=MAC,
        address="10.0.0.5",
        http_port=8080,
    )
    device = SonyDevice()
    facts = DeviceFacts("10.0.0.5", MAC, "Sony", "SNC-EP550", "100234", "1.30.0", http_port=8080)
    heard = answer

    def test_search(self) -> None:
        """The search asks for all that a camera tells."""
        (query,) = self.protocol.queries(golden.random, "10.0.0.9")
        self.assertEqual((query.data, query.port), (b"\x02ENQ:allinfo\xff\x03", 2380))

    def test_odd_answers(self) -> None:
        """Keys in small letters, spaces, texts in another order, no 0xFF behind the last, no 0x03."""
        for data in (
            GOLDEN.replace(b"SERIAL:", b"serial : ").replace(b"MAC:", b" Mac:"),
            b"\x02" + b"\xff".join(reversed(TEXTS)) + b"\x03",
            b"\x02" + b"\xff".join(reversed(TEXTS)) + b"\x03\r\n\0",
            GOLDEN[:-1],
            GOLDEN.replace(b"08-00-46-a1-b2-c3", b"08:00:46:A1:B2:C3") + b"\r\n",
        ):
            self.assertEqual(self.protocol.parse(data), self.answer, data)

    def test_what_is_not_set(self) -> None:
        """Empty texts, addresses and ports of nobody are left out."""
        data = GOLDEN.replace(b"10.0.0.5", b"0.0.0.0").replace(b"8080", b"99999").replace(b"100234", b"")
        expected = Answer(Announced("Sony", "SNC-EP550", firmware_version="1.30.0"), mac=MAC)
        self.assertEqual(self.protocol.parse(data), expected)

    def test_settings(self) -> None:
        """What a tool sends to a camera is no answer, whatever else is in it."""
        for text in (b"ENQ:network", b"SETMAC:08-00-46-a1-b2-c3"):
            self.assertIsNone(self.protocol.parse(GOLDEN[:1] + text + b"\xff" + GOLDEN[1:]))

    def test_little_is_enough(self) -> None:
        """A model or a serial number alone."""
        for text, said in (
            (b"MODEL:SNC-EP550", Announced("Sony", "SNC-EP550")),
            (b"SERIAL:100234", Announced("Sony", serial_number="100234")),
        ):
            self.assertEqual(self.protocol.parse(b"\x02" + text + b"\xff\x03"), Answer(said))

    def test_bounds(self) -> None:
        """What is behind more texts, or longer ones, than any camera has is not read."""
        text = b"MAC:08-00-46-a1-b2-c3\xff\x03"
        for before in (b"AB:\xff" * 250, b"AB:" + b"b" * 996 + b"\xff"):
            self.assertEqual(self.protocol.parse(b"\x02" + before + text), Answer(Announced("Sony"), mac=MAC))
            longer = b"\x02" + before.replace(b"\xff", b"xxxxx\xff", 1) + text
            self.assertRaises(Malformed, self.protocol.parse, longer)

    def test_says_nothing(self) -> None:
        """Neither MAC nor model nor serial number."""
        for data in (b"\x02DHCP:OFF\xff\x03", b"\x02MAC:00-00-00-00-00-00\xff\x03", b"\x02AB:" + b"\xff" * 3_000):
            self.assertRaises(Malformed, self.protocol.parse, data + b"\x03")
