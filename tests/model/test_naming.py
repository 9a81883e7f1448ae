"""Names for people: a camera goes in, what it is called comes out."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Camera
from twisted_detector.model.naming import title, title_source

BARE = Camera("0200000000ab", "0200000000ab", "10.0.0.6")


class TitleTests(SynchronousTestCase):
    def test_title(self) -> None:
        """Its own name; else maker and model, or what is known, with the end of the id, as two may be of one model."""
        for facts, expected in (
            ({"name": "Front door", "model": "M1"}, "Front door"),
            ({"manufacturer": "Acme", "model": "M1"}, "Acme M1 00AB"),
            ({"manufacturer": "Acme", "model": "ACME-M1"}, "ACME-M1 00AB"),
            ({"manufacturer": "Acme"}, "Acme camera 00AB"),
            ({"model": "M1"}, "M1 00AB"),
            ({}, "Camera 00AB"),
            ({"channel": 3}, "Camera 00AB-3"),
            ({"device_id": "epr-9-x_y", "id": "epr-9-x_y"}, "Camera R9XY"),
        ):
            self.assertEqual(expected, title(replace(BARE, **facts)), facts)

    def test_factory_names(self) -> None:
        """What every camera of a maker is called out of the box tells no two apart."""
        for facts, expected in (
            ({"name": "IPCamera"}, "IPCamera 00AB"),
            ({"name": "IP CAMERA"}, "IP CAMERA 00AB"),
            ({"name": "DS-2CD2043", "model": "DS-2CD2043"}, "DS-2CD2043 00AB"),
            (
                {"name": "HIKVISION DS-2CD2043", "manufacturer": "Hikvision", "model": "DS-2CD2043"},
                "HIKVISION DS-2CD2043 00AB",
            ),
            ({"name": "Camera 1"}, "Camera 1"),
        ):
            self.assertEqual(expected, title(replace(BARE, **facts)), facts)

    def test_no_address(self) -> None:
        """It moves, and its name stays."""
        for facts in ({}, {"model": "M1"}, {"name": "Door"}):
            camera = replace(BARE, **facts)
            self.assertEqual(title(camera), title(replace(camera, address="10.9.9.9")))

    def test_source(self) -> None:
        """What the name comes from is told beside it."""
        for facts, expected in (
            ({"name": "x", "name_source": "scope"}, "scope"),
            ({"name": "x"}, "device"),
            ({"model": "x"}, "model"),
            ({"manufacturer": "x"}, "model"),
            ({}, "id"),
        ):
            self.assertEqual(expected, title_source(replace(BARE, **facts)), facts)
