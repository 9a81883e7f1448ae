"""What RTSP servers are asked, and what is made of their answers; no sockets."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.doubles.rtsp_camera import KEYFRAME, NO_KEYFRAME, SDP, SPS, Camera, result_of
from twisted_detector.errors import Busy, LoginWithheld, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.media_monitor import ENCRYPTED, SHORTER
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import IStreamValidator
from twisted_detector.model import Login, Proof, Secret, Stream, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.testing.simulator.wire.rtp import format_packet, packetize
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtsp.messages import RtspRequest

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

    def test_channels_that_are_counted_otherwise(self) -> None:
        """Only the video was set up: its payload type on another channel is it, until any comes on the right one."""
        setup = b"RTSP/1.0 200 OK\r\nSession: 4\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"

        def play(*frames: tuple[int, int, bytes]) -> StreamReport:
            """Channel, payload type and payload of each frame."""
            data = b"".join(
                format_interleaved(channel, format_packet(rtp.RtpPacket(kind, number, 0, 1, payload, kind == 72)))
                for number, (channel, kind, payload) in enumerate(frames)
            )
            self.camera.script = {"SETUP": setup, "PLAY": b"RTSP/1.0 200 OK\r\n\r\n" + data}
            return self.validate()

        control = (0, 72, bytes(20))
        for channel in (1, 2, 3, 200):
            self.assertTrue(play(control, (channel, 96, SPS), (channel, 96, KEYFRAME)).validated, channel)
            self.assertEqual(ReasonCode.NO_RTP, play((channel, 8, SPS), (channel, 8, KEYFRAME)).code)
        of_another_session = (4, 96, KEYFRAME)
        self.assertTrue(play(of_another_session, (0, 96, SPS), (0, 96, KEYFRAME)).validated)
        self.assertEqual(ReasonCode.NO_KEYFRAME, play((0, 96, SPS), of_another_session).code)

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
            ({"OPTIONS": "close", "DESCRIBE": "close"}, [], Proof.TCP, "the device closed the connection before it"),
            ({"OPTIONS": None, "DESCRIBE": None}, [], Proof.TCP, "no answer to DESCRIBE within 10 seconds"),
            ({"OPTIONS": b"220 ftp\r\n"}, [], Proof.TCP, "the answer is not RTSP: '220 ftp'"),
            ({"DESCRIBE": 404}, [], Proof.RTSP, "DESCRIBE was answered 404 Not Found"),
            ({"DESCRIBE": b"RTSP/1.0 200 OK\r\n\r\n"}, [], Proof.RTSP, "DESCRIBE was answered without a session"),
            ({"SETUP": 461}, [], Proof.SDP, "the device sends RTP neither over TCP nor over UDP (461)"),
            ({"SETUP": b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP;multicast;port=7000\r\n\r\n"}, [], Proof.SDP,
             "the device chose another transport than RTP over UDP"),
            ({"PLAY": 455}, [], Proof.SDP, "PLAY was answered 455 Method Not Valid in This State"),
            ({"PLAY": None}, [], Proof.SDP, "no answer to PLAY within 10 seconds"),
            ({"PLAY": "close"}, [], Proof.SDP, "the device closed the connection before it answered"),
            ({}, [], Proof.SDP, "PLAY was answered, but no RTP packet came within 10 seconds"),
            ({}, [NO_KEYFRAME], Proof.RTP,
             f"RTP packets came, but no keyframe within 10 seconds{SHORTER}"),
            ({}, [KEYFRAME], Proof.RTP, "keyframes came, but nothing that tells how to decode them within 10 seconds"),
        ):  # fmt: skip
            self.camera.script, self.camera.media = script, media
            report = self.validate()
            self.assertEqual((report.proof, report.validated), (proof, False), reason)
            self.assertTrue(report.reason.startswith(reason), report.reason)
            for _ in range(5):
                self.clock.advance(0)
            self.assertFalse(any(connection.open for connection in self.camera.connections), reason)

    def test_media_before_an_answer_that_never_comes(self) -> None:
        """The answer to PLAY is what is missing, whatever came before it."""
        packets = (rtp.RtpPacket(96, number, 0, 1, one) for number, one in enumerate((SPS, KEYFRAME)))
        self.camera.script["PLAY"] = b"".join(format_interleaved(0, format_packet(packet)) for packet in packets)
        report = self.validate()
        self.assertEqual((Proof.RTP, "no answer to PLAY within 10 seconds"), (report.proof, report.reason))

    def test_encrypted(self) -> None:
        """SRTP cannot be read here, and so it is told; what is only called so is proved as any other."""
        sets = b"a=fmtp:96 sprop-parameter-sets=" + b64encode(SPS) + b"\r\na=control:track1"
        announced = SDP.replace(b"RTP/AVP 96", b"RTP/SAVP 96").replace(b"a=control:track1", sets)
        self.camera.paths = {"/stream1": announced}
        self.camera.media = [SPS, *[NO_KEYFRAME] * 20, KEYFRAME]
        self.assertTrue(self.validate().validated)
        chance = random.Random(1)
        for _ in range(5):
            self.camera.media = [chance.randbytes(200) for _ in range(400)]
            report = self.validate()
            self.assertTrue(report.reason.endswith(f"within 10 seconds{ENCRYPTED}"), report.reason)
            self.assertEqual((Proof.RTP, ReasonCode.NO_KEYFRAME), (report.proof, report.code))
            validator = RtspValidator(self.clock, connect=self.camera)
            _, picture = result_of(self.clock, validator.capture(Stream(url=URL), None), wait=12)
            self.assertEqual(b"", picture)

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

    def test_video_that_is_called_inactive(self) -> None:
        """It is one where it plays; where nothing is played, nothing shows that."""
        self.camera.paths = {"/stream1": SDP.replace(b"a=control:track1", b"a=inactive\r\na=control:track1")}
        self.assertTrue(self.validate().validated)
        self.assertEqual(ReasonCode.NO_VIDEO, self.validate(prove=Proof.SDP).code)
        locks = DeviceLocks()
        for prove, code in ((Proof.KEYFRAME, ReasonCode.NONE), (Proof.SDP, ReasonCode.NO_VIDEO)):
            validator = RtspValidator(self.clock, connect=self.camera, device_locks=locks, prove=prove)
            for media in (b"a=control:track1", b"a=inactive\r\na=control:track1"):
                self.camera.paths = {"/stream1": SDP.replace(b"a=control:track1", media)}
                report = result_of(self.clock, validator.check(Stream(url=URL), None), wait=12)
            self.assertEqual(code, report.code)
        locks.close_all_kept()
        self.clock.advance(1)

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
            ({"OPTIONS": "close", "DESCRIBE": "close"}, [], ReasonCode.NO_ANSWER),
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

    def test_options_without_an_answer(self) -> None:
        """A server that knows no OPTIONS is asked for the stream all the same, on a new connection."""
        self.camera.media = [SPS, KEYFRAME]
        for answer in (None, "close", 501, b"RTSP/1.0 301 Moved\r\nLocation: rtsp://10.0.0.5/\r\n\r\n"):
            self.camera.script["OPTIONS"] = answer
            self.assertTrue(self.validate().validated, answer)

    def test_answers_that_do_not_count(self) -> None:
        """One request is under way at a time: its answer is known though its CSeq is another, or missing."""
        self.camera.media = [SPS, KEYFRAME]
        first: list[int | None] = []

        def of_the_first(number: int | None) -> int | None:
            first.append(number)
            return first[0]

        for cseq in (lambda _: 0, lambda _: 1, lambda n: n - 1, lambda n: n + 7, lambda _: None, of_the_first):
            self.camera.cseq = cseq
            self.assertTrue(self.validate().validated)
            self.assertEqual("TEARDOWN", self.camera.methods()[-1])

    def test_sessions(self) -> None:
        """A session without an identifier, with blanks in it, or first named in PLAY is one."""
        self.camera.media = [SPS, KEYFRAME]
        setup, play = b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n", b"RTSP/1.0 200 OK\r\n"
        for in_setup, in_play, sent, ended in (
            (b"", b"", "", ""),
            (b"Session: \r\n", b"", "", ""),
            (b"Session:\r\nSession: 77\r\n", b"", "77", "77"),
            (b"Session:  12 34 ab ; timeout=60\r\n", b"", "12 34 ab", "12 34 ab"),
            (b"", b"Session: 42;timeout=60\r\n", "", "42"),
            (b"Session: 1\r\n", b"Session: 2\r\n", "1", "1"),
        ):
            rtp_packet = b"".join(
                format_interleaved(0, format_packet(rtp.RtpPacket(96, index, 0, 1, payload)))
                for index, payload in enumerate((SPS, KEYFRAME))
            )
            self.camera.script = {"SETUP": setup + in_setup + b"\r\n", "PLAY": play + in_play + b"\r\n" + rtp_packet}
            self.camera.asked.clear()
            self.assertTrue(self.validate().validated, in_setup)
            headers = {asked.method: asked.request.header("Session") for asked in self.camera.asked}
            self.assertEqual((sent, ended), (headers["PLAY"], headers["TEARDOWN"]))

    def test_redirected(self) -> None:
        """A stream that is at another path of the same server is proved there, and so it is checked."""
        self.camera.paths = {"/1": SDP}
        self.camera.media = [SPS, KEYFRAME]
        moved = b"RTSP/1.0 301 Moved Permanently\r\nLocation: rtsp://10.0.0.5:554/1\r\n\r\n"
        self.camera.script["DESCRIBE"] = lambda request: moved if request.url == URL else ...
        self.assertTrue(self.validate().validated)
        self.assertEqual("rtsp://10.0.0.5:554/1/track1", self.camera.asked[3].url)
        locks = DeviceLocks()
        validator = RtspValidator(self.clock, connect=self.camera, device_locks=locks)
        for look in (validator.validate, validator.check):
            self.assertTrue(result_of(self.clock, look(Stream(url=URL), None), wait=12).validated)
        self.assertEqual(["DESCRIBE", "DESCRIBE"], self.camera.methods()[-2:])
        locks.close_all_kept()

    def test_redirected_to_what_is_too_long(self) -> None:
        """A path that is longer than any URL, once it is written as such, is a fault like any other."""
        for path in ("x" * (2048 - len("rtsp://10.0.0.5/")), "\u00e9" * 600):
            moved = f"RTSP/1.0 302 Moved\r\nLocation: rtsp://10.0.0.5/{path}\r\n\r\n".encode()
            body = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SDP), SDP)
            self.camera.script["DESCRIBE"] = lambda request, moved=moved, body=body: (
                moved if request.url == URL else body
            )
            report = self.validate()
            self.assertEqual(Proof.SDP, report.proof)
            self.assertEqual("the stream's control URL is unusable: a URL is too long", report.reason)

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
        self.assertIn("redirects are followed a few times, and only to other paths of the same server", report.reason)
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

    def test_udp_chosen(self) -> None:
        """A device that answers the offer of TCP with UDP has that session ended, and gets ports of ours in another."""

        def setup(request: RtspRequest) -> bytes:
            ports = "client_port=40000-40001;" if "client_port" in request.header("Transport") else ""
            session = 2 if ports else 1
            transport = f"Transport: RTP/AVP;unicast;{ports}server_port=6970-6971"
            return f"RTSP/1.0 200 OK\r\nCSeq: {request.cseq}\r\nSession: {session}\r\n{transport}\r\n\r\n".encode()

        def play(request: RtspRequest) -> Any:
            for index, payload in enumerate((SPS, KEYFRAME)):
                MemoryPair.last.heard(format_packet(rtp.RtpPacket(96, index, 0, 1, payload)))
            return 200

        self.camera.script = {"SETUP": setup, "PLAY": play}
        self.assertTrue(self.validate().validated)
        self.assertEqual(["SETUP", "TEARDOWN", "SETUP", "PLAY", "TEARDOWN"], self.camera.methods()[2:])
        sessions = [asked.request.header("Session") for asked in self.camera.asked[2:]]
        self.assertEqual(["", "1", "", "2", "2"], sessions)
        self.assertEqual(([6970], 1), (MemoryPair.last.opened, MemoryPair.last.closed))

    def test_transport_that_cannot_be_read(self) -> None:
        """SETUP succeeded, and one transport was offered: that is meant, whatever the answer makes of it."""
        self.camera.media = [SPS, KEYFRAME]
        for transport in ("x", "TCP;unicast;interleaved=0-1", "RTP/AVP/TCP unicast interleaved=0-1", "interleaved=0-1"):
            self.camera.script["SETUP"] = f"RTSP/1.0 200 OK\r\nSession: 42\r\nTransport: {transport}\r\n\r\n".encode()
            self.assertTrue(self.validate().validated, transport)

    def test_play_in_another_way(self) -> None:
        """PLAY that is refused for its Range goes without it; one that is refused for its URL goes to the media's."""
        self.camera.media = [SPS, KEYFRAME]
        usual, whole, alone = (URL + "/", "npt=0.000-"), (URL + "/", ""), (URL + "/track1", "")

        def sent() -> list[tuple[str, str]]:
            return [(one.url, one.request.header("Range")) for one in self.camera.asked if one.method == "PLAY"]

        for right, statuses in ((whole, (400, 451, 456, 457)), (alone, (404, 459))):
            for status in statuses:
                self.camera.asked.clear()
                self.camera.script["PLAY"] = lambda _, right=right, status=status: (
                    ... if sent()[-1] == right else status
                )
                self.assertTrue(self.validate().validated, status)
                self.assertEqual([usual, right], sent())
        for status, tried in ((455, [usual]), (457, [usual, whole]), (404, [usual, alone])):
            self.camera.asked.clear()
            self.camera.script["PLAY"] = status
            self.assertIn(f"PLAY was answered {status}", self.validate().reason)
            self.assertEqual(tried, sent())

    def test_udp_after_another_refusal(self) -> None:
        """Firmware without RTP over TCP has other words for it than 461; UDP is tried once."""
        self.camera.media = []
        for status in (400, 404, 405, 454, 455, 500, 551):
            self.camera.asked.clear()
            self.camera.script["SETUP"] = status
            report = self.validate()
            self.assertEqual(["SETUP", "SETUP"], self.camera.methods()[2:])
            self.assertIn(f"SETUP was answered {status}", report.reason)
            self.camera.script["SETUP"] = lambda request, status=status: (
                status
                if "interleaved" in request.header("Transport")
                else b"RTSP/1.0 200 OK\r\nSession: 42\r\nTransport: RTP/AVP;unicast;client_port=40000-40001\r\n\r\n"
            )
            self.assertEqual(ReasonCode.NO_RTP, self.validate().code)

    def test_the_first_refusal(self) -> None:
        """Where UDP is no way either, the refusal did not mean TCP, and is the reason; no room and no login stand."""

        def answers(first: int, second: Any) -> None:
            self.camera.script["SETUP"] = lambda request: first if "TCP" in request.header("Transport") else second

        for first, code in ((404, ReasonCode.NOT_FOUND), (454, ReasonCode.REFUSED)):
            for second in (461, 400, "close", b"220 ftp\r\n" * 9_000):
                answers(first, second)
                report = self.validate()
                self.assertEqual((Proof.SDP, code), (report.proof, report.code), second)
                self.assertTrue(report.reason.startswith(f"SETUP was answered {first}"), report.reason)
        answers(461, 404)
        self.assertIn("SETUP was answered 404", self.validate().reason)
        for second, raised in ((453, Busy), (401, Unauthorized)):
            answers(404, second)
            self.assertRaises(raised, self.validate)
        self.camera.password = LOGIN.password.reveal()
        self.camera.script["SETUP"] = lambda request: 404 if request.header("Authorization") else ...
        sendings = iter((True, True))

        class Permit:
            async def acquire(self, realm: str = "") -> bool:
                return next(sendings, False)

            def accepted(self, scheme: str = "") -> None:
                """It costs nothing here."""

            def unanswered(self) -> None:
                """Never here."""

        with self.assertRaises(LoginWithheld):
            self.validate(Login(LOGIN.name, LOGIN.password, permit=Permit()))

    def test_forbidden_is_final(self) -> None:
        """403 may be what a wrong login is answered: it is not sent a second time, over UDP."""
        self.camera.password = LOGIN.password.reveal()
        self.camera.script["SETUP"] = 403
        report = self.validate(LOGIN)
        self.assertEqual((ReasonCode.REFUSED, "SETUP was answered 403 Forbidden"), (report.code, report.reason))
        self.assertEqual(["SETUP"], self.camera.methods()[3:])
        self.assertTrue(self.camera.asked[-1].authorized)

    def test_udp_stays_silent(self) -> None:
        """When nothing comes over UDP the check ends in its time and the ports are given back."""
        self.camera.media = []
        self.camera.script["SETUP"] = lambda request: (
            461
            if "interleaved" in request.header("Transport")
            else b"RTSP/1.0 200 OK\r\nSession: 42\r\nTransport: RTP/AVP;unicast;client_port=40000-40001\r\n\r\n"
        )
        report = self.validate()
        self.assertEqual((report.proof, report.code, MemoryPair.last.closed), (Proof.SDP, ReasonCode.NO_RTP, 1))
        self.assertIn("over UDP, which the device insists on and a firewall may hold back", report.reason)
        self.camera.script["SETUP"] = lambda request: 405 if "interleaved" in request.header("Transport") else None
        self.assertIn("no answer to SETUP over UDP (over TCP it was answered 405)", self.validate().reason)

    def test_udp_chosen_in_words(self) -> None:
        """What comes over TCP all the same is the media."""
        self.camera.media = [SPS, KEYFRAME]
        self.camera.script["SETUP"] = b"RTSP/1.0 200 OK\r\nSession: 42\r\nTransport: RTP/AVP;unicast;mode=play\r\n\r\n"
        self.assertTrue(self.validate().validated)

    def test_numbers_of_more_than_the_video(self) -> None:
        """Over TCP nothing is lost: numbers with gaps between all packets count others too. Over UDP they are lost."""
        stream = [SPS, *[NO_KEYFRAME] * 20, *packetize(b"\x65" + bytes(400), 100)]
        media = [format_packet(rtp.RtpPacket(96, 2 * number, 0, 1, one)) for number, one in enumerate(stream)]
        interleaved = b"".join(format_interleaved(0, packet) for packet in media)
        self.camera.script["PLAY"] = b"RTSP/1.0 200 OK\r\n\r\n" + interleaved
        self.assertTrue(self.validate().validated)

        def play(request: RtspRequest) -> int:
            for packet in media:
                MemoryPair.last.heard(packet)
            return 200

        setup = b"RTSP/1.0 200 OK\r\nSession: 42\r\nTransport: RTP/AVP;unicast;server_port=6970-6971\r\n\r\n"
        self.camera.media = []
        self.camera.script = {"SETUP": setup, "PLAY": play}
        self.assertEqual(ReasonCode.NO_KEYFRAME, self.validate().code)

    def test_udp_cannot_be_tried(self) -> None:
        """Then what the device said of TCP is the reason, unless it said that it takes UDP alone."""

        def none(host: str, receive: Callable[[bytes], None]) -> MemoryPair:
            raise Unreachable("no pair of UDP ports is free")

        for status, reason in ((404, "SETUP was answered 404"), (461, "no pair of UDP ports is free")):
            self.camera.script["SETUP"] = status
            self.assertIn(reason, self.validate(open_pair=none).reason)

    def test_keeps_the_session(self) -> None:
        """While media are awaited the session is kept, by the method that the device names for it."""
        self.camera.media = []
        for public, timeout, method, count in (
            ("DESCRIBE, GET_PARAMETER", ";timeout=4", "GET_PARAMETER", 4),
            ("DESCRIBE", ";timeout=4", "OPTIONS", 4),
            ("DESCRIBE", ";timeout=1", "OPTIONS", 9),
            ("DESCRIBE", "", "OPTIONS", 0),
        ):
            setup = f"RTSP/1.0 200 OK\r\nSession: 7{timeout}\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"
            options = f"RTSP/1.0 200 OK\r\nPublic: {public}\r\n\r\n"
            self.camera.script = {"SETUP": setup.encode(), "OPTIONS": options.encode(), "GET_PARAMETER": 501}
            self.camera.asked.clear()
            self.assertEqual(ReasonCode.NO_RTP, self.validate().code)
            self.assertEqual(
                ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", *[method] * count, "TEARDOWN"], self.camera.methods()
            )
            kept = self.camera.asked[4 : 4 + count]
            self.assertEqual(
                {("7", URL + "/")} if count else set(), {(a.request.header("Session"), a.url) for a in kept}
            )

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
        """JPEG and MPEG-4 need a whole picture; of what cannot be judged packets prove nothing more, and at once."""
        self.camera.marked = True
        layer = bytes.fromhex("0000012008d48d88032514043c14440f")
        for name, payload, proof, code in (
            (b"JPEG/90000", b"\0\0\0\0\x01\x50\x28\x1e" + bytes(9), Proof.KEYFRAME, ReasonCode.NONE),
            (b"MJPEG/90000", b"\0\0\0\0\x01\x50\x28\x1e" + bytes(9), Proof.KEYFRAME, ReasonCode.NONE),
            (b"JPEG/90000", bytes(60), Proof.RTP, ReasonCode.NO_KEYFRAME),
            (b"MP4V-ES/90000", layer + b"\0\0\1\xb6\x10abc", Proof.KEYFRAME, ReasonCode.NONE),
            (b"MP4V-ES/90000", layer + b"\0\0\1\xb6\x50abc", Proof.RTP, ReasonCode.NO_KEYFRAME),
            (b"MP4V-ES/90000", b"\0\0\1\xb6\x10abc", Proof.RTP, ReasonCode.NO_PARAMETERS),
            (b"VP8/90000", b"\x10\0\x9d\x01\x2a", Proof.RTP, ReasonCode.UNKNOWN_CODEC),
            (b"\x01/90000", KEYFRAME, Proof.RTP, ReasonCode.UNKNOWN_CODEC),
        ):
            self.camera.paths = {"/stream1": SDP.replace(b"H264/90000", name)}
            self.camera.media = [payload]
            before = self.clock.seconds()
            report = self.validate()
            proved = proof is Proof.KEYFRAME
            self.assertEqual((report.proof, report.validated, report.code), (proof, proved, code), (name, payload))
            if name == b"VP8/90000":
                self.assertEqual((report.codec, self.clock.seconds()), ("VP8", before))
                self.assertTrue(report.reason.startswith("it sends media, but whether there are pictures in its VP8"))
                self.assertEqual(self.validate(prove=Proof.RTP).validated, True, "packets are all that was wanted")

    def test_codec_that_is_called_another(self) -> None:
        """What the packets show is told, by the cheap check too."""
        for name in (b"H265/90000", b"/90000", b"HEVC/90000"):
            self.camera.paths = {"/stream1": SDP.replace(b"H264/90000", name)}
            self.camera.media = [SPS, KEYFRAME]
            locks = DeviceLocks()
            validator = RtspValidator(self.clock, connect=self.camera, device_locks=locks)
            for look, proof in ((validator.validate, Proof.KEYFRAME), (validator.check, Proof.SDP)):
                report = result_of(self.clock, look(Stream(url=URL), None), wait=12)
                self.assertEqual((report.proof, report.validated, report.codec), (proof, True, "H264"))
            locks.close_all_kept()
            self.clock.advance(1)

    def test_first_usable_track(self) -> None:
        """Metadata that calls itself video is not set up, and retransmissions are no media."""
        metadata = b"m=video 0 RTP/AVP 98\r\na=rtpmap:98 vnd.onvif.metadata/90000\r\na=control:track0\r\n"
        self.camera.paths = {"/stream1": SDP.replace(b"m=video", metadata + b"m=video", 1)}
        self.assertTrue(self.validate().validated)
        self.assertFalse(any("track0" in asked.url for asked in self.camera.asked))
        self.camera.paths = {"/stream1": metadata}
        self.assertEqual(self.validate().code, ReasonCode.NO_VIDEO)
        retransmission = b"m=video 0 RTP/AVP 96 97\r\na=rtpmap:96 rtx/90000\r\na=rtpmap:97 H264/90000"
        self.camera.paths = {"/stream1": SDP.replace(b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000", retransmission)}
        report = self.validate()
        self.assertEqual((report.code, report.codec), (ReasonCode.NO_RTP, "H264"))

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
        other = format_interleaved(9, format_packet(rtp.RtpPacket(8, 1, 0, 1, bytes(160))))
        self.drip("PLAY", b"RTSP/1.0 200 OK\r\n\r\n", other * 1000, 0.001)
        reason = "no RTP packet of the video within 20000 packets of media"
        self.assertEqual(reason, self.fault(ReasonCode.NO_RTP).reason)

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
        reason = (
            "what came while it was playing cannot be read: too many bytes between RTSP messages that belong to none"
        )
        self.assertEqual(reason, self.fault(ReasonCode.NOT_RTSP).reason)

    def test_garbage_after_setup(self) -> None:
        """What cannot be read between SETUP and PLAY is not called the device's closing either."""
        setup = b"RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"
        self.camera.script["SETUP"] = setup + bytes(20_000)
        self.assertIn("too many bytes between RTSP messages", self.fault(ReasonCode.NOT_RTSP).reason)

    def test_rtp_with_wrong_lengths(self) -> None:
        """RTP packets that are shorter than they say, in any way, are no packets."""
        broken = (b"", b"\x80", b"\x8f" + bytes(11), b"\x90" + bytes(13) + b"\xff\xff", b"\xa0" + bytes(10))
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
