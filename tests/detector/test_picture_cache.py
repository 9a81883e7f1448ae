"""The album: the latest of each, in bounded memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.picture_cache import PictureCache
from twisted_detector.model.pictures import Picture


def picture(camera: str, size: int, at: float = 1.0) -> Picture:
    return Picture(camera, bytes(size), "image/jpeg", at, "snapshot")


class AlbumTests(SynchronousTestCase):
    def test_latest(self) -> None:
        """A newer picture takes the place of the one before, in bytes too."""
        album = PictureCache(100)
        album.put(picture("a", 60))
        album.put(picture("a", 30, 2.0))
        self.assertEqual((album.bytes, len(album)), (30, 1))
        self.assertEqual(getattr(album.latest("a"), "taken_at", None), 2.0)
        self.assertIsNone(album.latest("b"))

    def test_bound(self) -> None:
        """Those that were taken longest ago make room; one that is too large alone leaves the others alone."""
        album = PictureCache(100)
        for camera in "abc":
            album.put(picture(camera, 40))
        self.assertEqual((album.bytes, album.latest("a")), (80, None))
        album.put(picture("d", 101))
        self.assertEqual((album.bytes, album.latest("d"), len(album)), (80, None, 2))

    def test_forget(self) -> None:
        """To forget what is not there is no fault."""
        album = PictureCache(100)
        album.put(picture("a", 40))
        album.forget("a")
        album.forget("a")
        self.assertEqual((album.bytes, len(album)), (0, 0))
