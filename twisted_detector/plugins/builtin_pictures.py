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
from twisted_detector.detector.pictures.live import LivePictures
from twisted_detector.detector.pictures.scheduler import PictureScheduler, PictureTurns
from twisted_detector.detector.pictures.taking import PictureLogins, PictureTaking
from twisted_detector.events import CameraForgotten, Event
from twisted_detector.inspection.device_access import DeviceAccess
from twisted_detector.inspection.other_thread import OtherThread
from twisted_detector.inspection.pictures.decoder import Decoder, available
from twisted_detector.inspection.pictures.keyframe import KeyframeTaker
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.pictures.thumbnails import Thumbnails
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import IEventListener, IListenerMaker, IServiceExtension, MakerContext
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.cameras import Picture
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictures
from twisted_detector.store.album import Album
from twisted_detector.store.album_keeper import AlbumKeeper


@implementer(IPictures, IEventListener)
class PictureService(Service):
    """All pictures of the cameras: in turn and on demand, live and small, and kept over a restart.

    :param live: pictures of the cameras that somebody looks at.
    :param thumbnails: made by the decoder, whose process ends with this service.
    :param keeper: None: no picture is kept over a restart.
    """

    def __init__(
        self,
        scheduler: PictureScheduler,
        live: LivePictures,
        *,
        decoder: Decoder,
        thumbnails: Thumbnails,
        keeper: AlbumKeeper | None,
    ) -> None:
        self._scheduler = scheduler
        self._live = live
        self._decoder = decoder
        self._thumbnails = thumbnails
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
        await self._live.stop()
        await self._thumbnails.stop()
        await self._decoder.stop()
        if self._keeper is not None:
            await self._keeper.stopService()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        self._scheduler.handle(event)
        if isinstance(event, CameraForgotten):
            self._live.forget(event.camera.id)
            self._thumbnails.forget(event.camera.id)
        if self._keeper is not None:
            self._keeper.handle(event)

    def latest(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        return self._scheduler.latest(camera_id)

    async def refresh(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        return await self._scheduler.refresh(camera_id)

    async def thumbnail(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        latest = self._scheduler.latest(camera_id)
        return await self._thumbnails.of(latest) if latest is not None else None

    async def live(self, camera_id: str, seen: str) -> Picture | None:
        """See :class:`IPictures`."""
        return await self._live.next(camera_id, seen)


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
        decode = decoder.decode if available() else None
        environment = Environment(context.clock, time.monotonic, exclusions)
        taking = PictureTaking(
            environment,
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
                KeyframeTaker(reactor, validator, decode=decode),
            ),
            logins=PictureLogins(runner.login_of, runner.has_played, access.budget),
        )
        scheduler = PictureScheduler(
            environment,
            registry,
            taking=taking,
            turns=PictureTurns(config.inspection.snapshot_interval, random.random),
            freeze_detector=freeze_detector,
            emit=bus.emit,
        )
        keeper = None
        if config.inspection.snapshot_interval:
            keeper = AlbumKeeper(
                Album(config.state_dir / "pictures"),
                OtherThread(reactor).run,
                restore=scheduler.restore,
                latest=scheduler.cache.latest,
                camera_ids=lambda: [camera.id for camera in registry.cameras()],
                monotonic=time.monotonic,
            )
        live = LivePictures(environment, camera=registry.camera, take=taking.take, decodes=decode is not None)
        return PictureService(scheduler, live, decoder=decoder, thumbnails=Thumbnails(decode), keeper=keeper)


pictures = PicturesMaker()
