"""A camera and a login go in; a still image of one of its streams' next keyframe comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_detector.errors import Malformed, RemoteError, Unreachable
from twisted_detector.model import Camera, Login, Proof, Stream, StreamReport
from twisted_detector.model.pictures import Picture
from twisted_detector.seams import IPictureTaker
from twisted_detector.wire.image import read_image

#: Pixels of width from which on a stream is larger than anybody wants to see its still: a smaller one costs less.
ENOUGH = 1280
_DECODED = ("H264", "H265")

#: Makes a JPEG of a keyframe: (codec, bytes).
Decode = Callable[[str, bytes], Awaitable[bytes]]


class Captures(Protocol):
    """What is needed of the stream validator."""

    async def capture(self, stream: Stream, login: Login | None) -> tuple[StreamReport, bytes]:
        """See :meth:`RtspValidator.capture`."""


@implementer(IPictureTaker)
class KeyframeTaker:
    """Waits for one keyframe; see :class:`IPictureTaker`. Motion JPEG needs no decoder.

    :param decode: makes pictures of H.264 and H.265; None where there is no decoder.
    """

    name = "keyframe"

    def __init__(self, clock: IReactorTime, captures: Captures, decode: Decode | None) -> None:
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
        if codec != "JPEG":
            if self._decode is None or codec not in _DECODED:
                return None
            unit = await self._decode(codec, unit)
        try:
            image = read_image(unit)
        except RemoteError as error:
            raise Malformed("the keyframe is no picture", shown=str(error)) from None
        return Picture(camera.id, image.data, image.media_type, self._clock.seconds(), self.name)

    def _choose(self, camera: Camera) -> Stream | None:
        """The first stream that plays and is no larger than needed; else the first that plays, or is there at all."""
        shown = [one for one in camera.streams if one.codec == "JPEG" or (self._decode and one.codec in _DECODED)]
        playing = [one for one in shown if one.validated] or shown
        return next((one for one in playing if 0 < one.width <= ENOUGH), playing[0] if playing else None)
