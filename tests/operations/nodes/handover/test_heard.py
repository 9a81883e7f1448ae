"""What was heard from the broker is remembered, and judged by the clock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.decisions import Description
from twisted_detector.operations.nodes.handover.described import AHEAD, Described
from twisted_detector.operations.nodes.handover.heard import HeardDocuments

NOW = 1.7e9
AN, AHEAD_OF_US = Described(Description("Barn"), 5, "north"), Described(at=int(NOW * 1000) + 2 * AHEAD, by="north")


class Heard(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = NOW
        self.heard = HeardDocuments(lambda: self.now)

    def test_clear(self) -> None:
        """Nothing is left."""
        self.heard.put("a", AN)
        self.heard.put_unreadable("mine")
        self.heard.clear()
        self.assertEqual(([], set()), (list(self.heard), self.heard.unreadable))

    def test_unreadable(self) -> None:
        """It is remembered until something else stands there, or nothing; and so is what stood there before."""
        for after in (AN, None):
            before = self.heard.get("mine")
            self.heard.put_unreadable("mine")
            self.assertEqual(({"mine"}, before), (self.heard.unreadable, self.heard.get("mine")))
            self.heard.put("mine", after)
            self.assertEqual((set(), after), (self.heard.unreadable, self.heard.get("mine")))

    def test_ahead(self) -> None:
        """It stands there, and is not judged before our clock is set; something unreadable takes its place."""
        self.heard.put("mine", AHEAD_OF_US)
        self.assertEqual((AHEAD_OF_US, None), (self.heard.get("mine"), self.heard.judged("mine")))
        self.now += 2 * AHEAD / 1000
        self.assertEqual((AHEAD_OF_US, False), (self.heard.judged("mine"), self.heard.is_ahead("mine")))
        self.now = NOW
        self.heard.put_unreadable("mine")
        self.assertIsNone(self.heard.get("mine"))
