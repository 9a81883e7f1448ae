"""Fourth stage of the daemon: the detector with its discoverers, watchers and inspectors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.detector.address_gate import AddressGate
from twisted_detector.detector.checks.presence import PresenceCheck
from twisted_detector.detector.detector import Detection, Detector
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_runner import MAX_SECONDS, InspectionRunner, Probes
from twisted_detector.detector.relocator import Relocator
from twisted_detector.detector.search import Network, Search
from twisted_detector.detector.sweeper import Sweeper, methods_of
from twisted_detector.detector.work_queue import QueueLimits, WorkQueue
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.discovery.sweep import arp_sweep, port_scan
from twisted_detector.discovery.sweep.liveness import TcpLiveness
from twisted_detector.inspection.oui import OuiRegistry
from twisted_detector.interfaces import IDiscoverer, IFinder, IInspector, IWatcher
from twisted_detector.service.extensions.assembly import Offers
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.settings import PACE, proof_every, schedule

#: Methods that have connected to what they report; whatever else reports a device was told of it, a plugin's too.
_CONNECTING = (arp_sweep.METHOD, port_scan.METHOD)


@dataclass(frozen=True, slots=True)
class Methods:
    """What plugins made, ours among them, to find and to ask devices."""

    discoverers: Sequence[IDiscoverer]
    watchers: Sequence[IWatcher]
    inspectors: Sequence[IInspector]


def make_detection(reactor: Any, config: Config, ground: Ground, knowledge: Knowledge, methods: Methods) -> Detection:
    """The detector, not started yet, with its runner and its queue of inspections."""
    registry, bus, neighbours = knowledge.registry, knowledge.bus, ground.neighbours
    discoverers = methods.discoverers
    found = (*discoverers, *methods.watchers)
    knowledge.observations.distrust(name for one in found for name in methods_of(one) if name not in _CONNECTING)
    own_watcher = NeighbourWatcher(reactor, neighbours)
    listening = [each for each in discoverers if IWatcher.providedBy(each)]
    environment = Environment(
        reactor,
        time.monotonic,
        excluded=ground.exclusions,
        observe=knowledge.observations.record,
        gate=AddressGate(knowledge.networks.confirmed, neighbours.interfaces),
    )
    sweeper = Sweeper(
        environment,
        discoverers,
        schedule=schedule(config),
        timeout=config.discovery.timeout,
        cameras=lambda: registry.fleet.total,
        emit=bus.emit,
    )
    check_interval = config.inspection.health_check_interval
    presence = PresenceCheck(registry, sweeper, interval=check_interval)
    relocator = Relocator(
        environment,
        registry,
        neighbours=neighbours,
        finders=[each for each in discoverers if IFinder.providedBy(each)],
        sweep=sweeper.hasten,
    )
    runner = InspectionRunner(
        environment,
        registry,
        probes=Probes(methods.inspectors, knowledge.validator, OuiRegistry().vendor_of, knowledge.given_streams.of),
        budget=knowledge.budget,
        emit=bus.emit,
        missed=relocator.device_missed,
        proof_every=proof_every(config),
    )
    inspections = WorkQueue(
        reactor,
        QueueLimits(config.discovery.max_concurrent, MAX_SECONDS, PACE),
        timed_out=runner.timed_out,
        monotonic=environment.monotonic,
        is_known=registry.is_published,
        is_wanted=runner.wants,
        host_of=registry.host_of,
    )
    detector = Detector(
        environment,
        registry,
        search=Search(sweeper, presence, relocator),
        network=Network(
            neighbours=neighbours if config.discovery.mac_tracking_enabled else None,
            watchers=(*listening, *(each for each in methods.watchers if each not in listening), own_watcher),
            liveness=TcpLiveness(reactor, ground.rate_limiter),
        ),
        runner=runner,
        inspections=inspections,
        check_interval=check_interval,
    )
    bus.subscribe(detector)
    own_watcher.network_changed.add(detector.network_changed)
    knowledge.networks.changed.add(detector.networks_changed)
    return Detection(detector, runner, inspections)


def detection_offers(detection: Detection) -> Offers:
    """What plugins may need of the detector."""
    return {Detector: detection.detector, InspectionRunner: detection.runner}
