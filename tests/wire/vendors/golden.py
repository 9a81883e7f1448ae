"""Test case that every manufacturer's protocol passes, tried with one golden datagram of it.

Import the module, not the class: trial runs each test case that a module of tests has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from random import Random
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import Malformed
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice
from twisted_detector.wire.vendors.protocol import Answer, VendorProtocol

#: Changed golden datagrams that each protocol is given.
MUTATIONS = 1_500
#: Longest text that any of an answer's fields may have.
MAX_TEXT = 256
OWN_ADDRESS = "10.0.0.9"


def random(count: int) -> bytes:
    """As many octets as are wanted, always the same."""
    return bytes(range(0x31, 0x31 + count))


def values(answer: Answer) -> Sequence[object]:
    """All that an answer says, field by field."""
    outer = [getattr(answer, one.name) for one in fields(answer) if one.name != "announced"]
    return [*outer, *(getattr(answer.announced, one.name) for one in fields(answer.announced))]


class Golden(SynchronousTestCase):
    """One golden datagram of one protocol, written octet by octet, and all the harm that can come to it.

    :cvar answer: what the golden datagram says; ``heard``: what the simulated ``device`` with those ``facts`` says.
    """

    protocol: ClassVar[VendorProtocol]
    golden: ClassVar[bytes]
    answer: ClassVar[Answer]
    device: ClassVar[VendorDevice]
    facts: ClassVar[DeviceFacts]
    heard: ClassVar[Answer]

    def read(self, data: bytes) -> Answer | None:
        """What the protocol makes of it; a refusal is None. Anything else that it raises fails the test."""
        try:
            found = self.protocol.parse(data)
        except Malformed:
            return None
        self.assertTrue(self.protocol.recognises(data), data)
        if found is not None:
            for text in (one for one in values(found) if isinstance(one, str)):
                self.assertTrue(text.isprintable() and len(text) <= MAX_TEXT and text == text.strip(), text)
            self.assertTrue(min(found.http_port, found.https_port, found.rtsp_port) >= 0)
            self.assertLessEqual(max(found.http_port, found.https_port, found.rtsp_port), 65_535)
        return found

    def test_golden(self) -> None:
        """It is recognised and read."""
        self.assertTrue(self.protocol.recognises(self.golden))
        self.assertEqual(self.protocol.parse(self.golden), self.answer)

    def test_padded(self) -> None:
        """A firmware that sends its whole buffer is read as well."""
        self.assertEqual(self.read(self.golden + bytes(300)), self.answer)

    def test_cut_at_every_octet(self) -> None:
        """What is cut off says nothing that the whole does not: no half of a serial number, no other MAC."""
        for length in range(len(self.golden)):
            found = self.read(self.golden[:length])
            for part, whole in zip(values(found), values(self.answer), strict=True) if found else ():
                self.assertIn(part, (whole, "", 0, None, ()), self.golden[:length])

    def test_changed(self) -> None:
        """Whatever its octets are, it is read or refused."""
        chance = Random(17)
        for _ in range(MUTATIONS):
            data = bytearray(self.golden)
            for _ in range(chance.randrange(1, 6)):
                at, size = chance.randrange(len(data)), chance.randrange(4)
                data[at : at + size] = chance.choice((chance.randbytes(size), b"\xff" * 9, bytes(size), b""))
                data = data or bytearray(1)
            self.read(bytes(data))

    def test_strangers(self) -> None:
        """Datagrams of others are not recognised, and refused."""
        for data in (b"", b"\0", b"\xff" * 40, bytes(600), b"GET / HTTP/1.1\r\n\r\n", b"{}", b"<a/>", b"M-SEARCH *"):
            self.assertFalse(self.protocol.recognises(data), data)
            self.assertRaises(Malformed, self.protocol.parse, data)

    def test_own_search(self) -> None:
        """Our own search, which a broadcast brings back, is known as none's answer."""
        for query in self.protocol.queries(random, OWN_ADDRESS):
            self.assertTrue(self.protocol.recognises(query.data))
            self.assertIsNone(self.protocol.parse(query.data))

    def test_simulated(self) -> None:
        """A simulated device understands the search, and what it answers says what is true of it."""
        answers = [
            data
            for query in self.protocol.queries(random, OWN_ADDRESS)
            if query.port in self.device.ports
            and (data := self.device.answer(Request(query.data, query.port), self.facts)) is not None
        ]
        self.assertEqual({self.protocol.parse(data) for data in answers}, {self.heard})
        self.assertEqual(self.device.name, self.protocol.name)
        if self.device.reply_port:
            self.assertEqual(self.device.reply_port, self.protocol.reply_port)
        self.assertLessEqual(set(self.device.ports), set(self.protocol.ports))

    def test_simulated_is_strict(self) -> None:
        """It stays silent when the search is cut, longer, or its own answer."""
        for query in self.protocol.queries(random, OWN_ADDRESS):
            for data in (query.data[:-1], query.data + b"\0", self.golden, b""):
                self.assertIsNone(self.device.answer(Request(data, query.port), self.facts))
