"""What was heard from the broker is remembered within bounds, and judged by the clock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.decisions import Description
from twisted_detector.operations.nodes.handover import heard
from twisted_detector.operations.nodes.handover.described import AHEAD, Described
from twisted_detector.operations.nodes.handover.heard import HeardDocuments

NOW = 1.7e9
AN, AHEAD_OF_US = Described(Description("Barn"), 5, "north"), Described(at=int(NOW * 1000) + 2 * AHEAD, by="north")


class Heard(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = NOW
        self.heard = HeardDocuments({"mine"}.__contains__, lambda: self.now)

    def test_bounded(self) -> None:
        """So many characters and cameras, and those of this node all the same; what goes makes room."""
        self.patch(heard, "MAX_CHARACTERS", 250)
        self.assertEqual([True, True, False], [self.heard.put(one, AN) for one in ("a", "b", "c")])
        self.assertTrue(self.heard.put("mine", AN))
        self.assertEqual(["a", "b", "mine"], list(self.heard))
        for one in ("a", "mine"):
            self.heard.put(one, None)
        self.assertTrue(self.heard.put("c", AN))
        self.patch(heard, "MAX_CLAIMS", 2)
        self.assertFalse(self.heard.put("d", Described()))

    def test_clear(self) -> None:
        """Nothing is left, and there is room for all again."""
        self.patch(heard, "MAX_CHARACTERS", 150)
        self.heard.put("a", AN)
        self.heard.put_unreadable("mine")
        self.heard.clear()
        self.assertEqual((0, set(), True), (len(self.heard), self.heard.unreadable, self.heard.put("b", AN)))

    def test_unreadable(self) -> None:
        """It is remembered of this node's cameras until something else stands there."""
        self.assertEqual([True, False], [self.heard.put_unreadable(one) for one in ("mine", "b")])
        self.assertEqual({"mine"}, self.heard.unreadable)
        self.heard.put("mine", AN)
        self.assertEqual(set(), self.heard.unreadable)

    def test_ahead(self) -> None:
        """It stands there, and is not judged before our clock is set; something unreadable takes its place."""
        self.heard.put("mine", AHEAD_OF_US)
        self.assertEqual((AHEAD_OF_US, None), (self.heard.get("mine"), self.heard.judged("mine")))
        self.now += 2 * AHEAD / 1000
        self.assertEqual((AHEAD_OF_US, False), (self.heard.judged("mine"), self.heard.is_ahead("mine")))
        self.now = NOW
        self.heard.put_unreadable("mine")
        self.assertIsNone(self.heard.get("mine"))
