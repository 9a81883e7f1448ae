"""A single sweep by all methods, without daemon and broker.

What is learnt is kept in the state directory, as by the daemon: the login budget above all, so that scans in a row lock
no camera. Where a daemon runs, it must make the sweep itself (``cli/scan.py``): the directory belongs to one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import deferLater

from twisted_detector.config.config import Config
from twisted_detector.errors import CamdetectError, Stopped, StoreError
from twisted_detector.interfaces import IDiscovererMaker, IInspectorMaker, IWatcherMaker, MakerContext
from twisted_detector.model import Camera, Message
from twisted_detector.service.adoption import restore_known
from twisted_detector.service.detection import Methods, make_detection
from twisted_detector.service.extensions.assembly import PluginAssembly
from twisted_detector.service.ground import Ground, make_ground
from twisted_detector.service.knowledge import known_before, make_knowledge
from twisted_detector.store.camera_saver import CameraSaver

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
    ground = make_ground(reactor, config)
    config = await ground.open()
    try:
        if ground.store.degraded:
            raise StoreError(ground.store.degraded)
        ground.neighbours.start()
        try:
            return await _scan(reactor, config, ground, report)
        finally:
            ground.neighbours.stop()
    finally:
        await ground.store.close()


def _unpublished(_: Message) -> Deferred[None]:
    """For plugins that publish: a scan has no broker."""
    return fail(Stopped("a scan publishes nothing"))


def _unsubscribed(_: str, handler: object) -> Callable[[], None]:
    """For plugins that subscribe: nothing comes."""
    return lambda: None


async def _scan(
    reactor: Any, config: Config, ground: Ground, report: Callable[[ScanProgress], None]
) -> Sequence[Camera]:
    knowledge = await make_knowledge(reactor, config, ground)
    registry = knowledge.registry
    knowledge.bus.subscribe(CameraSaver(ground.store))
    plugins = PluginAssembly(MakerContext(reactor, config, {}, _unpublished, _unsubscribed))
    plugins.offer({**ground.offers, **knowledge.offers})
    methods = Methods(*plugins.make(IDiscovererMaker, IWatcherMaker, IInspectorMaker))
    detection = make_detection(reactor, config, ground, knowledge, methods)
    detector, inspections = detection.detector, detection.inspections

    def progress() -> ScanProgress:
        swept, waiting = detector.last_sweep, inspections.depth + detector.pending
        faults = tuple((name, sweep.error) for name, sweep in sorted(swept.items()) if sweep.error)
        return ScanProgress(len(methods.discoverers), len(swept), waiting, registry.fleet.total, faults)

    known = await known_before(config, ground.store)
    await restore_known(reactor, registry, knowledge.adoption, knowledge.budget, known)
    # What the kernel knows already must not look like news.
    with suppress(CamdetectError):
        await ground.neighbours.interfaces()
    detector.start()
    try:
        await _until_quiet(reactor, config.discovery.timeout + INSPECTION_SECONDS, progress, report)
    finally:
        await detector.stop()
        plugins.supervision.stop()
        knowledge.access.locks.close_all_kept()
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
