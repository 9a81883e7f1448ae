"""The contracts of inspection, on the doubles, on both inspectors and on the validator of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock, deferLater

from tests.doubles.rtsp_camera import KEYFRAME, NO_KEYFRAME, SDP, SPS, Camera
from tests.facts import inspection
from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_onvif import ADDRESS, ADMIN, ANNOUNCED, NOW
from tests.inspection.test_rtsp import LOGIN, URL, MemoryPair
from twisted_detector.errors import Busy, Malformed, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Candidate, Login, Proof, Secret, Status, Stream, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.testing.contracts import Manner, inspector_contract, validator_contract
from twisted_detector.testing.doubles import Answer, Gate, Guarded, ScriptedInspector, ScriptedValidator

HERE = "10.0.0.5"


class ScriptedStage:
    """Common to both doubles: every answer takes a moment."""

    longest = 1.0
    login = Login("admin", Secret("canary-1"))

    def __init__(self) -> None:
        self.gate = Gate()
        self.sent = 0

    def accepts(self, login: Login) -> bool:
        self.sent += 1
        return login == self.login

    def answer(self, manner: Manner, well: Any) -> Answer:
        answers: dict[Manner, Answer] = {
            Manner.OPEN: well,
            Manner.GUARDED: Guarded(well, self.accepts),
            Manner.BUSY: Busy("no room"),
        }
        return answers[manner]

    def logins(self) -> int:
        return self.sent

    def left_open(self) -> Sequence[object]:
        return [object()] * self.gate.waiting

    def advance(self, seconds: float) -> None:
        self.gate.open()


class ScriptedInspectorStage(ScriptedStage):
    candidate = Candidate("device", HERE)

    def __init__(self) -> None:
        super().__init__()
        self.inspector = ScriptedInspector(gate=self.gate)

    def behave(self, manner: Manner) -> None:
        special: dict[Manner, Answer] = {
            Manner.CLOSED: Unreachable("no connection"),
            Manner.SILENT: Unreachable("no answer"),
            Manner.GARBAGE: Malformed("an answer that cannot be read"),
            Manner.OTHER: None,
        }
        well = inspection(HERE, status=Status.ONLINE)
        self.inspector.answers[HERE] = special[manner] if manner in special else self.answer(manner, well)


class ScriptedValidatorStage(ScriptedStage):
    stream = Stream(URL)

    def __init__(self) -> None:
        super().__init__()
        self.validator = ScriptedValidator(gate=self.gate)

    def behave(self, manner: Manner) -> None:
        reports = {
            Manner.CLOSED: StreamReport(Proof.UNREACHABLE, False, "no connection", code=ReasonCode.UNREACHABLE),
            Manner.SILENT: StreamReport(Proof.TCP, False, "no answer", code=ReasonCode.NO_ANSWER),
            Manner.GARBAGE: StreamReport(Proof.TCP, False, "no RTSP", code=ReasonCode.NOT_RTSP),
            Manner.OTHER: StreamReport(Proof.RTSP, False, "not found", code=ReasonCode.NOT_FOUND),
        }
        well = ScriptedValidator.PLAYS
        self.validator.answers[URL] = reports[manner] if manner in reports else self.answer(manner, well)

    def change(self) -> None:
        self.validator.answers[URL] = replace(ScriptedValidator.PLAYS, codec="H265")

    def requests(self) -> int:
        return len(self.validator.validated) * 2 + len(self.validator.checked)


class OnvifStage:
    """An ONVIF camera, each of whose answers takes a moment."""

    longest = 5.0
    latency = 0.05
    candidate = ANNOUNCED
    login = ADMIN

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.camera = ScriptedCamera(self.clock.seconds)
        self.manner = Manner.OPEN
        self.opened = self.closed = 0
        self.locks = DeviceLocks()
        self.inspector = OnvifInspector(
            self.clock,
            self.open,
            random=lambda size: b"r" * size,
            monotonic=self.clock.seconds,
            device_locks=self.locks,
        )

    def open(self) -> OnvifStage:
        self.opened += 1
        return self

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        if self.manner is Manner.CLOSED:
            raise Unreachable("no connection")
        await deferLater(self.clock, self.longest / 2 if self.manner is Manner.SILENT else self.latency)
        match self.manner:
            case Manner.SILENT:
                raise Unreachable("no answer within 2.5 seconds")
            case Manner.GARBAGE:
                return HttpResponse(200, (), b"<soap")
            case Manner.BUSY:
                return HttpResponse(503, (), b"")
            case Manner.OTHER:
                return HttpResponse(404, (("Content-Type", "text/html"),), b"<html>a web server</html>")
        return await self.camera.post(url, body, headers)

    async def close(self) -> None:
        self.closed += 1

    def behave(self, manner: Manner) -> None:
        self.manner = manner
        self.camera.auth = "digest" if manner is Manner.GUARDED else "none"
        self.candidate = Candidate("dev", ADDRESS, open_ports=(80,)) if manner is Manner.OTHER else ANNOUNCED

    def logins(self) -> int:
        return sum("Authorization" in headers or b"UsernameToken" in body for body, headers in self.camera.sent)

    def left_open(self) -> Sequence[object]:
        return [*[object()] * (self.opened - self.closed + len(self.locks)), *self.clock.getDelayedCalls()]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class RtspStage:
    """An RTSP camera in memory, which answers in the next turn of the reactor."""

    longest = 20.0
    login = LOGIN
    candidate = Candidate("device", HERE, rtsp_ports=(554,))
    stream = Stream(URL)

    def __init__(self) -> None:
        self.clock = Clock()
        self.camera = Camera(self.clock)
        self.locks = DeviceLocks()
        self.inspector = RtspInspector(
            self.clock, timeout=5, connect=self.camera, device_locks=self.locks, random_path=lambda: "/random"
        )
        self.validator = RtspValidator(
            self.clock, timeout=5, connect=self.camera, device_locks=self.locks, open_pair=MemoryPair
        )

    def behave(self, manner: Manner) -> None:
        camera = self.camera
        camera.paths = {} if manner is Manner.OTHER else {"/stream1": SDP}
        camera.media = [NO_KEYFRAME, SPS, KEYFRAME]
        camera.password = self.login.password.reveal() if manner is Manner.GUARDED else ""
        camera.refuses = manner is Manner.CLOSED
        scripted: dict[Manner, Any] = {Manner.SILENT: None, Manner.GARBAGE: b"SSH-2.0-OpenSSH\r\n", Manner.BUSY: 453}
        camera.script = dict.fromkeys(("OPTIONS", "DESCRIBE"), scripted[manner]) if manner in scripted else {}

    def change(self) -> None:
        self.camera.paths = {"/stream1": SDP.replace(b"H264", b"H265")}

    def logins(self) -> int:
        return sum(asked.authorized for asked in self.camera.asked)

    def requests(self) -> int:
        return len(self.camera.asked)

    def left_open(self) -> Sequence[object]:
        connections = sum(connection.open for connection in self.camera.connections) - self.locks.kept_count
        return [*[object()] * (connections + len(self.locks)), *self.clock.getDelayedCalls()]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class RtspInspectorStage(RtspStage):
    """A port at which something else than RTSP speaks is none of this inspector's."""

    def behave(self, manner: Manner) -> None:
        super().behave(manner)
        if manner is Manner.OTHER:
            self.camera.script = dict.fromkeys(("OPTIONS", "DESCRIBE"), "close")


class ScriptedInspectorTests(inspector_contract(ScriptedInspectorStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class OnvifInspectorTests(inspector_contract(OnvifStage)):  # type: ignore[misc]
    """The inspector of ONVIF keeps the contract."""


class RtspInspectorTests(inspector_contract(RtspInspectorStage)):  # type: ignore[misc]
    """The inspector of RTSP keeps the contract."""


class ScriptedValidatorTests(validator_contract(ScriptedValidatorStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class RtspValidatorTests(validator_contract(RtspStage)):  # type: ignore[misc]
    """The validator of RTSP keeps the contract."""
