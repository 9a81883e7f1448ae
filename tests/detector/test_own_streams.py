"""Streams that a person gave: they are proved and published before all others, and nothing takes their place."""

from __future__ import annotations

from tests.detector.case import GOOD, HERE, ID, RunnerCase, is_good
from tests.facts import SILENT, A, inspection, sighting, stream
from twisted_detector.errors import Busy, Unauthorized
from twisted_detector.model import Inspection, Proof, Status, StreamReport
from twisted_detector.model.decisions import OwnStreams, StreamAddress
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.testing.doubles import Guarded

MAIN, SUB = StreamAddress("rtsp", 5566, "/live/1"), StreamAddress("rtsp", 5566, "/live/2")
MAIN_URL, SUB_URL = f"rtsp://{HERE}:5566/live/1", f"rtsp://{HERE}:5566/live/2"
BIG = stream(path="big", width=2560, height=1440)
SMALL = stream(path="small", width=640, height=360)
NOT_THERE = StreamReport(
    Proof.RTSP, validated=False, reason="DESCRIBE was answered 404 Not Found", code=ReasonCode.NOT_FOUND
)
MISSING = "the camera has no stream at /live/1 (404): correct its address, or leave the stream to camdetect"


class OwnStreamTests(RunnerCase):
    def setUp(self) -> None:
        super().setUp()
        self.onvif.answers[HERE] = inspection(HERE, BIG, SMALL)

    def give(self, main: StreamAddress | None = MAIN, sub: StreamAddress | None = None, camera_id: str = ID) -> None:
        self.own[camera_id] = OwnStreams(main, sub)

    def urls(self, camera_id: str = ID) -> list[str]:
        return [one.url for one in self.camera(camera_id).streams]

    def names(self) -> list[tuple[str, bool]]:
        return [(one.name, one.own) for one in self.camera().streams]

    def test_both(self) -> None:
        """Exactly these are proved, and published by their names; what the device names is not even asked for."""
        self.give(sub=SUB)
        self.inspect()
        self.assertEqual([(MAIN_URL, None), (SUB_URL, None)], self.validator.validated)
        self.assertEqual(([MAIN_URL, SUB_URL], Status.ONLINE), (self.urls(), self.camera().status))
        self.assertEqual([("main", True), ("sub", True)], self.names())

    def test_one_of_them(self) -> None:
        """With the main one the device's largest is left out, with the sub one all others; the rest stays."""
        self.give()
        self.inspect()
        self.assertEqual([MAIN_URL, SMALL.url], self.urls())
        self.give(None, SUB)
        self.inspect()
        self.assertEqual([BIG.url, SUB_URL], self.urls())
        self.give(StreamAddress("rtsp", 554, "/big"), None)
        self.inspect()
        self.assertEqual([("main", True), ("small", False)], self.names())

    def test_taken_back(self) -> None:
        """Then the camera is what it was; the stream that was given is known no more."""
        self.give(sub=SUB)
        key = self.inspect()
        self.own.clear()
        self.assertEqual((), self.registry.candidate(key).known_urls)
        self.inspect(key)
        self.assertEqual([BIG.url, SMALL.url], self.urls())

    def test_no_other_takes_its_place(self) -> None:
        """One that does not play is told with its path and the server's word, though another stream plays."""
        self.give()
        self.validator.answers[MAIN_URL] = NOT_THERE
        key = self.inspect()
        self.assertEqual((Status.STREAM_ERROR, MISSING), self.state())
        self.assertEqual(MAIN_URL, self.camera().primary_url)
        for _ in range(3):
            self.check(key)
            self.assertIn((MAIN_URL, None), self.validator.validated)
            self.assertEqual((Status.STREAM_ERROR, MISSING), self.state())
        del self.validator.answers[MAIN_URL]
        self.check(key)
        self.assertEqual((Status.ONLINE, ""), self.state())

    def test_the_smaller_one(self) -> None:
        """When only the sub stream does not play the camera is online, and the stream tells why."""
        self.give(sub=SUB)
        self.validator.answers[SUB_URL] = NOT_THERE
        self.inspect()
        self.assertEqual((Status.ONLINE, ""), self.state())
        self.assertIn("no stream at /live/2 (404)", self.camera().streams[1].reason)

    def test_other_faults(self) -> None:
        """Whatever is wrong, the path and the port are named with it."""
        self.give()
        for answer, status, words in (
            (
                StreamReport(Proof.TCP, validated=False, reason="the connection was closed", code=ReasonCode.NOT_RTSP),
                Status.STREAM_ERROR,
                "the stream that you gave, /live/1 at port 5566, does not play: the connection was closed;"
                " if it speaks TLS, write rtsps://",
            ),
            (
                SILENT,
                Status.STREAM_ERROR,
                "the stream that you gave, /live/1 at port 5566, does not play: no answer",
            ),
            (
                Unauthorized("the device wants a login"),
                Status.AUTH_REQUIRED,
                "the device wants a login (for the stream that you gave, /live/1 at port 5566);",
            ),
            (Busy("the device has no session left (503)"), Status.BUSY, "no session left (503)"),
        ):
            self.validator.answers[MAIN_URL] = answer
            self.inspect()
            self.assertEqual(status, self.camera().status)
            self.assertIn(words, self.camera().reason)

    def test_no_password_in_a_reason(self) -> None:
        """Some makers want the password in the path: it is not told."""
        self.give(StreamAddress("rtsp", 554, "/user=admin_password=canary_channel=1"))
        self.validator.answers[f"rtsp://{HERE}:554/user=admin_password=canary_channel=1"] = NOT_THERE
        self.inspect()
        self.assertIn("no stream at /user=***_password=***_channel=1 (404)", self.camera().reason)

    def test_login(self) -> None:
        """It is asked without a login first, then with one that is due; that of ONVIF does not matter."""
        self.build(GOOD)
        self.give(sub=SUB)
        self.onvif.answers[HERE] = Inspection("onvif", HERE, 0.0, status=Status.AUTH_REQUIRED, reason="no user")
        self.validator.answers[MAIN_URL] = Guarded(self.validator.PLAYS, is_good)
        self.inspect()
        self.assertEqual((Status.ONLINE, ""), self.state())
        self.assertEqual([(MAIN_URL, None), (MAIN_URL, "good")], self.validator.validated[:2])

    def test_address(self) -> None:
        """The host is the camera's present address, wherever it goes."""
        self.give()
        key = self.inspect()
        self.registry.record_sighting(sighting("10.0.0.77", A), self.clock.seconds())
        self.assertEqual("rtsp://10.0.0.77:5566/live/1", self.urls()[0])
        self.onvif.answers["10.0.0.77"] = inspection("10.0.0.77")
        self.inspect(key)
        self.assertEqual(("rtsp://10.0.0.77:5566/live/1", Status.ONLINE), (self.urls()[0], self.camera().status))

    def test_recorder(self) -> None:
        """A stream of one channel is that channel's; the others keep their own, also when ONVIF refuses us."""
        channels = [stream(path=name, source=name) for name in ("one", "two")]
        self.onvif.answers[HERE] = inspection(HERE, *channels)
        self.give(camera_id=f"{ID}_2")
        self.inspect()
        self.assertEqual(([channels[0].url], [MAIN_URL]), (self.urls(), self.urls(f"{ID}_2")))
        self.onvif.answers[HERE] = Inspection("onvif", HERE, 0.0, status=Status.AUTH_REQUIRED, reason="no user")
        self.inspect()
        self.assertEqual(([channels[0].url], [MAIN_URL]), (self.urls(), self.urls(f"{ID}_2")))
        self.assertEqual(["auth_required", "online"], [one.status.value for one in self.registry.cameras()])

    def test_expected_only(self) -> None:
        """What is expected at an address is the stream of a new device that names none; of no other there."""

        def expected(camera_id: str, address: str) -> OwnStreams:
            return OwnStreams(MAIN) if address == HERE else OwnStreams()

        self.patch(self, "own_streams", expected)
        self.inspect()
        self.assertEqual([BIG.url, SMALL.url], self.urls())
        self.onvif.answers[HERE] = Inspection("onvif", HERE, 0.0, status=Status.AUTH_REQUIRED, reason="no user")
        self.inspect()
        self.assertNotIn(MAIN_URL, self.urls())
        self.registry.forget(ID, self.clock.seconds())
        self.onvif.answers[HERE] = Inspection("onvif", HERE, 0.0)
        self.inspect()
        self.assertEqual([MAIN_URL], self.urls())
