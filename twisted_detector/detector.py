"""Says when: sweeps follow a schedule, sightings become questions, known cameras are checked; the registry learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    TimeoutError as DeferredTimeout,
    maybeDeferred,
)
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.addressing import canonical_address
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.events import Event, SweepFinished
from twisted_detector.examiner import Examiner
from twisted_detector.identity import normalise_endpoint_reference
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink, IWatcher
from twisted_detector.lifecycle import Phase
from twisted_detector.model import Mac, Sighting
from twisted_detector.registry import Registry
from twisted_detector.workqueue import WorkQueue

#: Sightings whose MAC is being looked up at one time; a flood beyond it is dropped and counted.
MAX_LOOKUPS = 4096
#: A look-up that takes longer than this many seconds has no answer: the kernel gives up ARP after 3.
LOOKUP_TIMEOUT = 5.0
#: An open RTSP port alone waits so long for WS-Discovery to tell more (devices answer within 0.5 s of a probe,
#: which is repeated within 1 s).
SETTLE = 1.0
#: And longer when nothing but its address is known, so that it does not get an address for a name too early.
SETTLE_ANONYMOUS = 2.5


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to sweep. All in seconds.

    :ivar initial_count: that many sweeps follow one another at ``initial_pause``.
    :ivar interval: between sweeps afterwards.
    :ivar check_interval: between the checks of known cameras.
    :ivar sweep_timeout: a sweep that takes longer is cancelled; what it found stays.
    """

    interval: float
    check_interval: float
    sweep_timeout: float
    initial_count: int = 3
    initial_pause: float = 10.0

    def pause_after(self, sweeps: int) -> float:
        """How long to wait when ``sweeps`` have been made."""
        return self.initial_pause if sweeps < self.initial_count else self.interval


