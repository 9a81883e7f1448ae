"""Queue of jobs by device: one at a time for each device, and so many devices at one time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger

from twisted_detector.detector.task_group import TaskGroup

#: Pauses that follow one another while the reactor is behind; then the next job begins all the same.
_MAX_PAUSES = 3

Work = Callable[[int], Coroutine[Deferred[Any], Any, None]]


class WorkQueue:
    """Runs jobs by device. A job that is added again while it waits runs once; while it runs, once more after it.

    :param clock: measures the time-out.
    :param max_concurrent: devices at one time: each costs a few sockets and some memory.
    :param max_seconds: a job that takes longer is cancelled, and ``timed_out`` called with its key.
    :param pace: seconds between the beginnings of two jobs, more when the reactor is behind. Without it as many as may
        run begin at once, share the processor, and all end late, the first hardly before the last.
    :param monotonic: seconds that never jump, to see whether the reactor is behind.
    :ivar failures: jobs that failed by a fault of ours or of a plugin.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        max_concurrent: int,
        max_seconds: float,
        timed_out: Callable[[int], None],
        pace: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._max_seconds = max_seconds
        self._timed_out = timed_out
        self._pace = pace
        self._monotonic = monotonic
        self._pausing: IDelayedCall | None = None
        self._waiting: deque[tuple[int, Work]] = deque()
        self._queued: set[tuple[int, Work]] = set()
        self._running = TaskGroup("A time-out handler", limit=max_concurrent)
        self._after: dict[int, dict[Work, bool]] = {}
        self._pumping = False
        self._stopped = False
        self.failures = 0

    @property
    def depth(self) -> int:
        """Jobs that wait or run."""
        return len(self._waiting) + len(self._running)

    def add(self, key: int, work: Work, *, urgent: bool = False) -> None:
        """Run ``work(key)`` as soon as there is room; an urgent job goes before those that wait."""
        if self._stopped:
            return
        if key in self._running:
            self._after.setdefault(key, {})[work] = urgent
            return
        if (key, work) in self._queued:
            return
        self._queued.add((key, work))
        (self._waiting.appendleft if urgent else self._waiting.append)((key, work))
        self._pump()

    def _pump(self) -> None:
        if self._pumping:
            return  # called by a job that ended at once: the loop below goes on by itself, however many wait
        self._pumping = True
        try:
            self._start_jobs()
        finally:
            self._pumping = False

    def _start_jobs(self) -> None:
        while self._waiting and self._running.room and not (self._stopped or self._pausing):
            key, work = self._waiting.popleft()
            self._queued.discard((key, work))
            if key in self._running:
                # Two kinds of work for one device waited side by side: the second follows the first.
                self._after.setdefault(key, {})[work] = False
                continue
            if self._pace:
                self._pause(_MAX_PAUSES)
            self._running.start(self._run(key, work), key=key).addCallback(self._ended, key)

    def _pause(self, more: int) -> None:
        due = self._monotonic() + self._pace
        self._pausing = self._clock.callLater(self._pace, self._paused, due, more)

    def _paused(self, due: float, more: int) -> None:
        self._pausing = None
        if more and self._monotonic() - due > self._pace:
            self._pause(more - 1)  # what runs has enough to do
        else:
            self._pump()

    async def _run(self, key: int, work: Work) -> None:
        try:
            await Deferred.fromCoroutine(work(key)).addTimeout(self._max_seconds, self._clock)
        except DeferredTimeout:
            self._timed_out(key)
        except Exception as problem:
            if self._stopped and isinstance(problem, CancelledError):
                return
            # Ours, or a plugin's: neither this device nor the others must suffer for it.
            self.failures += 1
            self.log.failure("Work on device {key} failed", key=key)

    def _ended(self, _: None, key: int) -> None:
        for work, urgent in self._after.pop(key, {}).items():
            self.add(key, work, urgent=urgent)
        self._pump()

    def stop(self) -> Deferred[Any]:
        """Take no more jobs, and cancel those that run; fires when all of them have ended."""
        self._stopped = True
        self._waiting.clear()
        self._queued.clear()
        self._after.clear()
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        return self._running.cancel_all()
