"""Digests of what a camera shows go in, one by one; since when it has shown the very same picture comes out.

A live sensor has noise: two pictures of the stillest scene differ in their coded bytes. So many equal ones in a row are
a frozen picture: an encoder that hangs, a recorder that repeats its last frame. Decided by counting, as offline is, for
the wall clock jumps. Of a synthetic source (a test pattern, a screen without a pointer) it may be wrong, so it can be
switched off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Reason of a camera's status ``stream_error``.
FROZEN = "frozen"
#: The fewest equal observations, whatever the intervals: a camera may hand out one snapshot for some seconds.
LEAST = 5
#: Streams of one camera that are followed: a camera has two to four.
MAX_SERIES = 8


@dataclass
class _Series:
    """Equal observations in a row: of one stream, or of the snapshots."""

    digest: str
    count: int
    since: float


@dataclass
class _Camera:
    series: dict[str, _Series] = field(default_factory=dict)
    since: float | None = None


class FreezeDetector:
    """Which cameras are frozen. Whatever moves on a camera, one stream or its snapshot, clears all of it.

    :param checks: so many equal keyframes of one stream, one a check; 0 for never.
    :param pictures: so many equal pictures of one camera; 0 for never.
    """

    def __init__(self, *, checks: int = 0, pictures: int = 0) -> None:
        self._checks = checks
        self._pictures = pictures
        self._cameras: dict[str, _Camera] = {}

    def __len__(self) -> int:
        return len(self._cameras)

    def checked(self, camera_id: str, url: str, digest: str, now: float) -> None:
        """A check saw a keyframe with this digest; "" says nothing."""
        self._observe(camera_id, url, digest, now, self._checks)

    def pictured(self, camera_id: str, digest: str, now: float) -> None:
        """A picture with this digest was taken in its turn; those on demand may follow one another too quickly."""
        self._observe(camera_id, "", digest, now, self._pictures)

    def since(self, camera_id: str) -> float | None:
        """Wall seconds at which the picture that is still shown was seen first; None while it moves."""
        camera = self._cameras.get(camera_id)
        return camera.since if camera is not None else None

    def forget(self, camera_id: str) -> None:
        """The camera went, or is no more: begin anew."""
        self._cameras.pop(camera_id, None)

    def _observe(self, camera_id: str, name: str, digest: str, now: float, limit: int) -> None:
        if not digest or not limit:
            return
        camera = self._cameras.setdefault(camera_id, _Camera())
        series = camera.series.get(name)
        if series is None:
            camera.series[name] = _Series(digest, 1, now)
            if len(camera.series) > MAX_SERIES:  # its URLs changed, perhaps often
                del camera.series[next(iter(camera.series))]
            return
        if series.digest != digest:
            for each in camera.series.values():
                each.count, each.since = 1, now
            series.digest = digest
            camera.since = None
            return
        series.count += 1
        if series.count >= limit and camera.since is None:
            camera.since = series.since
