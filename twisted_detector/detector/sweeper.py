"""Runner of sweeps and quick sweeps, one at a time, when the schedule says or a command does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.schedule import Schedule, SweepKind
from twisted_detector.detector.task_group import TaskGroup, describe_failure
from twisted_detector.errors import CamdetectError
from twisted_detector.events import Event, SweepFinished
from twisted_detector.interfaces import (
    IDiscoverer,
    INetworkSweep,
    IQuickSweep,
    ISeveralMethods,
    ISightingSink,
    ISweepProgress,
)
from twisted_detector.model.reach import Network

#: A sweep that gets on may take so many times its time-out, ten minutes by default: a /16 that an operator named takes
#: five when the reactor is so busy that it sends seven times a second. Quick sweeps and presence checks wait meanwhile.
MAX_EXTENSIONS = 20
#: A quick sweep that takes longer is none: two seconds of listening, and some for a busy reactor.
QUICK_TIMEOUT = 10.0
#: Where quick sweeps and presence checks have the same interval, the next presence check comes first, and is both.
PRECEDENCE = 1.0
#: Networks that are swept at the same time because they were added just now; more begin a sweep of all.
MAX_NETWORK_SWEEPS = 8


class Sweeper:
    """Runs the methods of a sweep side by side; one that fails is reported and hurts no other.

    Counts ``failed_sweeps``, ``quick_looks`` and ``failed_quick_looks``.

    :param cameras: how many cameras are known now.
    :param emit: emits a SweepFinished for each method of each sweep.
    :param timeout: a sweep of one method that takes longer (seconds) is cancelled, unless it gets on
        (:class:`ISweepProgress`); what it found stays.
    :ivar discoverers: the methods.
    :ivar sweeps: how many have ended; ``last``: the latest of each method.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        discoverers: Sequence[IDiscoverer],
        *,
        schedule: Schedule,
        timeout: float,
        cameras: Callable[[], int],
        emit: Callable[[Event], None],
    ) -> None:
        self._environment = environment
        self._schedule = schedule
        self._timeout = timeout
        self._cameras = cameras
        self._emit = emit
        self._sink: ISightingSink | None = None
        self._next: IDelayedCall | None = None
        self._kind = SweepKind.FULL
        #: Methods of the sweep under way that have not ended; 0: none is under way.
        self._left = 0
        self._tasks = TaskGroup("A sweep")
        self._network_sweeps = TaskGroup("A sweep of a network", limit=MAX_NETWORK_SWEEPS)
        self._is_cut = False
        self._sightings_of: Counter[str] = Counter()
        self.discoverers = tuple(discoverers)
        self.sweeps = 0
        self.last: dict[str, SweepFinished] = {}

    # --- from outside ----------------------------------------------------------------------------------------------

    def start(self, sink: ISightingSink) -> None:
        """Begin to sweep, and report to ``sink``."""
        self._sink = sink
        self._reschedule()

    def stop(self) -> Deferred[Any]:
        """Start no more, and cancel what runs; fires when it has ended."""
        self._sink = None
        self._cancel_next()
        return DeferredList([self._tasks.cancel_all(), self._network_sweeps.cancel_all()])

    @property
    def phase(self) -> str:
        """``aggressive``, ``stabilising``, ``steady`` or ``fixed``, and ``stopped``."""
        return "stopped" if self._sink is None else self._schedule.phase.value

    @property
    def sweeping(self) -> bool:
        """Whether a full sweep is under way."""
        return bool(self._left) and self._kind is SweepKind.FULL

    @property
    def is_asking_hosts(self) -> bool:
        """Whether a sweep is under way that asks all hosts, or all of a network."""
        return self.sweeping or bool(len(self._network_sweeps))

    def count_sighting(self, method: str) -> None:
        """Count a sighting by ``method``, for the SweepFinished of this sweep."""
        self._sightings_of[method] += 1

    def rescan(self) -> None:
        """Sweep now, unless a sweep is under way. A quick sweep is cancelled."""
        if self._sink is None or self.sweeping:
            return
        self._schedule.sweep_requested(self._environment.monotonic())
        if self._left:
            self._tasks.cancel_all()  # its end starts the sweep
        else:
            self._start(SweepKind.FULL)

    def quick_sweep(self, done: Callable[[], None]) -> bool:
        """Sweep quickly now, outside the schedule, and call ``done`` at its end.

        :returns: False when a sweep is under way or no method can sweep quickly; then ``done`` is not called.
        """
        if self._sink is None or self._left or not self._methods(SweepKind.QUICK):
            return False
        self._start(SweepKind.QUICK, done)
        return True

    def network_changed(self) -> None:
        """An interface or an address of this machine changed: sweep as at the start."""
        self._schedule.network_changed(self._environment.monotonic())
        self._reschedule()

    def networks_changed(self, added: Sequence[Network], narrowed: bool, widened: bool) -> None:
        """Other networks are to be searched: those that were added are swept at once, beside a sweep that is under way.

        :param narrowed: something is not to be searched any more; a sweep under way is cut, and begun again without it.
        :param widened: something else is to be searched, too: a sweep begins now.
        """
        if self._sink is None:
            return
        is_cut = narrowed and bool(self._left or len(self._network_sweeps))
        if is_cut or widened or self._network_sweeps.room < len(added):
            self._schedule.sweep_requested(self._environment.monotonic())
            self._is_cut = self.sweeping
            self._network_sweeps.cancel_all()
            self._tasks.cancel_all()  # its end starts the sweep
            self._reschedule()
            return
        for network in added:
            self._network_sweeps.start(self._sweep_network(network, self._sink))

    def cameras_changed(self) -> None:
        """A camera was found or forgotten."""
        self._schedule.cameras_changed(self._cameras(), self._environment.monotonic())
        self._reschedule()

    def hasten(self) -> None:
        """A camera is missed and was not found by other means: sweep as soon as the schedule allows."""
        self._schedule.hasten(self._environment.monotonic())
        self._reschedule()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _methods(self, kind: SweepKind) -> Sequence[IDiscoverer]:
        if kind is SweepKind.FULL:
            return self.discoverers
        return [one for one in self.discoverers if IQuickSweep.providedBy(one)]

    def _cancel_next(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _reschedule(self) -> None:
        """Set the timer of the next sweep; the end of one that is under way does that too."""
        self._cancel_next()
        if self._sink is None or self._left:
            return
        kind, delay = self._schedule.next(self._environment.monotonic())
        if delay or self.sweeps:
            self._next = self._environment.clock.callLater(delay, self._start, kind)
        else:
            self._start(kind)  # the first one: there is no sweep deeper in the stack

    def _start(self, kind: SweepKind, done: Callable[[], None] | None = None) -> None:
        self._cancel_next()
        if self._sink is not None and not self._left:
            self._tasks.start(self._run(kind, self._sink, done))

    async def _run(self, kind: SweepKind, sink: ISightingSink, done: Callable[[], None] | None) -> None:
        methods = self._methods(kind)
        self._kind, self._left = kind, len(methods)
        self._sightings_of.clear()
        await DeferredList([Deferred.fromCoroutine(self._run_method(one, kind, sink)) for one in methods])
        # A listener of the last SweepFinished may have stopped the sweeper, or started another sweep.
        if self._sink is None or self._left:
            return
        now, is_cut, self._is_cut = self._environment.monotonic(), self._is_cut, False
        if is_cut:
            pass  # the one that begins now is in its place
        elif kind is SweepKind.FULL:
            self.sweeps += 1
            self._schedule.sweep_ended(self._cameras(), now)
        else:
            self._environment.counts["quick_looks"] += 1
            self._schedule.quick_sweep_ended(now if done is None else now + PRECEDENCE)
        self._reschedule()
        if done is not None:
            done()

    async def _run_method(self, method: IDiscoverer, kind: SweepKind, sink: ISightingSink) -> None:
        timeout = self._timeout if kind is SweepKind.FULL else min(self._timeout, QUICK_TIMEOUT)
        started, failure = self._environment.monotonic(), None
        sweeping = Deferred.fromCoroutine(_sweep(method, kind, sink))
        judged = method if kind is SweepKind.FULL else None
        limit = _ProgressLimit(sweeping, judged, timeout=timeout, clock=self._environment.clock)
        try:
            await sweeping
        except Exception as problem:
            # Cancelled by the limit, not by a stop.
            expired = limit.expired and isinstance(problem, CancelledError)
            failure = Failure(DeferredTimeout(limit.allowed, "Deferred")) if expired else Failure()
        finally:
            limit.end()
        self._left -= 1
        if self._sink is None:
            return
        if self._is_cut:
            return
        error = self._describe(failure, method.name, limit.allowed) if failure is not None else ""
        if kind is SweepKind.FULL:
            self.last[method.name] = finished = SweepFinished(
                at=self._environment.now(),
                method=method.name,
                duration=self._environment.monotonic() - started,
                sightings=sum(self._sightings_of[name] for name in methods_of(method)),
                error=error,
            )
            self._emit(finished)

    async def _sweep_network(self, network: Network, sink: ISightingSink) -> None:
        methods = [one for one in self.discoverers if INetworkSweep.providedBy(one)]
        await DeferredList([Deferred.fromCoroutine(self._run_network(one, network, sink)) for one in methods])

    async def _run_network(self, method: Any, network: Network, sink: ISightingSink) -> None:
        sweeping = Deferred.fromCoroutine(method.sweep_network(network, sink))
        limit = _ProgressLimit(sweeping, method, timeout=self._timeout, clock=self._environment.clock)
        try:
            await sweeping
        except CancelledError:
            if limit.expired:
                self.log.warn("The sweep of {network} took too long; the next sweep goes on", network=str(network))
        except Exception as problem:
            self._environment.counts["failed_sweeps"] += 1
            error = describe_failure(problem, limit.allowed)
            self.log.warn(
                "{network} was not swept by {method}: {error}", network=str(network), method=method.name, error=error
            )
        finally:
            limit.end()

    def _describe(self, failure: Failure, name: str, timeout: float) -> str:
        """Why the sweep of one method failed, in plain words; counted and logged."""
        what = "sweep" if self._kind is SweepKind.FULL else "quick look"
        if failure.check(CancelledError):
            return "cancelled"
        error = describe_failure(failure.value, timeout)
        if not failure.check(DeferredTimeout, OSError, CamdetectError):
            self.log.failure("The {what} of {name} failed", failure=failure, name=name, what=what)
        self._environment.counts[f"failed_{what.replace(' ', '_')}s"] += 1
        self.log.warn(
            "The {what} by {name} failed: {error}; what is known stays known", what=what, name=name, error=error
        )
        return error


class _ProgressLimit:
    """Time limit of one sweep: it is cancelled when it did not get on for ``timeout`` seconds, or after too many.

    :param method: is asked how far it is, if it can tell; None: it is given one ``timeout``.
    :ivar allowed: seconds that it was given so far.
    :ivar expired: whether it was cancelled.
    """

    def __init__(self, sweeping: Deferred[None], method: object, *, timeout: float, clock: IReactorTime) -> None:
        self._sweeping = sweeping
        self._method = method if ISweepProgress.providedBy(method) else None
        self._timeout = timeout
        self._clock = clock
        self._reached = self._progress()
        self.allowed = timeout
        self.expired = False
        self._call: IDelayedCall = clock.callLater(timeout, self._judge)

    def _progress(self) -> int:
        return self._method.progress() if self._method is not None else 0

    def _judge(self) -> None:
        before, self._reached = self._reached, self._progress()
        if self._reached > before and self.allowed < MAX_EXTENSIONS * self._timeout:
            self.allowed += self._timeout
            self._call = self._clock.callLater(self._timeout, self._judge)
            return
        self.expired = True
        self._sweeping.cancel()

    def end(self) -> None:
        """The sweep has ended."""
        if self._call.active():
            self._call.cancel()


def methods_of(method: Any) -> Sequence[str]:
    """The names that the sightings of a discoverer have."""
    return method.methods if ISeveralMethods.providedBy(method) else (method.name,)


async def _sweep(method: Any, kind: SweepKind, sink: ISightingSink) -> None:
    # A coroutine of ours around the method's: what fails before its first await ends the sweep of this method only.
    await (method.sweep(sink) if kind is SweepKind.FULL else method.sweep_quickly(sink))
