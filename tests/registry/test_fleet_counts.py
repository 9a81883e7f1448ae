"""The counts of all cameras: they agree with the cameras, whatever happens, and cost no look at the others."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import inspection, sighting, stream
from twisted_detector.events import (
    AdoptionChanged,
    CameraChanged,
    CameraForgotten,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    PictureTaken,
    SweepFinished,
)
from twisted_detector.model import Adoption, Camera, Mac, Status
from twisted_detector.model.cameras import Picture
from twisted_detector.registry.fleet_counts import FleetCounts
from twisted_detector.registry.registry import Registry

CAMERA = Camera("x", "x", "10.0.0.9", status=Status.ONLINE)


class Counting(SynchronousTestCase):
    def test_each_camera_once(self) -> None:
        """However many events a camera has, it is counted once, as it is now; a forgotten one no more."""
        fleet = FleetCounts()
        away = replace(CAMERA, status=Status.OFFLINE, adopted=Adoption.PERSON)
        for event in (
            CameraRestored(0.0, away),
            AdoptionChanged(0.0, replace(away, adopted=Adoption.NO), Adoption.NO, ""),
            CameraOnline(0.0, CAMERA),
            CameraChanged(0.0, CAMERA),
            PictureTaken(0.0, CAMERA, Picture("x", b"", "image/jpeg", 1.0, "snapshot")),
            SweepFinished(0.0, "arp", 1.0, 1),
        ):
            fleet.record(event)
        self.assertEqual(({"online": 1}, 1, 0), (fleet.by_status, fleet.total, fleet.adopted))
        fleet.record(CameraOffline(0.0, away, "no answer"))
        self.assertEqual(({"offline": 1}, 1, 1), (fleet.by_status, fleet.total, fleet.adopted))
        fleet.record(CameraForgotten(0.0, away))
        self.assertEqual(({}, 0, 0, []), (fleet.by_status, fleet.total, fleet.adopted, list(fleet.worst(9))))

    def test_the_worst(self) -> None:
        """Those that are not well stand first, then others, as many as are wanted."""
        fleet = FleetCounts()
        for number in range(5000):
            status = Status.STREAM_ERROR if number in (4999, 17, 3000) else Status.ONLINE
            fleet.record(CameraOnline(0.0, replace(CAMERA, id=f"c{number:04}", status=status)))
        self.assertEqual(["c0017", "c3000", "c4999", "c0000", "c0001"], list(fleet.worst(5)))
        self.assertEqual(["c0017", "c3000"], list(fleet.worst(2)))

    def test_they_agree_with_the_registry(self) -> None:
        """After hundreds of sightings, inspections, losses and deletions they are what counting gives."""
        registry, chance, now = Registry(lambda event: None), random.Random(7), 0.0
        for _ in range(600):
            now += chance.random() * 60
            number = chance.randrange(40)
            address = f"10.0.0.{number}"
            result = registry.record_sighting(sighting(address=address, mac=Mac.from_bytes(b"\2aaaa%c" % number)), now)
            if result is None:
                continue
            key, deed = result.key, chance.randrange(6)
            if deed < 3:
                registry.record_inspection(key, inspection(address, stream(address, str(chance.randrange(2)))), now)
            elif deed == 3:
                registry.record_no_answer(key, "no answer", now)
            elif deed == 4:
                registry.record_auth_required(key, "it wants a login", now)
            elif cameras := registry.cameras_of(key):
                registry.forget(cameras[0].id, now)
            cameras = registry.cameras()
            fleet = registry.fleet
            self.assertEqual(Counter(camera.status.value for camera in cameras), fleet.by_status)
            self.assertEqual(len(cameras), fleet.total)
            self.assertEqual({camera.id for camera in cameras}, set(fleet.worst(100)))
        self.assertGreater(fleet.total, 10)
