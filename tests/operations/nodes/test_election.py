"""The rules of the election, one by one; the histories have what comes of them together."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.nodes.election import Election, Outcome
from twisted_detector.operations.nodes.fleet import fleet_document
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.operations.nodes.timing import TIMING
from twisted_detector.operations.nodes.values import Beat, Bid, Claim, NodeAbout, NodeDocument, Rank


class Node:
    """One node, and a broker that returns to it what it says, at once."""

    def __init__(self) -> None:
        self.election = Election("north", "n1")
        self.now = 1000.0
        self.documents: list[NodeDocument] = []
        self.beats: list[Beat] = []
        self.outcomes: list[Outcome] = []
        self.returns = True
        self.election.connected(1, self.now)

    def run(self, seconds: float) -> None:
        """Tick for so long."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.2
            outcome = self.election.tick(self.now)
            self.outcomes.append(outcome)
            if outcome.document is not None:
                self.documents.append(outcome.document)
                if self.returns:
                    self.election.received_document(outcome.document, self.now)
            if outcome.beat is not None:
                self.beats.append(outcome.beat)
                if self.returns:
                    self.election.received_beat(outcome.beat, self.now)

    def publishes(self) -> bool:
        """Whether it may, when it has something to say."""
        if self.election.holds("a", self.now) and not self.election.publishes("a", self.now):
            self.election.want()
            self.run(0.4)
        return self.election.publishes("a", self.now)


