"""Says when: sweeps follow a schedule, sightings become questions, known cameras are checked; the registry learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    TimeoutError as DeferredTimeout,
    maybeDeferred,
)
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.detector.debounce import Debounce
from twisted_detector.detector.examiner import InspectionRunner
from twisted_detector.detector.move_check import MoveCheck
from twisted_detector.detector.new_hosts import NewHosts
from twisted_detector.detector.presence import PresenceCheck
from twisted_detector.detector.relocator import Relocator
from twisted_detector.detector.schedule import Schedule
from twisted_detector.detector.sweeper import Sweeper
from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.errors import RemoteError
from twisted_detector.events import CameraDiscovered, CameraForgotten, Event, SweepFinished
from twisted_detector.interfaces import (
    IAddressProbe,
    IDiscoverer,
    IEventListener,
    IFinder,
    ILiveness,
    INeighbours,
    ISightingSink,
    IWatcher,
    RecordObservation,
    record_nothing,
)
from twisted_detector.model import Mac, Sighting
from twisted_detector.model.addresses import canonical_address
from twisted_detector.registry.identity.claims import normalise_endpoint_reference
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import seen_text
from twisted_detector.registry.registry import Registry

#: Sightings whose MAC is being looked up at one time; a flood beyond it is dropped and counted.
MAX_LOOKUPS = 4096
#: A look-up that takes longer than this many seconds has no answer: the kernel gives up ARP after 3.
LOOKUP_TIMEOUT = 5.0


@implementer(ISightingSink, IEventListener)
class Detector:
    """The conductor: who looks, who is asked and who is missed comes together here.

    :param check_interval: seconds between the checks of known cameras.
    :param sweep_timeout: a sweep of one method that takes longer (seconds) is cancelled; what it found stays.
    :param inspections: runs the examiner's visits, bounded.
    :param emit: is told of every sweep that ended.
    :param monotonic: seconds that never jump, for durations.
    :param note: writes down what is seen.
    :param excluded: addresses that are never asked anything. :param layer2: whether MACs are looked up and believed.
    :param knock: tells whether a device that is heard at another address is still where it was.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        schedule: Schedule,
        check_interval: float,
        sweep_timeout: float,
        neighbours: INeighbours,
        discoverers: Sequence[IDiscoverer],
        watchers: Sequence[IWatcher],
        examiner: InspectionRunner,
        inspections: WorkQueue,
        emit: Callable[[Event], None],
        monotonic: Callable[[], float],
        note: RecordObservation = record_nothing,
        excluded: Container[str] = (),
        layer2: bool = True,
        knock: ILiveness | None = None,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._excluded, self._layer2 = excluded, layer2
        self._check_interval = check_interval
        self._neighbours = neighbours
        self._discoverers = tuple(discoverers)
        self._watchers = tuple(watchers)
        self._examiner = examiner
        self._inspections = inspections
        self._note = note
        self.counts: Counter[str] = Counter()
        self.sweeper = Sweeper(
            clock,
            discoverers,
            schedule=schedule,
            timeout=sweep_timeout,
            cameras=lambda: len(registry.cameras()),
            emit=emit,
            monotonic=monotonic,
            counts=self.counts,
        )
        self._newcomers = NewHosts(
            clock,
            [one for one in discoverers if IAddressProbe.providedBy(one)],
            sink=self,
            monotonic=monotonic,
            counts=self.counts,
            note=note,
        )
        self._refinder = Relocator(
            clock,
            registry,
            neighbours=neighbours,
            finders=[one for one in discoverers if IFinder.providedBy(one)],
            sink=self,
            sweep=self.sweeper.hasten,
            note=note,
        )
        self._doorstep = MoveCheck(
            clock,
            registry,
            knock=knock,
            macs=neighbours.known,
            identify=examiner.identify,
            excluded=excluded,
            counts=self.counts,
        )
        examiner.missed = self._missed
        self._roll_call = PresenceCheck(registry, self.sweeper, interval=check_interval)
        examiner.present = self._roll_call.present
        self._checks = LoopingCall(self._begin_checks)
        self._checks.clock = clock
        self._settling = Debounce(clock, registry, self._settled)
        self._lookups: set[Deferred[None]] = set()
        self._running = False

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
        self.sweeper.start(self)
        self._checks.start(self._check_interval, now=False)

    async def stop(self) -> None:
        """End every timer, watcher, sweep and inspection; returns when all have ended."""
        self._running = False
        if self._checks.running:
            self._checks.stop()
        self._settling.stop()
        ending: list[Deferred[Any]] = [
            maybeDeferred(watcher.stopWatching).addErrback(self._cannot_stop, watcher) for watcher in self._watchers
        ]
        for lookup in tuple(self._lookups):
            ending.append(lookup)
            lookup.cancel()
        ending += [*self.sweeper.stop(), *self._newcomers.stop(), *self._refinder.stop()]
        ending.append(self._inspections.stop())
        await DeferredList(ending, consumeErrors=True)

    def _cannot_stop(self, failure: Failure, watcher: IWatcher) -> None:
        self.log.failure("{watcher} cannot stop to listen", failure=failure, watcher=watcher.name)

    # --- sweeps ----------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """See :attr:`Sweeper.phase`."""
        return self.sweeper.phase

    @property
    def sweeping(self) -> bool:
        """See :attr:`Sweeper.sweeping`."""
        return self.sweeper.sweeping

    @property
    def sweeps(self) -> int:
        """How many sweeps have ended."""
        return self.sweeper.sweeps

    @property
    def pending(self) -> int:
        """How many that were seen are still being looked up, or given time to tell more before they are asked."""
        return len(self._lookups) + len(self._settling)

    @property
    def last_sweep(self) -> Mapping[str, SweepFinished]:
        """The latest sweep of each method."""
        return self.sweeper.last

    def method_counts(self) -> dict[str, dict[str, int]]:
        """What each method counted (packets, answers, drops), where it counts."""
        methods: dict[int, Any] = {id(one): one for one in (*self._discoverers, *self._watchers)}
        return {each.name: dict(getattr(each, "counts", {})) for each in methods.values()}

    def rescan(self) -> None:
        """See :meth:`Sweeper.rescan`."""
        self.sweeper.rescan()

    def network_changed(self) -> None:
        """An interface came or went, or an address of this machine changed."""
        if self._running:
            self.sweeper.disturbed()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`: the number of cameras changed."""
        if self._running and isinstance(event, CameraDiscovered | CameraForgotten):
            self.sweeper.cameras_changed()

    # --- sightings -------------------------------------------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        if not self._running:
            return
        self.sweeper.counted(sighting.method)
        try:
            address = canonical_address(sighting.address)
        except RemoteError:
            self.counts["unusable_sightings"] += 1
            return
        if address in self._excluded:
            self.counts["excluded_sightings"] += 1
            self._note(self._clock.seconds(), address, sighting.method, "SCAN_EXCLUDE has it: it is asked nothing")
            return
        if not self._layer2 and sighting.mac is not None:
            if _is_presence(sighting):
                return
            sighting = replace(sighting, mac=None)
        sighting = replace(
            sighting, address=address, endpoint_reference=normalise_endpoint_reference(sighting.endpoint_reference)
        )
        if _is_presence(sighting) and sighting.mac is not None and self._registry.key_of_mac(sighting.mac) is None:
            # Somebody is there who was never a camera. While a sweep is under way, it asks everybody anyway.
            if not self.sweeper.sweeping:
                self._newcomers.came(address, sighting.mac)
            return
        self._note(self._clock.seconds(), address, sighting.method, seen_text(sighting))
        if len(self._lookups) >= MAX_LOOKUPS:
            self.counts["dropped_sightings"] += 1
            return
        if self._roll_call.answered(sighting):
            return
        lookup = Deferred.fromCoroutine(self._take_in(sighting))
        self._lookups.add(lookup)
        lookup.addErrback(self._lookup_failed)
        lookup.addBoth(lambda _: self._lookups.discard(lookup))

    def _lookup_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("A sighting could not be taken in", failure=failure)

    async def _take_in(self, sighting: Sighting) -> None:
        if sighting.mac is None and self._layer2:
            sighting = replace(sighting, mac=await self._mac_of(sighting.address))
        for one in await self._doorstep.pass_on(sighting):
            self._observe(one)

    def _observe(self, sighting: Sighting) -> None:
        seen = self._registry.observe(sighting, self._clock.seconds())
        if seen is None:
            self.counts["dropped_sightings"] += 1
            return
        self._roll_call.saw(seen.key)
        if seen.due:
            self._settling.seen(seen.key)

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

    def _settled(self, key: int) -> None:
        self._inspections.add(key, self._examiner.inspect, urgent=True)

    def departed(self, source: str, address: str, reference: str = "") -> None:
        """See :class:`ISightingSink`."""
        if not self._running:
            return
        try:
            address, now = canonical_address(address), self._clock.seconds()
            self._note(now, address, source, "it said goodbye")
            self._registry.departed(address, now, reference=normalise_endpoint_reference(reference))
        except RemoteError:
            self.counts["unusable_sightings"] += 1

    # --- checks ----------------------------------------------------------------------------------------------------

    def _begin_checks(self) -> None:
        self._roll_call.begin(self._check_all)

    def _check_all(self) -> None:
        for key in self._registry.devices() if self._running else ():
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

    def _missed(self, key: int) -> None:
        if self._running:
            self._refinder.missed(key)

    def check(self, camera_id: str) -> bool:
        """Inspect one camera now; False when there is none of that id."""
        key = self._registry.key_of(camera_id)
        if key is None:
            return False
        self._inspections.add(key, self._examiner.inspect, urgent=True)
        return True


def _is_presence(sighting: Sighting) -> bool:
    """Whether a sighting says no more than that somebody with some MAC stands at an address."""
    said = (sighting.endpoint_reference, sighting.xaddrs, sighting.rtsp_ports, sighting.open_ports, sighting.evidence)
    return sighting.mac is not None and not any(said)
