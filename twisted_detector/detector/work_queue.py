"""Queue of jobs by device, in lanes: one job at a time for each device, and so many devices at one time.

Rules:

1. There are three lanes: of devices that were never published (*new*), of those that are asked for by a person or are
   missed (*wanted*), and of the rest (*routine*). A new device that was asked before, in vain, waits in a lane of its
   own (*again*), so that those who answer nothing do not hold up those who were never asked.
2. Lanes take turns. A lane that has no job to begin is passed over, so where all have some each begins one of four, and
   no number of jobs in one holds up another.
3. Within a lane hosts take turns, in the order of asking: who was asked for first is not overtaken by who is asked for
   again. One host has at most an eighth of the places, whatever the number of devices that it calls itself.
4. So a job begins, once its host may have a place, after at most four times as many beginnings as its lane has hosts,
   for each job of its own host before it.
5. Once there is a known device, those of *new* and *again* hold at most half of the places: devices that make us wait
   for two minutes, each, do not hold up the check of a camera.
6. Jobs of a device that is gone are passed over.
7. A job that a person waits for (``run_now``) begins at once, beside the bounds, or when what runs for its device ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from enum import Enum
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


class Lane(Enum):
    """What a job waits among; the lanes take turns in this order."""

    NEW = "new"  #: never published, and not asked yet
    WANTED = "wanted"  #: published; a person asks for it, or it is missed
    AGAIN = "again"  #: never published, and asked in vain
    ROUTINE = "routine"  #: published; everything else

    @property
    def is_urgent(self) -> bool:
        """Whether it is for jobs that were added as urgent."""
        return self in (Lane.NEW, Lane.WANTED)

    @property
    def is_of_known(self) -> bool:
        """Whether it is for devices that were published."""
        return self in (Lane.WANTED, Lane.ROUTINE)

    @classmethod
    def of(cls, *, known: bool, urgent: bool) -> Lane:
        """The lane of a job."""
        if known:
            return cls.WANTED if urgent else cls.ROUTINE
        return cls.NEW if urgent else cls.AGAIN


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Numbers of a work queue.

    :ivar max_concurrent: devices at one time: each costs a few sockets and some memory.
    :ivar max_seconds: a job that takes longer is cancelled.
    :ivar pace: seconds between the beginnings of two jobs, more when the reactor is behind. Without it as many as may
        run begin at once, share the processor, and all end late, the first hardly before the last.
    """

    max_concurrent: int
    max_seconds: float
    pace: float = 0.0


