"""Tests of ``discovery.reading``: each sender's turn, and the bounds of what waits."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.discovery.multicast.fair_queue import MAX_WAITING, MIN_PER_SENDER, FairQueue

COST = 0.001


class FairReadingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.spent = 0.0
        self.read: Counter[str] = Counter()
        self.reading = FairQueue(self.clock, lambda: self.clock.seconds() + self.spent, share=0.1)

    def add(self, sender: str, size: int = 900) -> bool:
        def read() -> None:
            self.spent += COST
            self.read[sender] += 1

        return self.reading.add(sender, size, read)

    def exhaust(self) -> None:
        while self.reading.depth == 0 or self.spent < 0.1:
            self.add("first")
            self.clock.advance(0)
        self.read.clear()

    def test_at_once(self) -> None:
        """While there is time, what comes is read before the call returns, and nothing is left to do."""
        for number in range(50):
            self.clock.advance(0.021 if number % 5 == 0 else 0)
            self.assertTrue(self.add(f"s{number}"))
        self.assertEqual((50, 0, []), (self.read.total(), self.reading.depth, self.clock.getDelayedCalls()))

    def test_close_together(self) -> None:
        """Of what comes in one turn some is read at once and the rest a turn later, each soon, none of it late."""
        for number in range(50):
            self.add(f"s{number}")
        self.assertEqual((5, 45), (self.read.total(), self.reading.depth))
        self.clock.advance(0)
        self.assertEqual((50, 0, []), (self.read.total(), self.reading.depth, self.clock.getDelayedCalls()))

    def test_a_burst(self) -> None:
        """A burst of 250 senders beyond the share is read to its end; a tenth of the time is spent on it."""
        self.exhaust()
        began = self.spent
        for number in range(250):
            self.assertTrue(self.add(f"s{number}"))
        self.clock.pump([0.01] * 100)
        self.assertLessEqual(self.spent - began, 1.2 * 0.1 + COST)
        self.clock.pump([0.01] * 200)
        self.assertEqual(251, self.read.total())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_one_floods(self) -> None:
        """Who sends a thousand times as much as another is read no sooner for it, and loses what finds no room."""
        self.exhaust()
        taken = sum(self.add("flooder") for _ in range(10_000))
        self.assertLessEqual(taken, 1024)
        self.assertTrue(all(self.add(f"s{number}") for number in range(20)))
        self.clock.pump([0.01] * 50)
        self.assertTrue(all(self.read[f"s{number}"] == 1 for number in range(20)))
        self.assertLess(self.read["flooder"], 40)
        self.reading.close()

    def test_memory(self) -> None:
        """However many send how much, a bounded number of octets waits."""
        self.exhaust()
        taken = 0
        for number in range(3000):
            taken += 65_000 * sum(self.add(f"s{number}", 65_000) for _ in range(MIN_PER_SENDER + 1))
        self.assertLess(taken, 2 * MAX_WAITING * 2048)
        self.reading.close()
        self.assertEqual((0, []), (self.reading.depth, self.clock.getDelayedCalls()))

    def test_a_turn_is_short(self) -> None:
        """One turn of the reactor reads for some milliseconds, then others have theirs."""
        self.exhaust()
        for number in range(100):
            self.add(f"s{number}")
        others: list[int] = []

        def turn() -> None:
            others.append(self.read.total())
            if len(others) < 50:
                self.clock.callLater(0, turn)

        self.clock.advance(1.0)
        turn()
        self.clock.advance(1.0)
        self.assertGreater(self.read.total(), 50)
        self.assertLessEqual(max(later - before for before, later in pairwise(others)), 6)
        self.reading.close()

    def test_the_end_of_a_sweep(self) -> None:
        """At the end what waits is read, as far as that is quick, and the rest is dropped."""
        self.exhaust()
        for number in range(500):
            self.add(f"s{number}")
        self.reading.finish()
        self.assertTrue(40 <= self.read.total() <= 60, self.read.total())
        self.assertEqual((0, []), (self.reading.depth, self.clock.getDelayedCalls()))
