"""Queue of jobs by device, in two lanes: one at a time for each device, and so many devices at one time.

Rules:

1. A device that was published goes in the lane of the known ones, any other in the lane of the new ones. Where both
   wait they take turns, so that each begins half of the jobs, however many wait in the other.
2. Once there is a known device, new ones hold at most half of the places: devices that make us wait for two minutes,
   each, do not hold up the check of a camera.
3. Within a lane the order of hosts is that of asking: who was asked for first is not overtaken by who is asked for
   again. Urgent jobs go before the others, but each second one is of those that wait without haste.
4. Hosts take turns, and one host has at most an eighth of the places, whatever the number of devices that it calls
   itself: who comes next does not wait for all that it made up.
5. Jobs of a device that is gone are passed over.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger

from twisted_detector.detector.task_group import TaskGroup

#: Pauses that follow one another while the reactor is behind; then the next job begins all the same.
_MAX_PAUSES = 3
#: Jobs that wait before those of devices that are gone are looked for: a flood makes and removes devices by thousands.
_PURGE_FROM = 1024

Work = Callable[[int], Coroutine[Deferred[Any], Any, None]]
_Job = tuple[int, Work]


class _Hosts:
    """Waiting jobs by host, each once; the hosts are in the order of their turns."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, dict[_Job, None]] = {}
        self._host_of: dict[_Job, Hashable] = {}

    def __len__(self) -> int:
        return len(self._host_of)

    def __contains__(self, job: _Job) -> bool:
        return job in self._host_of

    def add(self, job: _Job, host: Hashable) -> None:
        if job not in self._host_of:
            self._host_of[job] = host
            self._jobs.setdefault(host, {})[job] = None

    def discard(self, job: _Job) -> None:
        if job in self._host_of:
            host = self._host_of.pop(job)
            del self._jobs[host][job]
            if not self._jobs[host]:
                del self._jobs[host]

    def take(self, is_free: Callable[[Hashable], bool]) -> _Job | None:
        """The next job of the first host that may have one more; that host is the last from now on."""
        for host in self._jobs:  # those that are passed over have a place each: they are few
            if is_free(host):
                job = next(iter(self._jobs[host]))
                self.discard(job)
                if host in self._jobs:
                    self._jobs[host] = self._jobs.pop(host)
                return job
        return None

    def purge(self, is_wanted: Callable[[int], bool]) -> None:
        for job in [one for one in self._host_of if not is_wanted(one[0])]:
            self.discard(job)

    def clear(self) -> None:
        self._jobs.clear()
        self._host_of.clear()


class _Lane:
    """Waiting jobs of one lane."""

    def __init__(self) -> None:
        self._urgent, self._usual = _Hosts(), _Hosts()
        self._was_urgent = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._usual)

    def add(self, job: _Job, host: Hashable, *, urgent: bool) -> None:
        if job in self._urgent:
            return
        if urgent:
            self._usual.discard(job)
        (self._urgent if urgent else self._usual).add(job, host)

    def discard(self, job: _Job) -> None:
        self._urgent.discard(job)
        self._usual.discard(job)

    def take(self, is_free: Callable[[Hashable], bool]) -> _Job | None:
        """The next job: the first urgent one, then the first of the others, and so on; None: no host may have one."""
        order = (self._usual, self._urgent) if self._was_urgent else (self._urgent, self._usual)
        for jobs in order:
            job = jobs.take(is_free)
            if job is not None:
                self._was_urgent = jobs is self._urgent
                return job
        return None

    def purge(self, is_wanted: Callable[[int], bool]) -> None:
        self._urgent.purge(is_wanted)
        self._usual.purge(is_wanted)

    def clear(self) -> None:
        self._urgent.clear()
        self._usual.clear()