class WorkQueue:
    """Runs jobs by device. A job that is added again while it waits runs once; while it runs, once more after it.

    :param clock: measures the time-out.
    :param timed_out: called with the key of a device whose job took too long.
    :param monotonic: seconds that never jump, to see whether the reactor is behind.
    :param is_known: whether a device was published; ``is_wanted``: whether it is there at all.
    :param host_of: the host that a device is on.
    :ivar failures: jobs that failed by a fault of ours or of a plugin.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        limits: QueueLimits,
        *,
        timed_out: Callable[[int], None],
        monotonic: Callable[[], float],
        is_known: Callable[[int], bool] = lambda key: True,
        is_wanted: Callable[[int], bool] = lambda key: True,
        host_of: Callable[[int], Hashable] = lambda key: key,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._timed_out = timed_out
        self._is_known = is_known
        self._is_wanted = is_wanted
        self._host_of = host_of
        self._monotonic = monotonic
        self._max_of_host = max(1, limits.max_concurrent // 8)
        self._host_running: dict[int, Hashable] = {}
        self._of_host: Counter[Hashable] = Counter()
        self._pausing: IDelayedCall | None = None
        #: In the order of their turns: the lane that began a job last is the last one.
        self._lanes = {lane: _Hosts() for lane in Lane}
        self._purge_at = _PURGE_FROM
        self._running = TaskGroup("A time-out handler", limit=limits.max_concurrent)
        self._new_running: set[int] = set()
        self._max_new = limits.max_concurrent
        self._after: dict[int, dict[Work, bool]] = {}
        self._next: dict[int, list[tuple[Work, Deferred[None]]]] = {}
        self._pumping = False
        self._stopped = False
        self.failures = 0

    @property
    def depth(self) -> int:
        """Jobs that wait or run."""
        return self._waiting + len(self._running)

    @property
    def _waiting(self) -> int:
        return sum(map(len, self._lanes.values()))

    def add(self, key: int, work: Work, *, urgent: bool = False) -> None:
        """Run ``work(key)`` as soon as there is room; ``urgent`` decides on its lane (rule 1)."""
        if self._stopped:
            return
        if key in self._running:
            after = self._after.setdefault(key, {})
            after[work] = urgent or after.get(work, False)
            return
        if known := self._is_known(key):
            self._max_new = max(1, self._limits.max_concurrent // 2)
        self._put((key, work), Lane.of(known=known, urgent=urgent))
        if self._waiting >= self._purge_at:
            for hosts in self._lanes.values():
                hosts.purge(self._is_wanted)
            self._purge_at = max(_PURGE_FROM, 2 * self._waiting)
        self._pump()

    def run_now(self, key: int, work: Work) -> Deferred[None]:
        """Run ``work(key)`` before all that waits; fires when it has ended, or when it will not run any more.

        The caller bounds how many of these there are.
        """
        ended: Deferred[None] = Deferred()
        if self._stopped:
            ended.callback(None)
        elif key in self._running:
            self._next.setdefault(key, []).append((work, ended))
        else:
            self._begin(key, work).chainDeferred(ended)
        return ended

    def _put(self, job: _Job, lane: Lane) -> None:
        """Add a job; one that waits keeps its place, unless it is wanted urgently only now, or was published since."""
        before = next((one for one, hosts in self._lanes.items() if job in hosts), None)
        if before is not None:
            if before.is_of_known is lane.is_of_known and (before.is_urgent or not lane.is_urgent):
                return
            self._lanes[before].discard(job)
        self._lanes[lane].add(job, self._host_of(job[0]))

    def _pump(self) -> None:
        if self._pumping:
            return  # called by a job that ended at once: the loop below goes on by itself, however many wait
        self._pumping = True
        try:
            self._start_jobs()
        finally:
            self._pumping = False

    def _take(self) -> tuple[Lane, _Job] | None:
        """The next job for which there is a place, of the first lane that has one, which is the last from now on."""
        may_begin_new = len(self._new_running) < self._max_new
        for lane, hosts in self._lanes.items():
            if (lane.is_of_known or may_begin_new) and (job := hosts.take(self._is_free)) is not None:
                self._lanes[lane] = self._lanes.pop(lane)
                return lane, job
        return None

    def _is_free(self, host: Hashable) -> bool:
        return self._of_host[host] < self._max_of_host if host in self._of_host else True

    def _start_jobs(self) -> None:
        while self._running.room > 0 and not (self._stopped or self._pausing):
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
            if not lane.is_of_known:
                self._new_running.add(key)
            if self._limits.pace:
                self._pause(_MAX_PAUSES)
            self._begin(key, work)

    def _begin(self, key: int, work: Work) -> Deferred[None]:
        self._host_running[key] = host = self._host_of(key)
        self._of_host[host] += 1
        return self._running.start(self._run(key, work), key=key).addCallback(self._ended, key)

    def _pause(self, more: int) -> None:
        due = self._monotonic() + self._limits.pace
        self._pausing = self._clock.callLater(self._limits.pace, self._paused, due, more)

    def _paused(self, due: float, more: int) -> None:
        self._pausing = None
        if more and self._monotonic() - due > self._limits.pace:
            self._pause(more - 1)  # what runs has enough to do
        else:
            self._pump()

    async def _run(self, key: int, work: Work) -> None:
        try:
            await Deferred.fromCoroutine(work(key)).addTimeout(self._limits.max_seconds, self._clock)
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
        waiting = self._next.pop(key, [])
        if waiting:
            work, ended = waiting.pop(0)
            self._next.update({key: waiting} if waiting else {})
            self._begin(key, work).chainDeferred(ended)
        for work, urgent in self._after.pop(key, {}).items():
            self.add(key, work, urgent=urgent)
        self._pump()

    def stop(self) -> Deferred[Any]:
        """Take no more jobs, and cancel those that run; fires when all of them have ended."""
        self._stopped = True
        for hosts in self._lanes.values():
            hosts.clear()
        self._after.clear()
        for _, ended in [one for waiting in self._next.values() for one in waiting]:
            ended.callback(None)
        self._next.clear()
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        return self._running.cancel_all()
