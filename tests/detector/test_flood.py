"""A host that makes up devices without end, and what becomes of the cameras that are there meanwhile."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import deferLater

from tests.detector.case import HERE, ID, XADDR, DetectorCase
from tests.facts import A, C, inspection, sighting, stream
from twisted_detector.errors import Unreachable
from twisted_detector.events import CameraForgotten, QuotaReached
from twisted_detector.model import Candidate, Inspection, Login, Mac, Proof, Status, Stream, StreamReport
from twisted_detector.registry.device_table import UNPROVED_LIFE
from twisted_detector.registry.quotas import MAX_UNPROVED_PER_HOST
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import Answer, ScriptedValidator

FORGER = Mac.parse("02:00:00:00:00:66")


class Inspector:
    """What is made up hangs as long as it may, or answers and plays nothing; the camera answers while it is there."""

    name = "onvif"

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.there = {HERE}
        self.hangs = True
        self.answered: list[tuple[float, str]] = []

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        address = candidate.address
        if address in self.there:
            self.answered.append((self.clock.seconds(), address))
            return inspection(address)
        if address.startswith("10.0.1."):
            if self.hangs:
                await deferLater(self.clock, 1000)
            return inspection(address, stream(address, plays=False))
        raise Unreachable("no answer")


class Validator(ScriptedValidator):
    """What is made up plays nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.refusal: Answer = StreamReport(Proof.RTSP, validated=False, reason="404 Not Found")

    async def validate(self, stream: Stream, login: Login | None) -> StreamReport:
        if "//10.0.1." in stream.url:
            self.answers[stream.url] = self.refusal
        return await super().validate(stream, login)


class FloodTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.registry = Registry(self.bus.emit, missed_limit=3)
        self.clock.advance(100_000)
        self.inspector = Inspector(self.clock)  # type: ignore[assignment]
        self.validator = Validator()
        self.neighbours.macs |= {f"10.0.1.{number}": FORGER for number in range(1, 251)}
        self.forged = 0

    def lie(self, count: int) -> None:
        for _ in range(count):
            self.forged += 1
            address = f"10.0.1.{self.forged % 250 + 1}"
            self.watcher.report(sighting(address, xaddrs=(f"http://{address}/o",), reference=f"forged-{self.forged}"))

    def wait(self, seconds: int, lies: int = 5) -> None:
        for _ in range(seconds):
            self.lie(lies)
            self.clock.advance(1)

    def test_unplugged(self) -> None:
        """A camera that is unplugged in the flood is offline after three checks, as ever."""
        for hangs in (True, False):
            with self.subTest(hangs=hangs):
                self.setUp()
                self.inspector.hangs = hangs  # type: ignore[attr-defined]
                self.start()
                self.watcher.report(sighting(HERE, xaddrs=XADDR))
                self.wait(70)
                self.assertIs(Status.ONLINE, self.status())
                self.inspector.there.clear()  # type: ignore[attr-defined]
                self.validator.answers[f"rtsp://{HERE}:554/main"] = self.silence
                self.wait(200)
                self.assertIs(Status.OFFLINE, self.status())
                self.assertLessEqual(len(self.registry.devices()), MAX_UNPROVED_PER_HOST + 1)

    @property
    def silence(self) -> Any:
        return Unreachable("no answer")

    def status(self) -> Status | None:
        camera = self.registry.camera(ID)
        return camera and camera.status

    def test_a_newcomer(self) -> None:
        """A camera that comes in the flood is found within ten seconds."""
        self.start()
        self.wait(100)
        self.neighbours.macs["10.0.0.9"] = C
        self.inspector.there.add("10.0.0.9")  # type: ignore[attr-defined]
        self.watcher.report(sighting("10.0.0.9", xaddrs=("http://10.0.0.9/o",)))
        self.wait(10)
        self.assertIn(C.compact, [camera.id for camera in self.registry.cameras()])

    def test_it_is_told(self) -> None:
        """The quota is told once, and noted for who asks why an address is not taken in."""
        self.start()
        self.wait(60)
        self.assertEqual(1, sum(isinstance(event, QuotaReached) for event in self.listener.events))
        self.assertTrue([text for _, _, text in self.observed if FORGER.text in text and "not taken in" in text])
        self.assertGreater(self.detector.counts["dropped_sightings"], 100)

    def test_it_ages_out(self) -> None:
        """A day after the flood nothing is left of it, though nobody did anything."""
        self.inspector.hangs = False  # type: ignore[attr-defined]
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.wait(60)
        self.assertGreater(self.registry.fleet.total, 10)
        self.neighbours.macs = {HERE: A}
        self.inspect_nothing()
        for wait in (*[60] * 10, UNPROVED_LIFE, *[60] * 10):
            self.clock.advance(wait)
        self.assertEqual([ID], self.ids())
        self.assertTrue([event for event in self.listener.events if isinstance(event, CameraForgotten)])

    def inspect_nothing(self) -> None:
        async def inspect(candidate: Candidate, login: Login | None) -> Inspection | None:
            if candidate.address == HERE:
                return inspection(HERE)
            raise Unreachable("no answer")

        self.inspector.inspect = inspect  # type: ignore[method-assign]
        self.validator.refusal = Unreachable("no answer")  # type: ignore[attr-defined]
