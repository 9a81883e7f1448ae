"""Players: on which page of which program a camera is seen live, and when on none."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, MAIN, NAME, SUB, TAGS, Place
from twisted_detector.errors import CamdetectError
from twisted_detector.events import CameraMoved
from twisted_detector.model import Camera
from twisted_detector.model.consumers import FRIGATE, GO2RTC
from twisted_detector.outputs.follower import ConsumerSettings
from twisted_detector.outputs.frigate.document import FrigateOptions
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions
from twisted_detector.outputs.players import frigate_player, go2rtc_player
from twisted_detector.outputs.stream_choice import CameraLogins
from twisted_detector.outputs.sync.consumer import Destinations
from twisted_detector.outputs.sync.seams import DeliveryResult, TargetUnavailable
from twisted_detector.outputs.sync_service import SyncService
from twisted_detector.testing.doubles import MemoryStateStore, RecordingPublisher


class Urls(SynchronousTestCase):
    def test_go2rtc(self) -> None:
        """The main stream, or the other where every browser plays only that one; none of what was never proved."""
        page, h264 = "http://go2rtc:1984", replace(MAIN, codec="H264")
        for streams, name in (((MAIN, SUB), f"p_{NAME}_sub"), ((h264, SUB), f"p_{NAME}"), ((MAIN,), f"p_{NAME}")):
            camera = replace(CAMERA, streams=streams)
            self.assertEqual(f"{page}/stream.html?src={name}", go2rtc_player(page, camera, "p_"))
        self.assertEqual("", go2rtc_player(page, replace(CAMERA, last_validated=0.0), ""))

    def test_frigate(self) -> None:
        """Frigate's live view of the camera, below whatever path."""
        self.assertEqual(f"https://nvr/frigate/#{NAME}", frigate_player("https://nvr/frigate", CAMERA))


class Holding(SynchronousTestCase):
    """Only an API that answered says which cameras a program holds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.cameras: list[Camera] = [CAMERA]
        self.places = {name: Place(name) for name in ("frigate-api", "go2rtc-file", "go2rtc-api")}
        self.page, self.dry = "http://go2rtc:1984", False

    def consumers(self) -> list[ConsumerSettings]:
        frigate, file, api = self.places.values()
        return [
            ConsumerSettings(
                FRIGATE, FrigateOptions(), Destinations(entries=[frigate]), dry_run=self.dry, page="http://frigate:5000"
            ),
            ConsumerSettings(GO2RTC, Go2rtcOptions(), Destinations(entries=[file], live=[api]), page=self.page),
        ]

    def service(self) -> SyncService:
        service = SyncService(
            self.clock,
            self.consumers(),
            cameras=lambda: self.cameras,
            logins=CameraLogins(lambda camera: None, lambda camera: "", TAGS),
            store=MemoryStateStore(),
            publish=RecordingPublisher().publish,
            random=lambda: 0.5,
        )
        service.startService()
        self.addCleanup(lambda: self.successResultOf(service.stopService()))
        return service

    def programs(self) -> list[str]:
        return [one.consumer.program for one in self.service().players(CAMERA)]

    def test_both(self) -> None:
        """go2rtc's player comes first."""
        found = self.service().players(CAMERA)
        self.assertEqual(
            [f"http://go2rtc:1984/stream.html?src={NAME}_sub", f"http://frigate:5000/#{NAME}"],
            [one.url for one in found],
        )

    def test_no_answer(self) -> None:
        """One that does not answer shows nothing; nor one that was never asked to hold the camera."""
        self.places["go2rtc-api"].script = [TargetUnavailable("no answer")]
        self.assertEqual(["frigate"], self.programs())
        self.cameras = []
        self.assertEqual([], self.programs())

    def test_refused(self) -> None:
        """One that refused this camera and holds others does not show it."""
        self.places["go2rtc-api"].result = DeliveryResult({"other": ""}, refused={NAME: "no"})
        self.places["frigate-api"].script = [CamdetectError("a fault")]
        self.flushLoggedErrors(CamdetectError)
        self.assertEqual([], self.programs())
        self.flushLoggedErrors(CamdetectError)

    def test_dry_run(self) -> None:
        """Where nothing is changed nothing is held."""
        self.dry = True
        self.assertEqual(["go2rtc"], self.programs())

    def test_no_page(self) -> None:
        """Where nobody said at which address browsers reach it there is no player."""
        self.page = ""
        self.assertEqual(["frigate"], self.programs())

    def test_a_file(self) -> None:
        """A file says nothing of what the program has read."""
        self.places["go2rtc-api"].name = "another"
        self.assertEqual(["frigate"], self.programs())

    def test_away_later(self) -> None:
        """One that went away since is not shown either, until it answers again."""
        service = self.service()
        self.places["go2rtc-api"].script = [TargetUnavailable("no answer")]
        streams = tuple(replace(one, url=one.url.replace("10.0.0.9", "10.0.0.77")) for one in CAMERA.streams)
        moved = replace(CAMERA, address="10.0.0.77", streams=streams)
        service.handle(CameraMoved(1.0, moved, old_address="10.0.0.9", new_address="10.0.0.77"))
        self.clock.advance(1)
        self.assertEqual(["frigate"], [one.consumer.program for one in service.players(CAMERA)])
        self.clock.advance(5)
        self.assertEqual(["go2rtc", "frigate"], [one.consumer.program for one in service.players(CAMERA)])
