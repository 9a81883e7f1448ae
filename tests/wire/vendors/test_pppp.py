"""Tests of ``wire.vendors.pppp``: a UID, and that the device has nothing that can be played."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, Condition
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.pppp import PpppDevice
from twisted_detector.wire.vendors.pppp import Pppp
from twisted_detector.wire.vendors.protocol import Answer

UID = "VSTC-012345-ABCDE"
GOLDEN = b"\xf1\x41\x00\x14" + b"VSTC\0\0\0\0" + b"\x00\x00\x30\x39" + b"ABCDE\0\0\0"
ANSWER = Answer(Announced(conditions=(Condition.CLOUD_ONLY,)), vendor_id=UID)


class Answers(golden.Golden):
    """What a camera answers."""

    protocol = Pppp()
    golden = GOLDEN
    answer = ANSWER
    device = PpppDevice()
    facts = DeviceFacts("10.0.0.5", Mac("48:02:2a:a1:b2:c3"), uid=UID)
    heard = ANSWER

    def test_searches(self) -> None:
        """Both forms of the search at the usual port, the common one at that of old firmware."""
        self.assertEqual(
            [(one.data, one.port) for one in self.protocol.queries(golden.random, "10.0.0.9")],
            [(b"\xf1\x30\0\0", 32108), (b"\xf1\x32\0\0", 32108), (b"\xf1\x30\0\0", 32100)],
        )

    def test_old_port(self) -> None:
        """A simulated device of old firmware answers at its own port alone."""
        old = DeviceFacts("10.0.0.5", self.facts.mac, uid=UID, first_generation=True)
        answers = [self.device.answer(Request(b"\xf1\x30\0\0", port), old) for port in (32108, 32100)]
        self.assertEqual(answers, [None, GOLDEN])

    def test_odd_answers(self) -> None:
        """A wrong length, garbage behind the NULs, all eight letters used, small letters, a number of seven digits."""
        for data, uid in (
            (b"\xf1\x41\xff\xff" + GOLDEN[4:], UID),
            (b"\xf1\x41\0\x14EUPRAKM\0\0\x0f\x42\x40XYZABCDE", "EUPRAKM-1000000-XYZABCDE"),
            (b"\xf1\x41\0\x14VSTC\0\xcd\xcd\xcd\x00\x00\x30\x39abcde\0\xcc\xcc", UID),
            (b"\xf1\x41\0\x14ABCDEFGH\xff\xff\xff\xffABCDE\0\0\0", "ABCDEFGH-4294967295-ABCDE"),
            (b"\xf1\x41\0\x14NA\0\0\0\0\0\0\x00\x00\x30\x39ABCDE\0\0\0", "NA-012345-ABCDE"),
        ):
            self.assertEqual(self.protocol.parse(data), Answer(ANSWER.announced, vendor_id=uid), data)

    def test_without_uid(self) -> None:
        """What is scrambled, or empty, has no UID."""
        for prefix, check in (
            (bytes(8), b"ABCDE\0\0\0"),
            (b"VSTC\0\0\0\0", bytes(8)),
            (b"\x8fV\xe1\0", b"ABCDE\0\0\0"),
        ):
            data = b"\xf1\x41\0\x14" + prefix.ljust(8, b"\0") + b"\0\0\x30\x39" + check
            self.assertRaises(Malformed, self.protocol.parse, data)
