"""One list of observers with one contract, whatever changes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.observers import Observers


class ObserversTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.observers: Observers[[int]] = Observers("a change of numbers")
        self.seen: list[tuple[str, int]] = []

    def test_in_order(self) -> None:
        """All are called with what changed, in the order in which they were added."""
        for name in "abc":
            self.observers.add(lambda number, name=name: self.seen.append((name, number)))
        self.observers.notify(1)
        self.assertEqual(([("a", 1), ("b", 1), ("c", 1)], 3), (self.seen, len(self.observers)))

    def test_removed(self) -> None:
        """One that was removed is not called any more; who was added twice is removed once, and twice is no fault."""

        def observe(number: int) -> None:
            self.seen.append(("twice", number))

        remove = self.observers.add(observe)
        self.observers.add(observe)
        remove()
        remove()
        self.observers.notify(1)
        self.assertEqual([("twice", 1)], self.seen)

    def test_raises(self) -> None:
        """What one raises is logged, and the next is called."""
        self.observers.add(lambda number: 1 // (number - 1))
        self.observers.add(lambda number: self.seen.append(("good", number)))
        self.observers.notify(1)
        self.assertEqual([("good", 1)], self.seen)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_changed_during_a_change(self) -> None:
        """One that is added during a change waits for the next; one that is removed by another is not called."""

        def first(number: int) -> None:
            remove()
            self.observers.add(lambda number: self.seen.append(("late", number)))

        self.observers.add(first)
        remove = self.observers.add(lambda number: self.seen.append(("gone", number)))
        self.observers.notify(1)
        self.assertEqual([], self.seen)
        self.observers.notify(2)
        self.assertEqual([("late", 2)], self.seen)
