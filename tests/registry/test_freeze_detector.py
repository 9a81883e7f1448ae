"""Frozen pictures: what is seen goes in, since when nothing moved comes out."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import PLAYS, A, inspection, sighting, stream
from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import filled
from twisted_detector.events import CameraOnline, CameraTrouble
from twisted_detector.model import Camera, Status
from twisted_detector.model.reasons import FROZEN
from twisted_detector.registry.freeze_detector import MAX_SERIES, MIN_EQUAL, FreezeDetector
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry
from twisted_detector.service.settings import freeze_detector
from twisted_detector.testing.doubles import RecordingListener

URL, SUB = "rtsp://10.0.0.5:554/main", "rtsp://10.0.0.5:554/sub"


class FreezeDetectorTests(SynchronousTestCase):
    """The decision."""

    def setUp(self) -> None:
        self.detector = FreezeDetector(checks=4, pictures=3)
        self.now = 1000.0

    def see(self, *digests: str, url: str = URL) -> float | None:
        for digest in digests:
            self.now += 60
            self.detector.record_keyframe("cam", url, digest, self.now)
        return self.detector.frozen_since("cam")

    def test_equal_ones_in_a_row(self) -> None:
        """As many equal keyframes as the limit says are frozen, since the first of them."""
        self.assertIsNone(self.see("x", "a", "a", "a"))
        self.assertEqual(self.see("a"), 1120.0)
        self.assertEqual(self.see("a", "a"), 1120.0)

    def test_one_that_differs(self) -> None:
        """One that differs begins the count anew, and ends a freeze."""
        self.assertIsNone(self.see("a", "a", "a", "b", "a", "a", "a"))
        self.assertIsNotNone(self.see("a"))
        self.assertIsNone(self.see("b"))
        self.assertIsNone(self.see("b", "b"))
        self.assertIsNotNone(self.see("b"))

    def test_alternating(self) -> None:
        """A short loop is no frozen picture: all of them must be equal."""
        self.assertIsNone(self.see(*"abcdabcdabcdabcd"))

    def test_without_a_digest(self) -> None:
        """What tells nothing counts for nothing."""
        self.assertIsNone(self.see("", "", "", "", ""))
        self.assertEqual(len(self.detector), 0)
        self.assertIsNotNone(self.see("a", "", "a", "a", "", "a"))

    def test_another_stream_that_moves(self) -> None:
        """A stream, or a picture, that moves clears the camera's other streams."""
        self.see("a", "a", "a")
        self.see("x", "y", url=SUB)
        self.assertIsNone(self.see("a", "a"))
        self.assertIsNotNone(self.see("a"))
        self.detector.record_picture("cam", "p", self.now)
        self.assertIsNotNone(self.detector.frozen_since("cam"))
        self.detector.record_picture("cam", "q", self.now)
        self.assertIsNone(self.detector.frozen_since("cam"))

    def test_pictures(self) -> None:
        """Equal pictures are frozen by their own limit."""
        for _ in range(2):
            self.detector.record_picture("cam", "p", 5.0)
        self.assertIsNone(self.detector.frozen_since("cam"))
        self.detector.record_picture("cam", "p", 6.0)
        self.assertEqual(self.detector.frozen_since("cam"), 5.0)

    def test_switched_off(self) -> None:
        """Without a limit nothing is kept and nothing is frozen."""
        self.detector = FreezeDetector()
        self.assertIsNone(self.see(*"aaaaaaaa"))
        self.assertEqual(len(self.detector), 0)

    def test_bounds(self) -> None:
        """Of one camera so many streams are followed; those that were met first are forgotten."""
        for number in range(3 * MAX_SERIES):
            self.see("a", "a", url=f"rtsp://10.0.0.5/{number}")
        self.assertIsNone(self.see("a", "a", "a", url="rtsp://10.0.0.5/0"))
        self.assertIsNotNone(self.see("a", url="rtsp://10.0.0.5/0"))
        self.detector.forget("cam")
        self.assertEqual((len(self.detector), self.detector.frozen_since("cam")), (0, None))

    def test_settings(self) -> None:
        """FROZEN_AFTER is counted in full proofs and in pictures, never fewer than a few; 0 switches it off."""
        made = freeze_detector(
            filled(Config, {"frozen_after": 600.0, "full_proof_interval": 60.0, "snapshot_interval": 300.0})
        )
        self.assertEqual((made._checks, made._pictures), (11, MIN_EQUAL))
        made = freeze_detector(filled(Config, {"frozen_after": 0.0}))
        self.assertEqual((made._checks, made._pictures), (0, 0))
        self.assertEqual(freeze_detector(filled(Config, {"snapshot_interval": 0.0}))._pictures, 0)


