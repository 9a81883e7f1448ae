"""The configuration goes in; the photographer comes out, with all that takes pictures: the daemon's IPictures."""

from __future__ import annotations

import random
import secrets
import time
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.detector.examiner import InspectionRunner
from twisted_detector.detector.picture_scheduler import PictureScheduler
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.pictures.decoder import Decoder, available
from twisted_detector.inspection.pictures.keyframe import KeyframeTaker
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.rtsp.inspector import RtspValidator
from twisted_detector.interfaces import IServiceExtension, MakerContext
from twisted_detector.model.addresses import Exclusions
from twisted_detector.registry.frozen import FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IPictures


class Pictures(PictureScheduler):
    """The photographer with his decoder, which ends with him."""

    decoder: Decoder

    def stopService(self) -> Deferred[object]:
        """End what is under way, then the decoder's process."""
        return super().stopService().addCallback(lambda _: Deferred.fromCoroutine(self.decoder.stop()))


@implementer(IPlugin, IServiceExtension)
class PicturesMaker:
    """Pictures: the cameras' own snapshots first, then keyframes of their streams.

    ``early``: other extensions find ``parts[IPictures]`` when they are made.
    """

    name = "pictures"
    early = True

    def make(self, context: MakerContext) -> Pictures | None:
        """See :class:`IMaker`; None where nobody knows cameras, as in the tests of a plugin's author."""
        config, parts, reactor = context.config, context.parts, context.reactor
        if Registry not in parts:
            return None
        decoder = Decoder(reactor)
        validator = RtspValidator(
            reactor, timeout=config.rtsp_timeout, allow_basic=parts[ClearTextPolicy].allows, lanes=parts[DeviceLocks]
        )
        studio = Pictures(
            reactor,
            parts[Registry],
            takers=(
                SnapshotTaker(
                    reactor,
                    timeout=config.onvif_timeout,
                    max_bytes=config.snapshot_max_bytes,
                    allow_basic=parts[ClearTextPolicy].allows,
                    cnonce=lambda: secrets.token_hex(8),
                    lanes=parts[DeviceLocks],
                ),
                KeyframeTaker(reactor, validator, decoder.decode if available() else None),
            ),
            login_of=parts[InspectionRunner].login_of,
            budget=parts[ILoginBudget],
            stills=parts[FreezeDetector],
            emit=parts[Bus].emit,
            interval=config.snapshot_interval,
            monotonic=time.monotonic,
            random=random.random,
            excluded=parts[Exclusions],
        )
        studio.decoder = decoder
        parts[Bus].subscribe(studio)
        # The parts are one dict while the daemon is made; those who only read them see a Mapping.
        cast("dict[Any, Any]", parts)[IPictures] = studio
        return studio


pictures = PicturesMaker()
