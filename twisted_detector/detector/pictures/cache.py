"""Cache of the latest picture of each camera, bounded in bytes."""

from __future__ import annotations

from twisted_detector.model.cameras import Picture

#: 100 cameras with pictures of 300 kB each. With more, or larger ones, those that were taken longest ago make room, and
#: are taken anew on demand.
MAX_BYTES = 32 * 1024 * 1024


class PictureCache:
    """Latest picture by camera id.

    :param max_bytes: of all of them; one that is larger alone is not kept.
    :ivar bytes: of what is kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._pictures: dict[str, Picture] = {}  # the one that was taken longest ago comes first

    def __len__(self) -> int:
        return len(self._pictures)

    def latest(self, camera_id: str) -> Picture | None:
        """The picture that is kept of a camera."""
        return self._pictures.get(camera_id)

    def put(self, picture: Picture) -> None:
        """Keep ``picture`` in place of the camera's one before."""
        self.forget(picture.camera_id)
        if len(picture.data) > self._max_bytes:
            return
        self._pictures[picture.camera_id] = picture
        self.bytes += len(picture.data)
        while self.bytes > self._max_bytes:
            self.forget(next(iter(self._pictures)))

    def forget(self, camera_id: str) -> None:
        """Keep no picture of this camera."""
        picture = self._pictures.pop(camera_id, None)
        if picture is not None:
            self.bytes -= len(picture.data)
