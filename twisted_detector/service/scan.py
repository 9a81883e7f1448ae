"""A single sweep by all methods, without daemon and broker.

What is learnt is kept in the state directory, as by the daemon: the login budget above all, so that scans in a row lock
no camera. Where a daemon runs, it must make the sweep itself (``cli/scan.py``): the directory belongs to one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import deferLater

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.errors import CamdetectError, Stopped, StoreError
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.interfaces import IDiscovererMaker, MakerContext
from twisted_detector.model import Camera, Message
from twisted_detector.registry.registry import Registry
from twisted_detector.service import plugin_loader
from twisted_detector.service.adoption import restore_known
from twisted_detector.service.detection import make_detector
from twisted_detector.service.parts import known_before, make_neighbours, make_parts
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.store.store import Store

#: Seconds between two progress reports.
REPORT_INTERVAL = 0.2
#: A scan ends when so many reports in a row find nothing left to do: an answer may come a moment after its question.
QUIET_REPORTS = 5
#: Seconds after the sweep's own limit in which inspections may end; a recorder with many channels takes long.
INSPECTION_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """How far a scan is.

    :ivar methods: how many methods there are; ``ended``: how many of them have swept.
    :ivar waiting: devices under inspection, or waiting for theirs.
    :ivar cameras: how many are known.
    :ivar faults: why methods failed, by method.
    """

    methods: int
    ended: int
    waiting: int
    cameras: int
    faults: tuple[tuple[str, str], ...] = ()


async def scan(reactor: Any, config: Config, report: Callable[[ScanProgress], None]) -> Sequence[Camera]:
    """Sweep once with every method, inspect the devices found, and return all cameras, ordered by id.

    :param report: receives the progress some times a second.
    :raises StoreError: the state directory cannot be used, or another process uses it.
    """
    store = Store(reactor, config.state_dir)
    await store.open()
    try:
        if store.degraded:
            raise StoreError(store.degraded)
        neighbours, limits = make_neighbours(reactor, config)
        neighbours.start()
        try:
            return await _scan(reactor, config, store, neighbours, limits, report)
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
    limits: Mapping[Any, Any],
    report: Callable[[ScanProgress], None],
) -> Sequence[Camera]:
    bus = Bus()
    parts = await make_parts(reactor, config, store, neighbours, bus, limits=limits)
    registry = parts[Registry]
    bus.subscribe(CameraSaver(store))
    context = MakerContext(
        reactor=reactor,
        config=config,
        settings={},
        publish=_unpublished,
        subscribe=lambda topic_filter, handler: lambda: None,
        parts=parts,
    )
    make = plugin_loader.loader(context)
    discoverers = make(IDiscovererMaker)
    watcher = NeighbourWatcher(reactor, neighbours)
    detector, _, inspections = make_detector(
        reactor, config, parts, make, discoverers=discoverers, neighbour_watcher=watcher
    )

    def progress() -> ScanProgress:
        swept, waiting = detector.last_sweep, inspections.depth + detector.pending
        faults = tuple((name, sweep.error) for name, sweep in sorted(swept.items()) if sweep.error)
        return ScanProgress(len(discoverers), len(swept), waiting, registry.count, faults)

    await restore_known(reactor, parts, await known_before(config, store))
    # What the kernel knows already must not look like news.
    with suppress(CamdetectError):
        await neighbours.interfaces()
    detector.start()
    try:
        await _until_quiet(reactor, config.discovery.timeout + INSPECTION_SECONDS, progress, report)
    finally:
        await detector.stop()
        parts[DeviceLocks].close_all_kept()
    return sorted(registry.cameras(), key=lambda camera: camera.id)


async def _until_quiet(
    reactor: Any, seconds: float, progress: Callable[[], ScanProgress], report: Callable[[ScanProgress], None]
) -> None:
    quiet = 0
    for _ in range(int(seconds / REPORT_INTERVAL)):
        await deferLater(reactor, REPORT_INTERVAL)
        now = progress()
        report(now)
        quiet = 0 if now.waiting or now.ended < now.methods else quiet + 1
        if quiet >= QUIET_REPORTS:
            return
