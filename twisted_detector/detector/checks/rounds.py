"""Rounds of routine checks: at every interval all known devices are gone through, and those that must be are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from txaio.tx import make_logger

from twisted_detector.detector.checks.presence import PresenceCheck
from twisted_detector.detector.checks.routine_check import RoutineCheck
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.task_group import TaskGroup
from twisted_detector.detector.work_queue import Work, WorkQueue
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

#: Seconds of one turn of the reactor in which devices are gone through, half of what a user notices; and devices, for
#: clocks that stand still.
SLICE_SECONDS, MAX_STEPS = 0.01, 1000
#: Cameras that never played and are away for a day are forgotten after a round of checks, so many at most: with its
#: messages each takes a millisecond.
MAX_FORGOTTEN = 20


class CheckRounds:
    """Timer of the rounds. A device that answered the presence check needs no place in the queue.

    A device that is well is inspected now and then: no sweep reports it, so nothing else may remind of it. One that
    sleeps is asked nothing, for its battery's sake: it is inspected when it is seen.

    Counts ``skipped_rounds``: the round before was still being gone through.

    :param queue: takes the checks and inspections of those that are to be asked.
    :param first: asks a device that is known from before, as a job of the queue.
    :param inspect: inspects a device, likewise.
    :param unconfirmed: looks whether a device is there that is known by its word alone, likewise.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        presence: PresenceCheck,
        routine: RoutineCheck,
        queue: WorkQueue,
        first: Work,
        inspect: Work,
        unconfirmed: Work,
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._presence = presence
        self._routine = routine
        self._queue = queue
        self._first = first
        self._inspect = inspect
        self._unconfirmed = unconfirmed
        self._timer = LoopingCall(self._begin)
        self._timer.clock = environment.clock
        self._slices = TurnBudget(MAX_STEPS, SLICE_SECONDS, environment.monotonic)
        self._rounds = TaskGroup("A round of checks", limit=1)

    def start(self, interval: float) -> None:
        """Ask all that are known now, and begin a round every ``interval`` seconds, the first after one."""
        self._timer.start(interval, now=False)
        self._rounds.start(self._go_through(self._first))

    def stop(self) -> Deferred[Any]:
        """Begin no more; fires when the one under way has ended."""
        if self._timer.running:
            self._timer.stop()
        return self._rounds.cancel_all()

    def _begin(self) -> None:
        self._presence.start(self._answers_are_in)

    def _answers_are_in(self) -> None:
        if not self._timer.running:
            return
        if self._rounds.room:
            self._rounds.start(self._go_through(None))
        else:
            self._environment.counts["skipped_rounds"] += 1

    async def _go_through(self, work: Work | None) -> None:
        """Queue ``work`` for each device that is known; None: check it."""
        steps = self._steps(work)
        while self._slices.advance(steps):
            await deferLater(self._environment.clock, 0)
        self._registry.forget_unproved(self._environment.now(), MAX_FORGOTTEN)

    def _steps(self, work: Work | None) -> Iterator[None]:
        for key in self._registry.devices():
            if self._registry.knows(key):
                try:
                    self._check(key) if work is None else self._queue.add(key, work)
                except Exception:
                    self.log.failure("Device {key} cannot be checked", key=key)
            yield

    def _check(self, key: int) -> None:
        if self._registry.is_asleep(key):
            return
        if self._registry.is_unconfirmed(key):
            due = self._registry.needs_inspection(key, self._environment.now())
            self._queue.add(key, self._inspect if due else self._unconfirmed)
            return
        phase, has_streams = self._registry.phase(key), self._registry.has_streams(key)
        refresh = phase is Phase.ONLINE and self._registry.needs_inspection(key, self._environment.now())
        if refresh or phase is Phase.OFFLINE or (phase is Phase.SUSPECT and not has_streams):
            self._queue.add(key, self._inspect)
        elif phase in (Phase.ONLINE, Phase.SUSPECT, Phase.TROUBLED, Phase.REFUSED):
            if not has_streams:
                self._queue.add(key, self._inspect)
            elif not (self._presence.is_present(key) and self._routine.settle(key)):
                self._queue.add(key, self._routine.check)
