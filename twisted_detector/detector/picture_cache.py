"""Pictures go in; the latest of each camera is kept, in so many bytes altogether."""

from __future__ import annotations

from collections import OrderedDict

from twisted_detector.model.pictures import Picture

#: 100 cameras with pictures of 300 kB each. With more, or larger ones, those that were taken longest ago make room, and
#: are taken anew when somebody asks for them.
MAX_BYTES = 32 * 1024 * 1024


class PictureCache:
    """The latest picture by camera id.

    :param max_bytes: of all of them; one that is larger alone is not kept.
    :ivar bytes: how much is kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pictures)

    def latest(self, camera_id: str) -> Picture | None:
        """The picture that is kept of a camera."""
        return self._pictures.get(camera_id)

    def put(self, picture: Picture) -> None:
        """Keep it in place of the one before."""
        self.forget(picture.camera_id)
        if len(picture.data) > self._max_bytes:
            return
        self._pictures[picture.camera_id] = picture
        self.bytes += len(picture.data)
        while self.bytes > self._max_bytes:
            self.forget(next(iter(self._pictures)))

    def forget(self, camera_id: str) -> None:
        """Keep none of this camera."""
        picture = self._pictures.pop(camera_id, None)
        if picture is not None:
            self.bytes -= len(picture.data)
