"""Every way in which a device, or whoever forges one, could lead a secret to another host; none of them does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.detector.case import HERE as DOOR, ID
from tests.doubles.rtsp_camera import KEYFRAME, SDP, SPS, Camera, result_of
from tests.facts import PLAYS, A, adopting, candidate, inspection, sighting, stream
from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_http import Wire
from tests.operations.deciding_case import DecidingCase
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.errors import Unauthorized
from twisted_detector.inspection.http.client import HttpClient
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Candidate, Inspection, Interface, Login, Mac, Proof, Secret, Stream
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.control_socket import ControlSocket
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import Guarded, RecordingPublisher, ScriptedInspector, ScriptedValidator
from twisted_detector.web.api.requests import parse_request
from twisted_detector.web.api.routes import ROUTES
from twisted_detector.web.problem import Problem
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.onvif.xaddrs import choose_xaddrs

HERE, EVIL = "192.0.2.9", "203.0.113.66"
ADMIN = Login("admin", Secret("secret"))
CAM = Login("cam", Secret("canary"))


class OnvifRoutes(SynchronousTestCase):
    def asked(self, camera: ScriptedCamera, *xaddrs: str) -> Inspection:
        """Inspect with a login; everything that was sent went to the device's own address."""
        clock = Clock()
        clock.advance(1_700_000_000)
        inspector = OnvifInspector(clock, lambda: camera, random=bytes, monotonic=clock.seconds)
        asking = inspector.inspect(Candidate("dev", HERE, xaddrs=xaddrs), ADMIN)
        answer = self.successResultOf(Deferred.fromCoroutine(asking))
        self.assertTrue(camera.urls)
        for url in camera.urls:
            self.assertEqual(HERE, url.split("/")[2].partition(":")[0], url)
        self.assertIn("right", camera.logins)
        assert isinstance(answer, Inspection)
        return answer

    def camera(self, **said: Any) -> ScriptedCamera:
        return ScriptedCamera(lambda: 1_700_000_000.0, auth="digest", **said)

    def test_an_announced_service_address(self) -> None:
        """The XAddr of a ProbeMatch: whatever host it names, its port and path are asked for at the device itself."""
        for xaddr in (
            f"http://{EVIL}/onvif/device_service",
            f"http://{HERE}@{EVIL}/onvif/device_service",
            f"http://{HERE}:80@{EVIL}/onvif/device_service",
            "http://camera.evil.example/onvif/device_service",
        ):
            self.asked(self.camera(), xaddr)

    def test_a_service_address_that_was_answered(self) -> None:
        """The XAddrs of GetServices are asked at the device itself."""
        there = f"http://{EVIL}:8080/onvif"
        services = {onvif.NS_DEVICE: f"{there}/device_service", onvif.NS_MEDIA: f"{there}/media_service"}
        self.asked(self.camera(services=services), f"http://{HERE}/onvif/device_service")

    def test_streams_and_snapshots(self) -> None:
        """The URIs of streams and snapshots lead to the device itself."""
        camera = self.camera(uri=f"rtsp://{HERE}:554@{EVIL}:554/stream/")
        answer = self.asked(camera, f"http://{HERE}/onvif/device_service")
        self.assertTrue(answer.streams)
        for url in (*(one.url for one in answer.streams), answer.snapshot_url):
            self.assertEqual(HERE, url.split("/")[2].partition(":")[0], url)
            self.assertNotIn(EVIL, url)

    def test_a_probe_match_from_elsewhere(self) -> None:
        """Who is meant by a datagram is its sender; other addresses that it names are other devices, if at all."""
        here = [Interface("eth0", 1, "192.0.2.1", 24)]
        chosen = choose_xaddrs([f"http://{EVIL}/onvif/device_service"], HERE, here)
        self.asked(self.camera(), *chosen)


