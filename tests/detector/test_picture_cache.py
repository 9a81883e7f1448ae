"""Picture cache: the latest of each camera, in bounded memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.pictures.cache import PictureCache
from twisted_detector.model.cameras import Picture


def picture(camera: str, size: int, at: float = 1.0) -> Picture:
    return Picture(camera, bytes(size), "image/jpeg", at, "snapshot")


class PictureCacheTests(SynchronousTestCase):
    def test_latest(self) -> None:
        """A newer picture takes the place of the one before, in bytes too."""
        cache = PictureCache(100)
        cache.put(picture("a", 60))
        cache.put(picture("a", 30, 2.0))
        self.assertEqual((cache.bytes, len(cache)), (30, 1))
        self.assertEqual(getattr(cache.latest("a"), "taken_at", None), 2.0)
        self.assertIsNone(cache.latest("b"))

    def test_bound(self) -> None:
        """Those that were taken longest ago make room; one that is too large alone leaves the others alone."""
        cache = PictureCache(100)
        for camera in "abc":
            cache.put(picture(camera, 40))
        self.assertEqual((cache.bytes, cache.latest("a")), (80, None))
        cache.put(picture("d", 101))
        self.assertEqual((cache.bytes, cache.latest("d"), len(cache)), (80, None, 2))

    def test_forget(self) -> None:
        """To forget what is not there is no fault."""
        cache = PictureCache(100)
        cache.put(picture("a", 40))
        cache.forget("a")
        cache.forget("a")
        self.assertEqual((cache.bytes, len(cache)), (0, 0))
