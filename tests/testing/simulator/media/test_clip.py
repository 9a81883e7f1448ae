"""The clips that ship with the simulator."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.testing.simulator.media.clip import main_clip, read_clip, sub_clip


class Clips(SynchronousTestCase):
    def test_shipped_clips(self) -> None:
        """Both clips are 60 pictures with a keyframe each second, of the size that they are announced with."""
        for clip, size in ((main_clip(), (640, 360)), (sub_clip(), (320, 180))):
            self.assertEqual((clip.width, clip.height, clip.fps), (*size, 15.0))
            self.assertEqual([n for n, unit in enumerate(clip.units) if unit.keyframe], [0, 15, 30, 45])
            self.assertEqual(len(clip.units), 60)

    def test_slices_of_one_picture(self) -> None:
        """Slices that do not begin at macroblock 0 belong to the picture before."""
        clip = main_clip()
        units = (clip.sps, clip.pps, b"\x65\x88", b"\x65\x40", b"\x41\x9a", b"\x41\x40")
        read = read_clip(b"".join(b"\0\0\0\1" + unit for unit in units))
        self.assertEqual([len(unit.nals) for unit in read.units], [4, 2])

    def test_unusable_clips(self) -> None:
        """A clip without parameter sets, or that begins with no keyframe, is a fault of ours."""
        clip = main_clip()
        for units in ((b"\x65\x88",), (clip.sps, clip.pps, b"\x41\x9a"), (clip.sps, b"\x65\x88")):
            with self.assertRaises(LocalError):
                read_clip(b"".join(b"\0\0\1" + unit for unit in units))
