"""A Config goes in; one sweep of all methods is made now, without a broker, and the cameras that are known come out.

What is learnt is kept in the state directory, as by the daemon: the login budget above all, so that scans in a row lock
no camera. Where the daemon runs, it is asked instead (``cli_scan.py``): the directory belongs to one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import deferLater

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detector
from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.errors import CamdetectError, Stopped, StoreError
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.interfaces import IDiscovererMaker, MakerContext
from twisted_detector.model import Camera, Message
from twisted_detector.registry.registry import Registry
from twisted_detector.service import plugin_loader
from twisted_detector.service.detection import make_detector
from twisted_detector.service.state import known_before, make_knowledge, make_neighbours
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.store.store import Store

#: Seconds between two looks at how far it is.
LOOK = 0.2
#: A scan ends when so many looks in a row found nothing left to do: an answer may come a moment after its question.
QUIET_LOOKS = 5
#: Seconds after the sweep's own limit in which inspections may end; a recorder with many channels takes long.
INSPECTION_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """How far a scan is.

    :ivar methods: how many methods there are; ``ended``: how many of them have swept.
    :ivar waiting: devices that are asked, or are still to be.
    :ivar cameras: how many are known.
    :ivar faults: why methods failed, by method.
    """

    methods: int
    ended: int
    waiting: int
    cameras: int
    faults: tuple[tuple[str, str], ...] = ()


async def scan(reactor: Any, config: Config, told: Callable[[ScanProgress], None]) -> Sequence[Camera]:
    """Look once with every method, ask whoever was found, and return all cameras, ordered by id.

    :param told: is called some times a second.
    :raises StoreError: the state directory cannot be used, or another process uses it.
    """
    store = Store(reactor, config.state_dir)
    await store.open()
    try:
        if store.degraded:
            raise StoreError(store.degraded)
        neighbours, politeness = make_neighbours(reactor, config)
        neighbours.start()
        try:
            return await _scan(reactor, config, store, neighbours, politeness, told)
        finally:
            neighbours.stop()
    finally:
        await store.close()


def _unpublished(_: Message) -> Deferred[None]:
    """For plugins that publish: a scan has no broker."""
    return fail(Stopped("a scan publishes nothing"))


async def _scan(
    reactor: Any,
    config: Config,
    store: Store,
    neighbours: KernelNeighbours,
    politeness: Mapping[Any, Any],
    told: Callable[[ScanProgress], None],
) -> Sequence[Camera]:
    bus = Bus()
    parts = await make_knowledge(config, store, neighbours, bus, politeness)
    registry: Registry = parts[Registry]
    bus.subscribe(CameraSaver(store))
    context = MakerContext(
        reactor=reactor,
        config=config,
        settings={},
        publish=_unpublished,
        subscribe=lambda topic_filter, handler: lambda: None,
        parts=parts,
    )
    plugin_loader.look_in([plugin_loader.CHECKOUT_PLUGINS])
    make = partial(plugin_loader.make_all, context=context, settings=config.plugin_settings, wanted=config.plugins)
    made: list[Any] = []

    def counting(kind: Any) -> list[Any]:
        parts_of_kind = make(kind)
        if kind is IDiscovererMaker:
            made.extend(parts_of_kind)
        return parts_of_kind

    watch = NeighbourWatcher(reactor, neighbours)
    detector, _, inspections = make_detector(reactor, config, parts, counting, neighbour_watch=watch)
    registry.restore(await known_before(config, store))
    # What the kernel knows already must not look like news.
    with suppress(CamdetectError):
        await neighbours.interfaces()
    detector.start()
    try:
        await _until_done(reactor, config, detector, inspections, registry, methods=len(made), told=told)
    finally:
        await detector.stop()
        parts[DeviceLocks].drop_all()
    return sorted(registry.cameras(), key=lambda camera: camera.id)


async def _until_done(
    reactor: Any,
    config: Config,
    detector: Detector,
    inspections: WorkQueue,
    registry: Registry,
    *,
    methods: int,
    told: Callable[[ScanProgress], None],
) -> None:
    quiet = 0
    looks = int((config.discovery_timeout + INSPECTION_SECONDS) / LOOK)
    for _ in range(looks):
        await deferLater(reactor, LOOK)
        waiting = inspections.depth + detector.pending
        faults = tuple((name, sweep.error) for name, sweep in sorted(detector.last_sweep.items()) if sweep.error)
        told(ScanProgress(methods, len(detector.last_sweep), waiting, len(registry.cameras()), faults))
        busy = waiting or len(detector.last_sweep) < methods
        quiet = 0 if busy else quiet + 1
        if quiet >= QUIET_LOOKS:
            return
