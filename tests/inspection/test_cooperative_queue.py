"""Work that comes all at once is spread over turns of the reactor."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.base import DelayedCall
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.cooperative_queue import CooperativeQueue


class Reactor:
    """As the real one: what is asked for during a turn comes with the next (a Clock would run it in the same)."""

    def __init__(self) -> None:
        self.calls: list[DelayedCall] = []

    def callLater(self, delay: float, call: Any, *args: Any) -> DelayedCall:
        later = DelayedCall(delay, call, args, {}, lambda _: None, lambda _: None)
        self.calls.append(later)
        return later

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for one in calls:
            one.func(*one.args)


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.now = 0.0
        self.queue = CooperativeQueue(cast(Any, self.reactor), monotonic=lambda: self.now, seconds=0.01)
        self.done: list[int] = []

    def work(self, number: int, *, again: int = 0, seconds: float = 0.004) -> Deferred[None]:
        async def run() -> None:
            for _ in range(again + 1):
                await self.queue.wait()
                self.now += seconds
                self.done.append(number)

        return Deferred.fromCoroutine(run())

    def test_bounded(self) -> None:
        """No more is done in one turn than its time allows, in the order of coming, and in the end all of it."""
        for number in range(7):
            self.work(number)
        self.assertEqual([], self.done)
        for most in (3, 6, 7):
            self.reactor.turn()
            self.assertEqual(list(range(most)), self.done)
        self.assertEqual(([], 0), (self.reactor.calls, len(self.queue)))

    def test_a_long_piece(self) -> None:
        """What takes longer than a turn may is done alone."""
        for number in range(3):
            self.work(number, seconds=1.0)
        for most in (1, 2, 3):
            self.reactor.turn()
            self.assertEqual(most, len(self.done))

    def test_who_comes_again(self) -> None:
        """Whoever comes back at once waits for the next turn, behind the others."""
        self.work(1, again=2, seconds=0.0)
        self.work(2, seconds=0.0)
        self.reactor.turn()
        self.assertEqual([1, 2], self.done)
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual([1, 2, 1, 1], self.done)

    def test_cancelled(self) -> None:
        """Who goes away is not waited for."""
        first, _ = self.work(1), self.work(2)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.reactor.turn()
        self.assertEqual([2], self.done)

    def test_cancelled_by_another(self) -> None:
        """Who is cancelled by the work of the same turn is left out."""
        works: list[Deferred[None]] = []

        async def ends_the_other() -> None:
            await self.queue.wait()
            works[0].cancel()

        ending = Deferred.fromCoroutine(ends_the_other())
        works.append(self.work(2))
        self.reactor.turn()
        self.successResultOf(ending)
        self.failureResultOf(works[0], CancelledError)
        self.assertEqual(([], []), (self.done, self.reactor.calls))