class RegistryTests(SynchronousTestCase):
    """What a freeze makes of a camera."""

    def setUp(self) -> None:
        self.listener = RecordingListener()
        bus = Bus()
        bus.subscribe(self.listener)
        self.detector = FreezeDetector(checks=3, pictures=2)
        self.registry = Registry(bus.emit, freeze_detector=self.detector)
        seen = self.registry.record_sighting(sighting(mac=A), 1.0)
        assert seen is not None
        self.key, self.now = seen.key, 1.0
        self.registry.begin_inspection(self.key, 1.0)
        self.registry.record_inspection(self.key, inspection("10.0.0.5", stream(), stream(path="sub")), 1.0)
        self.listener.events.clear()

    def check(self, digest: str, url: str = URL) -> Camera:
        self.now += 60
        self.registry.record_check(self.key, {url: replace(PLAYS, keyframe=digest)}, self.now)
        (camera,) = self.registry.cameras_of(self.key)
        return camera

    def told(self) -> list[str]:
        return [
            type(event).__name__ + getattr(event, "reason", "")
            for event in self.listener.events
            if isinstance(event, CameraOnline | CameraTrouble)
        ]

    def test_frozen_and_back(self) -> None:
        """It has stream_error for that reason, told once, and is online as soon as it moves; no flapping between."""
        self.assertTrue(self.check("a").online)
        self.assertTrue(self.check("a").online)
        for _ in range(4):
            camera = self.check("a")
            self.assertEqual((camera.status, camera.reason), (Status.STREAM_ERROR, FROZEN))
            self.assertFalse(any(one.validated for one in camera.streams))
        self.assertEqual(self.registry.phase(self.key), Phase.TROUBLED)
        self.assertEqual(self.told(), ["CameraTroublefrozen"])
        camera = self.check("b")
        self.assertEqual((camera.status, camera.reason), (Status.ONLINE, ""))
        self.assertEqual(self.told(), ["CameraTroublefrozen", "CameraOnline"])

    def test_told_by_pictures_between_proofs(self) -> None:
        """What its pictures tell is told at the next look, also one that only saw that it is there."""
        camera = self.registry.cameras()[0]
        for _ in range(2):
            self.detector.record_picture(camera.id, "same", self.now)
        self.registry.record_check(self.key, {}, self.now + 60)
        self.assertEqual((self.registry.cameras()[0].reason, self.told()), (FROZEN, ["CameraTroublefrozen"]))

    def test_inspected_meanwhile(self) -> None:
        """A full inspection, which sees no second picture, does not take a frozen camera for one that moves."""
        for _ in range(3):
            self.check("a")
        self.registry.record_inspection(self.key, inspection("10.0.0.5", stream(), stream(path="sub")), self.now)
        self.assertEqual(self.registry.cameras()[0].reason, FROZEN)

    def test_offline(self) -> None:
        """One that went offline begins anew: what it shows when it is back is looked at afresh."""
        for _ in range(3):
            self.check("a")
        for _ in range(3):
            self.registry.record_no_answer(self.key, "no answer", self.now)
        self.assertEqual(len(self.detector), 0)
        self.assertTrue(self.check("a").online)

    def test_forgotten(self) -> None:
        """Nothing is kept of a camera that is no more."""
        self.check("a")
        self.registry.forget(self.registry.cameras()[0].id, self.now)
        self.assertEqual(len(self.detector), 0)
