"""Detector: takes in sightings, and queues the inspections and checks that follow from them and from the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import (
    Deferred,
    DeferredList,
    maybeDeferred,
)
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.detector.announcements import AnnouncementTimers
from twisted_detector.detector.checks.restart import RestartCheck
from twisted_detector.detector.checks.rounds import CheckRounds
from twisted_detector.detector.checks.unconfirmed import UnconfirmedCheck
from twisted_detector.detector.debounce import Debounce
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_runner import InspectionRunner
from twisted_detector.detector.login_trial import TrialResult
from twisted_detector.detector.new_hosts import NewHosts
from twisted_detector.detector.search import Network, Search
from twisted_detector.detector.task_group import TaskGroup
from twisted_detector.detector.verification.departure_check import DepartureCheck
from twisted_detector.detector.verification.mac_lookup import MacLookup
from twisted_detector.detector.verification.move_check import MoveCheck
from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.errors import RemoteError
from twisted_detector.events import CameraDiscovered, CameraForgotten, Event, SweepFinished
from twisted_detector.interfaces import IAddressProbe, IEventListener, ISightingSink, IWatcher
from twisted_detector.model import Evidence, EvidenceKind, Login, Mac, Sighting
from twisted_detector.model.addresses import canonical_address
from twisted_detector.model.devices import BY_HAND, SHARED
from twisted_detector.model.reach import Network as AddressNetwork
from twisted_detector.registry.identity.claims import normalise_endpoint_reference
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import describe_sighting
from twisted_detector.registry.registry import Registry
from twisted_detector.registry.text_bounds import bound_sighting

#: Sightings whose MAC is being looked up at one time; a flood beyond it is dropped and counted.
MAX_LOOKUPS = 4096


@implementer(ISightingSink, IEventListener)
class Detector:
    """Coordinator of the parts of this room; see the package's theory of operation.

    :param runner: the inspections and checks that ``inspections`` runs, bounded.
    :param check_interval: seconds between two checks of a known camera.
    :ivar counts: what the detector and its parts counted, by name.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        search: Search,
        network: Network,
        runner: InspectionRunner,
        inspections: WorkQueue,
        check_interval: float,
    ) -> None:
        sweeper, neighbours, liveness = search.sweeper, network.neighbours, network.liveness
        self._environment = environment
        self._registry = registry
        self._sweeper = sweeper
        self._presence = search.presence
        self._relocator = search.relocator
        self._runner = runner
        self._inspections = inspections
        self._neighbours = neighbours
        self._watchers = tuple(network.watchers)
        self._check_interval = check_interval
        self._new_hosts = NewHosts(
            environment,
            [one for one in sweeper.discoverers if IAddressProbe.providedBy(one)],
            sink=self,
            is_known=lambda address: bool(registry.keys_at(address)),
        )
        macs = neighbours.known if neighbours is not None else dict
        self._move_check = MoveCheck(environment, registry, liveness=liveness, macs=macs, identify=runner.identify)
        self._mac_lookup = MacLookup(environment, registry, neighbours=neighbours, sink=self)
        self._departure_check = DepartureCheck(environment, registry, liveness=liveness, macs=macs)
        self._restart = RestartCheck(
            environment, registry, routine=runner.routine, mac_lookup=self._mac_lookup, liveness=liveness
        )
        unconfirmed = UnconfirmedCheck(environment, registry, mac_lookup=self._mac_lookup, liveness=liveness)
        self._rounds = CheckRounds(
            environment,
            registry,
            presence=search.presence,
            routine=runner.routine,
            queue=inspections,
            first=self._inspect_if_due,
            inspect=self._inspect,
            unconfirmed=unconfirmed.check,
        )
        self._announcements = AnnouncementTimers(environment, registry)
        self._debounce = Debounce(environment.clock, registry, ready=self._inspect_seen)
        self._lookups = TaskGroup("A sighting", limit=MAX_LOOKUPS)
        self._refreshes = TaskGroup("A look at the interfaces")
        self._running = False
        self.counts: Counter[str] = environment.counts

    # --- start and stop --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start watchers and sweeps, and inspect or check at once what is known from before."""
        self._running = True
        self._restart.start()
        self._refreshes.start(self._environment.gate.refresh())
        for watcher in self._watchers:
            try:
                watcher.startWatching(self)
            except Exception:
                self.log.failure("{watcher} cannot listen", watcher=watcher.name)
        self._relocator.start(self)
        self._rounds.start(self._check_interval)
        self._sweeper.start(self)

    async def stop(self) -> None:
        """End every timer, watcher, sweep and inspection; returns when all have ended."""
        self._running = False
        self._debounce.stop()
        self._announcements.stop()
        ending: list[Deferred[Any]] = [
            maybeDeferred(watcher.stopWatching).addErrback(self._cannot_stop, watcher) for watcher in self._watchers
        ]
        ending += [self._lookups.cancel_all(), self._sweeper.stop(), self._new_hosts.stop(), self._relocator.stop()]
        ending += [self._departure_check.stop(), self._refreshes.cancel_all(), self._rounds.stop()]
        ending.append(self._inspections.stop())
        await DeferredList(ending, consumeErrors=True)

    def _cannot_stop(self, failure: Failure, watcher: IWatcher) -> None:
        self.log.failure("{watcher} cannot stop listening", failure=failure, watcher=watcher.name)

    # --- sweeps ----------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """See :attr:`Sweeper.phase`."""
        return self._sweeper.phase

    @property
    def sweeping(self) -> bool:
        """See :attr:`Sweeper.sweeping`."""
        return self._sweeper.sweeping

    @property
    def sweeps(self) -> int:
        """How many sweeps have ended."""
        return self._sweeper.sweeps

    @property
    def pending(self) -> int:
        """How many sightings and devices have not come to the queue of inspections yet."""
        return len(self._lookups) + len(self._debounce)

    @property
    def last_sweep(self) -> Mapping[str, SweepFinished]:
        """The latest sweep of each method."""
        return self._sweeper.last

    def method_counts(self) -> dict[str, dict[str, int]]:
        """What each method counted (packets, answers, drops), where it counts."""
        methods: dict[int, Any] = {id(one): one for one in (*self._sweeper.discoverers, *self._watchers)}
        return {each.name: dict(getattr(each, "counts", {})) for each in methods.values()}

    def rescan(self) -> None:
        """See :meth:`Sweeper.rescan`."""
        self._sweeper.rescan()

    def network_changed(self) -> None:
        """An interface came or went, or an address of this machine changed."""
        if self._running:
            self._refreshes.start(self._environment.gate.refresh())
            self._sweeper.network_changed()

    def networks_changed(self, added: Sequence[AddressNetwork], narrowed: bool, widened: bool) -> None:
        """See :meth:`Sweeper.networks_changed`."""
        if self._running:
            self._sweeper.networks_changed(added, narrowed, widened)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`: the number of cameras changed."""
        if self._running and isinstance(event, CameraDiscovered | CameraForgotten):
            self._sweeper.cameras_changed()

    # --- sightings -------------------------------------------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        if not self._running:
            return
        self._sweeper.count_sighting(sighting.method)
        try:
            address = canonical_address(sighting.address)
        except RemoteError:
            self.counts["unusable_sightings"] += 1
            return
        if address in self._environment.excluded:
            self.counts["excluded_sightings"] += 1
            self._environment.record(address, sighting.method, "SCAN_EXCLUDE has it: it is asked nothing")
            return
        if refusal := self._environment.gate.explain_refusal(address):
            self.counts["out_of_reach"] += 1
            self._environment.record(address, sighting.method, refusal)
            return
        sighting = bound_sighting(replace(sighting, address=address))
        sighting = replace(sighting, endpoint_reference=normalise_endpoint_reference(sighting.endpoint_reference))
        if self._is_blocked(sighting):
            if sighting.mac is not None and self._registry.keys_at(address) and self._lookups.room:
                self._lookups.start(self._make_way(sighting))
            return
        only_mac = _has_only_mac(sighting)
        if self._neighbours is None:
            if only_mac:
                return
            sighting = replace(sighting, mac=None)
        elif only_mac and sighting.mac is not None and self._registry.key_of(sighting) is None:
            # A host that was never a camera. While a sweep is under way, that probes every host anyway.
            if not self._sweeper.is_asking_hosts:
                self._new_hosts.host_appeared(address, sighting.mac)
            return
        self._environment.record(address, sighting.method, describe_sighting(sighting))
        if not self._lookups.room:
            self.counts["dropped_sightings"] += 1
        elif not self._presence.receive(sighting):
            self._lookups.start(self._process(sighting))

    async def _process(self, sighting: Sighting) -> None:
        if self._neighbours is not None:
            there = self._registry.keys_at(sighting.address)
            seen = await self._mac_lookup.mac_of(sighting.address)
            if seen != sighting.mac and _has_only_mac(sighting):
                self.counts["unseen_macs"] += 1
                return
            sighting = _with_mac(sighting, seen)
            if self._is_outdated(sighting, there):
                self.counts["outdated_sightings"] += 1
                return
        for one in await self._move_check.verify(sighting):
            self._record(one)

    async def _make_way(self, sighting: Sighting) -> None:
        """A blocked device is where another is believed to be, or was taken for one before its MAC was seen."""
        if await self._mac_lookup.mac_of(sighting.address) == sighting.mac:
            self._registry.record_sighting(sighting, self._environment.now())

    def _is_outdated(self, sighting: Sighting, before: Sequence[int]) -> bool:
        """Whether a device said this before it left that address, while the MAC was looked up.

        :param before: the devices that were at the address when it was said.
        """
        left = [key for key in before if self._registry.knows(key) and not self._registry.is_at(key, sighting.address)]
        return bool(left) and (sighting.mac is None or self._registry.key_of(sighting) in left)

    def _is_blocked(self, sighting: Sighting) -> bool:
        """Whether a person blocked the device: it is asked nothing, and no more is known of it than that."""
        if not self._registry.is_blocked(sighting):
            return False
        self.counts["blocked_sightings"] += 1
        text = "it is blocked (camdetect unblock): it is asked nothing"
        self._environment.record(sighting.address, sighting.method, text)
        return True

    def _record(self, sighting: Sighting) -> None:
        if self._is_blocked(sighting):
            self._registry.record_sighting(sighting, self._environment.now())
            return
        seen = self._registry.record_sighting(sighting, self._environment.now())
        if seen is None:
            self.counts["dropped_sightings"] += 1
            if (refusal := self._registry.refusals.last) is not None:
                self._environment.record(sighting.address, sighting.method, f"not taken in: {refusal.text}")
            return
        self._presence.device_seen(seen.key)
        if sighting.announced is not None and sighting.announced.may_be_camera:
            self._announcements.add(seen.key)
        if sighting.method == BY_HAND:
            self._ask_by_hand(seen.key)
        if seen.needs_inspection:
            self._debounce.add(seen.key, waited_for=sighting.method == BY_HAND)
        elif sighting.method == BY_HAND:
            self._inspections.add(seen.key, self._inspect, urgent=True)

    def departed(self, source: str, address: str, reference: str = "") -> None:
        """See :class:`ISightingSink`."""
        if not self._running:
            return
        try:
            address = canonical_address(address)
            self._environment.record(address, source, "it said goodbye")
            self._departure_check.receive(source, address, normalise_endpoint_reference(reference))
        except RemoteError:
            self.counts["unusable_sightings"] += 1

    # --- inspections and checks ------------------------------------------------------------------------------------

    def _inspect_seen(self, key: int) -> None:
        """Inspect a device that was seen: first those that were never asked, and those that were away."""
        if not self._registry.knows(key):
            return
        urgent = not self._registry.was_inspected(key) or self._registry.phase(key) in (Phase.OFFLINE, Phase.SUSPECT)
        self._inspections.add(key, self._inspect_if_due, urgent=urgent)

    async def _inspect_if_due(self, key: int) -> None:
        """Inspect a device that was seen, or is known from before, unless that was done while it waited."""
        if self._registry.needs_inspection(key, self._environment.now()):
            await self._inspect(key)

    async def _inspect(self, key: int) -> None:
        if not await self._restart.suffices(key) and await self._runner.inspect(key, self._mac_lookup.settle_name):
            self._inspections.add(key, self._inspect)

    def _ask_by_hand(self, key: int) -> None:
        """The next inspection of a device is one that a person asks for."""
        self._restart.discard(key)
        self._runner.ask_by_hand(key)

    def check(self, camera_id: str) -> bool:
        """Inspect one camera now, as a person asks for; False when there is none of that id."""
        key = self._registry.key_of_camera(camera_id)
        if key is None:
            return False
        self._ask_by_hand(key)
        self._inspections.add(key, self._inspect, urgent=True)
        return True

    async def try_login(self, key: int, login: Login) -> TrialResult | None:
        """Inspect a device now, before all others, with this one login; what runs for it already is waited for.

        None when it took too long, or the program ends.
        """
        result: TrialResult | None = None

        async def attempt(key: int) -> None:
            nonlocal result
            result = await self._runner.try_login(key, login, self._mac_lookup.settle_name)

        self._ask_by_hand(key)
        await self._inspections.run_now(key, attempt)
        return result

    def explain_refusal(self, address: str) -> str:
        """For people: why nothing at ``address`` is asked, and what to do; "" where it may be.

        :raises RemoteError: it is no address of a single device.
        """
        return self._environment.gate.explain_refusal(canonical_address(address))


@dataclass(frozen=True, slots=True)
class Detection:
    """The detector with what inspects for it, as other rooms get them."""

    detector: Detector
    runner: InspectionRunner
    inspections: WorkQueue


def _with_mac(sighting: Sighting, seen: Mac | None) -> Sighting:
    """A sighting with the MAC that this machine has ``seen`` at its address, and no other.

    A secret goes where a MAC was seen, so what a discoverer says of one is only hearsay: it stays as a claim of the
    device, and never passes for what was seen, in the sighting itself or among its evidence.
    """
    kinds = (EvidenceKind.MAC, SHARED + EvidenceKind.MAC)
    if sighting.mac == seen and not any(one.kind in kinds for one in sighting.evidence):
        return sighting
    evidence = tuple(
        replace(one, kind=EvidenceKind.ANNOUNCED_MAC) if one.kind in kinds else one for one in sighting.evidence
    )
    if sighting.mac is not None and sighting.mac != seen:
        claim = Evidence(EvidenceKind.ANNOUNCED_MAC, sighting.mac.text, sighting.method, sighting.seen_at)
        evidence = (*evidence, claim)
    return replace(sighting, mac=seen, evidence=evidence)


def _has_only_mac(sighting: Sighting) -> bool:
    """Whether a sighting says no more than that a host with some MAC is at an address."""
    facts = (sighting.endpoint_reference, sighting.xaddrs, sighting.rtsp_ports, sighting.open_ports, sighting.evidence)
    return sighting.mac is not None and sighting.announced is None and not any(facts)
