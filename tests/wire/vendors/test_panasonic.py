"""Tests of ``wire.vendors.panasonic``: fields behind a header, and both ports."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.panasonic import PanasonicDevice, PanasonicReversedDevice
from twisted_detector.wire.vendors.panasonic import Panasonic, PanasonicReversed
from twisted_detector.wire.vendors.protocol import Answer

MAC = Mac("00:80:f0:a1:b2:c3")
HEAD = (
    b"\x00\x01\x00\x62\x00\x0e"
    b"\x00\x80\xf0\xa1\xb2\xc3"
    b"\xff\xff\xff\xff\xff\xff\x0a\x00\x00\x09"  # who asked
    b"\x00\x00\x20\x11\x1e\x11\x23\x1f\x1e\x19\x13\x00\x00\x02\x02\x02"
    b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02"
)
UNKNOWN = b"\x00\x01\x00\x01\x00"
ADDRESS = b"\x00\x20\x00\x04\x0a\x00\x00\x05"
PORT = b"\x00\x25\x00\x02\x1f\x90"
IPV6 = b"\x00\x40\x00\x10\xfe\x80" + bytes(13) + b"\x01"
MODEL = b"\x00\xa7\x00\x0cWV-S1136\0\0\0\0"
SHORT = b"\x00\xa8\x00\x0cS1136\0junk\0\0"
FIRMWARE = b"\x00\xa9\x00\x0a2.51\0\0\0\0\0\0"
END = b"\xff\xff\x12\x34"
GOLDEN = HEAD + UNKNOWN + ADDRESS + PORT + IPV6 + MODEL + SHORT + FIRMWARE + END


class Answers(golden.Golden):
    """What a camera answers."""

    protocol = Panasonic()
    golden = GOLDEN
    answer = Answer(
        Announced("Panasonic", "WV-S1136", firmware_version="2.51"), mac=MAC, address="10.0.0.5", http_port=8080
    )
    device = PanasonicDevice()
    facts = DeviceFacts("10.0.0.5", MAC, model="WV-S1136", firmware_version="2.51", http_port=8080)
    heard = answer

    def test_search(self) -> None:
        """The search as a tool of the manufacturer sends it: 52 octets, with our address."""
        (query,) = self.protocol.queries(golden.random, "10.0.0.9")
        self.assertEqual(
            query.data.hex(" "),
            "00 01 00 00 00 0d 00 00 00 00 00 00 ff ff ff ff ff ff 0a 00 00 09 00 01 20 11 1e 11 23 1f 1e 19 13 00 00"
            " 02 00 00 00 00 00 00 00 00 00 00 00 00 ff ff 00 00",
        )
        self.assertEqual((len(query.data), query.port, query.to), (52, 10670, "255.255.255.255"))

    def test_any_order(self) -> None:
        """Fields come in any order, the first of two alike counts, and what is behind the end is not read."""
        for content in (
            UNKNOWN + FIRMWARE + SHORT + MODEL + IPV6 + PORT + ADDRESS + END,
            ADDRESS + PORT + MODEL + FIRMWARE + MODEL.replace(b"W", b"X") + END,
            ADDRESS + PORT + MODEL + FIRMWARE + END[:2],
            ADDRESS + PORT + MODEL + FIRMWARE,
        ):
            self.assertEqual(self.protocol.parse(HEAD + content), self.answer)
        later = self.protocol.parse(HEAD + ADDRESS + PORT + FIRMWARE + b"\xff\xff\x00\x00" + MODEL)
        self.assertEqual(later and later.announced.model, "")

    def test_short_name(self) -> None:
        """The short name is the model where no other is."""
        found = self.protocol.parse(HEAD + SHORT + END)
        self.assertEqual(found, Answer(Announced("Panasonic", "S1136"), mac=MAC))

    def test_bounds(self) -> None:
        """More fields than any camera has are not read."""
        for before, model in ((127, "WV-S1136"), (128, "")):
            found = self.protocol.parse(HEAD + UNKNOWN * before + MODEL + END)
            self.assertEqual(found, Answer(Announced("Panasonic", model), mac=MAC))

    def test_model_alone(self) -> None:
        """A model is enough without a MAC."""
        for name, model in ((MODEL, "WV-S1136"), (SHORT, "S1136")):
            found = self.protocol.parse(HEAD[:6] + bytes(6) + HEAD[12:] + name + END)
            self.assertEqual(found, Answer(Announced("Panasonic", model)))

    def test_says_nothing(self) -> None:
        """A MAC of nobody, and no model."""
        for octets in (bytes(6), b"\xff" * 6):
            self.assertRaises(Malformed, self.protocol.parse, HEAD[:6] + octets + HEAD[12:] + ADDRESS + END)


class Reversed(golden.Golden):
    """The same, asked at the other port."""

    protocol = PanasonicReversed()
    golden = GOLDEN
    answer = Answers.answer
    device = PanasonicReversedDevice()
    facts = Answers.facts
    heard = answer

    def test_ports(self) -> None:
        """Each asks where the other is answered."""
        for one, port, reply_port in ((Panasonic(), 10670, 10669), (PanasonicReversed(), 10669, 10670)):
            (query,) = one.queries(golden.random, "10.0.0.9")
            self.assertEqual((query.port, one.reply_port, set(one.ports)), (port, reply_port, {10669, 10670}))
