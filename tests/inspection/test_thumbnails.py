"""Thumbnails: made once for each picture, when somebody asks; the picture itself where none can be made."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import Malformed
from twisted_detector.inspection.pictures.thumbnails import MAX_BYTES, MAX_KEPT, MAX_WAITING, SMALL, Thumbnails
from twisted_detector.model.cameras import Picture
from twisted_detector.testing.doubles import Gate
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.wire.image import read_image

JPEG = paint(0.0, Random(1))


class Cases(SynchronousTestCase):
    def setUp(self) -> None:
        self.scaled: list[bytes] = []
        self.gate: Gate | None = None
        self.result: bytes | Exception = JPEG
        self.thumbnails = Thumbnails(self.scale)

    async def scale(self, codec: str, data: bytes) -> bytes:
        self.assertEqual("JPEG", codec)
        self.scaled.append(data)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def picture(self, camera_id: str = "a", at: float = 1.0, size: int = SMALL + 1, **more: Any) -> Picture:
        return Picture(camera_id, b"x" * size, more.pop("media_type", "image/jpeg"), at, "snapshot", **more)

    def ask(self, picture: Picture) -> Deferred[Picture]:
        return Deferred.fromCoroutine(self.thumbnails.of(picture))

    def of(self, picture: Picture) -> Picture:
        return self.successResultOf(self.ask(picture))

    def test_once(self) -> None:
        """It is made once for each picture; the next picture has its own."""
        first = self.picture()
        small = self.of(first)
        self.assertEqual((JPEG, first.version), (small.data, small.version))
        self.assertEqual(small, self.of(first))
        self.of(self.picture(at=2.0))
        self.assertEqual(2, len(self.scaled))
        self.assertEqual(1, len(self.thumbnails))
        self.thumbnails.forget("a")
        self.assertEqual(0, len(self.thumbnails))

    def test_who_asks_together(self) -> None:
        """One for all who ask meanwhile; a card that is scrolled past takes it from nobody, and does not end it."""
        self.gate = Gate()
        picture = self.picture()
        leaving, staying = self.ask(picture), self.ask(picture)
        leaving.addErrback(lambda failure: failure.trap(CancelledError) and None)
        leaving.cancel()
        self.gate.open()
        self.assertEqual(JPEG, self.successResultOf(staying).data)
        self.assertEqual(1, len(self.scaled))

    def test_the_picture_itself(self) -> None:
        """A small one, one that is no JPEG, and each where there is no decoder."""
        for picture in (self.picture(size=SMALL), self.picture(media_type="image/png")):
            self.assertIs(picture, self.of(picture))
        self.thumbnails = Thumbnails(None)
        large = self.picture()
        self.assertIs(large, self.of(large))
        self.assertEqual([], self.scaled)

    def test_what_cannot_be_scaled(self) -> None:
        """It is tried once; so is one whose thumbnail is no picture, or too large, or that fails by a fault of ours."""
        padding = b"\xff\xfe\xff\xff" + bytes(65_533)  # a comment
        large = JPEG[:2] + padding * 2 + JPEG[2:]
        self.assertGreater(len(read_image(large).data), MAX_BYTES)
        faults: tuple[bytes | Exception, ...] = (Malformed("no"), b"no picture", large, ZeroDivisionError("ours"))
        for at, self.result in enumerate(faults, 1):
            picture = self.picture(at=at)
            self.assertIs(picture, self.of(picture))
            self.assertIs(picture, self.of(picture))
            self.assertEqual(at, len(self.scaled))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(0, len(self.thumbnails))

    def test_bounds(self) -> None:
        """So many are kept, and so many wait; to the others the picture itself is given."""
        for number in range(MAX_KEPT + 5):
            self.of(self.picture(str(number)))
        self.assertEqual(MAX_KEPT, len(self.thumbnails))
        self.gate = Gate()
        waiting = [self.ask(self.picture(f"w{number}")) for number in range(MAX_WAITING)]
        more = self.picture("more")
        self.assertIs(more, self.of(more))
        self.gate.open()
        self.assertTrue(all(one.called for one in waiting))

    def test_end(self) -> None:
        """At the end none is made any more, and who waits has the picture itself."""
        self.gate = Gate()
        picture = self.picture()
        waiting = self.ask(picture)
        self.successResultOf(self.thumbnails.stop())
        self.assertIs(picture, self.successResultOf(waiting))
        self.assertIs(picture, self.of(picture))
        self.assertEqual(1, len(self.scaled))
