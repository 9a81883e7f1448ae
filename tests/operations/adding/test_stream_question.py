"""The question for one path: one request without a login, and what the answers mean."""

from __future__ import annotations

from tests.doubles.rtsp_camera import result_of
from tests.inspection.test_rtsp import LOGIN, RtspTestCase
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.model.decisions import StreamAddress
from twisted_detector.operations.adding.stream_question import Finding, StreamAnswer, StreamQuestion

THERE, ELSEWHERE = StreamAddress("rtsp", 5566, "/stream1"), StreamAddress("rtsp", 5566, "/live/9")


class QuestionTests(RtspTestCase):
    def ask(self, stream: StreamAddress = THERE, address: str = "10.0.0.5") -> StreamAnswer:
        self.camera.asked.clear()
        question = StreamQuestion(self.camera, DeviceLocks())
        return result_of(self.clock, question.ask(address, stream), wait=20)

    def test_there(self) -> None:
        """A stream that is described is there; one request was sent, at exactly that port and path."""
        answer = self.ask()
        self.assertEqual((Finding.THERE, False), (answer.finding, answer.wants_login))
        self.assertEqual("the server has a stream at /stream1: H264", answer.text)
        self.assertEqual(["rtsp://10.0.0.5:5566/stream1"], [asked.url for asked in self.camera.asked])

    def test_login(self) -> None:
        """A server that wants a login may have it: none is sent."""
        self.camera.password = LOGIN.password.reveal()
        self.camera.login_first = True
        for stream in (THERE, ELSEWHERE):
            answer = self.ask(stream)
            self.assertEqual((Finding.THERE, True), (answer.finding, answer.wants_login))
            self.assertFalse(any(asked.authorized for asked in self.camera.asked))
        self.assertIn("the server needs a login for /live/9", answer.text)

    def test_not_there(self) -> None:
        """The path is named with what the server said."""
        answer = self.ask(ELSEWHERE)
        self.assertEqual(Finding.NOT_THERE, answer.finding)
        self.assertEqual("the camera has no stream at /live/9 (404): check the path", answer.text)
        self.camera.script["DESCRIBE"] = 400
        self.assertIn("the camera shows no stream at /live/9: DESCRIBE was answered 400", self.ask(ELSEWHERE).text)
        secret = StreamAddress("rtsp", 554, "/user=admin_password=canary_channel=1")
        self.assertNotIn("canary", self.ask(secret).text)

    def test_any_path(self) -> None:
        """A server that describes whatever it is asked for has this one, too: its media are proved later."""
        self.camera.any_path = True
        self.camera.paths = {}
        self.assertEqual(Finding.THERE, self.ask(ELSEWHERE).finding)

    def test_moved(self) -> None:
        """A redirection is followed when the stream is proved."""
        moved = b"RTSP/1.0 302 Found\r\nLocation: rtsp://10.0.0.5:5566/else\r\n\r\n"
        self.camera.script["DESCRIBE"] = lambda request: moved
        self.assertEqual(
            (Finding.THERE, "the server has /stream1 at another path"), (self.ask().finding, self.ask().text)
        )

    def test_busy(self) -> None:
        """A server without room now has it, as far as is known."""
        self.camera.script["DESCRIBE"] = 453
        self.assertEqual(
            (Finding.THERE, "the device has no bandwidth left (453)"), (self.ask().finding, self.ask().text)
        )

    def test_locked(self) -> None:
        """One that says that it locks is there, and what it says is told."""
        locked = b"RTSP/1.0 403 Forbidden\r\nCSeq: 1\r\nContent-Length: 21\r\n\r\nThe account is locked"
        self.camera.script["DESCRIBE"] = lambda request: locked
        answer = self.ask()
        self.assertEqual((Finding.THERE, True), (answer.finding, answer.wants_login))
        self.assertIn("the device says that it is locked", answer.text)

    def test_no_rtsp(self) -> None:
        """Something else, and a connection that is closed, is told as such."""
        for answer in (b"\x15\x03\x01\x00\x02\x02\x0a", "close"):
            self.camera.script["DESCRIBE"] = answer
            told = self.ask()
            self.assertEqual(Finding.NOT_RTSP, told.finding)
            self.assertIn("what listens at port 5566 does not speak RTSP", told.text)

    def test_silence(self) -> None:
        """So is none."""
        self.camera.script["DESCRIBE"] = None
        self.assertEqual(Finding.SILENT, self.ask().finding)
        self.camera.refuses = True
        self.assertIn("port 5566 does not answer", self.ask().text)

    def test_link_local(self) -> None:
        """The scope of an address means something on this machine only."""
        self.ask(THERE, "fe80::1%eth0")
        self.assertEqual("rtsp://[fe80::1]:5566/stream1", self.camera.asked[0].url)
