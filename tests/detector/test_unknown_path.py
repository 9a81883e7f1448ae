"""A camera whose stream is at a path that nobody knows: what it costs, and what a person can do."""

from __future__ import annotations

from typing import Any

from tests.detector.case import HERE, DetectorCase
from tests.doubles.rtsp_camera import SDP, Camera
from tests.facts import A, inspection, sighting
from twisted_detector.events import CameraDiscovered, CameraEvent, CameraTrouble
from twisted_detector.inspection.rtsp.inspector import SEARCH_SECONDS, RtspInspector
from twisted_detector.model import Sighting, Status
from twisted_detector.model.devices import BY_HAND


class UnknownPathTests(DetectorCase):
    """The detector with the real inspector, and a camera in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.rtsp_camera = Camera(self.clock, paths={"/nobody/knows": SDP})
        self.inspector: Any = RtspInspector(self.clock, connect=self.rtsp_camera)
        self.start()
        self.see()
        self.go(30)

    def see(self) -> None:
        self.watcher.report(sighting(HERE, A, rtsp_ports=(554,)))

    def go(self, seconds: float) -> None:
        """The clock goes on, and the camera has time to answer."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.pump([0] * 12)
            self.clock.advance(min(1.0, end - self.clock.seconds()))

    def described(self) -> int:
        count = len(self.rtsp_camera.described())
        self.rtsp_camera.asked.clear()
        return count

    def news(self) -> list[str]:
        return [type(event).__name__ for event in self.listener.take() if isinstance(event, CameraEvent)]

    def test_hours(self) -> None:
        """It is found and judged within seconds, with one event each; hours of checks and sightings bring no more."""
        self.assertEqual([CameraDiscovered.__name__, CameraTrouble.__name__], self.news())
        self.assertGreater(self.described(), 20)
        (camera,) = self.registry.cameras()
        self.assertEqual(Status.STREAM_ERROR, camera.status)
        for _ in range(30):
            self.see()
            self.go(120)
        self.assertEqual([], self.news())
        asked = self.described()  # for a path that cannot exist, once at each check
        self.assertGreaterEqual(asked, 55)
        self.assertLessEqual(asked, 2 * 60)

    def test_a_person_asks(self) -> None:
        """``check`` and ``probe`` have all paths tried again, though neither shows anything new."""
        (camera,) = self.registry.cameras()
        by_hand = Sighting(BY_HAND, HERE, 0.0, rtsp_ports=(554,), open_ports=(554, 80))
        for ask in (lambda: self.detector.check(camera.id), lambda: self.detector.sighted(by_hand)):
            self.go(60)
            self.described()
            ask()
            self.go(10)
            self.assertGreater(self.described(), 20)
        self.assertEqual(
            [text for _, source, text in self.observed if source == BY_HAND],
            ["asked by hand"],
            "ports that are only to be tried were told as seen",
        )

    def test_the_rest_follows_at_once(self) -> None:
        """What one inspection had no time for is tried by the next, without a wait for the minute's check."""
        rounds = iter((True, True, False))
        inspector = self.inspector
        began: list[float] = []

        async def inspect(candidate: Any, login: Any) -> Any:
            began.append(self.clock.seconds())
            return inspection(HERE, status=Status.STREAM_ERROR, unfinished=next(rounds))

        self.patch(inspector, "inspect", inspect)
        self.detector.check(self.registry.cameras()[0].id)
        self.go(1)
        self.assertEqual(3, len(began))
        self.assertLess(SEARCH_SECONDS, 60)