class HttpRedirect(SynchronousTestCase):
    def test_not_followed(self) -> None:
        """A redirect is an answer like any other: the login goes nowhere else."""
        for status in (301, 302, 303, 307, 308):
            reactor = MemoryReactorClock()
            client = HttpClient(reactor, timeout=5)
            headers = {"Authorization": "Basic Y2FuYXJ5"}
            posted = Deferred.fromCoroutine(client.post(f"http://{HERE}/x", b"", headers))
            wire = Wire()
            wire.protocol = reactor.tcpClients[0][2].buildProtocol(None)
            wire.protocol.makeConnection(wire)
            where = f"Location: http://{EVIL}/x\r\nContent-Length: 0\r\n\r\n"
            wire.receive(f"HTTP/1.1 {status} Moved\r\n{where}".encode())
            self.assertEqual(status, self.successResultOf(posted).status)
            self.assertEqual([HERE], [each[0] for each in reactor.tcpClients])
            self.successResultOf(Deferred.fromCoroutine(client.close()))


class RtspRoutes(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.camera = Camera(self.clock, paths={"/stream1": SDP}, password="canary", media=[SPS, KEYFRAME])
        self.hosts: list[str] = []

    async def connect(self, host: str, port: int, timeout: float, tls: bool = False) -> Any:
        self.hosts.append(host)
        return await self.camera(host, port, timeout, tls)

    def validate(self) -> Any:
        validator = RtspValidator(self.clock, timeout=5, connect=self.connect)
        return result_of(self.clock, validator.validate(Stream(url=f"rtsp://{HERE}:554/stream1"), CAM), wait=8)

    def test_content_base_and_control(self) -> None:
        """A Content-Base or a control that names another host is asked for on the connection to the device."""
        evil = f"rtsp://{EVIL}:554/stream1/"
        asked = self.camera.asked
        for description in (SDP, SDP.replace(b"a=control:track1", f"a=control:{evil}track1".encode())):
            self.hosts.clear()
            head = f"RTSP/1.0 200 OK\r\nContent-Base: {evil}\r\nContent-Type: application/sdp\r\n"
            told = f"{head}Content-Length: {len(description)}\r\n".encode()

            def describe(request: Any, told: bytes = told, description: bytes = description) -> bytes:
                if not asked[-1].authorized:
                    return (
                        f"RTSP/1.0 401 No\r\nCSeq: {request.cseq}\r\n"
                        'WWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n'
                    ).encode()
                return told + f"CSeq: {request.cseq}\r\n\r\n".encode() + description

            self.camera.script["DESCRIBE"] = describe
            report = self.validate()
            self.assertIn(report.proof, (Proof.SDP, Proof.RTP, Proof.KEYFRAME))
            self.assertTrue(any(one.authorized for one in asked))
            self.assertEqual({HERE}, set(self.hosts))

    def test_redirect(self) -> None:
        """A redirect of RTSP is not followed, neither as an answer nor as a request of the server."""
        for method, status in (("DESCRIBE", 302), ("SETUP", 301), ("OPTIONS", 305)):
            self.camera.script = {
                method: f"RTSP/1.0 {status} Moved\r\nLocation: rtsp://{EVIL}:554/x\r\nCSeq: 1\r\n\r\n".encode()
            }
            self.validate()
            self.assertEqual({HERE}, set(self.hosts), method)
        redirect = f"REDIRECT rtsp://{HERE}/ RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://{EVIL}/\r\n\r\n".encode()
        self.camera.script = {"PLAY": redirect}
        self.validate()
        self.assertEqual({HERE}, set(self.hosts))

    def test_a_stream_that_was_known_elsewhere(self) -> None:
        """A URL that worked at another address is looked for at the device itself."""
        inspector = RtspInspector(self.clock, timeout=5, connect=self.connect, random_path=lambda: "/none")
        known = (f"rtsp://{EVIL}:554/stream1",)
        answer = result_of(self.clock, inspector.inspect(Candidate("d", HERE, mac=A, known_urls=known), CAM), wait=8)
        self.assertEqual([f"rtsp://{HERE}:554/stream1"], [one.url for one in answer.streams])
        self.assertEqual({HERE}, set(self.hosts))


class PluginRoutes(SynchronousTestCase):
    """What an inspector of a plugin says of streams is no reason to send a secret anywhere."""

    def inspect(self, *urls: str) -> list[tuple[str, str | None]]:
        """Who was given a login, for a device whose inspector names these streams."""
        clock = Clock()
        validator = ScriptedValidator({url: Guarded(PLAYS, lambda one: True) for url in urls})
        session = InspectionSession(
            clock,
            candidate(HERE),
            validator=validator,
            budget=LoginBudget([CAM], salt="s", save=lambda key, text: None),
        )
        streams = tuple(Stream(url=url) for url in urls)
        inspector = ScriptedInspector({HERE: Guarded(inspection(HERE, *streams), lambda one: True)})
        answer = self.successResultOf(Deferred.fromCoroutine(session.inspect(inspector)))
        assert answer is not None
        self.assertEqual("cam", answer.login)
        proved = self.successResultOf(Deferred.fromCoroutine(session.prove_all(answer.streams)))
        self.reasons = [one.reason for one in proved]
        return validator.validated

    def test_another_host(self) -> None:
        """A stream at another address is checked without any login, and says so."""
        for url in (f"rtsp://{EVIL}/a", f"rtsp://{HERE}:554@{EVIL}/a", "rtsp://camera.local/a"):
            self.assertEqual([(url, None)], self.inspect(url))
            self.assertEqual(["another host wants a login, and is given none"], self.reasons)

    def test_the_device_itself(self) -> None:
        """A stream of the device itself gets the login that was let in."""
        url = f"rtsp://{HERE}:554/a"
        self.assertEqual([(url, "cam")], self.inspect(url))


class AnnouncedPlaces(SynchronousTestCase):
    """Words move a device, not the right to its secret."""

    def setUp(self) -> None:
        self.registry = Registry(lambda event: None, adoption=adopting())
        self.budget = LoginBudget([CAM], salt="s", save=lambda key, text: None)

    def see(self, address: str, mac: Mac | None, reference: str = "r") -> int:
        seen = self.registry.record_sighting(sighting(address, mac, reference), 0.0)
        assert seen is not None
        return seen.key

    def test_an_announcement_from_beyond_the_link(self) -> None:
        """A datagram with a camera's EndpointReference from where no MAC is seen gets no login."""
        key = self.see(HERE, A)
        self.assertEqual([CAM], list(self.budget.allowed_logins(self.registry.candidate(key), 0.0)))
        self.registry.record_inspection(key, inspection(HERE, stream(HERE)), 0.0)
        for turn in range(40):
            self.registry.record_no_answer(key, "no answer", 1.0 + turn)
        forged = self.see(EVIL, None)
        there = self.registry.candidate(forged)
        self.assertEqual(EVIL, there.address)
        self.assertEqual((), self.budget.allowed_logins(there, 100.0))
        spending = Deferred.fromCoroutine(self.budget.charge(there, CAM, 100.0))
        self.assertFalse(self.successResultOf(spending))

    def test_a_session_there(self) -> None:
        """A session at an address that was only announced asks without a login, and says what to do."""
        clock = Clock()
        session = InspectionSession(clock, candidate(EVIL, None), validator=ScriptedValidator(), budget=self.budget)
        inspector = ScriptedInspector({EVIL: Unauthorized("it wants a login")})
        self.successResultOf(Deferred.fromCoroutine(session.inspect(inspector)))
        self.assertEqual([(EVIL, None)], inspector.calls)
        self.assertIn("SCAN_NETWORKS", session.explain("it wants a login"))


class TypedLogins(DecidingCase):
    """A password that a person types goes into the file of decisions and to his camera: whatever way it comes, whatever
    is wrong with it, and whatever fails, no log, topic, answer, event or exception has it.
    """

    TYPED = "canary-typed"
    #: What comes beside ``action``: right, refused by the camera, and wrong in each field.
    FIELDS: tuple[dict[str, Any], ...] = (
        {},
        {"password": "canary-typed-wrong"},
        {"keep": "canary-typed"},
        {"user": "canary-typed:canary-typed"},
        {"user": ["canary-typed"]},
        {"password": "canary-typed\n"},
        {"password": "canary-typed" * 900},
        {"password": {"canary-typed": 1}},
        {"camera_id": "nobody"},
        {"action": "guess"},
    )

    def setUp(self) -> None:
        super().setUp()
        self.heard: list[str] = []
        globalLogPublisher.addObserver(self.hear)
        self.addCleanup(globalLogPublisher.removeObserver, self.hear)
        self.publisher = RecordingPublisher()
        self.commands = MqttCommands(
            self.clock,
            detector=self.detector,
            registry=self.registry,
            node_id="n",
            topic="result",
            publish=self.publisher.publish,
            handlers=self.handlers,
        )
        self.inspector.answers[DOOR] = Guarded(inspection(DOOR), lambda one: one.password.reveal() == self.TYPED)

    def hear(self, event: LogEvent) -> None:
        self.heard.append(f"{formatEvent(event)} {event.get('log_failure')}")

    def requests(self) -> list[bytes]:
        base = {"command": "login", "camera_id": ID, "action": "try", "user": "viewer", "password": self.TYPED}
        whole = [json.dumps({**base, **fields}).encode() for fields in self.FIELDS]
        return [*whole, whole[0][:-1], b"[" + whole[0] + b"]", json.dumps({**base, "action": "save"}).encode()]

    def check(self, *said: object) -> None:
        """None of what was said, by whatever way, has it."""
        cameras = [camera_document(one) for one in self.registry.cameras()]
        texts = (*said, *self.heard, *self.listener.events, *self.publisher.messages, *self.observed, cameras)
        for text in texts:
            self.assertNotIn("canary", str(text), type(text))
        self.assertTrue(said)

    def settle(self) -> None:
        self.clock.pump([0.5] * 30)

    def test_by_mqtt(self) -> None:
        """The results are published, and anybody may read them."""
        for payload in self.requests():
            self.commands.handle("command", payload)
            self.settle()
        said = [message.payload.decode() for message in self.publisher.messages]
        self.assertEqual(len(self.requests()), len(said))
        self.assertIn("accepted", {json.loads(text).get("outcome") for text in said})
        self.check(*said)
        self.commands.handle_retained("command", self.requests()[0])
        self.check(*(message.payload.decode() for message in self.publisher.messages))

    def test_by_the_command_line(self) -> None:
        """The control socket answers whoever is at it."""
        socket = ControlSocket(None, Path(), self.handlers)
        said = []
        for line in self.requests():
            answering = Deferred.fromCoroutine(socket.respond(line))
            self.settle()
            said.append(self.successResultOf(answering).decode())
        self.assertTrue(any('"accepted"' in text for text in said))
        self.check(*said)

    def test_by_the_page(self) -> None:
        """What the page sends is checked before the command sees it; no refusal shows it."""
        (route,) = [one for one in ROUTES if one.handler == "login"]
        head: Any = SimpleNamespace(headers={})
        said = []
        for line in self.requests():
            try:
                fields = json.loads(line)
                body = {key: fields[key] for key in fields if key not in ("command", "camera_id")}
                data = json.dumps(body).encode()
            except (ValueError, TypeError, AttributeError):
                data = line
            request: Any = SimpleNamespace(
                uri=b"/", content=SimpleNamespace(getvalue=lambda data=data: data), isSecure=lambda: True
            )
            try:
                said.append(repr(parse_request(request, head, route, {"camera_id": ID})))
            except Problem as problem:
                said.append(f"{problem} {problem.__dict__}")
        self.check(*said)

    def test_in_the_file(self) -> None:
        """A mistake beside it, and a disk that takes no writes, are told without it."""
        self.is_full = True
        said = [
            self.refused("login", camera_id=ID, action=action, user="u", password=self.TYPED)
            for action in ("try", "save")
        ]
        self.is_full = False
        for text in (
            f'[camera.{ID}]\nlogin = "{self.TYPED}"\n',
            f'[camera.{ID}]\nlogin = ["u:{self.TYPED}"]\n',
            f'[camera.{ID}]\nlogin = "u:{self.TYPED}\n',
            f'[logins]\n"netwrk 10.0.0.0/24" = ["u:{self.TYPED}"]\n',
            f'[logins]\ndefault = ["{self.TYPED}"]\n',
        ):
            self.edit(text)
            said += self.book.faults
            said.append(repr(self.book.current))
        self.assertTrue(self.book.faults)
        self.check(*said)

    def test_a_fault_of_ours(self) -> None:
        """A traceback has no values in it, and the answer no traceback."""

        async def broken(camera_id: str) -> bool:
            raise ZeroDivisionError

        self.patch(self.verdicts, "adopt", broken)
        self.commands.handle("command", self.requests()[0])
        self.settle()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        (message,) = self.publisher.messages
        self.check(message.payload.decode())
