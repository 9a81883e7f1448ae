"""What RTSP servers are asked, and what is made of their answers; no sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.doubles.rtsp_camera import KEYFRAME, NO_KEYFRAME, SDP, SPS, Camera, result_of
from twisted_detector.errors import Busy, LocalError, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp import catalog, inspector as rtsp_inspection
from twisted_detector.inspection.rtsp.client import RtspClient
from twisted_detector.inspection.rtsp.connection import USER_AGENT, RtspClientConnection
from twisted_detector.inspection.rtsp.inspector import MAX_PATHS, RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import IInspector, IStreamValidator
from twisted_detector.model import Candidate, Inspection, Login, Proof, Secret, Status, Stream, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.testing.simulator.wire.rtp import format_packet
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtsp.messages import RtspRequest, RtspResponse, format_request

LOGIN = Login("cam", Secret("pa:ss wörd"))
WRONG = Login("cam", Secret("wrong"))
URL = "rtsp://10.0.0.5:554/stream1"
NO_VIDEO = b"v=0\r\nm=audio 0 RTP/AVP 0\r\n"


class MemoryPair:
    """Two UDP ports in memory; the last one is known."""

    last: MemoryPair

    def __init__(self, host: str, heard: Callable[[bytes], None]) -> None:
        self.host, self.heard, self.numbers = host, heard, (40_000, 40_001)
        self.opened: list[int] = []
        self.closed = 0
        MemoryPair.last = self

    def open_path(self, server_port: int) -> None:
        self.opened.append(server_port)

    def close(self) -> None:
        self.closed += 1


class Pipe(Connection):
    """A TCP connection: ``takes`` is what the kernel says to so many bytes that are written straight into it."""

    def __init__(self, takes: Callable[[int], int | Exception], *, encrypts: bool = False) -> None:
        self.takes, self.TLS = takes, encrypts
        self.straight = self.queued = b""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is no socket."""

    def writeSomeData(self, data: bytes) -> int | Exception:
        taken = self.takes(len(data))
        self.straight += data[: taken if isinstance(taken, int) else 0]
        return taken

    def write(self, data: bytes) -> None:
        self.queued += data


class RtspTestCase(SynchronousTestCase):
    """A clock, a camera, and no delayed call or open connection left behind."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.camera = Camera(self.clock, paths={"/stream1": SDP}, media=[NO_KEYFRAME, SPS, KEYFRAME])

    def tearDown(self) -> None:
        for _ in range(5):
            self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(any(connection.open for connection in self.camera.connections))


class SessionTests(RtspTestCase):
    """One connection."""

    def tearDown(self) -> None:
        for connection in self.camera.connections:
            connection.session.close()
        super().tearDown()

    def connect(self) -> Any:
        return result_of(self.clock, self.camera("10.0.0.5", 554, 5.0))

    def test_answer(self) -> None:
        """A request is answered; each has the next CSeq."""
        session = self.connect()
        for number in (1, 2):
            response = result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
            self.assertEqual((response.status, response.cseq), (200, number))

    def test_straight(self) -> None:
        """What the kernel does not take at once goes the transport's way, in order, and so does all after it."""
        whole = format_request("TEARDOWN", URL, 1, [("User-Agent", USER_AGENT)])
        after = format_request("TEARDOWN", URL, 2, [("User-Agent", USER_AGENT)])

        def said(pipe: Pipe) -> tuple[bytes, bytes]:
            session = RtspClientConnection(self.clock)
            session.makeConnection(pipe)
            session.send("TEARDOWN", URL)
            session.send("TEARDOWN", URL)
            return pipe.straight, pipe.queued

        self.assertEqual((whole + after, b""), said(Pipe(lambda length: length)))
        self.assertEqual((whole[:9], whole[9:] + after), said(Pipe(lambda length: 9)))
        self.assertEqual((b"", whole + after), said(Pipe(lambda length: 0)))
        self.assertEqual((b"", whole + after), said(Pipe(lambda length: ConnectionLost())))
        self.assertEqual((b"", whole + after), said(Pipe(lambda length: length, encrypts=True)))

    def test_silence(self) -> None:
        """Without an answer in time the request fails and the connection is closed."""
        self.camera.script["OPTIONS"] = None
        session = self.connect()
        with self.assertRaises(Unreachable) as caught:
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5), wait=6)
        self.assertEqual(str(caught.exception), "no answer to OPTIONS within 5 seconds")
        self.assertTrue(session.closed)

    def test_not_rtsp(self) -> None:
        """Bytes that are not RTSP are Malformed, and nothing more is asked there."""
        self.camera.script["OPTIONS"] = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        session = self.connect()
        with self.assertRaises(Malformed):
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
        with self.assertRaises(Unreachable):
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5))

    def test_one_at_a_time(self) -> None:
        """A second request before the answer is our fault."""
        session = self.connect()
        first = Deferred.fromCoroutine(session.request("OPTIONS", URL, timeout=5))
        with self.assertRaises(LocalError):
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
        self.assertEqual(self.successResultOf(first).status, 200)

    def test_what_is_no_answer(self) -> None:
        """Interim answers, late ones and the server's own requests are not taken for the answer."""
        self.camera.script["DESCRIBE"] = (
            b"RTSP/1.0 100 Continue\r\nCSeq: 2\r\n\r\n"
            b"RTSP/1.0 500 Late\r\nCSeq: 1\r\n\r\n"
            b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n"
            b"RTSP/1.0 404 Here\r\n\r\n"
        )
        session = self.connect()
        result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
        written: list[bytes] = []
        self.patch(session.transport, "receive", written.append)
        pending = Deferred.fromCoroutine(session.request("DESCRIBE", URL, timeout=5))
        session.dataReceived(self.camera.script["DESCRIBE"])
        self.assertEqual(self.successResultOf(pending).reason, "Here")
        self.clock.advance(0)
        self.assertEqual(written[-1], b"RTSP/1.0 501 Not Implemented\r\nCSeq: 77\r\n\r\n")

    def test_a_server_that_asks_on_and_on(self) -> None:
        """A server that does nothing but ask is cut off."""
        session = self.connect()
        session.dataReceived(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 20)
        self.assertTrue(session.closed)

    def test_peer_that_does_not_close(self) -> None:
        """A connection that the peer keeps open is cut after a second."""
        session = self.connect()
        connection = self.camera.connections[0]
        self.patch(connection, "loseConnection", lambda: None)
        session.close()
        self.clock.advance(0.9)
        self.assertTrue(connection.open)
        self.clock.advance(0.2)
        self.assertEqual((connection.open, connection.aborted), (False, True))


