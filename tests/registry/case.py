"""Case of a registry that is given sightings and inspections, one second after another."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import inspection, sighting
from twisted_detector.model import Camera, Sighting
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import RecordingListener

HERE, THERE = "10.0.0.5", "10.0.0.6"


class RegistryCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = RecordingListener()
        self.registry = Registry(self.listener.handle, missed_limit=3)
        self.now = 1000.0

    def see(self, *args: object, **more: object) -> int:
        return self.record(sighting(*args, **more))  # type: ignore[arg-type]

    def record(self, one: Sighting) -> int:
        self.now += 1
        seen = self.registry.record_sighting(one, self.now)
        assert seen is not None
        self.due = seen.needs_inspection
        return seen.key

    def inspect(self, key: int, *streams: object, **more: object) -> int:
        """The device is asked and answers with streams that play."""
        self.now += 1
        self.registry.begin_inspection(key, self.now)
        address = self.registry.candidate(key).address
        self.registry.record_inspection(key, inspection(address, *streams, **more), self.now)  # type: ignore[arg-type]
        return key

    def camera(self, camera_id: str) -> Camera:
        found = self.registry.camera(camera_id)
        assert found is not None, [camera.id for camera in self.registry.cameras()]
        return found

    def ids(self) -> list[str]:
        return sorted(camera.id for camera in self.registry.cameras())
