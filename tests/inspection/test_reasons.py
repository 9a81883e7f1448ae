"""What people are told of a device that does not do as it should: each reason, and the device that causes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from tests.doubles.rtsp_camera import SDP, result_of
from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_onvif import ADMIN, ANNOUNCED, WRONG, Base
from tests.inspection.test_onvif_entries import Server
from tests.inspection.test_rtsp import LOGIN, NO_VIDEO, URL, MemoryPair, RtspTestCase
from twisted_detector.errors import InspectionError, Malformed, Unreachable
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.rtsp.connection import open_connection
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.udp import UdpPortPair
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Candidate, Login, Secret, Stream
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.testing.simulator.wire.soap import fault_envelope
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.rtsp.messages import RtspRequest

Script = Callable[[RtspRequest], bytes]


def answered(status: str, *headers: str) -> Script:
    """What a camera answers to each request of a kind."""
    return lambda request: "\r\n".join((f"RTSP/1.0 {status}", f"CSeq: {request.cseq}", *headers, "", "")).encode()


def refusal(scheme: str) -> Script:
    return answered("401 Unauthorized", f'WWW-Authenticate: {scheme} realm="cam", nonce="n"')


class RtspReasons(RtspTestCase):
    """Streams: what the device answers to one request, and what is told of the stream."""

    def reason(self, one: Login | None = None, url: str = URL, **settings: Any) -> str:
        validator = RtspValidator(self.clock, connect=self.camera, cnonce=lambda: "c", **settings)
        try:
            return result_of(self.clock, validator.validate(Stream(url), one), wait=15).reason
        except InspectionError as error:
            return str(error)

    def test_logins(self) -> None:
        """A login that is wanted, cannot be sent or was refused."""
        for script, one, expected in (
            (refusal("Digest"), None, "the device wants a login"),
            (refusal("NTLM"), LOGIN, "the device wants a login of a kind that is not known"),
            (refusal("Basic"), LOGIN, "the device takes a password in clear only, which is not allowed for it"),
            (answered("401 The account is locked"), LOGIN, "The account is locked"),
        ):
            self.camera.script = {"DESCRIBE": script}
            self.assertIn(expected, self.reason(one))
        self.camera.script = {}
        self.camera.password = "another"
        self.assertEqual("the device refused the login", self.reason(LOGIN))
        self.assertIn("this login cannot be sent to the device", self.reason(Login('ca"m\n', Secret("x"))))

    def test_answers_to_describe(self) -> None:
        """A status that is no success is told as it is; a description that is none, or shows nothing, too."""
        for script, expected in (
            (453, "the device has no bandwidth left (453)"),
            (503, "the device has no session left (503)"),
            (404, "DESCRIBE was answered 404"),
        ):
            self.camera.script = {"DESCRIBE": script}
            self.assertIn(expected, self.reason())
        self.camera.script = {}
        self.camera.paths = {"/stream1": NO_VIDEO}
        self.assertEqual("the stream has no video", self.reason())
        self.camera.paths = {"/stream1": b"<html>"}
        self.assertIn("DESCRIBE was answered without a session description", self.reason())

    def test_transports(self) -> None:
        """A device that sends by no way we have, or by another than it was asked for."""
        other = answered("200 OK", "Session: 1", "Transport: RTP/AVP;multicast;port=7000-7001;ttl=1")
        for script, expected in (
            (461, "the device sends RTP neither over TCP nor over UDP (461)"),
            (other, "the device chose another transport than RTP over UDP"),
        ):
            self.camera.script = {"SETUP": script}
            self.assertEqual(expected, self.reason(open_pair=MemoryPair))

    def test_silence(self) -> None:
        """A server that hangs up each time, and one whose port is closed."""
        self.camera.script = {"DESCRIBE": "close"}
        self.assertIn("closed the connection before it answered", self.reason())
        self.camera.script = {}
        self.camera.refuses = True
        self.assertEqual("no connection to port 554", self.reason())

    def test_closed_each_time(self) -> None:
        """A server that asks for a login, and hangs up whenever it gets one: nothing is said of the login."""

        def reaction(request: RtspRequest) -> Any:
            return "close" if request.header("Authorization") else refusal("Digest")(request)

        self.camera.script = {"DESCRIBE": reaction}
        self.assertIn("closed the connection before it answered", self.reason(LOGIN))

    def test_nonces_that_are_never_good(self) -> None:
        """A server that calls each nonce too old: the login is neither right nor wrong."""
        stale = answered("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n", stale=true')
        self.camera.script = {"DESCRIBE": stale}
        self.assertEqual("the device calls each nonce too old, so that no login can be tried", self.reason(LOGIN))

    def test_a_server_that_asks(self) -> None:
        """A server that sends requests without end, instead of answering."""
        self.camera.script = {"DESCRIBE": b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 1000}
        self.assertEqual("the server asks too much", self.reason())

    def test_codecs(self) -> None:
        """Pictures that we cannot judge: the codec is named, and what would let them be proved; or it has no name."""
        self.camera.paths = {"/stream1": SDP.replace(b"H264/90000", b"AV1/90000")}
        told = self.reason()
        self.assertIn("whether there are pictures in its AV1 cannot be judged here: other players may show it;", told)
        self.assertIn("to have it proved, choose H.264, H.265, MJPEG or MPEG-4 in its settings", told)
        lines = [line for line in SDP.splitlines() if not line.startswith((b"a=rtpmap", b"a=fmtp"))]
        self.camera.paths = {"/stream1": b"\r\n".join([*lines, b""])}
        self.camera.media = [b"\xff" * 20]
        self.assertIn("RTP packets came of a codec that has no name, but no keyframe of H.264 or H.265", self.reason())

    def test_urls(self) -> None:
        """A URL that nothing can be asked at, as a device's documents may have it."""
        self.assertIn("the stream's URL is unusable", self.reason(url="http://10.0.0.5/"))
        validator = RtspValidator(self.clock, connect=self.camera)
        with self.assertRaises(Malformed) as caught:
            result_of(self.clock, validator.capture(Stream("http://10.0.0.5/"), None))
        self.assertIn("the stream's URL is unusable", str(caught.exception))

    def test_silent_ports(self) -> None:
        """Nothing is sent to a port of another protocol, whatever a device calls its RTSP port."""
        for port in SILENT_PORTS:
            opening = Deferred.fromCoroutine(open_connection(self.clock, "10.0.0.5", port, 5.0))
            self.assertIn(f"nothing is ever sent to port {port}", str(self.failureResultOf(opening, Unreachable).value))

    def test_changed(self) -> None:
        """A stream that is no more what was proved: the cheap check says so, before it is proved anew."""
        validator = RtspValidator(self.clock, connect=self.camera)
        told: list[str] = []
        self.patch(validator, "log", _Log(told))
        self.assertTrue(result_of(self.clock, validator.validate(Stream(URL), None), wait=15).validated)
        self.camera.paths = {"/stream1": SDP.replace(b"H264/90000", b"H265/90000")}
        result_of(self.clock, validator.check(Stream(URL), None), wait=15)
        self.assertIn("the stream describes itself in another way than when it was proved", told)
        for connection in self.camera.connections:
            connection.session.close()

    def test_inspector(self) -> None:
        """A device without ONVIF that wants a login, for everything or for the stream that it has."""
        inspector = RtspInspector(self.clock, connect=self.camera, random_path=lambda: "/random")
        self.camera.password = "x"
        candidate = Candidate("d", "10.0.0.5", rtsp_ports=(554,))
        inspection = result_of(self.clock, inspector.inspect(candidate, None))
        assert inspection is not None
        self.assertEqual("the device wants a login for its streams", inspection.reason)
        self.assertEqual("the device wants a login", inspection.streams[0].reason)
        self.camera.login_first = True
        inspection = result_of(self.clock, inspector.inspect(candidate, None))
        assert inspection is not None
        self.assertEqual("the device wants a login before it tells its streams", inspection.reason)

    def test_udp(self) -> None:
        """Ports for RTP over UDP that cannot be had: neither is the device's fault, and neither blames it."""

        class Full:
            def listenUDP(self, port: int, *args: Any, **more: Any) -> Any:
                if port:
                    raise CannotListenError("", port, OSError())
                return self

            def getHost(self) -> Any:
                return type("Host", (), {"port": 40_000})

            def stopListening(self) -> None:
                """There is no socket."""

        for host, expected in (
            ("10.0.0.5", "no pair of UDP ports is free"),
            ("camera.local", "RTP over UDP needs an IP address"),
        ):
            with self.assertRaises(Unreachable) as caught:
                UdpPortPair(Full(), host, receive=lambda data: None)
            self.assertEqual(expected, str(caught.exception))


