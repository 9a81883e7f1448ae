"""Every way in which a device, or whoever forges one, could lead a secret to another host; none of them does."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_camera import KEYFRAME, SDP, SPS, Camera, result_of
from tests.facts import PLAYS, A, adopting, candidate, inspection, sighting, stream
from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_http import Wire
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.errors import Unauthorized
from twisted_detector.inspection.http.client import HttpClient
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Candidate, Inspection, Interface, Login, Mac, Proof, Secret, Stream
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import Guarded, ScriptedInspector, ScriptedValidator
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
