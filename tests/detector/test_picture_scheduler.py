"""Picture scheduler: when pictures are taken, by which taker, with which login, and what is emitted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.facts import PLAYS, adopting, inspection, login, sighting, stream
from twisted_detector.bus import Bus
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures import scheduler as picture_scheduler
from twisted_detector.detector.pictures.scheduler import (
    FIRST_SPREAD,
    FRESH,
    MAX_BACKOFF,
    MAX_CONCURRENT,
    MAX_SECONDS,
    PictureScheduler,
    PictureTurns,
)
from twisted_detector.detector.pictures.taking import PictureLogins, PictureTaking
from twisted_detector.errors import LoginWithheld, Malformed, Unauthorized, Unreachable
from twisted_detector.events import PictureTaken
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.model import Camera, Login, Mac
from twisted_detector.model.cameras import Picture
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictureTaker
from twisted_detector.testing.doubles import Gate, RecordingListener

ADMIN = login("admin", "canary-picture")
INTERVAL = 300.0


@implementer(IPictureTaker)
class ScriptedTaker:
    """Takes pictures of what the test says: bytes, None, or an exception."""

    def __init__(self, clock: Clock, name: str = "snapshot", result: Any = b"picture") -> None:
        self.name = name
        self.of_stream = name == "keyframe"
        self.result: Any = result
        self.coded: Callable[[], str] = str
        self.gate: Gate | None = None
        self.asked: list[tuple[str, Login | None]] = []
        self.running = self.most = 0
        self._clock = clock

    async def take(self, camera: Camera, login: Login | None) -> Picture | None:
        self.asked.append((camera.id, login))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.running -= 1
        result = self.result() if callable(self.result) and not isinstance(self.result, type) else self.result
        if isinstance(result, BaseException):
            raise result
        if result is None:
            return None
        return Picture(camera.id, result, "image/jpeg", self._clock.seconds(), self.name, coded=self.coded())


class Case(SynchronousTestCase):
    interval = INTERVAL

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(10_000)
        self.listener = RecordingListener()
        bus = Bus()
        bus.subscribe(self.listener)
        self.freeze_detector = FreezeDetector(pictures=3)
        self.registry = Registry(bus.emit, missed_limit=1, freeze_detector=self.freeze_detector, adoption=adopting())
        self.budget = LoginBudget([ADMIN], salt="s", save=lambda key, text: None)
        self.first, self.second = ScriptedTaker(self.clock), ScriptedTaker(self.clock, "keyframe", None)
        self.logins: dict[int, Login] = {}
        self.played: set[int] = set()
        self.emit, self.subscribe = bus.emit, bus.subscribe
        self.make()
        self.scheduler.startService()
        self.addCleanup(self.nothing_is_left)

    def make(self) -> None:
        environment = Environment(self.clock, self.clock.seconds, ("10.0.0.66",))
        self.taking = PictureTaking(
            environment,
            self.registry,
            takers=(self.first, self.second),
            logins=PictureLogins(self.logins.get, self.played.__contains__, self.budget),
        )
        self.scheduler = PictureScheduler(
            environment,
            self.registry,
            taking=self.taking,
            turns=PictureTurns(self.interval, lambda: 0.5),
            freeze_detector=self.freeze_detector,
            emit=self.emit,
        )
        self.subscribe(self.scheduler)

    def nothing_is_left(self) -> None:
        self.successResultOf(self.scheduler.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def camera(self, number: int = 1, *, plays: bool = True) -> str:
        address = f"10.0.0.{number}"
        seen = self.registry.record_sighting(
            sighting(address, Mac(f"02:00:00:00:00:{number:02x}")), self.clock.seconds()
        )
        assert seen is not None
        self.registry.begin_inspection(seen.key, self.clock.seconds())
        self.registry.record_inspection(
            seen.key, inspection(address, stream(address, plays=plays)), self.clock.seconds()
        )
        (camera,) = self.registry.cameras_of(seen.key)
        return camera.id

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def refresh(self, camera_id: str) -> Deferred[Picture | None]:
        return Deferred.fromCoroutine(self.scheduler.refresh(camera_id))

    def taken(self) -> list[PictureTaken]:
        return [event for event in self.listener.events if isinstance(event, PictureTaken)]


class InTurn(Case):
    """Pictures that nobody asked for."""

    def test_interface(self) -> None:
        """It is what page and outputs expect."""
        verifyObject(IPictureTaker, self.first)

    def test_known_at_the_start(self) -> None:
        """Cameras that were there before the start are planned a slice at a time, once; none is looked at again."""
        self.successResultOf(self.scheduler.stopService())
        self.patch(picture_scheduler, "MAX_STEPS", 10)
        cameras = [self.camera(number) for number in range(1, 60)]
        self.make()
        looked: list[str] = []
        find = self.registry.camera
        self.patch(self.registry, "camera", lambda camera_id: (looked.append(camera_id), find(camera_id))[1])
        self.first.result = None
        self.scheduler.startService()
        self.pass_time(FIRST_SPREAD * 4)
        self.assertEqual(sorted(cameras), sorted(camera for camera, _ in self.first.asked))
        looked.clear()
        self.pass_time(60)
        self.assertEqual([], looked)

    def test_many_that_fail_at_once(self) -> None:
        """Hundreds of which none can be taken, and all due at the same moment, are passed over one after the other."""
        for number in range(1, 250):
            self.camera(number)
        self.first.result = self.second.result = Unreachable("no")
        self.patch(self.registry, "is_at", lambda key, address: False)
        self.pass_time(FIRST_SPREAD + 1)
        self.assertEqual(249, self.scheduler.counts["unreachable"])

    def test_again_and_again(self) -> None:
        """A camera that is online is taken soon after the start, then each interval, and it is told."""
        camera = self.camera()
        self.assertIsNone(self.scheduler.latest(camera))
        self.pass_time(FIRST_SPREAD)
        self.assertEqual(len(self.first.asked), 1)
        latest = self.scheduler.latest(camera)
        assert latest is not None
        self.assertEqual((latest.data, latest.source, latest.taken_at), (b"picture", "snapshot", 10_002.0))
        self.pass_time(3 * INTERVAL)
        self.assertEqual(len(self.first.asked), 4)
        self.assertEqual(self.taken()[0].picture.taken_at, 10_002.0)
        self.assertEqual(len(self.taken()), 4)

    def test_soon_after_the_first_proof(self) -> None:
        """Whoever waits for the picture of a camera that was just found sees it within ten seconds."""
        self.pass_time(3 * INTERVAL)
        for number in range(1, 12):
            self.camera(number)
        self.pass_time(FIRST_SPREAD + 1)
        self.assertEqual(len(self.first.asked), 11)

    def test_kept_over_a_restart(self) -> None:
        """One whose picture is there already has its turn within the interval, and leaves room for the others."""
        early, late = Picture("020000000001", b"x", "image/jpeg", 1.0, "snapshot"), "020000000002"
        self.scheduler.restore(early)
        for number in (1, 2):
            self.camera(number)
        self.scheduler.restore(replace(early, camera_id=late))  # read when the cameras were planned already
        self.pass_time(INTERVAL / 2 - 1)
        self.assertEqual(self.first.asked, [])
        self.pass_time(2)
        self.assertEqual(len(self.first.asked), 2)

    def test_back_again(self) -> None:
        """A camera that does not play when its turn comes is planned again by the event that it plays."""
        camera = self.camera()
        self.pass_time(FIRST_SPREAD)
        key = self.registry.key_of_camera(camera)
        assert key is not None
        self.registry.record_no_answer(key, "no answer", self.clock.seconds())
        self.pass_time(2 * INTERVAL)
        self.assertEqual(len(self.first.asked), 1)
        self.camera()
        self.pass_time(INTERVAL)
        self.assertEqual(len(self.first.asked), 2)

    def test_only_what_shows_something(self) -> None:
        """A camera whose streams do not play, or that is offline, is not asked."""
        self.camera(1, plays=False)
        gone = self.registry.key_of_camera(self.camera(2))
        assert gone is not None
        self.registry.record_no_answer(gone, "no answer", self.clock.seconds())
        self.pass_time(2 * INTERVAL)
        self.assertEqual(self.first.asked, [])

    def test_excluded(self) -> None:
        """A camera that was known before its address was excluded is asked neither in turn nor on demand."""
        camera = self.camera(66)
        self.pass_time(2 * INTERVAL)
        problem = self.failureResultOf(self.refresh(camera), Unreachable).value
        self.assertEqual("nothing is sent to its address (SCAN_EXCLUDE)", str(problem))
        self.assertEqual(self.first.asked, [])

    def test_few_at_a_time(self) -> None:
        """However many are due, so many are asked at one time, and each once."""
        self.first.gate = Gate()
        cameras = {self.camera(number) for number in range(1, 12)}
        self.pass_time(FIRST_SPREAD)
        self.assertEqual(self.first.running, MAX_CONCURRENT)
        for _ in range(6):
            self.first.gate.open()
        self.assertEqual({one for one, _ in self.first.asked}, cameras)
        self.assertEqual((self.first.most, len(self.first.asked)), (MAX_CONCURRENT, 11))

    def test_patience(self) -> None:
        """A camera that gives none is asked more and more rarely, and as before once it gives one."""
        self.first.result = Malformed("no picture")
        self.camera()
        self.pass_time(20 * INTERVAL)
        self.assertLess(len(self.first.asked), 7)
        self.first.result = b"picture"
        self.pass_time(MAX_BACKOFF * INTERVAL)
        before = len(self.first.asked)
        self.pass_time(4 * INTERVAL)
        self.assertEqual(len(self.first.asked), before + 4)

    def test_dark_scene(self) -> None:
        """Our JPEG of a dark scene has none of the noise that is in what the camera coded: by that it is judged."""
        camera, noise = self.camera(), itertools.count()
        self.first.coded = lambda: str(next(noise))
        self.pass_time(FIRST_SPREAD + 4 * INTERVAL)
        self.assertIsNone(self.freeze_detector.frozen_since(camera))
        self.first.coded = lambda: "the same"
        self.pass_time(4 * INTERVAL)
        self.assertIsNotNone(self.freeze_detector.frozen_since(camera))

    def test_frozen_pictures(self) -> None:
        """Equal pictures in a row are a frozen camera; its pictures are still taken, and say that it is frozen."""
        camera = self.camera()
        self.pass_time(FIRST_SPREAD + 2 * INTERVAL)
        latest = self.scheduler.latest(camera)
        assert latest is not None
        self.assertEqual(latest.frozen_since, 10_002.0)
        key = self.registry.key_of_camera(camera)
        assert key is not None
        self.registry.record_check(key, {"rtsp://10.0.0.1:554/main": PLAYS}, self.clock.seconds())
        self.assertEqual(self.registry.cameras()[0].reason, "frozen")
        self.first.result = b"another"
        self.pass_time(INTERVAL + 1)
        self.assertIsNone(self.freeze_detector.frozen_since(camera))
        self.assertIsNone(self.taken()[-1].picture.frozen_since)

    def test_forgotten(self) -> None:
        """Of a camera that is no more nothing is kept; one that is forgotten meanwhile gives no picture."""
        camera = self.camera()
        self.pass_time(FIRST_SPREAD)
        self.registry.forget(camera, self.clock.seconds())
        self.assertIsNone(self.scheduler.latest(camera))
        self.first.gate = Gate()
        camera = self.camera(2)
        asked = self.refresh(camera)
        self.registry.forget(camera, self.clock.seconds())
        self.first.gate.open()
        self.assertIsNone(self.successResultOf(asked))
        self.assertEqual(len(self.scheduler.cache), 0)

    def test_a_fault_of_ours(self) -> None:
        """A taker that fails by a fault of ours is logged once a row and hurts nobody else."""
        self.first.result = ZeroDivisionError("ours")
        camera = self.camera()
        problem = self.failureResultOf(self.refresh(camera), Unreachable)
        self.assertIn("internal error of camdetect", str(problem.value))
        self.failureResultOf(self.refresh(camera), Unreachable)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.first.result = b"picture"
        self.assertIsNotNone(self.successResultOf(self.refresh(camera)))


class OnDemand(Case):
    """Pictures that somebody asks for."""

    interval = 0.0

    def test_one_for_all(self) -> None:
        """All who ask while one is being taken get that one; soon after it is still new enough."""
        camera = self.camera()
        self.first.gate = Gate()
        asked = [self.refresh(camera) for _ in range(5)]
        self.first.gate.open()
        pictures = [self.successResultOf(one) for one in asked]
        self.assertEqual(len({id(one) for one in pictures}), 1)
        self.clock.advance(FRESH - 0.1)
        self.assertIsNotNone(self.successResultOf(self.refresh(camera)))
        self.assertEqual(len(self.first.asked), 1)
        self.clock.advance(0.1)
        again = self.refresh(camera)
        self.first.gate.open()
        self.assertIsNotNone(self.successResultOf(again))
        self.assertEqual(len(self.first.asked), 2)

    def test_never_by_itself(self) -> None:
        """With an interval of 0 nothing is taken that nobody asked for."""
        self.camera()
        self.pass_time(1000)
        self.assertEqual(self.first.asked, [])

    def test_nobody_and_nothing(self) -> None:
        """There is no picture of a camera that there is not, nor of one that gives none."""
        self.assertIsNone(self.successResultOf(self.refresh("nobody")))
        self.first.result = None
        self.assertIsNone(self.successResultOf(self.refresh(self.camera())))

    def test_the_next_method(self) -> None:
        """Where the snapshot fails the stream is asked; when both do, the last problem is told."""
        camera = self.camera()
        self.first.result = Malformed("HTML")
        self.second.result = b"frame"
        picture = self.successResultOf(self.refresh(camera))
        assert picture is not None
        self.assertEqual((picture.source, picture.data), ("keyframe", b"frame"))
        self.clock.advance(FRESH)
        self.second.result = Unreachable("gone")
        self.assertEqual(str(self.failureResultOf(self.refresh(camera), Unreachable).value), "gone")
        self.second.result = None
        self.failureResultOf(self.refresh(camera), Malformed)

    def test_who_gives_up_waiting(self) -> None:
        """One who does not wait any longer takes the picture from nobody else."""
        camera = self.camera()
        self.first.gate = Gate()
        impatient, patient = self.refresh(camera), self.refresh(camera)
        impatient.addErrback(lambda failure: None)
        impatient.cancel()
        self.first.gate.open()
        self.assertIsNotNone(self.successResultOf(patient))

    def test_too_slow(self) -> None:
        """A picture that does not come to an end is given up, and the next can be taken."""
        camera = self.camera()
        self.first.gate = Gate()
        asked = self.refresh(camera)
        self.clock.advance(MAX_SECONDS)
        problem = self.failureResultOf(asked, Unreachable).value
        self.assertEqual(f"no picture within {MAX_SECONDS:g} seconds", str(problem))
        self.first.gate = None
        self.assertIsNotNone(self.successResultOf(self.refresh(camera)))

    def test_end(self) -> None:
        """At the end what is under way is given up, who waits is told, and nobody is served any more."""
        camera = self.camera()
        self.first.gate = Gate()
        asked = self.refresh(camera)
        self.successResultOf(self.scheduler.stopService())
        for one in (asked, self.refresh(camera)):
            self.assertEqual("no pictures are taken any more", str(self.failureResultOf(one, Unreachable).value))
        self.assertEqual(self.first.running, 0)


class Logins(Case):
    """A secret is spent as sparingly as everywhere else."""

    interval = 0.0

    def known(self, camera_id: str) -> int:
        key = self.registry.key_of_camera(camera_id)
        assert key is not None
        self.logins[key] = ADMIN
        return key

    def refused(self, *, locked: bool = False) -> Callable[[], Exception]:
        """As a camera that wants a login and does not let this one in."""

        def answer() -> Exception:
            sent = self.first.asked[-1][1] is not None
            return Unauthorized("no", attempted=sent, locked=locked and sent)

        return answer

    def test_only_the_one_that_was_let_in(self) -> None:
        """The login that the device let in goes to the taker; without one, none does."""
        camera = self.camera()
        self.successResultOf(self.refresh(camera))
        self.known(camera)
        self.clock.advance(FRESH)
        self.first.gate = Gate()
        taking = self.refresh(camera)
        self.assertEqual([one for _, one in self.first.asked], [None, ADMIN])
        lent = self.first.asked[1][1]
        assert lent is not None
        self.successResultOf(Deferred.fromCoroutine(lent.acquire_permit()))
        self.failureResultOf(Deferred.fromCoroutine(lent.acquire_permit()), LoginWithheld)  # unless it was let in
        self.first.gate.open()
        self.successResultOf(taking)

    def test_refused_once(self) -> None:
        """A login that the snapshot refuses is not sent there again that day, and to the stream when there is room."""
        camera = self.camera()
        key = self.known(camera)
        self.first.result = self.refused()
        for _ in range(5):
            self.failureResultOf(self.refresh(camera), Unauthorized)
            self.clock.advance(3600)
        self.assertEqual([one for _, one in self.first.asked], [ADMIN, None, None, None, None])
        self.assertEqual([one for _, one in self.second.asked], [None, ADMIN, ADMIN, ADMIN, ADMIN])
        self.assertIn(ADMIN, self.budget.allowed_logins(self.registry.candidate(key), self.clock.seconds()))

    def test_a_login_that_plays(self) -> None:
        """A login that the snapshot refuses gets a picture of the stream that it plays, at once and again."""
        camera = self.camera()
        key = self.known(camera)
        self.played.add(key)
        self.first.result, self.second.result = self.refused(), b"frame"
        for _ in range(2):
            picture = self.successResultOf(self.refresh(camera))
            assert picture is not None
            self.assertEqual((picture.source, self.second.asked[-1][1]), ("keyframe", ADMIN))
            self.clock.advance(60)

    def test_locked(self) -> None:
        """At the first word of locking nothing else is asked, and no login goes to that device anywhere."""
        camera = self.camera()
        key = self.known(camera)
        self.first.result = self.refused(locked=True)
        self.failureResultOf(self.refresh(camera), Unauthorized)
        self.assertEqual(self.second.asked, [])
        self.assertEqual(self.budget.allowed_logins(self.registry.candidate(key), self.clock.seconds()), ())

    def test_room_for_others(self) -> None:
        """While the device has had a refusal lately, its login is not risked for a picture."""
        camera = self.camera()
        key = self.known(camera)
        here = self.registry.candidate(key)
        self.budget.record_refused(replace(here), login("other", "x"), self.clock.seconds(), False)
        self.successResultOf(self.refresh(camera))
        self.assertEqual(self.first.asked[-1][1], None)

    def test_another_device_in_its_place(self) -> None:
        """Where another device was seen at the camera's address, nothing is asked at all."""
        camera = self.camera(1)
        self.registry.record_sighting(sighting("10.0.0.1", Mac("02:00:00:00:00:ff")), self.clock.seconds())
        key = self.registry.key_of_camera(camera)
        assert key is not None
        if self.registry.is_at(key, "10.0.0.1"):
            self.fail("the newcomer stands there")
        self.failureResultOf(self.refresh(camera), Unreachable)
        self.assertEqual(self.first.asked, [])
