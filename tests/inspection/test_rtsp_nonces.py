"""Nonces, seen from the login budget: a right login is never filed as refused, and a wrong one is seldom sent."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_camera import KEYFRAME, SDP, SPS, Camera, result_of
from tests.facts import A, candidate, login
from twisted_detector.detector.login_attempt import attempt_login
from twisted_detector.errors import LoginWithheld, Unauthorized
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Stream

ONE = login("cam", "canary-1")
DEVICE = candidate("10.0.0.5", A, rtsp_ports=(554,))
STREAM = Stream(url="rtsp://10.0.0.5:554/stream1")
#: What servers do with their nonces, each with what a right login costs at a server that counts without mercy.
MANNERS: tuple[tuple[dict[str, Any], int], ...] = (
    ({}, 0),
    ({"hangs_up": True}, 0),
    ({"nonce_per_connection": True}, 0),
    ({"nonce_life": 0.0, "hangs_up": True}, 1),
    ({"nonce_life": 30.0}, 0),
    ({"nonce_life": 30.0, "hangs_up": True}, 0),
    ({"nonce_life": 0.0}, 1),
    ({"single_use": True}, 1),
    ({"single_use": True, "says_stale": True}, 0),
    ({"nonce_life": 0.0, "says_stale": True}, 0),
    ({"stale_after": 4}, 0),
)


class NonceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000.0)
        self.locks = DeviceLocks()
        self.budget = LoginBudget([ONE], salt="s", save=lambda name, text: None, work=2)

    def camera(self, password: str, manner: dict[str, Any]) -> Camera:
        self.setUp()
        media = [SPS, KEYFRAME]
        return Camera(self.clock, paths={"/stream1": SDP}, media=media, marked=True, password=password, **manner)

    def look(self, look: Any) -> Any:
        attempt = attempt_login(self.budget, self.clock, DEVICE, ONE, lambda given: look(STREAM, given))
        return result_of(self.clock, attempt, wait=15)

    def test_a_right_login(self) -> None:
        """An hour of checks, each a minute after the last and some a moment after: all let in, none refused."""
        for manner, failures in MANNERS:
            camera = self.camera("canary-1", manner)
            validator = RtspValidator(self.clock, connect=camera, device_locks=self.locks)
            for look in (validator.validate, *[validator.check] * 30, validator.validate):
                for pause in (60.0, 0.5):
                    report, _ = self.look(look)
                    self.assertTrue(report.validated, (manner, report))
                    self.clock.advance(pause)
            self.assertEqual(failures, camera.wrong_logins, manner)
            self.assertEqual([ONE], list(self.budget.allowed_logins(DEVICE, self.clock.seconds())), manner)

    def test_a_wrong_login(self) -> None:
        """It is sent once, and twice at most while a server that lets it in changes its password."""
        for manner, _ in MANNERS:
            camera = self.camera("another", manner)
            validator = RtspValidator(self.clock, connect=camera, device_locks=self.locks)
            for _ in range(10):
                with self.assertRaises((Unauthorized, LoginWithheld)):
                    self.look(validator.check)
                self.clock.advance(60.0)
            self.assertEqual(1, camera.wrong_logins, manner)
        for manner, before in MANNERS:
            camera = self.camera("canary-1", manner)
            validator = RtspValidator(self.clock, connect=camera, device_locks=self.locks)
            for look in (validator.validate, validator.check):
                self.look(look)
            camera.password = "changed"
            for _ in range(10):
                with self.assertRaises((Unauthorized, LoginWithheld)):
                    self.look(validator.check)
                self.clock.advance(60.0)
            self.assertLessEqual(camera.wrong_logins - before, 2, manner)

    def test_a_connection_lost_by_chance(self) -> None:
        """A server that closed once after a 401, with nonces for one connection each, is in doubt once, not barred."""
        camera = self.camera("canary-1", {"nonce_per_connection": True})
        once = ["close"]
        camera.script["SETUP"] = lambda request: once.pop() if once else ...
        validator = RtspValidator(self.clock, connect=camera, device_locks=self.locks)
        with self.assertRaises(LoginWithheld):
            self.look(validator.validate)
        for look in (validator.validate, validator.check, validator.validate):
            report, accepted = self.look(look)
            self.assertTrue(report.validated and accepted, report)
            self.clock.advance(60.0)
