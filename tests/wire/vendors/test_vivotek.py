"""Tests of ``wire.vendors.vivotek``: fields of one answer in any order, and the port that it shares with Foscam."""

from __future__ import annotations

from tests.wire.vendors import golden
from tests.wire.vendors.test_foscam import PLAIN
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.vivotek import VivotekDevice
from twisted_detector.wire.vendors.foscam import Foscam
from twisted_detector.wire.vendors.protocol import Answer
from twisted_detector.wire.vendors.vivotek import Vivotek

MAC = Mac("00:02:d1:a1:b2:c3")
HEAD = b"\x07\x4a\x5d\x8f\x1c"
NAME, MODEL = b"\x01\x04Gate", b"\x09\x06FD8136"
PHYSICAL, ADDRESS, BARE = b"\x02\x06\x00\x02\xd1\xa1\xb2\xc3", b"\x03\x04\x0a\x00\x00\x05", b"\x04\x1b"
PORT, LANGUAGE, UNKNOWN = b"\x06\x02\x90\x1f", b"\x08\x02en", b"\x10\x04\x03\x00\x82\x00"
FIELDS = (NAME, PHYSICAL, ADDRESS, BARE, PORT, LANGUAGE, MODEL, UNKNOWN)


class Answers(golden.Golden):
    """What a camera answers."""

    protocol = Vivotek()
    golden = HEAD + b"".join(FIELDS)
    answer = Answer(Announced("Vivotek", "FD8136", "Gate"), mac=MAC, address="10.0.0.5", http_port=8080)
    device = VivotekDevice()
    facts = DeviceFacts("10.0.0.5", MAC, model="FD8136", name="Gate", http_port=8080)
    heard = answer

    def test_search(self) -> None:
        """The search is a random number and the magic."""
        (query,) = self.protocol.queries(lambda count: b"\xab" * count, "10.0.0.9")
        self.assertEqual((query.data, query.port, query.to), (b"\xab\x4a\x5d\x8f\x1c", 10000, "255.255.255.255"))

    def test_any_order(self) -> None:
        """Fields come in any order; unknown ones are passed over, and the first of two alike counts."""
        self.assertEqual(self.protocol.parse(HEAD + b"".join(reversed(FIELDS))), self.answer)
        self.assertEqual(self.protocol.parse(HEAD + b"\xee\x00" + b"".join(FIELDS) + b"\x09\x01x"), self.answer)

    def test_wrong_sizes(self) -> None:
        """A field of another size than its type has is none; one that is longer than the datagram ends it."""
        odd = (
            HEAD + b"\x02\x05\x00\x02\xd1\xa1\xb2" + b"\x03\x03\x0a\x00\x00" + b"\x06\x01\x50" + MODEL + b"\x01\xffGate"
        )
        self.assertEqual(self.protocol.parse(odd), Answer(Announced("Vivotek", "FD8136")))

    def test_texts(self) -> None:
        """A text ends at its NUL, and is printable."""
        found = self.protocol.parse(HEAD + PHYSICAL + b"\x09\x0cFD\x1b8136\0junk" + b"\x01\x04a\r\nb")
        assert found is not None
        self.assertEqual((found.announced.model, found.announced.name), ("FD8136", "a b"))

    def test_says_nothing(self) -> None:
        """A MAC of nobody and no other field: nothing to know it by."""
        for content in (b"\x02\x06" + bytes(6), b"\x02\x06" + b"\xff" * 6, LANGUAGE, b"\0\0" * 200):
            self.assertRaises(Malformed, self.protocol.parse, HEAD + content)

    def test_many_fields(self) -> None:
        """More fields than any device has are not read."""
        self.assertEqual(self.protocol.parse(HEAD + LANGUAGE * 63 + PHYSICAL), Answer(Announced("Vivotek"), mac=MAC))
        self.assertRaises(Malformed, self.protocol.parse, HEAD + LANGUAGE * 64 + PHYSICAL)

    def test_shared_port(self) -> None:
        """The magic tells Vivotek's datagrams from Foscam's."""
        self.assertEqual([one.recognises(self.golden) for one in (Vivotek(), Foscam())], [True, False])
        self.assertEqual([one.recognises(PLAIN) for one in (Vivotek(), Foscam())], [False, True])