class ElectionTest(SynchronousTestCase):
    """One node against documents of another."""

    def setUp(self) -> None:
        self.node = Node()
        self.election = self.node.election
        self.number = 0

    def south(self, rank: Rank | None, bid: Bid | None = None, *, session: int = 1, load: int = 0) -> None:
        """The other node says so of camera a; without a rank: it does not know it."""
        self.number += 1
        claims = {} if rank is None else {"a": Claim(rank, bid)}
        self.election.received_document(NodeDocument("south", "s1", session, self.number, load, claims), self.node.now)

    def run_with_south(self, seconds: float) -> None:
        """So long, with the other node's beats."""
        for _ in range(round(seconds)):
            self.number += 1
            self.election.received_beat(Beat("south", "s1", self.number), self.node.now)
            self.node.run(1.0)

    def test_alone(self) -> None:
        """Nobody else is there: a camera is published as soon as the broker has returned the bid, and settled."""
        self.node.run(1.0)
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(1.0)
        self.assertTrue(self.node.publishes())
        self.assertEqual([("a",)], [one.gained for one in self.node.outcomes if one.gained])

    def test_not_returned(self) -> None:
        """A broker that does not return the bid gets no state."""
        self.node.returns = False
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(30.0)
        self.assertFalse(self.node.publishes())

    def test_watches(self) -> None:
        """Who is there is left alone, whatever his load; and a better rank is noticed only after a while."""
        self.south(Rank.ROUTED, Bid(1, Rank.ROUTED, 0), load=999)
        self.election.sighted("a", Rank.ROUTED)
        self.run_with_south(120.0)
        self.assertEqual(Claim(Rank.ROUTED), self.node.documents[-1].claims["a"])
        self.assertTrue(self.election.is_anothers("a"))
        self.election.sighted("a", Rank.SEES_MAC)
        self.run_with_south(TIMING.outranked - 2)
        self.assertEqual(Claim(Rank.SEES_MAC), self.node.documents[-1].claims["a"])
        self.run_with_south(4.0)
        self.assertEqual(Bid(2, Rank.SEES_MAC, 0), self.node.documents[-1].claims["a"].bid)

    def test_rank_flaps(self) -> None:
        """A rank that is better again and again, but never for long, takes nothing."""
        self.south(Rank.ROUTED, Bid(1, Rank.ROUTED, 0))
        for _ in range(10):
            self.election.sighted("a", Rank.SEES_MAC)
            self.run_with_south(TIMING.outranked - 5)
            self.election.sighted("a", Rank.ROUTED)
            self.run_with_south(1.0)
        self.assertTrue(all(one.claims["a"].bid is None for one in self.node.documents if one.claims))

    def test_moved_to_us(self) -> None:
        """A camera that its owner does not see any more is taken, when that is so for long enough."""
        self.south(Rank.AWAY, Bid(1, Rank.SEES_MAC, 0))
        self.election.sighted("a", Rank.SEES_MAC)
        self.run_with_south(TIMING.unseen - 3)
        self.assertTrue(self.election.is_anothers("a"))
        self.run_with_south(6.0)
        self.assertFalse(self.election.is_anothers("a"))
        self.assertFalse(self.node.publishes() and not self.node.outcomes[-1])
        self.south(Rank.AWAY)
        self.run_with_south(1.0)
        self.assertTrue(self.node.publishes())

    def test_silent_owner(self) -> None:
        """His silence is followed by a bid, and that by publication only when his lease is over."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.south(Rank.SEES_MAC, Bid(5, Rank.SEES_MAC, 0))
        self.run_with_south(3.0)
        since = self.node.now
        while not self.node.publishes():
            self.node.run(0.2)
            self.assertLess(self.node.now - since, 6.0)
        self.assertGreaterEqual(self.node.now - since, TIMING.lease + TIMING.settle)
        self.assertEqual(6, self.node.documents[-1].claims["a"].bid.epoch)  # type: ignore[union-attr]

    def test_longest_lease(self) -> None:
        """A successor waits for the longest lease, for he cannot know how slow the broker is for the owner."""
        self.node.run(3.0)
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(0.2)
        self.south(Rank.ROUTED, Bid(1, Rank.ROUTED, 0))
        since = self.node.now
        while not self.node.publishes():
            self.node.run(0.2)
        self.assertGreaterEqual(self.node.now - since, TIMING.longest_lease)
        self.assertLess(self.node.now - since, TIMING.longest_lease + 0.9)

    def test_will(self) -> None:
        """After his will nobody waits for a lease."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.south(Rank.SEES_MAC, Bid(5, Rank.SEES_MAC, 0))
        self.run_with_south(3.0)
        self.election.gone("s1", 1)
        self.node.run(1.0)
        self.assertTrue(self.node.publishes())

    def test_higher_bid(self) -> None:
        """Who sees a greater bid withdraws at once; an older one changes nothing."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        self.south(Rank.SEES_MAC, Bid(1, Rank.ROUTED, 0))
        self.node.run(0.2)
        self.assertTrue(self.node.publishes())
        self.south(Rank.SEES_MAC, Bid(2, Rank.ROUTED, 0))
        self.node.run(0.2)
        self.assertFalse(self.node.publishes())
        self.assertEqual(("a",), self.node.outcomes[-1].lost)
        self.assertIsNone(self.node.documents[-1].claims["a"].bid)
        self.assertEqual("south", self.election.owner_of("a"))

    def test_somebody_joins(self) -> None:
        """Who begins to know a camera does not interrupt its owner, who shows within the lease that he is there."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(60.0)
        gained = len([one for one in self.node.outcomes if one.gained])
        self.south(Rank.SEES_MAC)
        self.run_with_south(5.0)
        self.assertEqual(gained, len([one for one in self.node.outcomes if one.gained]))
        self.assertEqual([], [one.lost for one in self.node.outcomes if one.lost])

    def test_late_withdrawal(self) -> None:
        """Where the former owner withdraws after we have begun, our state is said again."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.south(Rank.SEES_MAC, Bid(5, Rank.SEES_MAC, 0))
        self.node.run(8.0)
        self.assertTrue(self.node.publishes())
        self.south(Rank.SEES_MAC)
        self.node.run(0.2)
        self.assertEqual(("a",), self.node.outcomes[-1].again)

    def test_lease_of_an_owner(self) -> None:
        """An owner that does not hear itself any more stops before a successor may begin; alone it need not."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        self.node.returns = False
        self.node.run(60.0)
        self.assertTrue(self.node.publishes())
        self.node.returns = True
        self.south(Rank.ROUTED)
        self.node.run(2.0)
        self.assertTrue(self.node.publishes())
        self.node.returns = False
        self.node.run(TIMING.lease + 0.4)
        self.assertFalse(self.node.publishes())
        self.node.returns = True
        self.node.run(TIMING.beat + TIMING.settle + 0.6)
        self.assertTrue(self.node.publishes(), "nobody has bid")

    def test_stopped(self) -> None:
        """A process that was stopped publishes nothing before it has heard itself again, and asks for that at once."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        self.node.now += TIMING.stall + 0.3
        self.assertFalse(self.node.publishes())
        self.node.returns = False
        self.node.run(0.2)
        self.assertEqual(1, len(self.node.beats))
        self.node.run(5.0)
        self.assertFalse(self.node.publishes())
        self.node.returns = True
        self.node.run(2.0)
        self.assertTrue(self.node.publishes())

    def test_reconnect(self) -> None:
        """A new session voids what was, until the broker has returned the bids again."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        self.election.disconnected()
        self.election.connected(2, self.node.now)
        self.assertFalse(self.node.publishes())
        self.node.run(1.0)
        self.assertTrue(self.node.publishes())
        self.assertEqual(2, self.node.documents[-1].session)

    def test_forgotten(self) -> None:
        """A camera that is forgotten is in no document any more."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        self.election.forgotten("a")
        self.node.run(0.2)
        self.assertEqual({}, self.node.documents[-1].claims)
        self.assertFalse(self.node.publishes())

    def test_better_candidate(self) -> None:
        """Of two that watch, the one that sees it better bids first."""
        self.election.sighted("a", Rank.ROUTED)
        self.south(Rank.SEES_MAC, load=9)
        self.node.run(0.8)
        self.assertIsNone(self.node.documents[-1].claims["a"].bid)
        self.node.run(TIMING.patience + 0.4)
        self.assertIsNotNone(self.node.documents[-1].claims["a"].bid, "it does not bid")

    def test_one_node_id_twice(self) -> None:
        """A document of another process under our node id is noticed, and ours is said again."""
        self.node.run(5.0)
        said = len(self.node.documents)
        self.election.received_document(NodeDocument("north", "n9", 1, 1), self.node.now)
        self.node.run(1.0)
        self.assertEqual("n9", self.election.others.rival(self.node.now))
        self.assertEqual(said + 1, len(self.node.documents))
        for number in range(2, 22):
            self.election.received_document(NodeDocument("north", "n9", 1, number), self.node.now)
            self.node.run(0.4)
        self.assertLessEqual(len(self.node.documents), said + 6, "one every two seconds, though it does the same")

    def test_old_document(self) -> None:
        """One of ours that comes after a newer one stands on the broker: ours is said again, once."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        said = len(self.node.documents)
        self.election.received_document(self.node.documents[-1], self.node.now)
        self.node.run(2.0)
        self.assertEqual(said, len(self.node.documents), "the same one, twice")
        self.election.received_document(self.node.documents[0], self.node.now)
        self.node.run(2.0)
        self.assertEqual(said + 1, len(self.node.documents))
        self.assertIsNotNone(self.node.documents[-1].claims["a"].bid)

    def test_beats(self) -> None:
        """Fast only while somebody else knows a camera that we claim."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(60.0)
        self.assertEqual([], self.node.beats)
        self.south(None)
        self.run_with_south(60.0)
        self.assertLessEqual(len(self.node.beats), 4)
        before = len(self.node.beats)
        self.south(Rank.ROUTED)
        self.run_with_south(60.0)
        self.assertTrue(15 <= len(self.node.beats) - before <= 60 / TIMING.beat + 1, len(self.node.beats))

    def test_asked(self) -> None:
        """An owner whose beat is late is asked, and one that is asked speaks at once."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.south(Rank.SEES_MAC, Bid(5, Rank.SEES_MAC, 0))
        self.node.run(2.0)
        self.election.received_beat(Beat("south", "s1", 7), self.node.now)
        self.node.beats.clear()
        self.node.run(TIMING.beat)
        self.assertEqual([], [beat for beat in self.node.beats if beat.asks])
        self.node.run(0.6)
        self.assertEqual({(("s1",), False)}, {(beat.asks, beat.lacks) for beat in self.node.beats})
        self.election.received_beat(Beat("south", "s1", 8), self.node.now)
        self.node.run(2.0)
        self.assertTrue(self.election.is_anothers("a"), "it has answered")
        said = len(self.node.documents)
        self.election.received_beat(Beat("south", "s1", 9, ("x1",)), self.node.now)
        self.node.run(0.2)
        self.assertEqual(said, len(self.node.documents), "somebody else was asked")
        self.node.beats.clear()
        self.election.received_beat(Beat("south", "s1", 10, ("x1", "n1")), self.node.now)
        self.node.run(0.2)
        self.assertEqual((said, 1), (len(self.node.documents), len(self.node.beats)), "a sign of life, however many")
        for lacking in (Beat("south", "s1", 11, ("n1",), lacks=True), Beat("west", "w1", 1, ("n1",))):
            self.election.received_beat(lacking, self.node.now)
            self.node.run(0.4)
            said += 1
            self.assertEqual(said, len(self.node.documents), "the whole of it: it has missed it, or may have")

    def test_unknown(self) -> None:
        """Somebody whose document never came is asked for it; not one whose session has ended."""
        self.node.run(3.0)
        self.node.beats.clear()
        self.election.received_beat(Beat("west", "w1", 5), self.node.now)
        self.node.run(0.6)
        self.assertEqual([(("w1",), True)], [(beat.asks, beat.lacks) for beat in self.node.beats])
        self.election.gone("w1", 1)
        self.election.received_beat(Beat("west", "w1", 6), self.node.now)
        self.node.run(1.0)
        self.assertEqual(1, len(self.node.beats))

    def test_newcomer(self) -> None:
        """Who has just connected is told what we are: what the broker retains may come to it late, or be old."""
        self.node.run(3.0)
        said = len(self.node.documents)
        self.south(None)
        self.node.run(1.0)
        self.assertEqual(said + 1, len(self.node.documents))
        self.south(None)
        self.node.run(1.0)
        self.assertEqual(said + 1, len(self.node.documents), "it is known, and has news")
        self.south(None, session=2)
        self.node.run(1.0)
        self.assertEqual(said + 2, len(self.node.documents))
        retained = NodeDocument("west", "w1", 1, 1)
        self.election.received_document(retained, self.node.now, retained=True)
        self.node.run(1.0)
        self.assertEqual(said + 2, len(self.node.documents), "it may be long gone")

    def test_described(self) -> None:
        """What a node is beside its cameras is in its document as soon as it changes, and costs nothing else."""
        self.node.run(3.0)
        before = len(self.node.documents)
        for _ in range(3):
            self.election.describe(NodeAbout("1.2", ("10.0.0.0/24",)))
            self.node.run(1.0)
        self.assertEqual(before + 1, len(self.node.documents))
        self.assertEqual(("10.0.0.0/24",), self.node.documents[-1].about.networks)

    def test_fleet(self) -> None:
        """Who has what, for people."""
        self.south(Rank.SEES_MAC, Bid(1, Rank.ROUTED, 0))
        self.election.sighted("a", Rank.ROUTED)
        self.election.sighted("b", Rank.ROUTED)
        self.run_with_south(3.0)
        document = fleet_document(SiteRecord(self.election), instance=self.election.instance)
        self.assertEqual(
            {"a": ("south", ["north", "south"]), "b": ("north", ["north"])},
            {camera_id: (one["owner"], one["known_to"]) for camera_id, one in document["cameras"].items()},
        )
        figures = [(one["node_id"], one["this"], one["known"], one["owned"]) for one in document["nodes"]]
        self.assertEqual([("north", True, 2, 1), ("south", False, 1, 1)], figures)

    def test_hears_itself_only(self) -> None:
        """A will of our own, or a session that was ended, changes nothing of ours."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.node.run(2.0)
        self.election.gone("n1", 1)
        self.node.run(0.2)
        self.assertTrue(self.node.publishes())
        self.assertEqual(replace(self.node.documents[-1], number=0), replace(self.election.document, number=0))