class ClientTests(RtspTestCase):
    """Logins and lost connections."""

    def client(self, login: Login | None = LOGIN, **settings: Any) -> RtspClient:
        client = RtspClient(self.camera, "10.0.0.5", 554, timeout=5, login=login, cnonce=lambda: "c", **settings)
        self.addCleanup(lambda: (client.close(), self.clock.advance(0)))
        return client

    def tearDown(self) -> None:
        for connection in self.camera.connections:
            connection.session.close()
        super().tearDown()

    def ask(self, client: RtspClient, method: str = "DESCRIBE") -> RtspResponse:
        return result_of(self.clock, client.request(method, URL))

    def test_the_first_request_is_plain(self) -> None:
        """Nothing is sent that was not asked for: a camera without login never sees the credential."""
        self.assertEqual(self.ask(self.client()).status, 200)
        self.assertEqual(self.camera.described(), ["/stream1"])

    def test_challenge(self) -> None:
        """A challenge is answered once, and the login then comes along at once."""
        for algorithm in ("MD5", "SHA-256"):
            self.camera.password, self.camera.algorithm = LOGIN.password.reveal(), algorithm
            client = self.client()
            self.assertEqual((self.ask(client).status, client.accepted), (200, True))
            self.assertEqual(self.ask(client).status, 200)
            self.assertEqual(self.camera.described(), ["/stream1", "+/stream1", "+/stream1"])
            self.camera.asked.clear()

    def test_refused(self) -> None:
        """A credential that was refused is not sent again."""
        self.camera.password = LOGIN.password.reveal()
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client(WRONG))
        self.assertTrue(caught.exception.attempted)
        self.assertEqual((self.camera.wrong_logins, self.camera.described()), (1, ["/stream1", "+/stream1"]))
        self.assertNotIn("wrong", str(caught.exception))

    def test_refused_after_it_was_accepted(self) -> None:
        """A password that changes while a camera is asked costs one failure, on every connection and in TEARDOWN."""
        self.camera.password = LOGIN.password.reveal()
        client = self.client()
        self.assertEqual(self.ask(client).status, 200)
        self.camera.password = "changed"
        for _ in range(2):
            with self.assertRaises(Unauthorized) as caught:
                self.ask(client)
            self.camera.connections[-1].hang_up()
        self.assertTrue(client.refused)
        result_of(self.clock, client.request_and_ignore("TEARDOWN", URL, timeout=1.0))
        client.send("TEARDOWN", URL)
        self.assertEqual((self.camera.wrong_logins, caught.exception.attempted), (1, True))

    def test_counts_down_or_locks(self) -> None:
        """A refusal that counts down, in its status line or below, lets no other login follow, whatever the count."""
        challenge = b'WWW-Authenticate: Digest realm="a", nonce="b"\r\n'
        for status, reason, body in (
            (401, b"Unauthorized, 26 attempts left", b""),
            (401, b"Unauthorized", b"You still have 5 attempt(s)"),
            (403, b"Forbidden", b"The account is locked"),
            (401, b"Illegal Login Lock", b""),
        ):
            head = b"RTSP/1.0 %d %s\r\n" % (status, reason)
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            answers = [b"RTSP/1.0 401 No\r\n" + challenge + b"\r\n", head + challenge + length + body]
            self.camera.script["DESCRIBE"] = lambda request, answers=answers: answers.pop(0)
            client = self.client()
            with self.assertRaises(Unauthorized) as caught:
                self.ask(client)
            self.assertEqual((caught.exception.attempted, caught.exception.locked), (True, True), reason)
            self.assertTrue("locked" in str(caught.exception) or "counts" in str(caught.exception))

    def test_a_server_that_hangs_up_on_credentials(self) -> None:
        """A server that hangs up instead of refusing gets two credentials at most."""
        plain = b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n'
        self.camera.script["DESCRIBE"] = lambda request: "close" if request.header("Authorization") else plain
        with self.assertRaises(Unreachable):
            self.ask(self.client())
        self.assertEqual(["/stream1", "+/stream1", "+/stream1"], self.camera.described())

    def test_words_of_locking(self) -> None:
        """A refusal that speaks of locks or of attempts left ends it at once, and says so; stale or not."""
        challenge = b'WWW-Authenticate: Digest realm="a", nonce="b", stale=true\r\n'
        for status, body, sent in (
            (b"401 Unauthorized", b"You still have 4 attempt(s)", False),
            (b"401 User is locked", b"", False),
            (b"403 Forbidden", b"illegal login lock", False),
        ):
            self.camera.asked.clear()
            answer = b"RTSP/1.0 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, challenge, len(body), body)
            self.camera.script["DESCRIBE"] = answer
            with self.assertRaises(Unauthorized) as caught:
                self.ask(self.client())
            self.assertEqual((caught.exception.locked, caught.exception.attempted), (True, sent))
            self.assertEqual(len(self.camera.asked), 1)
        self.camera.password, told = LOGIN.password.reveal(), b"RTSP/1.0 401 1 attempt left\r\n" + challenge + b"\r\n"
        self.camera.script["DESCRIBE"] = lambda request: told if request.header("Authorization") else ...
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client(WRONG))
        self.assertEqual((caught.exception.locked, caught.exception.attempted), (True, True))

    def test_no_login(self) -> None:
        """Without a login nothing was attempted."""
        self.camera.password = "x"
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client(None))
        self.assertFalse(caught.exception.attempted)

    def test_basic(self) -> None:
        """A password in clear is sent only where that is allowed."""
        self.camera.password, self.camera.scheme = LOGIN.password.reveal(), "basic"
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client())
        self.assertFalse(caught.exception.attempted)
        self.assertEqual(self.camera.described(), ["/stream1"])
        self.assertEqual(self.ask(self.client(allow_basic=True)).status, 200)

    def test_stale_nonce(self) -> None:
        """A nonce that is too old costs one more request, not the login."""
        self.camera.password, self.camera.stale_after = LOGIN.password.reveal(), 1
        client = self.client()
        for _ in range(3):
            self.assertEqual(self.ask(client).status, 200)
        self.assertEqual(self.camera.wrong_logins, 0)

    def test_always_stale(self) -> None:
        """A server that calls every nonce stale gets two credentials and no more."""
        self.camera.script["DESCRIBE"] = lambda request: (
            b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="a", nonce="b", stale=true\r\n\r\n'
        )
        with self.assertRaises(Unauthorized):
            self.ask(self.client())
        self.assertEqual(self.camera.described(), ["/stream1", "+/stream1", "+/stream1"])

    def test_closed_after_401(self) -> None:
        """A server that hangs up after its 401 gets the answer on a new connection, and one credential."""
        self.camera.password, self.camera.hangs_up = LOGIN.password.reveal(), True
        self.assertEqual(self.ask(self.client()).status, 200)
        self.assertEqual((self.camera.wrong_logins, self.camera.accepted, self.camera.most_open), (0, 1, 1))

    def test_nonce_of_one_connection(self) -> None:
        """A connection lost between requests does not make a right login wrong where each has its own nonces."""
        self.camera.password, self.camera.nonce_per_connection = LOGIN.password.reveal(), True
        client = self.client()
        result_of(self.clock, client.request_without_login("DESCRIBE", URL))
        self.camera.connections[0].hang_up()
        self.assertEqual(self.ask(client).status, 200)
        self.camera.connections[1].hang_up()
        self.assertEqual(self.ask(client).status, 200)
        self.assertEqual(self.camera.wrong_logins, 0)

    def test_connection_close_header(self) -> None:
        """A server that announces the end of its connection is asked on a new one."""
        self.camera.script["OPTIONS"] = b"RTSP/1.0 200 OK\r\nConnection: Close\r\n\r\n"
        client = self.client()
        result_of(self.clock, client.request_without_login("OPTIONS", URL))
        self.ask(client)
        self.assertEqual([asked.connection for asked in self.camera.asked], [0, 1])

    def test_a_server_that_only_hangs_up(self) -> None:
        """A server that hangs up on every request is asked once."""
        self.camera.script["DESCRIBE"] = "close"
        with self.assertRaises(Unreachable):
            self.ask(self.client())
        self.assertEqual(len(self.camera.connections), 1)


