"""Cameras: their status and their primary stream."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import stream
from twisted_detector.model import Announced, Camera, Status
from twisted_detector.model.announced import STREAMLESS, Condition


class CameraTests(SynchronousTestCase):
    def test_primary_url(self) -> None:
        """The first stream that plays, else the first, else none."""
        camera = Camera(id="x", device_id="x", address="10.0.0.5")
        self.assertEqual("", camera.primary_url)
        dead, alive = stream(path="dead", plays=False), stream(path="alive")
        self.assertEqual(dead.url, replace(camera, streams=(dead,)).primary_url)
        self.assertEqual(alive.url, replace(camera, streams=(dead, alive)).primary_url)

    def test_online(self) -> None:
        """Only one status is online."""
        camera = Camera(id="x", device_id="x", address="10.0.0.5")
        self.assertEqual([Status.ONLINE], [status for status in Status if replace(camera, status=status).online])

    def test_manufacturer(self) -> None:
        """Logins are chosen by the manufacturer that an inspection found, and by none that is only announced."""
        camera = Camera(id="x", device_id="x", address="10.0.0.5", manufacturer="Acme")
        self.assertEqual("Acme", camera.proved_manufacturer)
        self.assertEqual("Acme", replace(camera, hearsay=("model",)).proved_manufacturer)
        self.assertEqual("", replace(camera, hearsay=("manufacturer",)).proved_manufacturer)

    def test_conditions(self) -> None:
        """What it says stands until it is disproved: by a stream that plays, or by an answer as a camera."""
        said = Announced(conditions=tuple(Condition))
        camera = Camera(id="x", device_id="x", address="10.0.0.5", announced=said, unconfirmed=True)
        self.assertEqual(tuple(Condition), camera.conditions)
        found = replace(camera, unconfirmed=False)
        self.assertEqual(set(Condition) - set(STREAMLESS), set(found.conditions))
        plays = replace(found, status=Status.ONLINE)
        self.assertEqual(set(found.conditions) - {Condition.NOT_ACTIVATED}, set(plays.conditions))
        self.assertEqual((), replace(camera, announced=None).conditions)