class _Log:
    """Keeps the reasons of what a validator logs."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def debug(self, format: str, **fields: Any) -> None:
        self._told.append(fields.get("reason", ""))


Answer = bytes | HttpResponse | Exception


class OnvifReasons(Base):
    """ONVIF: what the device answers, and what is told of it."""

    def problem(self, camera: ScriptedCamera, one: Login | None = None, **said: Any) -> str:
        outcome: list[Any] = []
        self.start(camera, one, ANNOUNCED, **said).addBoth(outcome.append)
        failure = outcome[0]
        if hasattr(failure, "value"):
            self.assertIsInstance(failure.value, InspectionError)
            return str(failure.value)
        return failure.reason if failure is not None else "None"

    def test_every_answer_is_useless(self) -> None:
        """A device whose every answer is of a kind that is no ONVIF."""
        for answer, expected in (
            (HttpResponse(503), "the device has no room for us now: HTTP 503"),
            (b"<html>no xml", "an answer that cannot be read"),
            (HttpResponse(500), "an answer that is no ONVIF: HTTP 500"),
        ):
            camera = self.camera()
            camera.script = _Always(answer)
            self.assertIn(expected, self.problem(camera))

    def test_logins(self) -> None:
        """A login that is wanted, of no use, or refused; a clock that is off is named beside a refused token."""
        self.assertIn("a login is needed: Sender not Authorized", self.problem(self.camera(auth="wsse")))
        self.assertIn("the login was refused: Sender not Authorized", self.problem(self.camera(auth="wsse"), WRONG))
        self.assertEqual(
            "the login was refused, perhaps only in the way in which it was sent",
            self.problem(self.camera(auth="basic"), ADMIN, allow_basic=lambda candidate: False),
        )

    def test_profiles(self) -> None:
        """A device that has no profiles, or gives no address for any."""
        self.assertEqual("the device has no profiles", self.problem(self.camera(profiles=())))
        camera = self.camera(uri="http://elsewhere/")
        self.assertEqual("the device gives no address for any stream", self.problem(camera))

    def test_no_service(self) -> None:
        """A service that it names where a web server wants a login: the login is not given away there."""
        camera = Server(self.clock.seconds, auth="digest")
        camera.services[onvif.NS_MEDIA] = "http://192.0.2.9/admin/media_cgi"
        self.assertIn(
            "what wants a login there did not show that it is an ONVIF service, and is given none",
            self.problem(camera, ADMIN),
        )

    def test_no_right(self) -> None:
        """A login that is good for some things and not for the streams."""
        camera = self.camera(auth="digest")
        fault = fault_envelope("ter:NotAuthorized", "Sender not Authorized")
        camera.script = {"GetProfiles": [HttpResponse(400, (), fault)] * 4}
        self.assertIn("the login has no right to ask that", self.problem(camera, ADMIN))


class _Always(dict[str, list[Answer]]):
    """The same answer to every operation."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def get(self, key: str, default: Any = None) -> Any:
        return [self._answer]

    def __getitem__(self, key: str) -> Any:
        return [self._answer]
