"""The saver of cameras: one write for each change, and again after a failure."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.store.case import CAMERA
from twisted_detector.errors import StoreError
from twisted_detector.events import (
    CameraChanged,
    CameraDiscovered,
    CameraForgotten,
    CameraOnline,
    CameraRestored,
    PictureTaken,
)
from twisted_detector.model import Camera
from twisted_detector.model.cameras import Picture
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.testing.doubles import MemoryStateStore


class CountingStore(MemoryStateStore):
    """:ivar written: in order; None for a deletion. :ivar broken: every write fails."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Camera | None] = []
        self.broken = False

    def save_camera(self, camera: Camera) -> Deferred[None]:
        self.written.append(camera)
        return fail(StoreError("no room")) if self.broken else succeed(None)

    def delete_camera(self, camera_id: str) -> Deferred[None]:
        self.written.append(None)
        return succeed(None)


class Saving(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = CountingStore()
        self.saver = CameraSaver(self.store)

    def test_once_for_each_change(self) -> None:
        """Two events with the same camera are one write; the next change is one more, and so is a deletion."""
        other = replace(CAMERA, name="Yard")
        for event in (CameraDiscovered(1.0, CAMERA), CameraOnline(1.0, CAMERA), CameraChanged(2.0, other)):
            self.saver.handle(event)
        self.assertEqual([CAMERA, other], self.store.written)
        self.saver.handle(CameraForgotten(3.0, other))
        self.saver.handle(CameraDiscovered(4.0, other))
        self.assertEqual([CAMERA, other, None, other], self.store.written)

    def test_what_is_no_change(self) -> None:
        """What was read from the disk, and pictures, are not written."""
        self.saver.handle(CameraRestored(1.0, CAMERA))
        self.saver.handle(PictureTaken(1.0, CAMERA, Picture(CAMERA.id, b"x", "image/jpeg", 1.0, "snapshot")))
        self.assertEqual([], self.store.written)

    def test_a_failure(self) -> None:
        """What could not be written is written with the next event, though nothing has changed since."""
        self.store.broken = True
        self.saver.handle(CameraDiscovered(1.0, CAMERA))
        self.store.broken = False
        self.saver.handle(CameraOnline(1.0, CAMERA))
        self.assertEqual([CAMERA, CAMERA], self.store.written)
