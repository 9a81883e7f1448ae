"""Builder of the detector with its discoverers, watchers and inspectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.detector.address_gate import AddressGate
from twisted_detector.detector.detector import Detector
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_runner import MAX_SECONDS, InspectionRunner
from twisted_detector.detector.presence import PresenceCheck
from twisted_detector.detector.relocator import Relocator
from twisted_detector.detector.sweeper import Sweeper
from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.liveness import TcpLiveness
from twisted_detector.inspection.oui import OuiRegistry
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import (
    IDiscoverer,
    IFinder,
    IInspectorMaker,
    INeighbours,
    IWatcher,
    IWatcherMaker,
    Parts,
)
from twisted_detector.model.addresses import Exclusions
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget
from twisted_detector.service.settings import PACE, proof_every, schedule


def make_detector(
    reactor: Any,
    config: Config,
    parts: Parts,
    make: Callable[[Any], list[Any]],
    *,
    discoverers: Sequence[IDiscoverer],
    neighbour_watcher: NeighbourWatcher,
) -> tuple[Detector, InspectionRunner, WorkQueue]:
    """The detector, not started yet, with its runner and its queue of inspections.

    :param parts: shared parts by interface or class, as plugins get them.
    :param make: makes the parts of one kind, by the plugins, ours among them.
    """
    registry, bus, observations = parts[Registry], parts[Bus], parts[ObservationLog]
    watchers = [each for each in discoverers if IWatcher.providedBy(each)] + make(IWatcherMaker)
    environment = Environment(
        reactor,
        time.monotonic,
        excluded=parts[Exclusions],
        observe=observations.record,
        gate=AddressGate(config.confirmed_networks, parts[INeighbours].interfaces),
    )
    sweeper = Sweeper(
        environment,
        discoverers,
        schedule=schedule(config),
        timeout=config.discovery.timeout,
        cameras=lambda: registry.count,
        emit=bus.emit,
    )
    check_interval = config.inspection.health_check_interval
    presence = PresenceCheck(registry, sweeper, interval=check_interval)
    relocator = Relocator(
        environment,
        registry,
        neighbours=parts[INeighbours],
        finders=[each for each in discoverers if IFinder.providedBy(each)],
        sweep=sweeper.hasten,
    )
    runner = InspectionRunner(
        environment,
        registry,
        inspectors=make(IInspectorMaker),
        validator=parts[RtspValidator],
        budget=parts[ILoginBudget],
        emit=bus.emit,
        missed=relocator.device_missed,
        is_present=presence.is_present,
        proof_every=proof_every(config),
        vendor_of=OuiRegistry().vendor_of,
    )
    inspections = WorkQueue(
        reactor,
        max_concurrent=config.discovery.max_concurrent,
        max_seconds=MAX_SECONDS,
        timed_out=runner.timed_out,
        is_known=registry.is_published,
        is_wanted=runner.wants,
        host_of=registry.host_of,
        pace=PACE,
    )
    detector = Detector(
        environment,
        registry,
        sweeper=sweeper,
        presence=presence,
        relocator=relocator,
        runner=runner,
        inspections=inspections,
        neighbours=parts[INeighbours] if config.discovery.mac_tracking_enabled else None,
        watchers=[*watchers, neighbour_watcher],
        liveness=TcpLiveness(reactor, parts[PacketRateLimiter]),
        check_interval=check_interval,
    )
    bus.subscribe(detector)
    neighbour_watcher.network_changed = detector.network_changed
    return detector, runner, inspections
