"""Pictures of keyframes: which stream is asked, who decodes, and the validator that collects the bytes."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.doubles.rtsp_camera import KEYFRAME, SDP, SPS, Camera as RtspCamera, result_of
from tests.facts import PLAYS, SILENT, login, stream
from twisted_detector.errors import Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.pictures.keyframe import KeyframeTaker
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Camera, Login, Proof, Stream, StreamReport
from twisted_detector.model.cameras import Picture
from twisted_detector.seams import IPictureTaker
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.testing.simulator.wire.rtp import split_annex_b

PPS, OTHER = b"\x68\xce", b"\x65\x20abcdef"
PAINTED = paint(1.0, Random(1))


class ScriptedCaptures:
    """Gives this report and this keyframe, and notes which stream was asked."""

    def __init__(self, report: StreamReport = PLAYS, unit: bytes = b"unit") -> None:
        self.report, self.unit = report, unit
        self.asked: list[tuple[str, Login | None]] = []

    async def capture(self, stream: Stream, login: Login | None) -> tuple[StreamReport, bytes]:
        self.asked.append((stream.url.rpartition("/")[2], login))
        return self.report, self.unit


class Taking(SynchronousTestCase):
    def setUp(self) -> None:
        self.captures = ScriptedCaptures()
        self.decoded: list[tuple[str, bytes]] = []
        self.result: Any = PAINTED

    async def decode(self, codec: str, data: bytes) -> bytes:
        self.decoded.append((codec, data))
        if isinstance(self.result, Exception):
            raise self.result
        result: bytes = self.result
        return result

    def taking(self, *streams: Stream, decoder: bool = True, one: Login | None = None) -> Deferred[Picture | None]:
        taker = KeyframeTaker(Clock(), self.captures, decode=self.decode if decoder else None)
        verifyObject(IPictureTaker, taker)
        camera = Camera(id="cam", device_id="cam", address="10.0.0.5", streams=streams)
        return Deferred.fromCoroutine(taker.take(camera, one))

    def main(self, **more: Any) -> Stream:
        return stream(**{"codec": "H264", "width": 2560, **more})

    def test_decoded(self) -> None:
        """The keyframe is decoded; the login goes along."""
        self.captures.report = replace(PLAYS, keyframe="digest")
        picture = self.successResultOf(self.taking(self.main(), one=login()))
        assert picture is not None
        self.assertEqual("digest", picture.coded)
        self.assertEqual((picture.data, picture.media_type, picture.source), (PAINTED, "image/jpeg", "keyframe"))
        self.assertEqual(self.decoded, [("H264", b"unit")])
        self.assertEqual(self.captures.asked, [("main", login())])

    def test_choice(self) -> None:
        """A stream that is large enough and no larger comes first; one that plays before one that does not."""
        sub = self.main(path="sub", width=640)
        for streams, expected in (
            ((self.main(), sub), "sub"),
            ((self.main(), replace(sub, validated=False)), "main"),
            ((replace(self.main(), validated=False), replace(sub, validated=False)), "sub"),
            ((self.main(width=0), self.main(path="other")), "main"),
            ((self.main(codec="AV1"), self.main(path="jpeg", codec="JPEG")), "jpeg"),
        ):
            self.captures.asked.clear()
            self.successResultOf(self.taking(*streams).addErrback(lambda failure: failure.trap(Malformed)))
            self.assertEqual(self.captures.asked[0][0], expected)

    def test_without_a_decoder(self) -> None:
        """Then motion JPEG alone is taken, and other streams are not asked in vain."""
        self.assertIsNone(self.successResultOf(self.taking(self.main(), decoder=False)))
        self.assertEqual(self.captures.asked, [])
        self.captures = ScriptedCaptures(replace(PLAYS, codec="JPEG"), PAINTED)
        picture = self.successResultOf(self.taking(self.main(codec="JPEG"), decoder=False))
        self.assertEqual(getattr(picture, "data", None), PAINTED)
        self.captures = ScriptedCaptures()  # it says JPEG in its documents and sends H.264
        self.assertIsNone(self.successResultOf(self.taking(self.main(codec="JPEG"), decoder=False)))

    def test_nothing_to_show(self) -> None:
        """A camera without a stream, or with one of another codec, gives none."""
        self.assertIsNone(self.successResultOf(self.taking()))
        self.assertIsNone(self.successResultOf(self.taking(self.main(codec="AV1"))))

    def test_no_keyframe(self) -> None:
        """A device that is away is unreachable; a stream without a keyframe says why."""
        self.captures = ScriptedCaptures(SILENT, b"")
        self.failureResultOf(self.taking(self.main()), Unreachable)
        report = StreamReport(Proof.RTP, validated=False, reason="RTP packets came, but no keyframe")
        self.captures = ScriptedCaptures(report, b"")
        self.assertIn("no keyframe", str(self.failureResultOf(self.taking(self.main()), Malformed).value))

    def test_reasons(self) -> None:
        """No keyframe, and one that is no picture."""
        self.captures = ScriptedCaptures(StreamReport(Proof.RTP, validated=True), b"")
        failure = self.failureResultOf(self.taking(self.main()), Malformed)
        self.assertEqual("no whole keyframe came", str(failure.value))
        self.captures, self.result = ScriptedCaptures(), b"rubbish"
        failure = self.failureResultOf(self.taking(self.main()), Malformed)
        self.assertIn("the keyframe is no picture", str(failure.value))

    def test_not_decoded(self) -> None:
        """What cannot be decoded, or is no picture then, is the device's fault."""
        for self.result in (Malformed("damaged"), b"rubbish"):
            self.failureResultOf(self.taking(self.main()), Malformed)


class Capturing(SynchronousTestCase):
    """The validator's other product."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.camera = RtspCamera(self.clock, paths={"/a": SDP}, media=[SPS, PPS, KEYFRAME, OTHER], marked=True)
        self.locks = DeviceLocks()
        self.validator = RtspValidator(self.clock, connect=self.camera, device_locks=self.locks)

    def capture(self, url: str = "rtsp://10.0.0.5/a", one: Login | None = None) -> tuple[StreamReport, bytes]:
        self.camera.asked.clear()
        return result_of(self.clock, self.validator.capture(Stream(url=url), one), wait=15)

    def test_keyframe(self) -> None:
        """The bytes of a whole keyframe, all its slices, come with the usual report, and the session is ended."""
        report, unit = self.capture()
        self.assertEqual((report.proof, report.codec, report.validated), (Proof.KEYFRAME, "H264", True))
        self.assertEqual(split_annex_b(unit), (SPS, PPS, KEYFRAME.rstrip(b"\0"), OTHER))
        self.assertEqual(self.camera.methods()[-1], "TEARDOWN")

    def test_half_a_keyframe(self) -> None:
        """While its access unit has not ended there is none, though a check would be content."""
        self.camera.marked = False
        report, unit = self.capture()
        self.assertEqual((report.proof, report.validated, unit), (Proof.RTP, False, b""))
        self.camera.asked.clear()
        report = result_of(self.clock, self.validator.validate(Stream(url="rtsp://10.0.0.5/a"), None), wait=15)
        self.assertTrue(report.validated)

    def test_refused(self) -> None:
        """A login that is wanted is raised, as by a check."""
        self.camera.password = "x"
        with self.assertRaises(Unauthorized) as caught:
            self.capture()
        self.assertFalse(caught.exception.attempted)
        self.assertEqual(len(self.locks), 0)

    def test_unusable_url(self) -> None:
        """A URL that is none is the device's fault."""
        with self.assertRaises(Malformed):
            self.capture("http://10.0.0.5/")
