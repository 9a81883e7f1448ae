"""Live pictures: what is asked of a camera while pages wait, how often, and what is asked of none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.detector.test_picture_scheduler import ADMIN, Case
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures import live
from twisted_detector.detector.pictures.live import (
    FIRST_RETRY,
    FRESH,
    KEPT,
    LAST_RETRY,
    MAX_CAMERAS,
    MAX_SECONDS,
    MAX_VIEWERS,
    MAX_WAIT,
    PERIOD,
    LivePictures,
)
from twisted_detector.errors import Busy, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.model import Status, Stream
from twisted_detector.model.cameras import Picture
from twisted_detector.testing.doubles import Gate


class LiveCase(Case):
    """Nothing is taken in turn; each picture has other bytes."""

    interval = 0.0

    def setUp(self) -> None:
        super().setUp()
        environment = Environment(self.clock, self.clock.seconds)
        self.live = LivePictures(
            environment,
            camera=self.registry.camera,
            take=self.taking.take,
        )
        self.number = 0
        self.first.result = self.another

    def another(self) -> bytes:
        self.number += 1
        return b"picture %d" % self.number

    def nothing_is_left(self) -> None:
        self.successResultOf(self.live.stop())
        self.assertEqual(0, len(self.live))
        super().nothing_is_left()

    def next(self, camera_id: str, seen: str = "") -> Deferred[Picture | None]:
        return Deferred.fromCoroutine(self.live.next(camera_id, seen))

    def picture(self, camera_id: str, seen: str = "") -> Picture:
        picture = self.successResultOf(self.next(camera_id, seen))
        assert picture is not None
        return picture

    def leave(self, waiting: Deferred[Any]) -> None:
        """The page is gone."""
        waiting.addErrback(lambda failure: failure.trap(CancelledError) and None)
        waiting.cancel()


class Watching(LiveCase):
    def test_one_a_second(self) -> None:
        """A page that asks again and again has a new picture each second, and the camera is asked no oftener."""
        camera = self.camera()
        seen, told = "", []
        for _ in range(5):
            waiting = self.next(camera, seen)
            if not waiting.called:
                self.clock.advance(PERIOD)
            picture = self.successResultOf(waiting)
            assert picture is not None
            told.append(picture.data)
            seen = picture.version
        self.assertEqual([b"picture %d" % number for number in range(1, 6)], told)
        self.assertEqual(5, len(self.first.asked))
        self.assertEqual(10_004.0, self.clock.seconds())

    def test_shared(self) -> None:
        """Many pages that look at one camera cost it what one does."""
        camera = self.camera()
        self.first.gate = Gate()
        pages = [self.next(camera) for _ in range(10)]
        self.first.gate.open()
        self.assertEqual({b"picture 1"}, {self.successResultOf(one).data for one in pages})  # type: ignore[union-attr]
        late = self.picture(camera)
        self.assertEqual((b"picture 1", 1), (late.data, len(self.first.asked)))
        self.first.gate = None
        pages = [self.next(camera, late.version) for _ in range(10)]
        self.pass_time(PERIOD)
        self.assertEqual({b"picture 2"}, {self.successResultOf(one).data for one in pages})  # type: ignore[union-attr]
        self.assertEqual(2, len(self.first.asked))

    def test_nobody_looks(self) -> None:
        """Who got his picture and does not ask again costs nothing more; soon after nothing is kept."""
        camera = self.camera()
        self.picture(camera)
        self.pass_time(KEPT)
        self.assertEqual((1, 0), (len(self.first.asked), len(self.live)))
        self.pass_time(600)
        self.assertEqual(1, len(self.first.asked))

    def test_who_leaves(self) -> None:
        """A page that goes while it waits for the next picture takes that picture with it."""
        camera = self.camera()
        waiting = self.next(camera, self.picture(camera).version)
        self.clock.advance(PERIOD / 2)
        self.leave(waiting)
        self.pass_time(60)
        self.assertEqual(1, len(self.first.asked))

    def test_who_leaves_others(self) -> None:
        """It takes it from nobody else."""
        camera = self.camera()
        seen = self.picture(camera).version
        leaving, staying = self.next(camera, seen), self.next(camera, seen)
        self.leave(leaving)
        self.clock.advance(PERIOD)
        self.assertIsNotNone(self.successResultOf(staying))

    def test_leaves_while_it_is_taken(self) -> None:
        """What is under way comes to its end, so that a login that was sent is accounted for; nothing follows it."""
        camera = self.camera()
        self.first.gate = Gate()
        self.leave(self.next(camera))
        self.assertEqual(1, self.first.running)
        self.first.gate.open()
        self.assertEqual((0, 1), (self.first.running, self.number))
        self.pass_time(60)
        self.assertEqual(1, len(self.first.asked))

    def test_stale(self) -> None:
        """A page that comes back does not take the last picture of before for what is to be seen now."""
        camera = self.camera()
        self.picture(camera)
        self.clock.advance(FRESH)
        self.assertEqual(b"picture 2", self.picture(camera).data)

    def test_slow(self) -> None:
        """A camera that takes long is asked once at a time; a page is told to ask again, and gets what was begun."""
        camera = self.camera()
        self.first.gate = Gate()
        waiting = self.next(camera)
        for _ in range(int(MAX_WAIT)):
            self.clock.advance(1)
        self.assertIsNone(self.successResultOf(waiting))
        again = self.next(camera)
        self.assertEqual(1, len(self.first.asked))
        self.first.gate.open()
        self.assertEqual(b"picture 1", self.successResultOf(again).data)  # type: ignore[union-attr]
        self.next(camera, "other").addErrback(lambda failure: failure.trap(Unreachable) and None)

    def test_too_slow(self) -> None:
        """One that gives none in time is given up, and told of."""
        camera = self.camera()
        self.first.gate = Gate()
        self.next(camera)
        self.clock.pump([1.0] * 15)
        waiting = self.next(camera)
        self.clock.pump([1.0] * (int(MAX_SECONDS) - 15))
        problem = self.failureResultOf(waiting, Unreachable).value
        self.assertEqual(f"it gave no picture within {MAX_SECONDS:g} seconds", str(problem))
        self.assertEqual(0, self.first.running)

    def test_no_series(self) -> None:
        """Live pictures are no pictures in turn: nothing is emitted, the latest stays, and none counts as frozen."""
        camera = self.camera()
        self.successResultOf(self.refresh(camera))
        before, latest = len(self.taken()), self.scheduler.latest(camera)
        self.first.result = b"the same each time"
        seen = ""
        for _ in range(6):
            waiting = self.next(camera, seen)
            self.clock.advance(PERIOD)
            seen = self.successResultOf(waiting).version  # type: ignore[union-attr]
        self.assertEqual(before, len(self.taken()))
        self.assertEqual(latest, self.scheduler.latest(camera))
        self.assertIsNone(self.freeze_detector.frozen_since(camera))

    def test_the_way_that_gave_it(self) -> None:
        """What gave the last picture is asked first, so that a snapshot that never comes is not asked each second."""
        camera = self.camera()
        self.first.result, self.second.result = Malformed("HTML"), b"frame"
        seen = self.picture(camera).version
        for _ in range(3):
            waiting = self.next(camera, seen)
            self.clock.advance(PERIOD)
            seen = self.successResultOf(waiting).version  # type: ignore[union-attr]
        self.assertEqual((1, 4), (len(self.first.asked), len(self.second.asked)))
        self.second.result, self.first.result = Unreachable("gone"), b"snapshot again"
        waiting = self.next(camera, seen)
        self.clock.advance(PERIOD)
        self.assertEqual("snapshot", self.successResultOf(waiting).source)  # type: ignore[union-attr]


class Refusals(LiveCase):
    def test_reasons(self) -> None:
        """What cannot be shown live is told in words, and nothing is asked."""
        offline, locked = self.camera(1), self.camera(2)
        key = self.registry.key_of_camera(offline)
        assert key is not None
        self.registry.record_no_answer(key, "no answer to three checks", self.clock.seconds())
        key = self.registry.key_of_camera(locked)
        assert key is not None
        self.registry.record_auth_required(key, "a login is needed", self.clock.seconds())
        offline_words = "it is offline: no answer to three checks"
        for camera, words in (
            (offline, offline_words),
            (locked, "a login is needed"),
            ("nobody", "the camera is no longer known"),
        ):
            problem = self.failureResultOf(self.next(camera), Unreachable, Unauthorized).value
            self.assertEqual(words, str(problem))
        wordless = replace(self.registry.cameras()[0], status=Status.AUTH_REQUIRED, reason="")
        self.live = LivePictures(
            Environment(self.clock, self.clock.seconds), camera=lambda _: wordless, take=self.taking.take
        )
        self.assertEqual("it needs a login", str(self.failureResultOf(self.next("any"), Unauthorized).value))
        wordless = replace(wordless, status=Status.SLEEPS)
        self.assertEqual("it has a battery and sleeps", str(self.failureResultOf(self.next("any"), Unreachable).value))
        self.assertEqual([], self.first.asked)

    def test_no_picture(self) -> None:
        """A camera without snapshot and without a stream that can be shown has a reason, too."""
        self.first.result = None
        problem = self.failureResultOf(self.next(self.camera()), Unreachable).value
        self.assertEqual(live.NO_PICTURE, str(problem))

    def test_no_decoder(self) -> None:
        """Where it is the decoder that is missing, that is told, and of no camera whose stream would not help."""
        self.first.result = None
        self.camera()
        coded = replace(self.registry.cameras()[0], streams=(Stream("rtsp://10.0.0.1/a", codec="H265"),))
        for camera, decodes, words in (
            (coded, False, live.NO_DECODER),
            (coded, True, live.NO_PICTURE),
            (replace(coded, streams=()), False, live.NO_PICTURE),
        ):
            self.live = LivePictures(
                Environment(self.clock, self.clock.seconds),
                camera=lambda _, camera=camera: camera,
                take=self.taking.take,
                decodes=decodes,
            )
            self.assertEqual(words, str(self.failureResultOf(self.next(coded.id), Unreachable).value))
            self.successResultOf(self.live.stop())

    def test_patience(self) -> None:
        """A camera that gives none is asked after ever longer pauses, however often the pages ask; then as before."""
        camera = self.camera()
        self.first.result = Malformed("HTML")
        for _ in range(300):
            self.failureResultOf(self.next(camera), Malformed)
            self.clock.advance(1)
        self.assertEqual(4 + round((300 - FIRST_RETRY * 15) / LAST_RETRY), len(self.first.asked))
        self.first.result = b"picture"
        self.pass_time(LAST_RETRY)
        before = len(self.first.asked)
        seen = self.picture(camera).version
        self.next(camera, seen)
        self.clock.advance(PERIOD)
        self.assertEqual(before + 2, len(self.first.asked))

    def test_bounds(self) -> None:
        """So many pages wait at one time, and so many cameras are shown; one that nobody looks at makes room."""
        camera = self.camera()
        self.first.gate = Gate()
        pages = [self.next(camera) for _ in range(MAX_VIEWERS)]
        problem = str(self.failureResultOf(self.next(camera), Busy).value)
        self.assertEqual(
            f"{MAX_VIEWERS} pages already show live pictures, which is the limit; close one of them", problem
        )
        for page in pages:
            self.leave(page)
        self.first.gate.open()
        self.first.gate = None
        others = [self.camera(number) for number in range(2, MAX_CAMERAS + 2)]
        seen = [self.picture(other).version for other in others]
        self.assertEqual(MAX_CAMERAS, len(self.live))
        self.first.gate = Gate()
        waiting = [self.next(other, version) for other, version in zip(others, seen, strict=True)]
        self.clock.advance(PERIOD)
        problem = str(self.failureResultOf(self.next(camera), Busy).value)
        self.assertEqual(
            f"{MAX_CAMERAS} cameras are already shown live, which is the limit; close one of them", problem
        )
        for _ in waiting:
            self.first.gate.open()

    def test_forgotten(self) -> None:
        """Who looks at a camera that is forgotten is told so."""
        camera = self.camera()
        waiting = self.next(camera, self.picture(camera).version)
        self.live.forget(camera)
        self.assertEqual("the camera is no longer known", str(self.failureResultOf(waiting, Unreachable).value))

    def test_end(self) -> None:
        """At the end what is under way is given up, and nothing is asked any more."""
        camera = self.camera()
        self.first.gate = Gate()
        waiting = self.next(camera)
        self.successResultOf(self.live.stop())
        self.failureResultOf(waiting, Unreachable)
        self.assertEqual(0, self.first.running)
        self.assertEqual(
            "no pictures are taken any more", str(self.failureResultOf(self.next(camera), Unreachable).value)
        )

    def test_a_fault_of_ours(self) -> None:
        """It is logged once, and told as what it is."""
        camera = self.camera()
        self.first.result = ZeroDivisionError("ours")
        for _ in range(2):
            problem = self.failureResultOf(self.next(camera), Unreachable).value
            self.assertIn("internal error of camdetect", str(problem))
            self.clock.advance(FIRST_RETRY)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))


class Sharing(LiveCase):
    """Live pictures beside everything else that asks the same device."""

    def test_login(self) -> None:
        """The login goes the way of every picture: one refusal, and it is not sent again, however long one looks."""
        camera = self.camera()
        key = self.registry.key_of_camera(camera)
        assert key is not None
        self.logins[key] = ADMIN
        self.second.result = None

        def refuse() -> Exception:
            sent = self.first.asked[-1][1]
            if sent is not None:
                sent.password.reveal()
            return Unauthorized("the device refused it", attempted=sent is not None)

        self.first.result = refuse
        reasons = []
        for _ in range(1800):
            reasons.append(str(self.failureResultOf(self.next(camera), Unauthorized).value))
            self.clock.advance(1)
        self.assertEqual(1, len([sent for _, sent in self.first.asked if sent is not None]))
        self.assertEqual("the device refused it", reasons[0])
        words = "it refused its login for a snapshot lately, or did not answer, or one attempt is left: not sent"
        self.assertEqual(words, reasons[-1])

    def test_checks_come_between(self) -> None:
        """However slow a camera is, a check that waits for its device has its turn after the picture under way."""
        locks, order = DeviceLocks(), []
        gate = Gate()

        async def take(camera_id: str, first: str) -> Picture:
            async with locks.acquire("10.0.0.1"):
                order.append("picture")
                await gate.wait()
            return Picture(camera_id, b"x", "image/jpeg", self.clock.seconds(), "snapshot")

        async def check() -> None:
            async with locks.acquire("10.0.0.1"):
                order.append("check")

        self.live = LivePictures(Environment(self.clock, self.clock.seconds), camera=self.registry.camera, take=take)
        camera = self.camera()
        seen = ""
        for _ in range(3):
            waiting = self.next(camera, seen)
            self.pass_time(5)
            checking = Deferred.fromCoroutine(check())
            gate.open()
            seen = self.successResultOf(waiting).version  # type: ignore[union-attr]
            self.successResultOf(checking)
        self.assertEqual(["picture", "check"] * 3, order)
