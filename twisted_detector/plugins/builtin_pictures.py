"""Maker of the picture scheduler with all that takes pictures: the daemon's IPictures."""

from __future__ import annotations

import random
import secrets
import time

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_runner import InspectionRunner
from twisted_detector.detector.picture_scheduler import PictureLogins, PictureScheduler, PictureTurns
from twisted_detector.events import Event
from twisted_detector.inspection.device_access import DeviceAccess
from twisted_detector.inspection.other_thread import OtherThread
from twisted_detector.inspection.pictures.decoder import Decoder, available
from twisted_detector.inspection.pictures.keyframe import KeyframeTaker
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import IEventListener, IListenerMaker, IServiceExtension, MakerContext
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.pictures import Picture
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictures
from twisted_detector.store.album import Album
from twisted_detector.store.album_keeper import AlbumKeeper


@implementer(IPictures, IEventListener)
class PictureService(Service):
    """The picture scheduler with its decoder, whose process ends with it, and with the keeper of its pictures.

    :param keeper: None: no picture is kept over a restart.
    """

    def __init__(self, scheduler: PictureScheduler, decoder: Decoder, keeper: AlbumKeeper | None) -> None:
        self._scheduler = scheduler
        self._decoder = decoder
        self._keeper = keeper

    def __repr__(self) -> str:
        return "the pictures"

    def startService(self) -> None:
        """Read the pictures that were kept, and begin."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._keeper is not None:
            self._keeper.startService()
        self._scheduler.startService()

    def stopService(self) -> Deferred[None]:
        """End what is under way, then the decoder's process; keep the latest pictures."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._scheduler.stopService()
        await self._decoder.stop()
        if self._keeper is not None:
            await self._keeper.stopService()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        self._scheduler.handle(event)
        if self._keeper is not None:
            self._keeper.handle(event)

    def latest(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        return self._scheduler.latest(camera_id)

    async def refresh(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        return await self._scheduler.refresh(camera_id)


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class PicturesMaker:
    """Pictures: the cameras' own snapshots first, then keyframes of their streams."""

    name = "pictures"
    needs = (Bus, Registry, DeviceAccess, RtspValidator, InspectionRunner, FreezeDetector, Exclusions)
    provides = IPictures

    def make(
        self,
        context: MakerContext,
        bus: Bus,
        registry: Registry,
        access: DeviceAccess,
        validator: RtspValidator,
        runner: InspectionRunner,
        freeze_detector: FreezeDetector,
        exclusions: Exclusions,
    ) -> PictureService:
        """See :class:`IMaker`."""
        config, reactor = context.config, context.reactor
        decoder = Decoder(reactor)
        scheduler = PictureScheduler(
            Environment(context.clock, time.monotonic, exclusions),
            registry,
            takers=(
                SnapshotTaker(
                    reactor,
                    timeout=config.inspection.onvif_timeout,
                    max_bytes=config.inspection.snapshot_max_bytes,
                    allow_basic=access.clear_text.allows,
                    cnonce=lambda: secrets.token_hex(8),
                    device_locks=access.locks,
                ),
                KeyframeTaker(reactor, validator, decode=decoder.decode if available() else None),
            ),
            logins=PictureLogins(runner.login_of, runner.has_played, access.budget),
            turns=PictureTurns(config.inspection.snapshot_interval, random.random),
            freeze_detector=freeze_detector,
            emit=bus.emit,
        )
        if not config.inspection.snapshot_interval:
            return PictureService(scheduler, decoder, None)
        keeper = AlbumKeeper(
            Album(config.state_dir / "pictures"),
            OtherThread(reactor).run,
            restore=scheduler.restore,
            latest=scheduler.cache.latest,
            camera_ids=lambda: [camera.id for camera in registry.cameras()],
            monotonic=time.monotonic,
        )
        return PictureService(scheduler, decoder, keeper)


pictures = PicturesMaker()
