"""Cameras that want a login are asked at once when another one may be tried there; nobody else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import login
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Adoption, Camera, Candidate, Status
from twisted_detector.model.reach import no_networks
from twisted_detector.operations.logins.waiting import WaitingCameras

WANTS = Camera("a", "a", "10.0.0.5", status=Status.AUTH_REQUIRED)
SECOND = replace(WANTS, id="a_2")
PLAYS = replace(WANTS, id="b", device_id="b", status=Status.ONLINE)
STRANGER = replace(WANTS, id="c", device_id="c", address="10.0.0.7")


class Known:
    """A registry of these cameras; the stranger was not adopted."""

    def __init__(self, *cameras: Camera) -> None:
        self.all = {camera.id: camera for camera in cameras}

    def cameras(self) -> list[Camera]:
        return list(self.all.values())

    def key_of_camera(self, camera_id: str) -> str | None:
        return camera_id if camera_id in self.all else None

    def candidate(self, key: str) -> Candidate:
        camera = self.all[key]
        adoption = Adoption.NO if camera is STRANGER else Adoption.PERSON
        return Candidate(camera.device_id, camera.address, adoption=adoption)


class WaitingTests(SynchronousTestCase):
    def make(self, *cameras: Camera) -> ConfiguredLogins:
        self.clock = Clock()
        self.asked: list[str] = []
        logins = ConfiguredLogins(())
        budget = LoginBudget(logins, confirmed=no_networks, salt="s", save=lambda key, text: None, work=2)
        self.registry: Any = Known(*cameras)
        self.waiting = WaitingCameras(
            self.clock, self.registry, budget=budget, check=self.asked.append, monotonic=self.clock.seconds
        )
        logins.changed.add(self.waiting.logins_changed)
        return logins

    def test_who_is_asked(self) -> None:
        """One camera of each device that waits and may be given the login; not who plays, nor who may get none."""
        logins = self.make(WANTS, SECOND, PLAYS, STRANGER)
        logins.replace_configured((login(),), "file")
        self.assertEqual(["a"], self.asked)

    def test_none_left(self) -> None:
        """Where there is no login any more nobody is asked."""
        logins = self.make(WANTS)
        logins.replace_configured((), "file")
        self.assertEqual([], self.asked)

    def test_many(self) -> None:
        """Thousands are gone through bit by bit; logins that change meanwhile begin that anew, once."""
        logins = self.make(*(replace(WANTS, id=f"c{n}", device_id=f"c{n}") for n in range(1000)))
        logins.replace_configured((login(),), "file")
        self.assertLess(len(self.asked), 200)
        self.clock.pump([0] * 100)
        self.assertEqual(1000, len(set(self.asked)))
        self.asked.clear()
        logins.replace_configured((login("b"),), "file")
        logins.replace_configured((login("c"),), "file")
        self.clock.pump([0] * 100)
        self.assertEqual(1000, len(set(self.asked)))
        self.assertLess(len(self.asked), 1200)