class WorkQueue:
    """Runs jobs by device. A job that is added again while it waits runs once; while it runs, once more after it.

    :param clock: measures the time-out.
    :param max_concurrent: devices at one time: each costs a few sockets and some memory.
    :param max_seconds: a job that takes longer is cancelled, and ``timed_out`` called with its key.
    :param is_known: whether a device was published: its lane; ``is_wanted``: whether it is there at all.
    :param host_of: the host that a device is on.
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
        is_known: Callable[[int], bool] = lambda key: True,
        is_wanted: Callable[[int], bool] = lambda key: True,
        host_of: Callable[[int], Hashable] = lambda key: key,
        pace: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._max_seconds = max_seconds
        self._timed_out = timed_out
        self._is_known = is_known
        self._is_wanted = is_wanted
        self._host_of = host_of
        self._max_of_host = max(1, max_concurrent // 8)
        self._host_running: dict[int, Hashable] = {}
        self._of_host: Counter[Hashable] = Counter()
        self._pace = pace
        self._monotonic = monotonic
        self._pausing: IDelayedCall | None = None
        self._known, self._new = _Lane(), _Lane()
        self._purge_at = _PURGE_FROM
        self._running = TaskGroup("A time-out handler", limit=max_concurrent)
        self._new_running: set[int] = set()
        self._max_new = max_concurrent
        self._half = max(1, max_concurrent // 2)
        self._turn_of_new = False
        self._after: dict[int, dict[Work, bool]] = {}
        self._pumping = False
        self._stopped = False
        self.failures = 0

    @property
    def depth(self) -> int:
        """Jobs that wait or run."""
        return len(self._known) + len(self._new) + len(self._running)

    def add(self, key: int, work: Work, *, urgent: bool = False) -> None:
        """Run ``work(key)`` as soon as there is room; an urgent job overtakes others of its lane (rule 3)."""
        if self._stopped:
            return
        if key in self._running:
            after = self._after.setdefault(key, {})
            after[work] = urgent or after.get(work, False)
            return
        if self._is_known(key):
            self._max_new = self._half
            self._new.discard((key, work))  # it was published since
            self._known.add((key, work), self._host_of(key), urgent=urgent)
        else:
            self._new.add((key, work), self._host_of(key), urgent=urgent)
        if len(self._known) + len(self._new) >= self._purge_at:
            for lane in (self._known, self._new):
                lane.purge(self._is_wanted)
            self._purge_at = max(_PURGE_FROM, 2 * (len(self._known) + len(self._new)))
        self._pump()

    def _pump(self) -> None:
        if self._pumping:
            return  # called by a job that ended at once: the loop below goes on by itself, however many wait
        self._pumping = True
        try:
            self._start_jobs()
        finally:
            self._pumping = False

    def _take(self) -> tuple[_Lane, _Job] | None:
        """The next job for which there is a place, of the lane whose turn it is if that has one."""
        may_begin_new = len(self._new_running) < self._max_new
        lanes = (self._new, self._known) if self._turn_of_new else (self._known, self._new)
        for lane in lanes:
            if lane is self._known or may_begin_new:
                job = lane.take(self._is_free)
                if job is not None:
                    return lane, job
        return None

    def _is_free(self, host: Hashable) -> bool:
        return self._of_host[host] < self._max_of_host if host in self._of_host else True

    def _start_jobs(self) -> None:
        while self._running.room and not (self._stopped or self._pausing):
            taken = self._take()
            if taken is None:
                return
            lane, (key, work) = taken
            if not self._is_wanted(key):
                continue
            if key in self._running:
                # Two kinds of work for one device waited side by side: the second follows the first.
                self._after.setdefault(key, {})[work] = False
                continue
            self._turn_of_new = lane is self._known
            if lane is self._new:
                self._new_running.add(key)
            self._host_running[key] = host = self._host_of(key)
            self._of_host[host] += 1
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
        self._new_running.discard(key)
        host = self._host_running.pop(key)
        self._of_host[host] -= 1
        if not self._of_host[host]:
            del self._of_host[host]
        for work, urgent in self._after.pop(key, {}).items():
            self.add(key, work, urgent=urgent)
        self._pump()

    def stop(self) -> Deferred[Any]:
        """Take no more jobs, and cancel those that run; fires when all of them have ended."""
        self._stopped = True
        self._known.clear()
        self._new.clear()
        self._after.clear()
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        return self._running.cancel_all()
