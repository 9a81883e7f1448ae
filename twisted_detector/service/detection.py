"""What the daemon knows and has made so far goes in; the conductor, with all that looks and asks, comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detector
from twisted_detector.detector.examiner import MAX_SECONDS, InspectionRunner
from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.liveness import TcpLiveness
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.oui import OuiRegistry
from twisted_detector.inspection.rtsp.inspector import RtspValidator
from twisted_detector.interfaces import IDiscovererMaker, IInspectorMaker, INeighbours, IWatcher, IWatcherMaker
from twisted_detector.model.addresses import Exclusions
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget
from twisted_detector.service.settings import PACE, proof_every, schedule


def make_detector(
    reactor: Any,
    config: Config,
    parts: Mapping[Any, Any],
    make: Callable[[Any], list[Any]],
    *,
    neighbour_watch: NeighbourWatcher,
) -> tuple[Detector, InspectionRunner, WorkQueue]:
    """Join them; nothing looks yet.

    :param parts: shared parts by interface or class, as plugins get them.
    :param make: lets the plugins, ours among them, make their parts of one kind.
    """
    registry, bus, casebook = parts[Registry], parts[Bus], parts[ObservationLog]
    discoverers = make(IDiscovererMaker)
    watchers = [each for each in discoverers if IWatcher.providedBy(each)] + make(IWatcherMaker)
    examiner = InspectionRunner(
        reactor,
        registry,
        inspectors=make(IInspectorMaker),
        validator=RtspValidator(
            reactor, timeout=config.rtsp_timeout, allow_basic=parts[ClearTextPolicy].allows, lanes=parts[DeviceLocks]
        ),
        budget=parts[ILoginBudget],
        emit=bus.emit,
        note=casebook.record,
        proof_every=proof_every(config),
        excluded=parts[Exclusions],
        maker_of=OuiRegistry().of,
    )
    inspections = WorkQueue(
        reactor,
        max_concurrent=config.max_concurrent_discovery,
        max_seconds=MAX_SECONDS,
        timed_out=examiner.timed_out,
        pace=PACE,
    )
    detector = Detector(
        reactor,
        registry,
        schedule=schedule(config),
        check_interval=config.health_check_interval,
        sweep_timeout=config.discovery_timeout,
        neighbours=parts[INeighbours],
        discoverers=discoverers,
        watchers=[*watchers, neighbour_watch],
        examiner=examiner,
        inspections=inspections,
        emit=bus.emit,
        monotonic=time.monotonic,
        note=casebook.record,
        excluded=parts[Exclusions],
        layer2=config.mac_tracking_enabled,
        knock=TcpLiveness(reactor, parts[PacketRateLimiter]),
    )
    bus.subscribe(detector)
    neighbour_watch.network_changed = detector.network_changed
    return detector, examiner, inspections
