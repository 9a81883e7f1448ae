"""Single topics in place of a wildcard: how many the broker is asked for at once, and what it has answered."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.single_topics import SLICE, SubscriptionPacer, TopicSet


class Loop:
    """The network side. :ivar asked: each SUBSCRIBE; ``ended``: each UNSUBSCRIBE."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.ended: list[list[str]] = []

    def subscribe(self, filters: Sequence[str], qos: int) -> None:
        assert qos == 0
        self.asked.append(list(filters))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        self.ended.append(list(filters))


class PacerTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.pacer, self.topics = SubscriptionPacer(), TopicSet()
        self.pacer.join(self.topics)

    def attach(self) -> Loop:
        loop = Loop()
        self.pacer.attach(loop)  # type: ignore[arg-type]
        return loop

    def test_pace(self) -> None:
        """So many are asked for at once, and the next when the broker has answered for all of these."""
        names = [f"t/{number}" for number in range(2 * SLICE + 1)]
        self.topics.add(names)
        loop = self.attach()
        self.assertEqual([names[:SLICE]], loop.asked)
        self.pacer.answered(names[: SLICE - 1])
        self.assertEqual((1, SLICE + 2), (len(loop.asked), len(self.topics.unanswered)))
        self.pacer.answered(names[SLICE - 1 : SLICE])
        self.assertEqual([names[SLICE : 2 * SLICE]], loop.asked[1:])
        self.pacer.answered(names[SLICE : 2 * SLICE])
        self.pacer.answered(names[2 * SLICE :])
        self.assertEqual(([names[2 * SLICE :]], set()), (loop.asked[2:], self.topics.unanswered))

    def test_fewer(self) -> None:
        """A broker that closes the connection for more than eight gets fewer each time, and all within one then."""
        names = [f"t/{number}" for number in range(1000)]
        self.topics.add(names)
        loops = []
        while self.topics.unanswered and len(loops) < 8:
            loop = self.attach()
            loops.append(loop)
            while len(loop.asked[-1]) <= 8 and self.topics.unanswered:
                self.pacer.answered(loop.asked[-1])
            if self.topics.unanswered:
                self.pacer.detach(closed=True)
        self.assertEqual(set(), self.topics.unanswered)

    def test_more_again(self) -> None:
        """Chance, and a connection that only broke, do not leave it at few."""
        self.topics.add([f"t/{number}" for number in range(30 * SLICE)])
        self.attach()
        self.pacer.detach(closed=False)
        loop = self.attach()
        self.assertEqual(SLICE, len(loop.asked[0]))
        self.pacer.answered(loop.asked[0])
        self.pacer.detach(closed=True)
        self.attach()
        self.pacer.detach(closed=True)
        loop = self.attach()
        self.assertEqual(SLICE // 2, len(loop.asked[0]), "the first was answered for as many")
        while self.topics.unanswered:
            self.pacer.answered(loop.asked[-1])
        self.assertEqual([SLICE // 2] * 20 + [SLICE] * 20, [len(one) for one in loop.asked])

    def test_others(self) -> None:
        """An answer for filters that others asked for is none of ours."""
        self.topics.add([f"t/{number}" for number in range(SLICE + 1)])
        loop = self.attach()
        self.pacer.answered(["site/+"])
        self.assertEqual(1, len(loop.asked))

    def test_added(self) -> None:
        """What is wanted later is asked for then, once; without a connection, by the next one."""
        self.topics.add(["a"])
        loop = self.attach()
        self.assertEqual(["b"], self.topics.add(["a", "b", "b"]))
        self.assertEqual([["a"]], loop.asked)
        self.pacer.answered(["a"])
        self.assertEqual(([["a"], ["b"]], {"b"}), (loop.asked, self.topics.unanswered))
        self.pacer.detach(closed=False)
        self.topics.add(["c"])
        self.assertEqual({"a", "b", "c"}, self.topics.unanswered)
        self.assertEqual(2, len(loop.asked))
        self.assertEqual([["a", "b", "c"]], self.attach().asked)

    def test_removed(self) -> None:
        """What is not wanted any more is ended, in slices; of what was not asked for yet the broker hears nothing."""
        names = [f"t/{number}" for number in range(SLICE + 2)]
        self.topics.add(names)
        loop = self.attach()
        self.topics.remove([names[0], names[-1], "x"])
        self.assertEqual([[names[0]]], loop.ended)
        self.assertEqual((SLICE, False), (len(self.topics), names[0] in self.topics.unanswered))
        self.pacer.answered(names[:SLICE])
        self.assertEqual([[names[SLICE]]], loop.asked[1:])
        self.topics.add(names)
        self.pacer.answered([names[SLICE]])
        self.assertEqual([[names[0], names[-1]]], loop.asked[2:], "again, for it was ended")
        self.pacer.leave(self.topics)
        self.assertEqual([SLICE, 2], [len(one) for one in loop.ended[1:]])
        self.topics.add(["later"])
        self.pacer.answered([names[0], names[-1]])
        self.assertEqual(3, len(loop.asked), "it is nobody's set")
        self.assertEqual([], self.attach().asked)

    def test_removed_meanwhile(self) -> None:
        """What is not wanted any more when the connection is back is not asked for, whether it was before or not."""
        names = [f"t/{number}" for number in range(SLICE + 2)]
        self.topics.add(names)
        loop = self.attach()
        self.pacer.detach(closed=False)
        self.topics.remove([names[0], names[-1]])
        self.assertEqual(([], names[1:-1]), (loop.ended, list(self.topics)))
        loop = self.attach()
        self.pacer.answered(names[1:-1])
        self.assertEqual([names[1:-1]], loop.asked)

    def test_two_sets(self) -> None:
        """What another set wants, too, goes on; and is asked for again for its sake, with what is retained."""
        other = TopicSet()
        self.topics.add(["a"])
        loop = self.attach()
        self.pacer.answered(["a"])
        other.add(["a", "b"])
        self.pacer.join(other)
        self.assertEqual([["a"], ["a", "b"]], loop.asked)
        self.pacer.leave(self.topics)
        self.assertEqual([], loop.ended)
        other.remove(["a"])
        self.assertEqual([["a"]], loop.ended)
