"""One thread for each destination, whatever happens to its disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.outputs.sync.own_thread import OwnThread
from twisted_detector.outputs.sync.seams import TargetUnavailable


class Threads(SynchronousTestCase):
    def setUp(self) -> None:
        self.begun: list[Callable[[], Any]] = []
        self.thread = OwnThread(self.in_thread)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        self.begun.append(work)
        return await Deferred()

    def start(self) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.thread(lambda: 1))

    def test_a_disk_that_hangs(self) -> None:
        """However often a delivery is given up and tried again, a disk that hangs holds one thread of the pool."""
        waiting = self.start()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        failure = self.failureResultOf(self.start(), TargetUnavailable)
        self.assertIn("what was begun there before has not ended (a network disk that is away?)", str(failure.value))
        self.assertEqual(1, len(self.begun))
        self.assertEqual(1, self.begun[0]())  # the disk is back
        self.assertNoResult(self.start())
        self.assertEqual(2, len(self.begun))

    def test_a_failure(self) -> None:
        """Work that failed has ended."""

        async def at_once(work: Callable[[], Any]) -> Any:
            return work()

        thread = OwnThread(at_once)

        def fail() -> None:
            raise TargetUnavailable("it cannot be read")

        for _ in range(2):
            failure = self.failureResultOf(Deferred.fromCoroutine(thread(fail)), TargetUnavailable)
            self.assertEqual("it cannot be read", str(failure.value))
