"""Streams that a person gave, among those that were found."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Stream
from twisted_detector.model.cameras import deciding_streams
from twisted_detector.model.decisions import CameraDecisions, OwnStreams, StreamAddress

HERE = "10.0.0.5"
MAIN, SUB = StreamAddress("rtsp", 5566, "/1"), StreamAddress("rtsps", 322, "/2")
BIG = Stream("rtsp://10.0.0.5:554/big", "p1", width=2560, height=1440)
SMALL = Stream("rtsp://10.0.0.5:554/small", "p2", width=640, height=360)
TINY = Stream("rtsp://10.0.0.5:554/tiny", "p3", width=320, height=180)


class OwnStreamsTests(SynchronousTestCase):
    def replaced(self, own: OwnStreams, *found: Stream, source: str = "") -> list[str]:
        return [one.url for one in own.replace_in(found, HERE, source)]

    def test_urls(self) -> None:
        """They are the camera's, whatever address it has; none where the main one is left to camdetect."""
        both = OwnStreams(MAIN, SUB)
        self.assertEqual(("rtsp://10.0.0.5:5566/1", "rtsps://10.0.0.5:322/2"), both.urls(HERE))
        self.assertEqual(("rtsp://[fe80::1%25eth0]:5566/1",), OwnStreams(MAIN).urls("fe80::1%eth0"))
        self.assertEqual((), OwnStreams(sub=SUB).urls(HERE))
        self.assertEqual((True, True, False), (bool(both), bool(OwnStreams(sub=SUB)), bool(OwnStreams())))
        self.assertEqual(both, CameraDecisions(main=MAIN, sub=SUB).streams)

    def test_replace(self) -> None:
        """The main one stands for the largest that was found, the sub one for all others, whatever their order."""
        main, sub = OwnStreams(MAIN), OwnStreams(sub=SUB)
        for found in ((BIG, SMALL, TINY), (SMALL, BIG, TINY)):
            self.assertEqual([MAIN.url(HERE), SMALL.url, TINY.url], self.replaced(main, *found))
            self.assertEqual([BIG.url, SUB.url(HERE)], self.replaced(sub, *found))
            self.assertEqual([MAIN.url(HERE), SUB.url(HERE)], self.replaced(OwnStreams(MAIN, SUB), *found))
        self.assertEqual([MAIN.url(HERE)], self.replaced(main))
        self.assertEqual([SUB.url(HERE)], self.replaced(sub))

    def test_the_same(self) -> None:
        """A stream that was found too is there once, as the one that was given, of its source."""
        own = OwnStreams(StreamAddress("rtsp", 554, "/small"))
        first, *rest = own.replace_in((BIG, SMALL), HERE, "source")
        self.assertEqual((SMALL.url, "main", "source", True), (first.url, first.name, first.source, first.own))
        self.assertEqual([], rest)

    def test_deciding(self) -> None:
        """A camera is judged by the main one that was given; a profile that is called so is none."""
        found = (Stream("rtsp://h/a", "main"), BIG)
        self.assertIs(found, deciding_streams(found))
        own = OwnStreams(MAIN).replace_in((BIG, SMALL), HERE, "")
        self.assertEqual([own[0]], list(deciding_streams(own)))
        sub = OwnStreams(sub=SUB).replace_in((BIG,), HERE, "")
        self.assertIs(sub, deciding_streams(sub))
