"""Tests of ``wire.vendors.vision360``: one line of text."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.vision360 import Vision360Device
from twisted_detector.wire.vendors.protocol import Answer
from twisted_detector.wire.vendors.vision360 import Vision360

MAC = Mac("00:60:35:a1:b2:c3")
GOLDEN = b"DISCOVER TYPE=IPDOME KEY='00:60:35:a1:b2:c3' ID=2210376922\r\n"


class Answers(golden.Golden):
    """What a camera answers."""

    protocol = Vision360()
    golden = GOLDEN
    answer = Answer(Announced("360 Vision", "IPDOME"), mac=MAC)
    device = Vision360Device()
    facts = DeviceFacts("10.0.0.5", MAC, model="IPDOME")
    heard = answer

    def test_search(self) -> None:
        """The search is one word on a line."""
        (query,) = self.protocol.queries(golden.random, "10.0.0.9")
        self.assertEqual((query.data, query.port, query.to), (b"DISCOVER\n", 3600, "255.255.255.255"))

    def test_odd_lines(self) -> None:
        """Other quotes, none, small letters, another order, more pairs than are known, no end of the line."""
        for line in (
            b'DISCOVER type="IPDOME" Key="00-60-35-A1-B2-C3"',
            b"DISCOVER KEY=00:60:35:a1:b2:c3 TYPE=IPDOME",
            b"DISCOVER FW='a b' X= TYPE='IPDOME' =1 KEY='00:60:35:a1:b2:c3' TYPE=OTHER\0KEY='x'",
        ):
            self.assertEqual(self.protocol.parse(line), self.answer, line)

    def test_searches_of_others(self) -> None:
        """The bare word is a search, however its line ends."""
        for line in (b"DISCOVER", b"DISCOVER\r\n", b"DISCOVER \n\0\0"):
            self.assertIsNone(self.protocol.parse(line))

    def test_without_mac(self) -> None:
        """No MAC, or that of nobody: nothing to know it by."""
        for key in (b"", b"KEY=''", b"KEY='00:00:00:00:00:00'", b"KEY='ff:ff:ff:ff:ff:ff'", b"KEY=12"):
            self.assertRaises(Malformed, self.protocol.parse, b"DISCOVER TYPE=IPDOME " + key + b"\r\n")
