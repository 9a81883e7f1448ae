"""Keys of devices go in; one coroutine for each runs, one at a time per device and so many devices at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

#: Pauses that follow one another while the reactor is behind; then the next job begins all the same.
_PATIENCE = 3

Work = Callable[[int], Coroutine[Deferred[Any], Any, None]]


class WorkQueue:
    """Runs jobs by device. A job that is asked for again while it waits runs once; while it runs, once more after it.

    :param clock: measures the time-out.
    :param max_concurrent: devices at one time: each costs a few sockets and some memory.
    :param max_seconds: a job that takes longer is cancelled and ``timed_out`` is told its key.
    :param pace: seconds between the beginnings of two jobs, more when the reactor is behind. Without it as many as may
        run begin at once, share the processor, and all end late, the first hardly before the last.
    :param monotonic: seconds that never jump, to see whether the reactor is behind.
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
        self._max_concurrent = max_concurrent
        self._max_seconds = max_seconds
        self._timed_out = timed_out
        self._pace = pace
        self._monotonic = monotonic
        self._pausing: IDelayedCall | None = None
        self._waiting: deque[tuple[int, Work]] = deque()
        self._queued: set[tuple[int, Work]] = set()
        self._running: dict[int, Deferred[None]] = {}
        self._after: dict[int, dict[Work, bool]] = {}
        self._pumping = False
        self._stopped = False
        self.failures = 0

    @property
    def depth(self) -> int:
        """Jobs that wait or run."""
        return len(self._waiting) + len(self._running)

    def add(self, key: int, work: Work, *, urgent: bool = False) -> None:
        """Run ``work(key)`` as soon as there is room; urgent work goes before what waits."""
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
            # Work that ended at once has called: the loop below goes on by itself, however many wait.
            return
        self._pumping = True
        try:
            self._run_what_has_room()
        finally:
            self._pumping = False

    def _run_what_has_room(self) -> None:
        while self._waiting and len(self._running) < self._max_concurrent and not (self._stopped or self._pausing):
            key, work = self._waiting.popleft()
            self._queued.discard((key, work))
            if key in self._running:
                # Two kinds of work for one device waited side by side: the second follows the first.
                self._after.setdefault(key, {})[work] = False
                continue
            if self._pace:
                self._pause(_PATIENCE)
            running = self._running[key] = Deferred.fromCoroutine(work(key))
            running.addTimeout(self._max_seconds, self._clock)
            running.addErrback(self._failed, key)
            running.addErrback(lambda failure: self.log.failure("A time-out could not be told", failure=failure))
            running.addBoth(self._ended, key)

    def _pause(self, patience: int) -> None:
        due = self._monotonic() + self._pace
        self._pausing = self._clock.callLater(self._pace, self._paused, due, patience)

    def _paused(self, due: float, patience: int) -> None:
        self._pausing = None
        if patience and self._monotonic() - due > self._pace:
            self._pause(patience - 1)  # what runs has enough to do
        else:
            self._pump()

    def _failed(self, failure: Failure, key: int) -> None:
        if self._stopped and failure.check(CancelledError):
            return
        if failure.check(DeferredTimeout):
            self._timed_out(key)
            return
        # Ours, or a plugin's: neither this device nor the others must suffer for it.
        self.failures += 1
        self.log.failure("Work on device {key} failed", failure=failure, key=key)

    def _ended(self, _: object, key: int) -> None:
        self._running.pop(key, None)
        for work, urgent in self._after.pop(key, {}).items():
            self.add(key, work, urgent=urgent)
        self._pump()

    def stop(self) -> Deferred[Any]:
        """Take nothing more and cancel what runs; fires when all of it has ended."""
        self._stopped = True
        self._waiting.clear()
        self._queued.clear()
        self._after.clear()
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        running = tuple(self._running.values())
        ended: Deferred[Any] = DeferredList(running)
        for one in running:
            one.cancel()
        return ended
