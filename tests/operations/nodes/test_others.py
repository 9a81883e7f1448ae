"""The table of other nodes: what is news, what is refused, who is silent."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.nodes.others import MAX_NODES, RIVAL, OtherNodes
from twisted_detector.operations.nodes.timing import TIMING
from twisted_detector.operations.nodes.values import Bid, Claim, NodeDocument, Rank

CLAIM = Claim(Rank.SEES_MAC, Bid(4, Rank.SEES_MAC, 0))
DOCUMENT = NodeDocument("south", "s1", 2, 5, 1, {"a": CLAIM, "b": Claim(Rank.ROUTED)})


class OtherNodesTest(SynchronousTestCase):
    """The table."""

    def setUp(self) -> None:
        self.others = OtherNodes(TIMING, "north")

    def test_news(self) -> None:
        """Of one process only a higher number is news."""
        first = self.others.receive(DOCUMENT, 1.0)
        assert first is not None
        self.assertEqual({}, first.claims)
        self.assertIsNone(self.others.receive(DOCUMENT, 2.0))
        self.assertIsNone(self.others.receive(replace(DOCUMENT, number=4, claims={}), 2.0))
        self.assertEqual({"s1": CLAIM}, self.others.claims("a"))
        self.assertEqual(DOCUMENT, self.others.receive(replace(DOCUMENT, number=6, claims={}), 2.0))
        self.assertFalse(self.others.know("a"))
        self.assertEqual(4, self.others.epochs["a"])

    def test_end(self) -> None:
        """With its session a node's claims end; what it said in that session is refused, the next one is not."""
        self.others.receive(DOCUMENT, 1.0)
        self.assertEqual(DOCUMENT, self.others.end("s1", 2))
        self.assertFalse(self.others.know("a"))
        self.assertIsNone(self.others.receive(replace(DOCUMENT, number=9), 1.0))
        self.assertIsNotNone(self.others.receive(replace(DOCUMENT, session=3, number=10), 1.0))

    def test_late_will(self) -> None:
        """The will of an earlier session ends nothing."""
        self.others.receive(DOCUMENT, 1.0)
        self.assertIsNone(self.others.end("s1", 1))
        self.assertTrue(self.others.know("a"))

    def test_silence(self) -> None:
        """It counts from the last word, and from when it began to matter."""
        self.others.receive(DOCUMENT, 1.0)
        self.others.watch("s1", 9.0)
        self.assertFalse(self.others.is_silent("s1", 9.0 + TIMING.silence - 0.01))
        self.assertTrue(self.others.is_silent("s1", 9.1 + TIMING.silence))
        self.others.watch("s1", 20.0)
        self.assertTrue(self.others.is_silent("s1", 20.0))
        self.others.heard("south", "s1", 20.0)
        self.assertFalse(self.others.is_silent("s1", 20.0))
        self.others.watch_only(set())
        self.others.watch("s1", 40.0)
        self.assertFalse(self.others.is_silent("s1", 40.0))

    def test_expiry(self) -> None:
        """A node that says nothing for three slow beats is forgotten with its claims."""
        self.others.receive(DOCUMENT, 1.0)
        self.assertEqual([], self.others.expired(1.0 + TIMING.expiry))
        self.assertEqual([DOCUMENT], self.others.expired(1.1 + TIMING.expiry))
        self.assertFalse(self.others.know("b"))

    def test_greatest(self) -> None:
        """The epoch decides, then rank, load, and name."""
        bids = (Bid(1, Rank.SEES_MAC, 0), Bid(2, Rank.ROUTED, 0), Bid(2, Rank.SEES_MAC, 9), Bid(2, Rank.SEES_MAC, 1))
        for number, bid in enumerate(bids):
            document = NodeDocument(f"n{number}", f"i{number}", 1, 1, 0, {"a": Claim(Rank.AWAY, bid)})
            self.others.receive(document, 1.0)
            best = self.others.greatest_bid("a")
            assert best is not None
            self.assertEqual(f"n{number}", best[3])

    def test_rival(self) -> None:
        """Another process with our node id is noticed, for a while after its last word."""
        self.others.receive(DOCUMENT, 1.0)
        self.assertEqual("", self.others.rival(1.0))
        left = NodeDocument("north", "n8", 1, 1)
        self.others.receive(left, 1.0, retained=True)
        self.assertEqual("", self.others.rival(1.0), "it may be what an earlier process left")
        self.others.heard("north", "n9", 2.0)
        self.assertEqual("n9", self.others.rival(60.0))
        self.assertEqual("", self.others.rival(2.0 + RIVAL))

    def test_bound(self) -> None:
        """No more nodes than there is room for."""
        for number in range(MAX_NODES + 1):
            self.others.receive(replace(DOCUMENT, instance=f"i{number}"), 1.0)
        self.assertEqual(MAX_NODES, len(self.others))
