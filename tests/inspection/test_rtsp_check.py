"""The cheap check: what it asks, what it believes, and when it gives way to a full proof; no sockets."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from tests.doubles.rtsp_camera import KEYFRAME, SDP, SPS, result_of
from tests.inspection.test_rtsp import LOGIN, URL, RtspTestCase
from twisted_detector.detector.login_attempt import single_use
from twisted_detector.errors import Busy, Unauthorized
from twisted_detector.inspection import device_locks as device_locks_module
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import FORGOTTEN_AFTER, TAKES_DOWN, RtspValidator
from twisted_detector.model import Candidate, Login, Proof, Secret, Stream, StreamReport
from twisted_detector.model.reasons import ReasonCode


class CheckTests(RtspTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.locks = DeviceLocks()
        self.validator = RtspValidator(self.clock, connect=self.camera, device_locks=self.locks, cnonce=lambda: "c")
        self.camera.media = [SPS, KEYFRAME]

    def tearDown(self) -> None:
        self.locks.close_all_kept()
        self.clock.advance(1)
        super().tearDown()

    def run_it(self, look: str, login: Login | None = None, url: str = URL) -> StreamReport:
        self.camera.asked.clear()
        return result_of(self.clock, getattr(self.validator, look)(Stream(url=url), login), wait=30)

    def open_connections(self) -> int:
        return sum(one.open for one in self.camera.connections)

    def test_never_proved(self) -> None:
        """A stream that was never proved is proved."""
        self.assertEqual(Proof.KEYFRAME, self.run_it("check").proof)
        self.assertEqual(["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"], self.camera.methods())

    def test_one_question(self) -> None:
        """One DESCRIBE, on the connection of the check before; it claims no more than the rung that it saw."""
        self.run_it("validate")
        for _ in range(3):
            report = self.run_it("check")
            self.assertEqual((Proof.SDP, True, "H264"), (report.proof, report.validated, report.codec))
            self.assertEqual(["DESCRIBE"], self.camera.methods())
        self.assertEqual((2, 1, 1), (len(self.camera.connections), self.open_connections(), self.locks.kept_count))

    def test_what_is_remembered_is_small(self) -> None:
        """Of a description what a check needs is kept; a device may write a thousand lines more."""
        self.camera.paths["/stream1"] = SDP + b"".join(b"a=x-maker:%d\r\n" % number for number in range(1000))
        self.run_it("validate")
        kept = self.validator._proved[URL].described
        self.assertNotIn("x-maker", repr(kept))
        self.assertEqual(("track1", "*", "x"), (kept.control, kept.aggregate, kept.session))
        self.run_it("check")
        self.assertEqual(["DESCRIBE"], self.camera.methods())

    def test_a_new_session_id_is_no_change(self) -> None:
        """Origin and times of a description may change each time."""
        self.run_it("validate")
        self.camera.paths["/stream1"] = SDP.replace(b"o=- 0 0", b"o=- 77 99").replace(b"t=0 0", b"t=1 0")
        self.run_it("check")
        self.assertEqual(["DESCRIBE"], self.camera.methods())

    def test_changed(self) -> None:
        """Another codec, size or place of the video is proved anew at once."""
        self.run_it("validate")
        for new in (SDP.replace(b"track1", b"track9"), SDP.replace(b"H264", b"JPEG")):
            self.camera.paths["/stream1"] = new
            self.run_it("check")
            self.assertEqual(["DESCRIBE", "DESCRIBE", "SETUP", "PLAY"], self.camera.methods()[:4])
            self.assertEqual(1, self.camera.most_open)

    def test_the_kept_nonce(self) -> None:
        """On a connection that is kept a login is answered for with the nonce that is known: no 401 between."""
        self.camera.password = LOGIN.password.reveal()
        self.run_it("validate", LOGIN)
        for described in (["/stream1", "+/stream1"], ["+/stream1"], ["+/stream1"]):
            self.assertTrue(self.run_it("check", LOGIN).validated)
            self.assertEqual(described, self.camera.described())

    def test_a_stale_nonce(self) -> None:
        """A nonce that got too old costs a request or two more, and no attempt."""
        self.camera.password, self.camera.stale_after = LOGIN.password.reveal(), 4
        self.run_it("validate", LOGIN)
        for most in [3] * 8:
            self.assertTrue(self.run_it("check", LOGIN).validated)
            self.assertLessEqual(len(self.camera.asked), most)
        self.assertEqual(0, self.camera.wrong_logins)

    def test_basic_is_not_volunteered(self) -> None:
        """A password in clear is sent on a new connection only after it was asked for there."""
        self.camera.password, self.camera.scheme = LOGIN.password.reveal(), "basic"
        self.validator = RtspValidator(
            self.clock, connect=self.camera, device_locks=self.locks, allow_basic=lambda _: True
        )
        self.run_it("validate", LOGIN)
        self.run_it("check", LOGIN)
        self.assertEqual(["/stream1", "+/stream1"], self.camera.described())

    def test_a_login_that_may_not_be_spent(self) -> None:
        """Where DESCRIBE wants a login that may not be spent, OPTIONS is asked, and only that rung is claimed."""
        self.camera.password = LOGIN.password.reveal()
        self.run_it("validate", LOGIN)
        report = self.run_it("check", None)
        self.assertEqual((Proof.RTSP, True, ["OPTIONS"]), (report.proof, report.validated, self.camera.methods()))

    def test_a_login_that_may_not_be_spent_and_no_options(self) -> None:
        """Where OPTIONS is not answered, or wants a login too, that is as good a sign of life."""
        self.camera.password = LOGIN.password.reveal()
        self.run_it("validate", LOGIN)
        wanted = b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n'
        for answer, asked in (
            (None, ["OPTIONS", "DESCRIBE"]),
            ("close", ["OPTIONS", "OPTIONS", "DESCRIBE"]),
            (wanted, ["OPTIONS"]),
        ):
            self.camera.script["OPTIONS"] = answer
            report = self.run_it("check", None)
            self.assertEqual(
                (True, asked, 0), (report.validated, self.camera.methods(), self.camera.wrong_logins), answer
            )

    def test_refused(self) -> None:
        """A login that is refused now is raised at once: it is not sent again by a proof."""
        self.camera.password = LOGIN.password.reveal()
        self.run_it("validate", LOGIN)
        self.camera.password = "changed"
        with self.assertRaises(Unauthorized) as caught:
            self.run_it("check", LOGIN)
        self.assertTrue(caught.exception.attempted)
        self.assertEqual(1, self.camera.wrong_logins)
        self.assertEqual({"DESCRIBE"}, set(self.camera.methods()))

    def test_refused_for_another_stream(self) -> None:
        """A login that was refused for one stream is not sent for the next, and so not said to be refused for it."""
        self.camera.password, self.camera.paths["/stream2"] = LOGIN.password.reveal(), SDP
        second = URL.replace("stream1", "stream2")
        for url in (URL, second):
            self.run_it("validate", LOGIN, url)
        self.camera.password = "changed"
        for url, attempted in ((URL, True), (second, False)):
            with self.assertRaises(Unauthorized) as caught:
                self.run_it("check", LOGIN, url)
            self.assertEqual(attempted, caught.exception.attempted)
        self.assertEqual(1, self.camera.wrong_logins)
        self.camera.password = LOGIN.password.reveal()
        self.assertTrue(self.run_it("check", LOGIN, second).validated)  # by a full proof, with a client of its own

    def test_a_connection_that_is_not_kept(self) -> None:
        """A nonce may be good for its connection only, so none goes along to another: it would count as a failure."""
        self.camera.password, self.camera.nonce_per_connection = LOGIN.password.reveal(), True
        self.run_it("validate", LOGIN)
        for _ in range(3):
            self.assertTrue(self.run_it("check", LOGIN).validated)
            self.assertEqual(["/stream1", "+/stream1"], self.camera.described())
            self.camera.connections[-1].hang_up()
        self.assertEqual(0, self.camera.wrong_logins)

    def test_refused_on_a_connection_that_is_not_kept(self) -> None:
        """A password that changed meanwhile costs one failure there too."""
        self.camera.password = LOGIN.password.reveal()
        self.run_it("validate", LOGIN)
        self.run_it("check", LOGIN)
        self.camera.connections[-1].hang_up()
        self.camera.password = "changed"
        with self.assertRaises(Unauthorized):
            self.run_it("check", LOGIN)
        self.assertEqual(1, self.camera.wrong_logins)

    def test_busy(self) -> None:
        """A server without room says so when it was asked twice."""
        self.run_it("validate")
        self.camera.script["DESCRIBE"] = 503
        with self.assertRaises(Busy):
            self.run_it("check")
        self.assertEqual(["DESCRIBE", "DESCRIBE"], self.camera.methods())

    def test_busy_with_what_we_ended(self) -> None:
        """A server that says 503 while it takes down our last session has room a moment later, whoever asks."""
        self.run_it("validate")
        for look, told in (("check", Proof.SDP), ("validate", Proof.KEYFRAME)):
            self.camera.script["DESCRIBE"] = 503
            self.clock.callLater(TAKES_DOWN - 0.1, self.camera.script.pop, "DESCRIBE")
            report = self.run_it(look)
            self.assertEqual((True, told), (report.validated, report.proof))

    def test_busy_at_a_login_that_goes_once(self) -> None:
        """A login that must not be sent again hides nothing of what the server said: it has no room."""
        self.camera.password = LOGIN.password.reveal()
        self.run_it("validate", LOGIN)
        self.camera.script["DESCRIBE"] = lambda request: 503 if request.header("Authorization") else ...
        with self.assertRaises(Busy):
            self.run_it("validate", single_use(LOGIN))
        self.assertEqual(1, sum(one.authorized for one in self.camera.asked))

    def test_away(self) -> None:
        """Without a connection there is nothing to prove."""
        self.run_it("validate")
        self.camera.refuses = True
        report = self.run_it("check")
        self.assertEqual(
            (Proof.UNREACHABLE, False, ReasonCode.UNREACHABLE), (report.proof, report.validated, report.code)
        )

    def test_silence(self) -> None:
        """Silence is in doubt, and ends as the full proof says."""
        self.run_it("validate")
        self.camera.script["DESCRIBE"] = None
        report = self.run_it("check")
        self.assertEqual((Proof.TCP, False, ReasonCode.NO_ANSWER), (report.proof, report.validated, report.code))
        self.assertEqual(0, self.open_connections())

    def test_a_server_that_closes(self) -> None:
        """A server that gives kept connections up is asked on a new one each time, after it did so twice."""
        self.run_it("validate")
        for kept in (1, 1, 0, 0):
            self.assertTrue(self.run_it("check").validated)
            self.clock.advance(0)
            self.assertEqual(kept, self.open_connections())
            for connection in self.camera.connections:
                connection.hang_up()
        self.assertEqual(1, self.camera.most_open)

    def test_closed_for_others(self) -> None:
        """A kept connection is closed before anybody else has his turn: a proof, an inspector, another login."""
        inspector = RtspInspector(self.clock, connect=self.camera, device_locks=self.locks)
        self.run_it("validate")
        self.run_it("check")
        self.run_it("validate")
        self.run_it("check")
        result_of(self.clock, inspector.inspect(Candidate("d", "10.0.0.5", rtsp_ports=(554,)), None), wait=20)
        self.run_it("check")
        self.camera.password = LOGIN.password.reveal()
        self.run_it("check", LOGIN)
        self.assertEqual(1, self.camera.most_open)

    def test_bounds(self) -> None:
        """So many connections are kept and no more; the one that was kept first is closed."""
        self.patch(device_locks_module, "MAX_KEPT_CONNECTIONS", 2)
        for number in range(4):
            url = f"rtsp://10.0.0.{number}/stream1"
            self.run_it("validate", url=url)
            self.run_it("check", url=url)
        for _ in range(3):
            self.clock.advance(0)
        self.assertEqual((2, 2), (self.locks.kept_count, self.open_connections()))

    def test_servers_that_nobody_asks(self) -> None:
        """Cameras get other addresses: what was kept of one that nobody asks any more is let go, its connection too."""
        kept: list[weakref.ref[Any]] = []
        for number in range(3):
            url = f"rtsp://10.0.0.{number}/stream1"
            self.run_it("validate", url=url)
            self.run_it("check", url=url)
            kept.append(weakref.ref(self.camera.connections[-1].session))
        self.assertEqual((3, 3), (self.locks.kept_count, self.open_connections()))
        self.clock.advance(FORGOTTEN_AFTER - 1)
        self.assertTrue(self.run_it("check", url=url).validated)
        self.assertEqual(["DESCRIBE"], self.camera.methods())
        self.assertEqual((3, 3), (self.locks.kept_count, self.open_connections()))
        self.clock.advance(2)
        self.assertTrue(self.run_it("check", url=url).validated)
        self.clock.advance(2)
        self.assertEqual((1, 1), (self.locks.kept_count, self.open_connections()))
        self.camera.connections.clear()
        gc.collect()
        self.assertEqual([True, True, False], [one() is None for one in kept])

    def test_no_secret(self) -> None:
        """Neither the reports nor the requests of a check hold a password."""
        secret = Login("cam", Secret("canary"))
        self.camera.password = "canary"
        reports: list[Any] = [self.run_it(look, secret) for look in ("validate", "check")]
        self.assertNotIn("canary", repr(reports) + repr(self.camera.asked))
