"""Discoverers and a schedule go in; sweeps and quick looks are run, one at a time, and what came of each comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.detector.schedule import Look, Schedule
from twisted_detector.errors import CamdetectError
from twisted_detector.events import Event, SweepFinished
from twisted_detector.interfaces import IDiscoverer, IQuickSweep, ISightingSink

#: A quick look that takes longer is none: two seconds of listening, and some for a busy reactor.
QUICK_TIMEOUT = 10.0
#: Where quick looks and roll calls have the same interval, the next roll call comes first, and is both.
PRECEDENCE = 1.0


class Sweeper:
    """Runs what the schedule says. Nothing overlaps; a method that fails is reported and hurts no other.

    :param cameras: how many cameras are known now.
    :param emit: is told of every sweep that ended.
    :param timeout: a sweep of one method that takes longer (seconds) is cancelled; what it found stays.
    :param monotonic: seconds that never jump.
    :ivar sweeps: how many have ended; ``last``: the latest of each method.
    :ivar counts: ``failed_sweeps``, ``quick_looks``, ``failed_quick_looks``.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        discoverers: Sequence[IDiscoverer],
        *,
        schedule: Schedule,
        timeout: float,
        cameras: Callable[[], int],
        emit: Callable[[Event], None],
        monotonic: Callable[[], float],
        counts: Counter[str],
    ) -> None:
        self._clock = clock
        self._discoverers = tuple(discoverers)
        self._schedule = schedule
        self._timeout = timeout
        self._cameras = cameras
        self._emit = emit
        self._monotonic = monotonic
        self._sink: ISightingSink | None = None
        self._next: IDelayedCall | None = None
        self._running: dict[int, Deferred[None]] = {}
        self._look = Look.SWEEP
        self._sightings_of: Counter[str] = Counter()
        self._called: Callable[[], None] | None = None
        self.counts = counts
        self.sweeps = 0
        self.last: dict[str, SweepFinished] = {}

    # --- from outside ----------------------------------------------------------------------------------------------

    def start(self, sink: ISightingSink) -> None:
        """Begin to sweep, and report to ``sink``."""
        self._sink = sink
        self._arrange()

    def stop(self) -> list[Deferred[None]]:
        """Begin nothing more and cancel what runs; the Deferreds fire when it has ended."""
        self._sink = None
        self._unarrange()
        ending = list(self._running.values())
        for running in ending:
            running.cancel()
        return ending

    @property
    def phase(self) -> str:
        """In plain words: ``aggressive``, ``stabilising``, ``steady`` or ``fixed``, and ``stopped``."""
        return "stopped" if self._sink is None else self._schedule.pace.value

    @property
    def sweeping(self) -> bool:
        """Whether a sweep (not a quick look) is under way."""
        return bool(self._running) and self._look is Look.SWEEP

    def counted(self, method: str) -> None:
        """A sighting by ``method`` came."""
        self._sightings_of[method] += 1

    def rescan(self) -> None:
        """Sweep now; when a sweep is under way, it is the answer. A quick look makes room."""
        if self._sink is None or self.sweeping:
            return
        self._schedule.asked(self._monotonic())
        if not self._cancel_quick_look():
            self._begin(Look.SWEEP)

    def cancel(self) -> None:
        """End the sweep or look that is under way; what it found stays, and the next comes in its time."""
        for running in tuple(self._running.values()):
            running.cancel()

    @property
    def looks_quickly(self) -> bool:
        """Whether any method can."""
        return any(IQuickSweep.providedBy(one) for one in self._discoverers)

    def roll_call(self, done: Callable[[], None]) -> bool:
        """Look quickly now, out of turn, and call ``done`` at its end; False when something is under way."""
        if self._sink is None or self._running or not self.looks_quickly:
            return False
        self._called = done
        self._begin(Look.QUICK)
        return True

    def disturbed(self) -> None:
        """An interface or an address of this machine changed: sweep as at the start."""
        self._schedule.disturbed(self._monotonic())
        self._arrange()

    def cameras_changed(self) -> None:
        """A camera was found or forgotten."""
        self._schedule.cameras_changed(self._cameras(), self._monotonic())
        self._arrange()

    def hasten(self) -> None:
        """A camera is missed and was not found by other means: sweep as soon as may be."""
        self._schedule.hasten(self._monotonic())
        self._arrange()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _unarrange(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _arrange(self) -> None:
        """Have the next look made in its time; while one is under way, its end does that."""
        self._unarrange()
        if self._sink is None or self._running:
            return
        look, delay = self._schedule.next(self._monotonic())
        if delay or self.sweeps:
            self._next = self._clock.callLater(delay, self._begin, look)
        else:
            self._begin(look)  # the first one: nobody is deeper in the stack

    def _cancel_quick_look(self) -> bool:
        """Whether one was under way; its end begins what is due."""
        quick = bool(self._running) and self._look is Look.QUICK
        if quick:
            self.cancel()
        return quick

    def _begin(self, look: Look) -> None:
        self._unarrange()
        sink = self._sink
        if sink is None or self._running:
            return
        self._look = look
        self._sightings_of.clear()
        started = self._monotonic()
        if look is Look.SWEEP:
            timeout, work = self._timeout, [(one.name, _sweeping(one, sink)) for one in self._discoverers]
        else:
            quick = [one for one in self._discoverers if IQuickSweep.providedBy(one)]
            timeout, work = min(self._timeout, QUICK_TIMEOUT), [(one.name, _looking(one, sink)) for one in quick]
        for number, (_, coroutine) in enumerate(work):
            self._running[number] = running = Deferred.fromCoroutine(coroutine)
            running.addTimeout(timeout, self._clock)
        for number, running in tuple(self._running.items()):
            running.addBoth(self._ended, number, work[number][0], timeout, started)
        if not work:
            self._all_ended()

    def _ended(self, result: object, number: int, name: str, timeout: float, started: float) -> None:
        self._running.pop(number, None)
        if self._sink is None:
            return
        error = self._error_of(result, name, timeout) if isinstance(result, Failure) else ""
        if self._look is Look.SWEEP:
            finished = SweepFinished(
                at=self._clock.seconds(),
                method=name,
                duration=self._monotonic() - started,
                sightings=self._sightings_of[name],
                error=error,
            )
            self.last[name] = finished
            self._emit(finished)
        if not self._running:
            self._all_ended()

    def _error_of(self, failure: Failure, name: str, timeout: float) -> str:
        """In plain words what went wrong; counted and logged."""
        error = failure.getErrorMessage()
        what = "sweep" if self._look is Look.SWEEP else "quick look"
        if failure.check(CancelledError):
            return "cancelled"
        if failure.check(DeferredTimeout):
            error = f"it took longer than {timeout:g} s"
        elif not failure.check(OSError, CamdetectError):
            error = f"{getattr(failure.type, '__name__', 'fault')}: {error}"
            self.log.failure("The {what} of {name} failed", failure=failure, name=name, what=what)
        self.counts[f"failed_{what.replace(' ', '_')}s"] += 1
        self.log.warn(
            "The {what} by {name} failed: {error}; what is known stays known", what=what, name=name, error=error
        )
        return error

    def _all_ended(self) -> None:
        now = self._monotonic()
        if self._look is Look.SWEEP:
            self.sweeps += 1
            self._schedule.swept(self._cameras(), now)
        else:
            self.counts["quick_looks"] += 1
            self._schedule.looked_quickly(now if self._called is None else now + PRECEDENCE)
        called, self._called = self._called, None
        self._arrange()
        if called is not None:
            called()


def _sweeping(discoverer: IDiscoverer, sink: ISightingSink) -> Coroutine[Deferred[Any], Any, None]:
    async def sweep() -> None:
        # A coroutine of ours around it: what goes wrong before its first await ends this method's sweep only.
        await discoverer.sweep(sink)

    return sweep()


def _looking(discoverer: Any, sink: ISightingSink) -> Coroutine[Deferred[Any], Any, None]:
    async def look() -> None:
        await discoverer.sweep_quickly(sink)

    return look()
