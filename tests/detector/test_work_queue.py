"""Jobs by device: how many, in which order, how long."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.testing.doubles import Gate


class WorkQueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.late: list[int] = []
        self.queue = WorkQueue(self.clock, max_concurrent=2, max_seconds=10, timed_out=self.late.append)
        self.began: list[str] = []
        self.ended: list[str] = []
        self.gates: dict[str, Gate] = {}
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))

    async def work(self, key: int, name: str = "w") -> None:
        label = f"{name}{key}"
        self.began.append(label)
        await self.gates.setdefault(label, Gate()).wait()
        self.ended.append(label)

    async def other(self, key: int) -> None:
        await self.work(key, "o")

    async def at_once(self, key: int) -> None:
        self.began.append(f"i{key}")

    def finish(self, *labels: str) -> None:
        for label in labels:
            self.gates[label].open()

    def test_bound(self) -> None:
        """At most so many devices at one time, in the order in which they came."""
        for key in range(5):
            self.queue.add(key, self.work)
        self.assertEqual((["w0", "w1"], 5), (self.began, self.queue.depth))
        self.finish("w1")
        self.finish("w0", "w2")
        self.assertEqual((["w0", "w1", "w2", "w3", "w4"], 2), (self.began, self.queue.depth))
        self.finish("w3", "w4")
        self.assertEqual(0, self.queue.depth)

    def test_pace(self) -> None:
        """The first begins at once, the next not before a pause, and still no more of them than may run."""
        self.queue = WorkQueue(self.clock, max_concurrent=2, max_seconds=10, timed_out=self.late.append, pace=0.5)
        for key in range(4):
            self.queue.add(key, self.work)
        self.assertEqual(["w0"], self.began)
        self.clock.advance(0.25)
        self.finish("w0")
        self.assertEqual(["w0"], self.began)
        self.clock.advance(0.25)
        self.clock.advance(0.5)
        self.assertEqual(["w0", "w1", "w2"], self.began)
        self.clock.advance(0.5)
        self.assertEqual(["w0", "w1", "w2"], self.began)
        self.finish("w1")
        self.assertEqual(["w0", "w1", "w2", "w3"], self.began)
        self.finish("w2", "w3")
        self.clock.advance(0.5)

    def test_behind(self) -> None:
        """While the reactor is behind nothing more begins, but not for ever."""
        self.queue = WorkQueue(
            self.clock,
            max_concurrent=9,
            max_seconds=99,
            timed_out=self.late.append,
            pace=0.5,
            monotonic=self.clock.seconds,
        )
        for key in range(3):
            self.queue.add(key, self.work)
        for _ in range(3):
            self.clock.advance(2)  # the call was due after 0.5
            self.assertEqual(["w0"], self.began)
        self.clock.advance(2)
        self.assertEqual(["w0", "w1"], self.began)
        self.clock.advance(0.75)
        self.assertEqual(["w0", "w1", "w2"], self.began)
        self.finish("w0", "w1", "w2")
        self.clock.advance(0.5)

    def test_stopped_in_a_pause(self) -> None:
        """A queue that is stopped between two beginnings begins no more."""
        self.queue = WorkQueue(self.clock, max_concurrent=2, max_seconds=10, timed_out=self.late.append, pace=0.5)
        self.queue.add(0, self.at_once)
        self.queue.add(1, self.at_once)
        self.successResultOf(self.queue.stop())
        self.clock.advance(1)
        self.assertEqual(["i0"], self.began)

    def test_urgent_goes_first(self) -> None:
        """Urgent work goes before what waits."""
        for key in range(4):
            self.queue.add(key, self.work)
        self.queue.add(9, self.work, urgent=True)
        self.finish("w0")
        self.assertEqual(["w0", "w1", "w9"], self.began)
        self.finish("w1", "w9", "w2", "w3")

    def test_waiting_work_is_there_once(self) -> None:
        """What is asked for again while it waits runs once."""
        for key in (1, 2, 3, 3, 3):
            self.queue.add(key, self.work)
        self.finish("w1", "w2", "w3")
        self.assertEqual((["w1", "w2", "w3"], 0), (self.ended, self.queue.depth))

    def test_again_while_it_runs(self) -> None:
        """What is asked for while it runs runs once more after it, however often it was asked for."""
        self.queue.add(1, self.work)
        for _ in range(3):
            self.queue.add(1, self.work)
        self.finish("w1")
        self.assertEqual((["w1", "w1"], ["w1"]), (self.began, self.ended))
        self.finish("w1")
        self.assertEqual((2, 0), (len(self.ended), self.queue.depth))

    def test_one_job_per_device(self) -> None:
        """Two kinds of work of one device follow each other, whether they waited or ran."""
        for key in (8, 9):
            self.queue.add(key, self.work)
        self.queue.add(1, self.work)
        self.queue.add(1, self.other)
        self.finish("w8", "w9")
        self.assertEqual(["w8", "w9", "w1"], self.began)
        self.finish("w1")
        self.assertEqual(["w8", "w9", "w1", "o1"], self.began)
        self.finish("o1")

    def test_time_out(self) -> None:
        """A job that takes too long is cancelled, its device told, and the next one begins."""
        for key in (1, 2, 3):
            self.queue.add(key, self.work)
        self.clock.advance(9.9)
        self.assertEqual([], self.late)
        self.clock.advance(0.2)
        self.assertEqual(([1, 2], ["w1", "w2", "w3"], 0), (self.late, self.began, self.gates["w1"].waiting))
        self.finish("w3")
        self.assertEqual((["w3"], 0), (self.ended, self.queue.failures))

    def test_failure(self) -> None:
        """A job that fails is logged and counted; others go on. So is one that is cancelled, but not by us."""

        async def fails(key: int) -> None:
            raise ZeroDivisionError if key == 1 else CancelledError

        self.queue.add(1, fails)
        self.queue.add(2, fails)
        self.queue.add(3, self.work)
        self.finish("w3")
        self.assertEqual((["w3"], 2, [], 0), (self.ended, self.queue.failures, self.late, self.queue.depth))
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError, CancelledError)))

    def test_a_failing_time_out_handler(self) -> None:
        """When the time-out cannot be told, that is logged and the queue goes on."""

        def refuse(key: int) -> None:
            raise KeyError(key)

        self.queue = WorkQueue(self.clock, max_concurrent=1, max_seconds=10, timed_out=refuse)
        self.queue.add(1, self.work)
        self.queue.add(2, self.work)
        self.clock.advance(11)
        self.assertEqual(["w1", "w2"], self.began)
        self.finish("w2")
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_thousands_that_end_at_once(self) -> None:
        """Work that ends at once is worked off in a loop, however much of it waits."""
        self.queue.add(-1, self.work)
        self.queue.add(-2, self.work)
        for key in range(5000):
            self.queue.add(key, self.at_once)
        self.finish("w-1")
        self.assertEqual((5002, 1), (len(self.began), self.queue.depth))
        self.finish("w-2")

    def test_stop(self) -> None:
        """After a stop nothing runs, waits or begins, and the Deferred tells when the last has ended."""
        for key in range(5):
            self.queue.add(key, self.work)
        self.queue.add(0, self.other)
        stopped = self.queue.stop()
        self.successResultOf(stopped)
        self.queue.add(7, self.work)
        self.assertEqual((["w0", "w1"], [], 0, []), (self.began, self.ended, self.queue.depth, self.late))

    def test_stop_waits_for_farewells(self) -> None:
        """A job that has something left to do when it is cancelled is waited for."""
        farewell = Gate()

        async def polite(key: int) -> None:
            try:
                await self.work(key)
            except CancelledError:
                await farewell.wait()
                raise

        self.queue.add(1, polite)
        stopped = self.queue.stop()
        self.assertNoResult(stopped)
        farewell.open()
        self.successResultOf(stopped)
        self.assertEqual(0, self.queue.failures)
