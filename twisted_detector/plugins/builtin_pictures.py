"""Maker of the picture scheduler with all that takes pictures: the daemon's IPictures."""

from __future__ import annotations

import random
import secrets
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.detector.inspection_runner import InspectionRunner
from twisted_detector.detector.picture_scheduler import PictureScheduler
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.other_thread import OtherThread
from twisted_detector.inspection.pictures.decoder import Decoder, available
from twisted_detector.inspection.pictures.keyframe import KeyframeTaker
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import IServiceExtension, MakerContext
from twisted_detector.model.addresses import Exclusions
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IPictures
from twisted_detector.store.album import Album
from twisted_detector.store.album_keeper import AlbumKeeper


class Pictures(PictureScheduler):
    """The picture scheduler with its decoder, whose process ends with it, and with the keeper of its pictures."""

    def __init__(self, *arguments: Any, decoder: Decoder, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._decoder = decoder
        self.keeper: AlbumKeeper | None = None

    def startService(self) -> None:
        """Read the pictures that were kept, and begin."""
        if self.keeper is not None:
            self.keeper.startService()
        super().startService()

    def stopService(self) -> Deferred[object]:
        """End what is under way, then the decoder's process; keep the latest pictures."""
        ended = super().stopService().addCallback(lambda _: Deferred.fromCoroutine(self._decoder.stop()))
        keeper = self.keeper
        return ended if keeper is None else ended.addCallback(lambda _: keeper.stopService())


@implementer(IPlugin, IServiceExtension)
class PicturesMaker:
    """Pictures: the cameras' own snapshots first, then keyframes of their streams.

    ``early``: other extensions find ``parts[IPictures]`` when they are made.
    """

    name = "pictures"
    early = True

    def make(self, context: MakerContext) -> Pictures | None:
        """See :class:`IMaker`; None without a registry, as in the tests of a plugin's author."""
        config, parts, reactor = context.config, context.parts, context.reactor
        if Registry not in parts:
            return None
        decoder = Decoder(reactor)
        scheduler = Pictures(
            reactor,
            parts[Registry],
            takers=(
                SnapshotTaker(
                    reactor,
                    timeout=config.inspection.onvif_timeout,
                    max_bytes=config.inspection.snapshot_max_bytes,
                    allow_basic=parts[ClearTextPolicy].allows,
                    cnonce=lambda: secrets.token_hex(8),
                    device_locks=parts[DeviceLocks],
                ),
                KeyframeTaker(reactor, parts[RtspValidator], decoder.decode if available() else None),
            ),
            login_of=parts[InspectionRunner].login_of,
            budget=parts[ILoginBudget],
            freeze_detector=parts[FreezeDetector],
            emit=parts[Bus].emit,
            interval=config.inspection.snapshot_interval,
            monotonic=time.monotonic,
            random=random.random,
            excluded=parts[Exclusions],
            decoder=decoder,
        )
        parts[Bus].subscribe(scheduler)
        if config.inspection.snapshot_interval:
            scheduler.keeper = AlbumKeeper(
                Album(config.state_dir / "pictures"),
                OtherThread(reactor).run,
                restore=scheduler.restore,
                latest=scheduler.cache.latest,
                camera_ids=lambda: [camera.id for camera in parts[Registry].cameras()],
                monotonic=time.monotonic,
            )
            parts[Bus].subscribe(scheduler.keeper)
        parts[IPictures] = scheduler
        return scheduler


pictures = PicturesMaker()
