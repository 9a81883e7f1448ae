"""Task group: how many run, what is logged, and that an end is awaited."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, TimeoutError as DeferredTimeout
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.task_group import TaskGroup, describe_failure
from twisted_detector.errors import CamdetectError
from twisted_detector.testing.doubles import Gate


class DescribeFailureTests(SynchronousTestCase):
    def test_words(self) -> None:
        """A time-out says how long it was, what says something is quoted, what is our fault is called so."""
        for problem, words in (
            (DeferredTimeout(10.0, "Deferred"), "it took longer than 10 s"),
            (OSError(101, "Network is unreachable"), "[Errno 101] Network is unreachable"),
            (CamdetectError("no interface could be probed"), "no interface could be probed"),
            (ZeroDivisionError("mine"), "an internal error of camdetect or of a plugin (ZeroDivisionError: mine)"),
            (OSError(), "the system gives no reason"),
            (KeyError(), "an internal error of camdetect or of a plugin (KeyError)"),
        ):
            self.assertEqual(words, describe_failure(problem, 10.0))


class TaskGroupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.group = TaskGroup("A job", limit=2)
        self.gate = Gate()

    def test_room(self) -> None:
        """One that waits takes room until its end; one that ends at once takes none."""
        self.group.start(self.gate.wait())
        self.assertEqual((1, 1), (len(self.group), self.group.room))
        self.gate.open()
        self.assertEqual((0, 2), (len(self.group), self.group.room))
        self.successResultOf(self.group.start(self.gate_is_open()))
        self.assertEqual(2, self.group.room)

    async def gate_is_open(self) -> None:
        pass

    def test_key(self) -> None:
        """A key is in the group until its coroutine has ended, and not any more when that is notified."""
        seen: list[bool] = []
        self.group.start(self.gate.wait(), key=7).addCallback(lambda _: seen.append(7 in self.group))
        self.assertTrue(7 in self.group)
        self.assertFalse(8 in self.group)
        self.gate.open()
        self.assertEqual([False], seen)

    def test_failure(self) -> None:
        """A failure is logged and ends that coroutine only; the Deferred fires all the same."""

        async def fail() -> None:
            raise ZeroDivisionError

        self.group.start(self.gate.wait())
        self.successResultOf(self.group.start(fail()))
        self.assertEqual((1, 1), (len(self.group), len(self.flushLoggedErrors(ZeroDivisionError))))

    def test_cancel_all(self) -> None:
        """All are cancelled, and the end of each is awaited with what is called back on it; that is no failure."""
        farewell = Gate()
        ended: list[object] = []

        async def polite() -> None:
            try:
                await self.gate.wait()
            except CancelledError:
                await farewell.wait()
                raise

        self.group.start(self.gate.wait())
        self.group.start(polite()).addCallback(ended.append)
        done = self.group.cancel_all()
        self.assertNoResult(done)
        self.assertEqual((0, 1), (self.gate.waiting, len(self.group)))
        farewell.open()
        self.successResultOf(done)
        self.assertEqual((0, [None]), (len(self.group), ended))

    def test_nothing_to_cancel(self) -> None:
        """An empty group has ended."""
        self.successResultOf(self.group.cancel_all())
