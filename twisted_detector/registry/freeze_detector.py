"""Detector of frozen cameras, by the digests of their pictures.

A live sensor has noise: two pictures of the stillest scene differ in their coded bytes. Several equal ones in a row are
a frozen picture: an encoder that hangs, a recorder that repeats its last frame. Decided by counting, as offline is, for
the wall clock jumps. For a synthetic source (a test pattern, a screen without a pointer) the detector may be wrong, so
it can be switched off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted_detector.model.bounds import BoundedDict

#: The fewest equal observations, whatever the intervals: a camera may hand out one snapshot for some seconds.
MIN_EQUAL = 5
#: Streams of one camera that are compared: a camera has two to four, but its URLs may change, perhaps often.
MAX_SERIES = 8


@dataclass
class _Series:
    """Equal digests in a row, of one stream or of the snapshots."""

    digest: str
    count: int
    since: float


@dataclass
class _Camera:
    series: BoundedDict[str, _Series] = field(default_factory=lambda: BoundedDict(MAX_SERIES))
    frozen_since: float | None = None


class FreezeDetector:
    """Decides which cameras are frozen. One picture that differs, of any stream, begins all counts of a camera anew.

    :param checks: equal keyframes of one stream, one a check, that make its camera frozen; 0 for never.
    :param pictures: equal pictures of one camera that make it frozen; 0 for never.
    """

    def __init__(self, *, checks: int = 0, pictures: int = 0) -> None:
        self._checks = checks
        self._pictures = pictures
        self._cameras: dict[str, _Camera] = {}

    def __len__(self) -> int:
        return len(self._cameras)

    def record_keyframe(self, camera_id: str, url: str, digest: str, now: float) -> None:
        """Record the digest of the keyframe that a check saw; "" is ignored."""
        self._observe(camera_id, url, digest, now, self._checks)

    def record_picture(self, camera_id: str, digest: str, now: float) -> None:
        """Record the digest of a picture taken by schedule; those on demand may follow one another too quickly."""
        self._observe(camera_id, "", digest, now, self._pictures)

    def frozen_since(self, camera_id: str) -> float | None:
        """Wall seconds at which the frozen picture was seen first; None for a camera that is not frozen."""
        camera = self._cameras.get(camera_id)
        return camera.frozen_since if camera is not None else None

    def forget(self, camera_id: str) -> None:
        """Begin the counts of a camera anew: it went offline, or was removed."""
        self._cameras.pop(camera_id, None)

    def _observe(self, camera_id: str, name: str, digest: str, now: float, limit: int) -> None:
        if not digest or not limit:
            return
        camera = self._cameras.setdefault(camera_id, _Camera())
        series = camera.series.get(name)
        if series is None:
            camera.series[name] = _Series(digest, 1, now)
            return
        if series.digest != digest:
            for each in camera.series.values():
                each.count, each.since = 1, now
            series.digest = digest
            camera.frozen_since = None
            return
        series.count += 1
        if series.count >= limit and camera.frozen_since is None:
            camera.frozen_since = series.since
