"""Pictures of cameras, as page and outputs share them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Picture:
    """One still image of one camera.

    :ivar data: the bytes of the image, as the camera or our encoder made them.
    :ivar media_type: ``image/jpeg`` or ``image/png``; decided by the bytes, not by the camera's header.
    :ivar taken_at: wall seconds at which it was taken.
    :ivar source: ``snapshot`` (the camera's own, GetSnapshotUri) or ``keyframe`` (decoded from a stream).
    :ivar frozen_since: wall seconds since which the picture has not changed at all, None while it changes.
    """

    camera_id: str
    data: bytes = field(repr=False)
    media_type: str
    taken_at: float
    source: str
    frozen_since: float | None = None

    @property
    def version(self) -> str:
        """Changes when the picture does; part of its URL, so that a browser may keep it."""
        return str(int(self.taken_at * 1000))
