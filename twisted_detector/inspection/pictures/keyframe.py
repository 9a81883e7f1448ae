"""Keyframe taker: a still image of the next keyframe of one of the camera's streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_detector.errors import Malformed, RemoteError, Unreachable
from twisted_detector.model import Camera, Login, Proof, Stream, StreamReport
from twisted_detector.model.cameras import Picture
from twisted_detector.seams import IPictureTaker
from twisted_detector.wire.image import read_image

#: Pixels of width that are enough for a still image: a smaller stream costs less.
WANTED_WIDTH = 1280
_DECODED = ("H264", "H265")

#: Decodes a keyframe (codec, bytes) to a JPEG.
Decode = Callable[[str, bytes], Awaitable[bytes]]


class KeyframeSource(Protocol):
    """The part of the stream validator that is used."""

    async def capture(self, stream: Stream, login: Login | None) -> tuple[StreamReport, bytes]:
        """See :meth:`RtspValidator.capture`."""


@implementer(IPictureTaker)
class KeyframeTaker:
    """Taker of one keyframe; see :class:`IPictureTaker`. Motion JPEG needs no decoder.

    :param decode: for H.264 and H.265; None where there is no decoder.
    """

    name = "keyframe"
    of_stream = True

    def __init__(self, clock: IReactorTime, captures: KeyframeSource, *, decode: Decode | None) -> None:
        self._clock = clock
        self._captures = captures
        self._decode = decode

    async def take(self, camera: Camera, login: Login | None) -> Picture | None:
        """See :class:`IPictureTaker`; None for a camera without a stream that can be shown here."""
        stream = self._choose(camera)
        if stream is None:
            return None
        report, unit = await self._captures.capture(stream, login)
        if report.proof is Proof.UNREACHABLE:
            raise Unreachable(report.reason)
        if not unit:
            raise Malformed(report.reason or "no whole keyframe came")
        codec = report.codec or stream.codec
        coded = ""
        if codec != "JPEG":
            if self._decode is None or codec not in _DECODED:
                return None
            unit, coded = await self._decode(codec, unit), report.keyframe
        try:
            image = read_image(unit)
        except RemoteError as error:
            raise Malformed("the keyframe is no picture", shown=str(error)) from None
        return Picture(camera.id, image.data, image.media_type, self._clock.seconds(), self.name, coded=coded)

    def _choose(self, camera: Camera) -> Stream | None:
        """The first stream that plays and is no larger than needed; else the first that plays, or is there at all."""
        shown = [one for one in camera.streams if one.codec == "JPEG" or (self._decode and one.codec in _DECODED)]
        playing = [one for one in shown if one.validated] or shown
        return next((one for one in playing if 0 < one.width <= WANTED_WIDTH), playing[0] if playing else None)
