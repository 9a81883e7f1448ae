"""Bounded containers and the budget of one turn, driven to their bounds."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.bounds import BoundedDict, BoundedSet, TurnBudget


class Dictionaries(SynchronousTestCase):
    def test_oldest_goes(self) -> None:
        """What finds no room takes the place of the oldest."""
        kept: BoundedDict[str, int] = BoundedDict(2)
        kept["a"], kept["b"], kept["c"] = 1, 2, 3
        self.assertEqual({"b": 2, "c": 3}, kept)

    def test_replaced(self) -> None:
        """A new value for a known key drops nobody, and does not make it younger."""
        kept: BoundedDict[str, int] = BoundedDict(2)
        kept["a"], kept["b"] = 1, 2
        kept["a"] = 3
        self.assertEqual(["a", "b"], list(kept))
        kept["c"] = 4
        self.assertEqual(["b", "c"], list(kept))

    def test_touched(self) -> None:
        """What was touched is the youngest."""
        kept: BoundedDict[str, int] = BoundedDict(2)
        kept["a"], kept["b"] = 1, 2
        kept.touch("a")
        kept["c"] = 3
        self.assertEqual({"a": 1, "c": 3}, kept)
        self.assertRaises(KeyError, kept.touch, "b")

    def test_every_way_in(self) -> None:
        """``setdefault`` and ``update`` keep the bound too."""
        kept: BoundedDict[int, int] = BoundedDict(3)
        kept.update({number: number for number in range(9)})
        kept.update((number, number) for number in range(10, 12))
        self.assertEqual(5, kept.setdefault(12, 5))
        self.assertEqual(5, kept.setdefault(12, 6))
        self.assertEqual([10, 11, 12], list(kept))


class Sets(SynchronousTestCase):
    def test_new_or_known(self) -> None:
        """``add`` says what is new; what was forgotten is new again."""
        met: BoundedSet[str] = BoundedSet(2)
        self.assertEqual([True, False, True, True, True], [met.add(one) for one in "aabca"])
        self.assertEqual((["c", "a"], 2, True, False), (list(met), len(met), "a" in met, "b" in met))
        met.discard("a")
        met.discard("nobody")
        self.assertNotIn("a", met)


class Turns(SynchronousTestCase):
    def test_steps(self) -> None:
        """A turn ends after so many steps."""
        self.assertEqual([0, 1, 2], list(TurnBudget(3, 1.0, Clock().seconds).turn()))

    def test_seconds(self) -> None:
        """A turn ends when its time is used up; the next has its own."""
        clock = Clock()
        budget = TurnBudget(100, 0.01, clock.seconds)
        for _ in range(2):
            steps = 0
            for _ in budget.turn():
                steps += 1
                clock.advance(0.004)
            self.assertEqual(3, steps)

    def test_advance(self) -> None:
        """Steps are taken turn by turn until none are left, each once."""
        clock, taken = Clock(), []

        def steps() -> Iterator[None]:
            for number in range(7):
                clock.advance(0.004)
                taken.append(number)
                yield

        budget, left = TurnBudget(100, 0.01, clock.seconds), steps()
        self.assertEqual(([True, True, False], list(range(7))), ([budget.advance(left) for _ in range(3)], taken))
        self.assertFalse(budget.advance(left))
