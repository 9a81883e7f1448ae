"""RTSP conversations with a simulated camera."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_reading import packet_types, parse_public, parse_rtp_info
from twisted_detector.model import Login, Secret
from twisted_detector.testing.simulator.access import SimulatedAccess
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, Quirks
from twisted_detector.testing.simulator.rtsp.server import MAX_WAITING, SESSION_SECONDS, RtspConnection
from twisted_detector.testing.simulator.rtsp.sessions import MAX_SESSIONS, RtspService
from twisted_detector.testing.simulator.wire.rtp import GOODBYE
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.wire.http.digest import authorization, parse_challenges
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtp.h26x import video_parameters
from twisted_detector.wire.rtsp import sdp
from twisted_detector.wire.rtsp.headers import parse_session, parse_transport
from twisted_detector.wire.rtsp.messages import InterleavedFrame, RtspResponse, format_request
from twisted_detector.wire.rtsp.parser import RtspParser
from twisted_detector.wire.rtsp.url import resolve_aggregate, resolve_control

URL = "rtsp://10.0.0.9:8554/stream1"
TCP = ("Transport", "RTP/AVP/TCP;unicast;interleaved=4-5")


class Client:
    """Speaks RTSP to one connection of a service."""

    def __init__(self, service: RtspService) -> None:
        self.connection = RtspConnection(service)
        self.transport = StringTransport()
        self.parser = RtspParser()
        self.cseq = 0
        self.session = ""
        self.connection.makeConnection(self.transport)

    def receive(self) -> list[RtspResponse | InterleavedFrame]:
        data = self.transport.value()
        self.transport.clear()
        return [event for event in self.parser.receive(data) if isinstance(event, RtspResponse | InterleavedFrame)]

    def send(self, method: str, url: str = URL, *headers: tuple[str, str]) -> None:
        self.cseq += 1
        session = (("Session", self.session),) if self.session else ()
        self.connection.dataReceived(format_request(method, url, self.cseq, (*session, *headers)))

    def ask(self, method: str, url: str = URL, *headers: tuple[str, str]) -> RtspResponse:
        self.send(method, url, *headers)
        answer = next(event for event in self.receive() if isinstance(event, RtspResponse))
        assert answer.cseq == self.cseq
        return answer

    def set_up(self, url: str = URL) -> RtspResponse:
        answer = self.ask("SETUP", url + "/trackID=1", TCP)
        if answer.status == 200:
            self.session = parse_session(answer.header("Session")).id
        return answer


class Conversation(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)

    def service(self, auth: Auth = Auth.NONE, **quirks: object) -> RtspService:
        spec = CameraSpec("10.0.0.9", auth=auth, login=Login("viewer", Secret("right")), quirks=Quirks(**quirks))  # type: ignore[arg-type]
        self.access = SimulatedAccess(spec, clock=self.clock, random=Random(1))
        return RtspService(spec, self.access, reactor=self.clock, random=Random(2))

    def test_whole_session(self) -> None:
        """OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER and TEARDOWN of a client of our own."""
        service = self.service()
        client = Client(service)
        self.assertIn("GET_PARAMETER", parse_public(client.ask("OPTIONS", "*").header("Public")))
        described = client.ask("DESCRIBE")
        video = sdp.parse(described.body).video
        assert video is not None
        self.assertEqual((video.encoding, video.framerate), ("H264", 15.0))
        parameters = video_parameters(video.format_parameters)
        assert parameters is not None
        self.assertEqual((parameters.width, parameters.height), (640, 360))
        control = resolve_control(resolve_aggregate(URL, described.header("Content-Base"), None), video.control)
        answer = client.ask("SETUP", control, TCP)
        client.session = parse_session(answer.header("Session")).id
        self.assertEqual(parse_session(answer.header("Session")).timeout, SESSION_SECONDS)
        transport = parse_transport(answer.header("Transport"))
        self.assertEqual((transport.lower, transport.interleaved), ("tcp", (4, 5)))
        played = client.ask("PLAY", described.header("Content-Base"))
        (info,) = parse_rtp_info(played.header("RTP-Info"))
        self.clock.advance(0)
        frames = [event for event in client.receive() if isinstance(event, InterleavedFrame)]
        self.assertEqual({frame.channel for frame in frames}, {4, 5})
        first = rtp.parse(next(frame.data for frame in frames if frame.channel == 4))
        self.assertEqual((first.sequence, first.timestamp), (info.sequence, info.rtptime))
        self.assertEqual(f"{first.ssrc:08X}", transport.ssrc)
        self.assertEqual(client.ask("GET_PARAMETER").status, 200)
        self.assertEqual(client.ask("PAUSE").status, 200)
        self.clock.advance(1)
        self.assertEqual(client.receive(), [])
        client.send("TEARDOWN")
        goodbye, farewell = client.receive()
        assert isinstance(goodbye, InterleavedFrame)
        assert isinstance(farewell, RtspResponse)
        self.assertIn(GOODBYE, packet_types(goodbye.data))
        self.assertEqual((farewell.status, client.transport.disconnecting, len(service.sessions)), (200, True, 0))

    def test_paths(self) -> None:
        """Unknown paths are 404, a secret one hides the usual ones, and both come before the login."""
        client = Client(self.service(Auth.DIGEST))
        self.assertEqual(client.ask("DESCRIBE", URL + "x").status, 404)
        self.assertEqual(client.ask("DESCRIBE").status, 401)
        client = Client(self.service(secret_path="/cam?channel=1&subtype=0"))
        self.assertEqual(client.ask("DESCRIBE").status, 404)
        base = "rtsp://10.0.0.9:8554/cam?channel=1&subtype=0"
        self.assertEqual([client.ask("DESCRIBE", url).status for url in (base, base + "/")], [200, 200])
        self.assertEqual(client.ask("SETUP", base + "/trackID=1", TCP).status, 200)

    def test_auth_first(self) -> None:
        """A camera that asks for the login first says 404 only to those who have it."""
        client = Client(self.service(Auth.BASIC, auth_first=True))
        self.assertEqual(client.ask("DESCRIBE", URL + "x").status, 401)
        login = ("Authorization", "Basic dmlld2VyOnJpZ2h0")
        self.assertEqual(client.ask("DESCRIBE", URL + "x", login).status, 404)

    def test_digest(self) -> None:
        """Digest lets the right password in, for each method by itself."""
        client = Client(self.service(Auth.DIGEST))
        challenge = parse_challenges(client.ask("DESCRIBE").all("WWW-Authenticate"))[0]
        login = authorization(challenge, "viewer", "right", "DESCRIBE", URL, cnonce="c")
        self.assertEqual(client.ask("DESCRIBE", URL, ("Authorization", login)).status, 200)
        self.assertEqual(client.ask("SETUP", URL, TCP, ("Authorization", login)).status, 401)
        self.assertEqual((self.access.successes, self.access.failures), (1, 1))

    def test_sessions_are_known(self) -> None:
        """Without this connection's own session id, PLAY, PAUSE and TEARDOWN are 454; a second SETUP is 455."""
        client = Client(self.service())
        for method in ("PLAY", "PAUSE", "TEARDOWN"):
            self.assertEqual(client.ask(method).status, 454)
        client.set_up()
        self.assertEqual(client.set_up().status, 455)
        client.session = "0"
        self.assertEqual(client.ask("PLAY").status, 454)

    def test_busy(self) -> None:
        """SETUP is 453 for a busy camera, and when all sessions are taken; a closed connection gives one back."""
        self.assertEqual(Client(self.service(busy=True)).set_up().status, 453)
        service = self.service()
        clients = [Client(service) for _ in range(MAX_SESSIONS + 1)]
        self.assertEqual([client.set_up().status for client in clients], [200] * MAX_SESSIONS + [453])
        clients[0].connection.connectionLost()
        self.assertEqual(clients[-1].set_up().status, 200)

    def test_transports(self) -> None:
        """Multicast and unknown profiles are 461, nothing readable is 400."""
        client = Client(self.service())
        for text, status in (("RTP/AVP;multicast", 461), ("RTP/SAVP/TCP;interleaved=0-1", 461), ("x", 400)):
            self.assertEqual(client.ask("SETUP", URL, ("Transport", text)).status, status)

    def test_no_frames(self) -> None:
        """A camera without frames answers PLAY with 200 and sends nothing."""
        client = Client(self.service(no_frames=True))
        client.set_up()
        self.assertEqual(client.ask("PLAY").status, 200)
        self.clock.advance(5)
        self.assertEqual(client.receive(), [])

    def test_delay(self) -> None:
        """A slow camera answers one request after the other, each after its delay."""
        client = Client(self.service(delay=1.0))
        client.send("OPTIONS")
        client.send("DESCRIBE")
        counts = []
        for _ in range(3):
            counts.append(len(client.receive()))
            self.clock.advance(1)
        self.assertEqual(counts, [0, 1, 1])

    def test_session_times_out(self) -> None:
        """A minute without a request or a receiver report ends the connection, one in between keeps it."""
        client = Client(self.service())
        client.set_up()
        for data in (format_interleaved(5, b"report"), format_request("OPTIONS", "*", 9)):
            self.clock.advance(SESSION_SECONDS - 1)
            client.connection.dataReceived(data)
        self.clock.advance(SESSION_SECONDS - 1)
        self.assertFalse(client.transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(client.transport.disconnected)

    def test_nonsense(self) -> None:
        """Bytes that are no RTSP get 400 and the end; an unknown method gets 501 and nothing worse."""
        client = Client(self.service())
        self.assertEqual(client.ask("RECORD").status, 501)
        client = Client(self.service())
        client.connection.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"400 Bad Request", client.transport.value())
        self.assertTrue(client.transport.disconnecting)
        self.assertEqual(Client(self.service()).ask("DESCRIBE", "http://x/").status, 400)

    def test_client_that_does_not_read(self) -> None:
        """While nothing is read, requests wait, and too many of them end the connection."""
        client = Client(self.service())
        client.connection.pauseProducing()
        for _ in range(MAX_WAITING):
            client.send("OPTIONS")
        self.assertEqual((client.transport.value(), client.transport.disconnected), (b"", False))
        client.send("OPTIONS")
        self.assertTrue(client.transport.disconnected)

    def test_end_leaves_nothing(self) -> None:
        """When the connection is lost while playing, nothing is left that will happen."""
        service = self.service(delay=0.1)
        client = Client(service)
        client.send("SETUP", URL, TCP)
        self.clock.advance(0.1)
        (answer,) = client.receive()
        assert isinstance(answer, RtspResponse)
        client.session = parse_session(answer.header("Session")).id
        client.send("PLAY")
        self.clock.advance(0.1)
        client.send("OPTIONS")
        client.connection.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