class ValidatorTests(RtspTestCase):
    """The ladder of proofs."""

    def validate(
        self, login: Login | None = None, *, url: str = URL, wait: float = 12, **settings: Any
    ) -> StreamReport:
        settings.setdefault("open_pair", MemoryPair)
        validator = RtspValidator(self.clock, connect=self.camera, cnonce=lambda: "c", **settings)
        return result_of(self.clock, validator.validate(Stream(url=url), login), wait=wait)

    def test_interface(self) -> None:
        """It is what it says."""
        self.assertTrue(verifyObject(IStreamValidator, RtspValidator(self.clock)))

    def test_keyframe(self) -> None:
        """A camera that plays is proved to its keyframe, whose parameter set tells the size, and left in order."""
        report = self.validate()
        self.assertEqual(
            report, StreamReport(Proof.KEYFRAME, True, "", "H264", 1280, 720, 15.0, audio="PCMA", server="double")
        )
        self.assertEqual(self.camera.methods(), ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"])
        urls = [asked.url for asked in self.camera.asked]
        self.assertEqual(urls, [URL, URL, URL + "/track1", URL + "/", URL + "/"])
        self.assertEqual(self.camera.asked[-1].request.header("Session"), "42")

    def test_lower_rungs(self) -> None:
        """Where less proof is asked for, less is asked of the camera."""
        self.assertEqual(self.validate(prove=Proof.SDP).proof, Proof.SDP)
        self.assertEqual(self.camera.methods(), ["OPTIONS", "DESCRIBE"])
        self.camera.media = [NO_KEYFRAME]
        report = self.validate(prove=Proof.RTP)
        self.assertEqual((report.proof, report.validated), (Proof.RTP, True))

    def test_other_channel(self) -> None:
        """Media come on the channel that the camera chose."""
        self.camera.channel = 6
        self.assertEqual(self.validate().proof, Proof.KEYFRAME)

    def test_login(self) -> None:
        """With its login a camera is proved; every request after the challenge carries it."""
        self.camera.password = LOGIN.password.reveal()
        self.assertTrue(self.validate(LOGIN).validated)
        authorized = [asked.method for asked in self.camera.asked if asked.authorized]
        self.assertEqual(authorized, ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"])

    def test_login_wanted_or_refused(self) -> None:
        """A login that is missing or wrong is raised, and tells whether a credential was spent."""
        self.camera.password = LOGIN.password.reveal()
        for login, attempted in ((None, False), (WRONG, True)):
            with self.assertRaises(Unauthorized) as caught:
                self.validate(login)
            self.assertEqual(caught.exception.attempted, attempted)
        self.assertEqual(self.camera.wrong_logins, 1)

    def test_endings(self) -> None:
        """Wherever a check ends, the report says how far it came and why no further, in plain words."""
        for script, media, proof, reason in (
            ({"OPTIONS": "close"}, [], Proof.TCP, "The device closed the connection before it answered."),
            ({"OPTIONS": None}, [], Proof.TCP, "no answer to OPTIONS within 10 seconds"),
            ({"OPTIONS": b"220 ftp\r\n"}, [], Proof.TCP, "the answer is not RTSP: '220 ftp'"),
            ({"DESCRIBE": 404}, [], Proof.RTSP, "DESCRIBE was answered 404 Not Found"),
            ({"DESCRIBE": b"RTSP/1.0 200 OK\r\n\r\n"}, [], Proof.RTSP, "DESCRIBE was answered without a session"),
            ({"SETUP": 461}, [], Proof.SDP, "the device sends RTP neither over TCP nor over UDP (461)"),
            ({"SETUP": b"RTSP/1.0 200 OK\r\n\r\n"}, [], Proof.SDP, "SETUP was answered with what cannot be read"),
            ({"PLAY": 455}, [], Proof.SDP, "PLAY was answered 455 Method Not Valid in This State"),
            ({"PLAY": None}, [], Proof.SDP, "no answer to PLAY within 10 seconds"),
            ({"PLAY": "close"}, [], Proof.SDP, "The device closed the connection before it answered."),
            ({}, [], Proof.SDP, "PLAY was answered, but no RTP packet came within 10 seconds"),
            ({}, [NO_KEYFRAME], Proof.RTP, "RTP packets came, but no keyframe within 10 seconds"),
            ({}, [KEYFRAME], Proof.RTP, "keyframes came, but nothing that tells how to decode them within 10 seconds"),
        ):
            self.camera.script, self.camera.media = script, media
            report = self.validate()
            self.assertEqual((report.proof, report.validated), (proof, False), reason)
            self.assertTrue(report.reason.startswith(reason), report.reason)
            for _ in range(5):
                self.clock.advance(0)
            self.assertFalse(any(connection.open for connection in self.camera.connections), reason)

    def test_unreachable(self) -> None:
        """Without a connection nothing is proved."""
        self.camera.refuses = True
        report = self.validate()
        self.assertEqual((report.proof, report.reason), (Proof.UNREACHABLE, "no connection to port 554"))

    def test_no_video(self) -> None:
        """A description without video is no camera's stream."""
        self.camera.paths = {"/stream1": NO_VIDEO}
        report = self.validate()
        self.assertEqual(
            (report.proof, report.validated, report.reason), (Proof.RTSP, False, "the stream has no video")
        )

    def test_busy(self) -> None:
        """453 and 503 say that the device has no room, at whatever step; a session that was begun is ended."""
        for method, status in (("DESCRIBE", 503), ("SETUP", 453), ("PLAY", 453)):
            self.camera.script, self.camera.asked = {method: status}, []
            with self.assertRaises(Busy):
                self.validate()
            self.assertEqual("TEARDOWN" in self.camera.methods(), method == "PLAY")

    def test_codes(self) -> None:
        """Every end has a code that programs can rely on."""
        html = b"RTSP/1.0 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
        moved = b"RTSP/1.0 302 Moved\r\nLocation: rtsp://10.9.9.9/\r\n\r\n"
        for script, media, code in (
            ({"OPTIONS": "close"}, [], ReasonCode.NO_ANSWER),
            ({"OPTIONS": b"220 ftp\r\n"}, [], ReasonCode.NOT_RTSP),
            ({"DESCRIBE": 404}, [], ReasonCode.NOT_FOUND),
            ({"DESCRIBE": 400}, [], ReasonCode.REFUSED),
            ({"DESCRIBE": moved}, [], ReasonCode.REDIRECTED),
            ({"DESCRIBE": html}, [], ReasonCode.NO_SDP),
            ({"SETUP": 461}, [], ReasonCode.NO_TRANSPORT),
            ({"PLAY": None}, [], ReasonCode.NO_ANSWER),
            ({}, [], ReasonCode.NO_RTP),
            ({}, [NO_KEYFRAME], ReasonCode.NO_KEYFRAME),
            ({}, [KEYFRAME], ReasonCode.NO_PARAMETERS),
            ({}, [SPS, KEYFRAME], ReasonCode.NONE),
        ):
            self.camera.script, self.camera.media = script, media
            self.assertEqual(self.validate().code, code)
        self.camera.paths = {"/stream1": NO_VIDEO}
        self.assertEqual(self.validate().code, ReasonCode.NO_VIDEO)
        self.assertEqual(self.validate(url="rtsp://h:x/").code, ReasonCode.UNUSABLE_URL)
        self.camera.refuses = True
        self.assertEqual(self.validate().code, ReasonCode.UNREACHABLE)

    def test_redirects_are_not_followed(self) -> None:
        """A server that sends us elsewhere, with the password or without, is not obeyed, however often."""
        self.camera.password = LOGIN.password.reveal()
        self.camera.script["DESCRIBE"] = lambda request: (
            b"RTSP/1.0 302 Moved\r\nLocation: rtsp://10.9.9.9/stream1\r\n\r\n"
            if request.header("Authorization")
            else ...
        )
        report = self.validate(LOGIN)
        self.assertEqual((report.code, report.validated), (ReasonCode.REDIRECTED, False))
        self.assertEqual(len(self.camera.connections), 1)
        self.assertTrue(all("10.9.9.9" not in asked.url for asked in self.camera.asked))

    def test_udp(self) -> None:
        """Where RTP over TCP is not to be had (461) it comes over UDP, to ports of ours that are given back."""

        def setup(request: RtspRequest) -> Any:
            if "client_port" not in request.header("Transport"):
                return 461
            return (
                f"RTSP/1.0 200 OK\r\nCSeq: {request.cseq}\r\nSession: 42\r\n"
                "Transport: RTP/AVP;unicast;client_port=40000-40001;server_port=6970-6971\r\n\r\n"
            ).encode()

        def play(request: RtspRequest) -> Any:
            for index, payload in enumerate((SPS, KEYFRAME)):
                MemoryPair.last.heard(format_packet(rtp.RtpPacket(96, index, 0, 1, payload)))
            return 200

        self.camera.script = {"SETUP": setup, "PLAY": play}
        report = self.validate()
        self.assertEqual((report.proof, report.validated, report.width), (Proof.KEYFRAME, True, 1280))
        pair = MemoryPair.last
        self.assertEqual((pair.host, pair.opened, pair.closed), ("10.0.0.5", [6970], 1))
        self.assertEqual(self.camera.methods()[-1], "TEARDOWN")

    def test_udp_stays_silent(self) -> None:
        """When nothing comes over UDP the check ends in its time and the ports are given back."""
        self.camera.script["SETUP"] = lambda request: (
            461
            if "interleaved" in request.header("Transport")
            else b"RTSP/1.0 200 OK\r\nSession: 42\r\nTransport: RTP/AVP;unicast;client_port=40000-40001\r\n\r\n"
        )
        report = self.validate()
        self.assertEqual((report.proof, report.code, MemoryPair.last.closed), (Proof.SDP, ReasonCode.NO_RTP, 1))

    def test_back_channel(self) -> None:
        """A loudspeaker that is offered is told of, and never set up."""
        sound = b"m=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:track3\r\n"
        self.camera.paths["/stream1"] = SDP + sound
        self.camera.media = [SPS, KEYFRAME]
        report = self.validate()
        self.assertEqual((report.back_channel, report.audio), (True, "PCMA"))
        self.assertFalse(any("track3" in asked.url for asked in self.camera.asked))
        self.assertFalse(any(asked.request.header("Require") for asked in self.camera.asked))
        self.camera.paths["/stream1"] = SDP
        self.assertFalse(self.validate().back_channel)

    def test_teardown_always(self) -> None:
        """A session that was set up is torn down when PLAY is refused, no media come, or the camera answers no more."""
        for script in ({"PLAY": 404}, {}, {"TEARDOWN": None}, {"PLAY": None}):
            self.camera.script, self.camera.media, self.camera.asked = script, [], []
            self.assertFalse(self.validate().validated)
            self.assertEqual(self.camera.methods()[-1], "TEARDOWN")

    def test_lost_while_playing(self) -> None:
        """A camera that hangs up while it plays is reported at once."""
        self.camera.media = [NO_KEYFRAME]
        validator = RtspValidator(self.clock, connect=self.camera)
        report = Deferred.fromCoroutine(validator.validate(Stream(url=URL), None))
        for _ in range(50):
            self.clock.advance(0)
        self.camera.connections[0].hang_up()
        told = self.successResultOf(report)
        self.assertEqual(told.reason, "the device closed the connection while it was playing")
        self.assertEqual(told.proof, Proof.RTP)

    def test_cancelled(self) -> None:
        """A check that is cancelled says TEARDOWN and closes."""
        self.camera.media = []
        check = Deferred.fromCoroutine(RtspValidator(self.clock, connect=self.camera).validate(Stream(url=URL), None))
        for _ in range(50):
            self.clock.advance(0)
        check.cancel()
        self.failureResultOf(check, CancelledError)
        self.clock.advance(0)
        self.assertEqual(self.camera.methods()[-1], "TEARDOWN")

    def test_other_codecs(self) -> None:
        """JPEG needs one picture's packet; where keyframes cannot be told, packets are enough."""
        for name, payload, proof in (
            (b"JPEG/90000", b"\0\0\0\0\x01\x50\x28\x1e" + bytes(9), Proof.KEYFRAME),
            (b"MP4V-ES/90000", b"\0\0\1\xb6", Proof.RTP),
        ):
            self.camera.paths = {"/stream1": SDP.replace(b"H264/90000", name)}
            self.camera.media = [payload]
            report = self.validate()
            self.assertEqual((report.proof, report.validated), (proof, True))

    def test_unusable_urls(self) -> None:
        """A URL that is none is reported without showing it: it may hold a password."""
        for url in ("http://u:secret@h/", "rtsp://u:secret@h:x/"):
            report = self.validate(url=url)
            self.assertEqual((report.proof, report.validated), (Proof.UNREACHABLE, False))
            self.assertNotIn("secret", report.reason)

    def test_url_with_login(self) -> None:
        """A login inside a URL is not sent."""
        self.assertTrue(self.validate(url=URL.replace("//", "//u:secret@")).validated)
        for asked in self.camera.asked:
            self.assertNotIn("secret", f"{asked.url} {asked.request.headers}")

    def test_hostile_controls(self) -> None:
        """A control that would break the request's lines ends the check."""
        self.camera.paths = {"/stream1": SDP.replace(b"track1", b"tr\x01ack")}
        self.assertTrue(self.validate().reason.startswith("the stream's control URL is unusable"))

    def test_one_connection_per_device(self) -> None:
        """Checks of two streams of one device follow each other; those of two devices do not wait."""
        locks = DeviceLocks()
        validator = RtspValidator(self.clock, connect=self.camera, device_locks=locks)
        self.camera.media = []
        checks = [
            Deferred.fromCoroutine(validator.validate(Stream(url=f"rtsp://{host}/stream1"), None))
            for host in ("10.0.0.5", "10.0.0.5", "10.0.0.6")
        ]
        self.assertEqual((len(self.camera.connections), len(locks)), (2, 2))
        for _ in range(250):
            self.clock.advance(0.1)
        self.assertEqual(len([self.successResultOf(check) for check in checks]), 3)
        self.assertEqual((len(self.camera.connections), len(locks)), (3, 0))


class BadInputTests(RtspTestCase):
    """Whatever a server sends: bounded time and memory, one fault with a code, and no connection left."""

    def tearDown(self) -> None:
        self.clock.advance(1)
        super().tearDown()

    def fault(self, code: ReasonCode, *, seconds: float = 12) -> StreamReport:
        began = self.clock.seconds()
        validator = RtspValidator(self.clock, connect=self.camera)
        report = result_of(self.clock, validator.validate(Stream(url=URL), None), wait=seconds)
        self.assertLessEqual(self.clock.seconds() - began, seconds)
        self.assertEqual((report.validated, report.code), (False, code), report.reason)
        for connection in self.camera.connections:
            parser = connection.session._parser
            self.assertLessEqual(len(parser._buffer), 300_000)
        return report

    def drip(self, method: str, first: bytes, piece: bytes, every: float) -> list[int]:
        """Answer with ``first``, and with ``piece`` again and again until the connection is closed."""
        sent = [0]

        def on(request: RtspRequest) -> Any:
            connection = self.camera.connections[-1]

            def more() -> None:
                if connection.open:
                    sent[0] += 1
                    connection.send(piece)
                    self.clock.callLater(every, more)

            self.clock.callLater(every, more)
            return first

        self.camera.script[method] = on
        return sent

    def test_endless_headers(self) -> None:
        """Headers without end are cut at their bound, in many lines as in one."""
        for piece in (b"X-A: b\r\n" * 1000, b"x" * 10_000):
            sent = self.drip("DESCRIBE", b"RTSP/1.0 200 OK\r\n", piece, 0.01)
            self.fault(ReasonCode.NOT_RTSP)
            self.assertLess(sent[0], 10)

    def test_slow_loris(self) -> None:
        """A byte now and then does not keep a check alive beyond its time."""
        self.drip("DESCRIBE", b"RTSP/1.0 200 OK\r\nX: ", b"y", 0.5)
        self.fault(ReasonCode.NO_ANSWER)

    def test_slow_media(self) -> None:
        """Packets without a keyframe, for ever, end with the check's time."""
        frame = format_interleaved(0, format_packet(rtp.RtpPacket(96, 1, 0, 1, NO_KEYFRAME)))
        self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", frame, 0.5)
        self.assertEqual(self.fault(ReasonCode.NO_KEYFRAME).proof, Proof.RTP)

    def test_flood_of_media(self) -> None:
        """More media than a keyframe can need end the check, whatever they are."""
        flood = format_interleaved(7, bytes(60_000)) * 20
        sent = self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", flood, 0.001)
        self.fault(ReasonCode.NO_RTP)
        self.assertLess(sent[0], 100)

    def test_flood_of_packets(self) -> None:
        """More packets than a keyframe can need end the check, however small their sum is."""
        packet = format_interleaved(0, format_packet(rtp.RtpPacket(96, 1, 0, 1, NO_KEYFRAME + bytes(100))))
        sent = self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", packet * 1000, 0.001)
        self.assertIn("20000 packets", self.fault(ReasonCode.NO_KEYFRAME).reason)
        self.assertLess(sent[0], 25)

    def test_flood_of_tiny_frames(self) -> None:
        """Frames of one octet end the connection, whether somebody waits for media or not."""
        for method in ("PLAY", "OPTIONS"):
            with self.subTest(method=method):
                self.setUp()
                tiny = format_interleaved(7, b"x") * 1000
                sent = self.drip(method, b"" if method == "OPTIONS" else b"RTSP/1.0 200 OK\r\n\r\n", tiny, 0.001)
                self.assertFalse(self.validate_quietly().validated)
                self.assertLess(sent[0], 10)

    def validate_quietly(self) -> StreamReport:
        validator = RtspValidator(self.clock, connect=self.camera)
        return result_of(self.clock, validator.validate(Stream(url=URL), None), wait=12)

    def test_100_megabytes_of_sdp(self) -> None:
        """A description that is announced as 100 MB is refused before a byte of it came."""
        sent = self.drip("DESCRIBE", b"RTSP/1.0 200 OK\r\nContent-Length: 104857600\r\n\r\n", bytes(65_536), 0.01)
        self.fault(ReasonCode.NOT_RTSP)
        self.assertLess(sent[0], 2)

    def test_garbage_between_frames(self) -> None:
        """Garbage among interleaved frames is passed over to its bound; without a bound it ends the check."""
        good = format_interleaved(0, format_packet(rtp.RtpPacket(96, 0, 0, 1, SPS)))
        good += b"\x00garbage\r\n" + format_interleaved(0, format_packet(rtp.RtpPacket(96, 1, 0, 1, KEYFRAME)))
        self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", good, 0.01)
        validator = RtspValidator(self.clock, connect=self.camera)
        self.assertTrue(result_of(self.clock, validator.validate(Stream(url=URL), None), wait=12).validated)
        self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", b"\x00" * 9_000, 0.01)
        self.fault(ReasonCode.LOST)

    def test_rtp_with_wrong_lengths(self) -> None:
        """RTP packets that are shorter than they say, in any way, are no packets."""
        broken = (b"", b"\x80", b"\x8f" + bytes(11), b"\x90" + bytes(13) + b"\xff\xff", b"\xa0" + bytes(11) + b"\xff")
        frames = b"".join(format_interleaved(0, data) for data in broken)
        self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", frames, 0.1)
        self.assertEqual(self.fault(ReasonCode.NO_RTP).proof, Proof.SDP)

    def test_absurd_sizes(self) -> None:
        """A parameter set of an impossible size is none: neither its size is told nor a keyframe believed."""
        # seq_parameter_set_id 0, frame_num 0, order 2, one reference, no gaps, and a width of 2**25 macroblocks
        bits = "1" + "1" + "011" + "010" + "0" + "0" * 25 + "1" + "0" * 25 + "00000100" + "1" * 12
        absurd = b"\x67\x42\xc0\x1e" + int(bits.ljust(96, "1"), 2).to_bytes(12, "big").replace(b"\0\0\0", b"\0\0\3\0")
        self.camera.media = [absurd, b"\x67" + bytes(8_000), KEYFRAME]
        report = self.fault(ReasonCode.NO_PARAMETERS)
        self.assertEqual((report.width, report.height), (0, 0))

    def test_200_without_frames(self) -> None:
        """200 to everything, and no frame ever, proves nothing beyond the description."""
        self.camera.media = []
        self.assertEqual(self.fault(ReasonCode.NO_RTP).proof, Proof.SDP)


class InspectorTests(RtspTestCase):
    """Cameras without ONVIF."""

    def setUp(self) -> None:
        super().setUp()
        self.inspector = RtspInspector(
            self.clock, connect=self.camera, cnonce=lambda: "c", random_path=lambda: "/random", timeout=5
        )
        self.candidate = Candidate("device", "10.0.0.5", rtsp_ports=(554,))

    def inspect(self, login: Login | None = None, candidate: Candidate | None = None) -> Inspection | None:
        self.camera.asked.clear()
        return result_of(self.clock, self.inspector.inspect(candidate or self.candidate, login), wait=30)

    def test_interface(self) -> None:
        """It is what it says."""
        self.assertTrue(verifyObject(IInspector, self.inspector))

    def test_not_mine(self) -> None:
        """No RTSP port, another protocol on the port and silence on it are none of its affair."""
        self.assertIsNone(self.inspect(candidate=Candidate("d", "10.0.0.5")))
        self.assertEqual(self.camera.connections, [])
        for answer in (b"SSH-2.0-OpenSSH\r\n", None, "close"):
            self.camera.script = {"OPTIONS": answer}
            self.assertIsNone(self.inspect())

    def test_unreachable(self) -> None:
        """Closed ports, and silence where streams were, are Unreachable."""
        self.camera.refuses = True
        with self.assertRaises(Unreachable):
            self.inspect()
        self.camera.refuses, self.camera.script = False, {"OPTIONS": None}
        with self.assertRaises(Unreachable):
            self.inspect(candidate=Candidate("device", "10.0.0.5", rtsp_ports=(554,), known_urls=(URL,)))

    def test_path_first(self) -> None:
        """Where paths are told apart they are searched without a credential: main and sub stream come out."""
        self.camera.paths = {"/stream1": SDP, "/stream2": SDP}
        inspection = self.inspect(LOGIN)
        self.assertEqual([stream.url for stream in inspection.streams], [URL, URL[:-1] + "2"])
        self.assertEqual([stream.name for stream in inspection.streams], ["main", "sub"])
        self.assertEqual((inspection.status, inspection.login), (Status.ONLINE, ""))
        stream = inspection.streams[0]
        self.assertEqual((stream.codec, stream.fps, stream.proof, stream.validated), ("H264", 15.0, Proof.SDP, False))
        self.assertFalse(any(asked.authorized for asked in self.camera.asked))
        self.assertEqual(self.camera.most_open, 1)

    def test_path_first_with_password(self) -> None:
        """Paths are searched without the password; it is spent on the one that exists, which is remembered."""
        self.camera.password = LOGIN.password.reveal()
        inspection = self.inspect()
        self.assertEqual((inspection.status, len(inspection.streams)), (Status.AUTH_REQUIRED, 1))
        self.assertEqual(inspection.streams[0].proof, Proof.AUTH)
        inspection = self.inspect(LOGIN)
        self.assertEqual((inspection.status, inspection.login), (Status.ONLINE, "cam"))
        self.assertEqual(self.camera.described(), ["/random", "/stream1", "+/stream1", "+/stream2"])

    def test_path_first_refused(self) -> None:
        """A password that was refused on the right path is spent once."""
        self.camera.password = LOGIN.password.reveal()
        with self.assertRaises(Unauthorized) as caught:
            self.inspect(WRONG)
        self.assertTrue(caught.exception.attempted)
        self.assertEqual(self.camera.wrong_logins, 1)

    def test_login_first(self) -> None:
        """Where the login comes first nothing is searched without one; with one the paths are."""
        self.camera.password, self.camera.login_first = LOGIN.password.reveal(), True
        inspection = self.inspect()
        self.assertEqual((inspection.status, inspection.streams), (Status.AUTH_REQUIRED, ()))
        self.assertEqual(self.camera.described(), ["/random"])
        inspection = self.inspect(LOGIN)
        self.assertEqual((inspection.status, inspection.login), (Status.ONLINE, "cam"))
        self.assertEqual([stream.url for stream in inspection.streams], [URL])

    def test_login_first_refused(self) -> None:
        """A refused credential ends the search at its first path."""
        self.camera.password, self.camera.login_first = LOGIN.password.reveal(), True
        with self.assertRaises(Unauthorized) as caught:
            self.inspect(WRONG)
        self.assertTrue(caught.exception.attempted)
        self.assertEqual((self.camera.wrong_logins, len(self.camera.described())), (1, 3))

    def test_anything(self) -> None:
        """A server that takes every path has one stream: other names for it would be inventions."""
        self.camera.any_path = True
        inspection = self.inspect()
        self.assertEqual((len(inspection.streams), inspection.status), (1, Status.ONLINE))
        self.assertEqual(len(self.camera.described()), 2)

    def test_unknown_path(self) -> None:
        """A camera whose path is not known is told all the same, with the reason; each look tries the next paths."""
        self.camera.paths = {"/nobody/knows": SDP}
        total = len(catalog.paths_for(catalog.Hints()))
        tried: list[str] = []
        while len(tried) < total:
            inspection = self.inspect()
            paths = self.camera.described()[1:]
            self.assertEqual(len(paths), min(MAX_PATHS, total - len(tried)))
            tried += paths
            self.assertEqual((inspection.status, inspection.streams), (Status.STREAM_ERROR, ()))
            self.assertIn(f"RTSP answers but none of the {len(tried)} known paths exists", inspection.reason)
            self.assertEqual("still to be tried" in inspection.reason, len(tried) < total)
        self.assertEqual(len(set(tried)), total)
        self.inspect()
        self.assertEqual(self.camera.described()[1:], tried[:MAX_PATHS])

    def test_memory_is_bounded(self) -> None:
        """Which paths were tried is remembered of a bounded number of devices."""
        self.patch(rtsp_inspection, "MAX_REMEMBERED", 2)
        self.setUp()  # the bound is read when the inspector is made
        self.camera.paths = {}
        first = []
        for name in ("a", "b", "c", "a"):
            self.inspect(candidate=Candidate(name, "10.0.0.5", rtsp_ports=(554,)))
            first.append(self.camera.described()[1])
        self.assertEqual(first[0], first[3])

    def test_known_urls(self) -> None:
        """Streams that worked before are asked for first, at the device's present address, and nothing else is."""
        known = ("rtsp://10.0.0.77:554/mine?a=b", "rtsp://10.0.0.77:554/other")
        self.camera.paths = {"/mine?a=b": SDP, "/other": SDP}
        inspection = self.inspect(candidate=Candidate("device", "10.0.0.5", known_urls=known))
        urls = [stream.url for stream in inspection.streams]
        self.assertEqual(urls, ["rtsp://10.0.0.5:554/mine?a=b", "rtsp://10.0.0.5:554/other"])
        self.assertEqual(self.camera.described(), ["/random", "/mine?a=b", "/other"])

    def test_hints(self) -> None:
        """What the server says of its make decides which paths come first, and is told."""
        self.camera.paths, self.camera.server = {"/axis-media/media.amp": SDP}, "AXIS thing"
        inspection = self.inspect()
        self.assertEqual(self.camera.described(), ["/random", "/axis-media/media.amp"])
        self.assertEqual((inspection.manufacturer, inspection.evidence[0].value), ("Axis", "Axis"))

    def test_several_ports(self) -> None:
        """The first port with a stream counts; the paths of one look are shared out among the ports."""
        self.camera.closed_ports = frozenset({8554})
        self.camera.paths = {"/stream1": SDP}
        candidate = Candidate("device", "10.0.0.5", rtsp_ports=(8554, 554))
        self.assertEqual(self.inspect(candidate=candidate).streams[0].url, URL)
        self.camera.closed_ports, self.camera.paths = frozenset(), {}
        self.inspect(candidate=Candidate("other", "10.0.0.5", rtsp_ports=(8554, 554)))
        self.assertEqual(len(self.camera.described()), 2 + MAX_PATHS)

    def test_hang_up_on_wrong_path(self) -> None:
        """A server that hangs up on a path that it does not have is asked on, on a new connection each time."""

        def describe(request: RtspRequest) -> Any:
            return ... if request.url == URL else "close"

        self.camera.script["DESCRIBE"] = describe
        self.assertEqual(self.inspect().streams[0].url, URL)
        self.assertEqual(self.camera.most_open, 1)

    def test_busy(self) -> None:
        """A device without room is busy, not wrong."""
        self.camera.script["DESCRIBE"] = 453
        with self.assertRaises(Busy):
            self.inspect()

    def test_garbage_in_the_middle(self) -> None:
        """A device that stops speaking RTSP after it did is Malformed."""
        self.camera.script["DESCRIBE"] = b"RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n"
        with self.assertRaises(Malformed):
            self.inspect()

    def test_link_local(self) -> None:
        """The scope of a link-local address stands in what is published and in nothing that the device sees."""
        inspection = self.inspect(candidate=Candidate("device", "fe80::1%eth0", rtsp_ports=(554,)))
        self.assertEqual(inspection.streams[0].url, "rtsp://[fe80::1%25eth0]:554/stream1")
        self.assertEqual({asked.url.partition("]")[0] for asked in self.camera.asked}, {"rtsp://[fe80::1"})