@implementer(ISightingSink)
class Detector:
    """The conductor. Sweeps never overlap; a method that fails is reported and hurts no other.

    :param inspections: runs the examiner's visits, bounded.
    :param emit: is told of every sweep that ended.
    :param monotonic: seconds that never jump, for durations.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        schedule: Schedule,
        neighbours: INeighbours,
        discoverers: Sequence[IDiscoverer],
        watchers: Sequence[IWatcher],
        examiner: Examiner,
        inspections: WorkQueue,
        emit: Callable[[Event], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._schedule = schedule
        self._neighbours = neighbours
        self._discoverers = tuple(discoverers)
        self._watchers = tuple(watchers)
        self._examiner = examiner
        self._inspections = inspections
        self._emit = emit
        self._monotonic = monotonic
        self._checks = LoopingCall(self._check_all)
        self._checks.clock = clock
        self._next_sweep: IDelayedCall | None = None
        self._sweeping: dict[int, Deferred[None]] = {}
        self._settling: dict[int, IDelayedCall] = {}
        self._lookups: set[Deferred[None]] = set()
        self._running = False
        self.sweeps = 0
        self.last_sweep: dict[str, SweepFinished] = {}
        self.counts: Counter[str] = Counter()
        self._sightings_of: Counter[str] = Counter()

    # --- start and stop --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, look at once at what is known from before, and begin to sweep."""
        self._running = True
        for watcher in self._watchers:
            try:
                watcher.startWatching(self)
            except Exception:
                self.log.failure("{watcher} cannot listen", watcher=watcher.name)
        for key in self._registry.devices():
            self._inspections.add(key, self._examiner.inspect)
        self._sweep()
        self._checks.start(self._schedule.check_interval, now=False)

    async def stop(self) -> None:
        """End every timer, watcher, sweep and inspection; returns when all have ended."""
        self._running = False
        if self._checks.running:
            self._checks.stop()
        for call in (self._next_sweep, *self._settling.values()):
            if call is not None and call.active():
                call.cancel()
        self._settling.clear()
        ending: list[Deferred[Any]] = [
            maybeDeferred(watcher.stopWatching).addErrback(self._cannot_stop, watcher) for watcher in self._watchers
        ]
        for running in (*self._sweeping.values(), *self._lookups):
            ending.append(running)
            running.cancel()
        ending.append(self._inspections.stop())
        await DeferredList(ending, consumeErrors=True)

    def _cannot_stop(self, failure: Failure, watcher: IWatcher) -> None:
        self.log.failure("{watcher} cannot stop to listen", failure=failure, watcher=watcher.name)

    # --- sweeps ----------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """In plain words: ``initial`` or ``steady``, and ``stopped``."""
        if not self._running:
            return "stopped"
        return "initial" if self.sweeps < self._schedule.initial_count else "steady"

    @property
    def sweeping(self) -> bool:
        """Whether a sweep is under way."""
        return bool(self._sweeping)

    def method_counts(self) -> dict[str, dict[str, int]]:
        """What each method counted (packets, answers, drops), where it counts."""
        return {each.name: dict(getattr(each, "counts", {})) for each in self._discoverers}

    def rescan(self) -> None:
        """Sweep now; when a sweep is under way, it is the answer."""
        if self._running and not self._sweeping:
            self._sweep()

    def _sweep(self) -> None:
        if self._next_sweep is not None and self._next_sweep.active():
            self._next_sweep.cancel()
        self._next_sweep = None
        self._sightings_of.clear()
        started = self._monotonic()
        for number, discoverer in enumerate(self._discoverers):
            running = Deferred.fromCoroutine(self._sweep_by(discoverer))
            running.addTimeout(self._schedule.sweep_timeout, self._clock)
            self._sweeping[number] = running
        for number, running in tuple(self._sweeping.items()):
            running.addBoth(self._swept, number, self._discoverers[number].name, started)
        if not self._discoverers:
            self._schedule_next()

    async def _sweep_by(self, discoverer: IDiscoverer) -> None:
        # A coroutine of ours around it: what goes wrong before its first await ends this method's sweep only.
        await discoverer.sweep(self)

    def _swept(self, result: object, number: int, name: str, started: float) -> None:
        self._sweeping.pop(number, None)
        if self._running:
            error = ""
            if isinstance(result, Failure):
                error = result.getErrorMessage()
                if result.check(DeferredTimeout):
                    error = f"it took longer than {self._schedule.sweep_timeout:g} s"
                elif not result.check(CancelledError, OSError, CamdetectError):
                    error = f"{getattr(result.type, '__name__', 'fault')}: {error}"
                    self.log.failure("The sweep of {name} failed", failure=result, name=name)
                self.counts["failed_sweeps"] += 1
                self.log.warn("Sweep by {name} failed: {error}; what is known stays known", name=name, error=error)
            finished = SweepFinished(
                at=self._clock.seconds(),
                method=name,
                duration=self._monotonic() - started,
                sightings=self._sightings_of[name],
                error=error,
            )
            self.last_sweep[name] = finished
            self._emit(finished)
            if not self._sweeping:
                self.sweeps += 1
                self._schedule_next()

    def _schedule_next(self) -> None:
        if self._next_sweep is not None and self._next_sweep.active():
            self._next_sweep.cancel()
        self._next_sweep = self._clock.callLater(self._schedule.pause_after(self.sweeps), self._sweep)

    # --- sightings -------------------------------------------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        if not self._running:
            return
        self._sightings_of[sighting.method] += 1
        try:
            address = canonical_address(sighting.address)
        except RemoteError:
            self.counts["unusable_sightings"] += 1
            return
        sighting = replace(
            sighting, address=address, endpoint_reference=normalise_endpoint_reference(sighting.endpoint_reference)
        )
        if len(self._lookups) >= MAX_LOOKUPS:
            self.counts["dropped_sightings"] += 1
            return
        lookup = Deferred.fromCoroutine(self._take_in(sighting))
        self._lookups.add(lookup)
        lookup.addErrback(self._lookup_failed)
        lookup.addBoth(lambda _: self._lookups.discard(lookup))

    def _lookup_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("A sighting could not be taken in", failure=failure)

    async def _take_in(self, sighting: Sighting) -> None:
        if sighting.mac is None:
            sighting = replace(sighting, mac=await self._mac_of(sighting.address))
        seen = self._registry.observe(sighting, self._clock.seconds())
        if seen is None:
            self.counts["dropped_sightings"] += 1
        elif seen.due:
            self._ask_soon(seen.key)

    async def _mac_of(self, address: str) -> Mac | None:
        try:
            lookup = Deferred.fromCoroutine(self._neighbours.mac_of(address))
            return await lookup.addTimeout(LOOKUP_TIMEOUT, self._clock)
        except CancelledError:
            raise
        except DeferredTimeout:
            self.counts["failed_lookups"] += 1
        except Exception:
            self.counts["failed_lookups"] += 1
            if self.counts["failed_lookups"] == 1:
                self.log.failure("MAC addresses cannot be looked up; cameras get other names meanwhile")
        return None

    def _ask_soon(self, key: int) -> None:
        if self._registry.phase(key) is not Phase.CANDIDATE or self._registry.candidate(key).xaddrs:
            self._settled(key)
        elif key not in self._settling:
            wait = SETTLE_ANONYMOUS if self._registry.anonymous(key) else SETTLE
            self._settling[key] = self._clock.callLater(wait, self._settled, key)

    def _settled(self, key: int) -> None:
        waiting = self._settling.pop(key, None)
        if waiting is not None and waiting.active():
            waiting.cancel()
        self._inspections.add(key, self._examiner.inspect, urgent=True)

    def departed(self, source: str, address: str) -> None:
        """See :class:`ISightingSink`."""
        if not self._running:
            return
        try:
            self._registry.departed(canonical_address(address), self._clock.seconds())
        except RemoteError:
            self.counts["unusable_sightings"] += 1

    # --- checks ----------------------------------------------------------------------------------------------------

    def _check_all(self) -> None:
        for key in self._registry.devices():
            try:
                self._check(key)
            except Exception:
                self.log.failure("Device {key} cannot be checked", key=key)

    def _check(self, key: int) -> None:
        phase = self._registry.phase(key)
        if phase is Phase.OFFLINE or (phase is Phase.SUSPECT and not self._registry.streams(key)):
            self._inspections.add(key, self._examiner.inspect)
        elif phase in (Phase.ONLINE, Phase.SUSPECT, Phase.TROUBLED, Phase.REFUSED):
            work = self._examiner.check if self._registry.streams(key) else self._examiner.inspect
            self._inspections.add(key, work)

    def check(self, camera_id: str) -> bool:
        """Inspect one camera now; False when there is none of that id."""
        key = self._registry.key_of(camera_id)
        if key is None:
            return False
        self._inspections.add(key, self._examiner.inspect, urgent=True)
        return True
