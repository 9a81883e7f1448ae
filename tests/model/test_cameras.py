"""Cameras: their status and their primary stream."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import stream
from twisted_detector.model import (
    Camera,
    Status,
)


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
