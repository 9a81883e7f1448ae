"""Which stream is recorded and which is detected on, and names in other programs."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, MAIN, SUB
from twisted_detector.model import Stream
from twisted_detector.outputs.stream_choice import choose_streams, consumer_name


class Choices(SynchronousTestCase):
    def sizes(self, *sizes: tuple[int, int]) -> tuple[int, int]:
        streams = tuple(
            Stream(f"rtsp://h/{n}", codec="H264", width=width, height=height) for n, (width, height) in enumerate(sizes)
        )
        choice = choose_streams(replace(CAMERA, streams=streams))
        assert choice is not None
        return int(choice.main.url[-1]), int(choice.sub.url[-1])

    def test_sizes(self) -> None:
        """The largest is recorded; looked at is the largest that is not too large, else the smallest."""
        self.assertEqual(self.sizes((640, 360), (2560, 1440), (1280, 720)), (1, 2))
        self.assertEqual(self.sizes((3840, 2160), (2560, 1440), (1920, 1080)), (0, 2))
        self.assertEqual(self.sizes((1920, 1080), (1920, 1080)), (0, 0))
        self.assertEqual(self.sizes((0, 0), (0, 0)), (0, 1))
        self.assertEqual(self.sizes((640, 360)), (0, 0))

    def test_usable(self) -> None:
        """JPEG is taken only where there is nothing else; what is no RTSP never."""
        jpeg = replace(SUB, codec="JPEG", width=4000, height=3000)
        for streams, main in (((jpeg, MAIN, SUB), MAIN), ((jpeg,), jpeg)):
            choice = choose_streams(replace(CAMERA, streams=streams))
            assert choice is not None
            self.assertIs(choice.main, main)
        for url in ("http://h/x", "rtsp://h/a b", "rtsp://h/a\nb"):
            self.assertIsNone(choose_streams(replace(CAMERA, streams=(replace(MAIN, url=url),))))

    def test_given(self) -> None:
        """What a person gave is recorded and looked at, whatever else the camera has, and before it ever played."""
        own = replace(MAIN, url="rtsp://h/own", name="main", codec="", width=0, height=0, own=True)
        small = replace(SUB, url="rtsp://h/small", name="sub", own=True)
        for streams, chosen in (
            ((own, SUB), (own, SUB)),
            ((own, MAIN), (own, MAIN)),
            ((own, small), (own, small)),
            ((MAIN, small), (MAIN, small)),
            ((own, replace(small, codec="")), (own, own)),
            ((own,), (own, own)),
        ):
            choice = choose_streams(replace(CAMERA, streams=streams))
            assert choice is not None
            self.assertEqual(chosen, (choice.main, choice.sub))

    def test_names(self) -> None:
        """An id is its own name; one that Frigate would not take becomes another, and different ids stay different."""
        self.assertEqual(consumer_name("urn-uuid-1_2"), "urn-uuid-1_2")
        self.assertRegex(consumer_name("Büro.1"), r"^[a-z0-9_-]+$")
        self.assertNotEqual(consumer_name("a.b"), consumer_name("a:b"))
