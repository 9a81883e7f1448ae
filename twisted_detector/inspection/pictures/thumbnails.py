"""Thumbnails: pictures as small as a card of the page shows them, made when one is asked for and kept.

Only the decoder's process scales (the extra ``[decode]``): the bytes are a camera's. Where it is not installed, and
where it fails, the thumbnail is the picture itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, Malformed
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.cameras import Picture
from twisted_detector.wire.image import read_image

#: Bytes of a picture that is not scaled: a thumbnail has about half as many.
SMALL = 40_000
#: Bytes of a thumbnail: 480 x 270 pixels have some 20 kB, of the worst noise 90.
MAX_BYTES = 100_000
#: Cameras whose thumbnails are kept: more cards than a person scrolls past in a minute.
MAX_KEPT = 200
#: Pictures that wait for the decoder at one time; of more the picture itself is given. It scales some twenty a second.
MAX_WAITING = 64

#: Decodes a picture (codec, bytes) to a smaller JPEG.
Scale = Callable[[str, bytes], Awaitable[bytes]]


class Thumbnails:
    """Cache of the thumbnail of each camera's latest picture.

    :param scale: None where there is no decoder.
    """

    log = make_logger()

    def __init__(self, scale: Scale | None) -> None:
        self._scale = scale
        self._kept: BoundedDict[str, Picture] = BoundedDict(MAX_KEPT)
        #: By camera, the version of the picture that could not be scaled: it is not tried again.
        self._failed: BoundedDict[str, str] = BoundedDict(MAX_KEPT)
        self._waiting: dict[tuple[str, str], list[Deferred[Picture]]] = {}
        self._making: dict[tuple[str, str], Deferred[None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def of(self, picture: Picture) -> Picture:
        """The thumbnail of a picture, of its version; the picture itself where it is small or cannot be scaled."""
        if self._scale is None or picture.media_type != "image/jpeg" or len(picture.data) <= SMALL:
            return picture
        kept = self._kept.get(picture.camera_id)
        if kept is not None and kept.version == picture.version:
            return kept
        key = (picture.camera_id, picture.version)
        if key not in self._waiting and len(self._waiting) >= MAX_WAITING:
            return picture
        if self._failed.get(picture.camera_id) == picture.version:
            return picture
        waiter: Deferred[Picture] = Deferred()
        if key in self._waiting:
            self._waiting[key].append(waiter)
        else:
            self._waiting[key] = [waiter]
            # On its own: the decoder must not be ended for a card that was scrolled past.
            making = self._making[key] = Deferred.fromCoroutine(self._make(self._scale, key, picture))
            making.addBoth(lambda _: self._forget_making(key))
        return await waiter

    def _forget_making(self, key: tuple[str, str]) -> None:
        del self._making[key]

    async def _make(self, scale: Scale, key: tuple[str, str], picture: Picture) -> None:
        made = picture
        try:
            image = read_image(await scale("JPEG", picture.data))
            if len(image.data) > MAX_BYTES:
                raise Malformed("its thumbnail is too large")
            made = replace(picture, data=image.data, media_type=image.media_type)
            self._keep(made)
        except CancelledError:
            pass
        except CamdetectError as error:
            self.log.debug("No thumbnail of {camera}: {error}", camera=picture.camera_id, error=error)
            self._failed[picture.camera_id] = picture.version
        except Exception:
            self.log.failure("A thumbnail of {camera} could not be made", camera=picture.camera_id)
            self._failed[picture.camera_id] = picture.version
        for waiter in self._waiting.pop(key):
            if not waiter.called:  # its card was scrolled past
                waiter.callback(made)

    def _keep(self, made: Picture) -> None:
        self._kept.pop(made.camera_id, None)
        self._kept[made.camera_id] = made

    def forget(self, camera_id: str) -> None:
        """Keep none of this camera."""
        self._kept.pop(camera_id, None)
        self._failed.pop(camera_id, None)

    def stop(self) -> Deferred[Any]:
        """Make no more: who waits gets the picture itself. Fires when that is done."""
        self._scale = None
        making = tuple(self._making.values())
        ended: Deferred[Any] = DeferredList(making)
        for one in making:
            one.cancel()
        return ended
