"""Keeper of pictures: which are written, when, and what the cache gets back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.events import CameraForgotten, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera
from twisted_detector.model.cameras import Picture
from twisted_detector.store.album import Album
from twisted_detector.store.album_keeper import OCTETS_A_DAY, SAVE_INTERVAL, AlbumKeeper

CAMERA = Camera("020000000001", "020000000001", "10.0.0.6")
PICTURE = Picture(CAMERA.id, b"first", "image/jpeg", 1000.0, "snapshot")


class KeeperTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.now = 0.0
        self.cache: dict[str, Picture] = {}
        self.threads: list[Deferred[None]] | None = None
        self.keeper = self.make()

    def make(self) -> AlbumKeeper:
        keeper = AlbumKeeper(
            Album(self.folder),
            self.in_thread,
            restore=lambda picture: self.cache.__setitem__(picture.camera_id, picture),
            latest=self.cache.get,
            camera_ids=lambda: [CAMERA.id],
            monotonic=lambda: self.now,
        )
        keeper.startService()
        return keeper

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        if self.threads is not None:
            self.threads.append(Deferred())
            await self.threads[-1]
        return work()

    def take(self, data: bytes) -> None:
        picture = replace(PICTURE, data=data)
        self.cache[CAMERA.id] = picture
        self.keeper.handle(PictureTaken(at=1.0, camera=CAMERA, picture=picture))

    def kept(self) -> list[bytes]:
        return [picture.data for picture in Album(self.folder).load([CAMERA.id])]

    def stop(self) -> None:
        self.successResultOf(self.keeper.stopService())

    def test_few_writes(self) -> None:
        """The first is written at once, then one each SAVE_INTERVAL, and the latest at the end."""
        verifyObject(IEventListener, self.keeper)
        for data, expected in ((b"first", b"first"), (b"second", b"first")):
            self.take(data)
            self.assertEqual([expected], self.kept())
        self.now += SAVE_INTERVAL
        self.take(b"third")
        self.assertEqual([b"third"], self.kept())
        self.take(b"fourth")
        self.stop()
        self.assertEqual([b"fourth"], self.kept())

    def test_large_pictures(self) -> None:
        """They are written the more rarely: of the largest ones, every hour, so many octets a day."""
        written = 0
        for hour in range(8 * 24):
            self.take(b"%d" % hour + b"." * 2_000_000)
            written += self.kept()[0].startswith(b"%d." % hour)
            self.now += 3600
        self.assertLessEqual(written * 2_000_000, 8 * OCTETS_A_DAY + 2_000_000)
        self.assertGreater(written, 1)

    def test_over_a_restart(self) -> None:
        """The cache has it again, unless there is a newer one already; it counts as written."""
        self.take(b"first")
        self.stop()
        self.cache.clear()
        self.keeper = self.make()
        self.assertEqual(b"first", self.cache[CAMERA.id].data)
        self.take(b"second")
        self.assertEqual([b"first"], self.kept())
        self.keeper = self.make()
        self.assertEqual(b"second", self.cache[CAMERA.id].data)

    def test_a_bad_disk(self) -> None:
        """It is said once for all pictures that follow, and again after one that could be saved."""
        said: list[str] = []
        self.patch(self.keeper.log, "warn", lambda text, **more: said.append(more["problem"]))
        for times in (1, 2):
            self.folder.write_text("in the place of the folder")
            for _ in range(3):
                self.take(b"lost")
                self.now += SAVE_INTERVAL
            self.assertEqual(times, len(said))
            self.assertTrue(all(said))
            self.folder.unlink()
            self.take(b"kept")
            self.now += SAVE_INTERVAL
            self.assertEqual([b"kept"], self.kept())
            shutil.rmtree(self.folder)

    def test_forgotten_while_it_is_written(self) -> None:
        """A camera that is forgotten in that moment leaves no picture behind."""
        self.threads = []
        self.take(b"first")
        self.keeper.handle(CameraForgotten(at=2.0, camera=CAMERA))
        self.take(b"too late: it is found again")
        while self.threads:
            self.threads.pop(0).callback(None)
        self.assertEqual([b"too late: it is found again"], self.kept())
        self.threads = None
        self.keeper.handle(CameraForgotten(at=3.0, camera=CAMERA))
        self.stop()
        self.assertEqual([], self.kept())
