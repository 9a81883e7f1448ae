"""For what a stream is taken by its description."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import PPS_H264, PPS_H265, SPS_H264, SPS_H265, VPS_H265
from twisted_detector.testing.simulator.wire.rtp import format_sprop_h264, format_sprop_h265
from twisted_detector.wire.rtp.codecs import codec_of, is_judged, parameter_sets

SETS_H264 = {"sprop-parameter-sets": format_sprop_h264((SPS_H264, PPS_H264))}
SETS_H265 = dict(part.split("=", 1) for part in format_sprop_h265(VPS_H265, SPS_H265, PPS_H265).split(";"))


class CodecTests(SynchronousTestCase):
    def test_contradictions(self) -> None:
        """What only one of the two can have is believed, its content before its name; else the name."""
        for name, parameters, expected in (
            ("H264", {}, "H264"),
            ("H265", {}, "H265"),
            ("H265", {"packetization-mode": "1", "profile-level-id": "420029", "sprop-parameter-sets": ""}, "H264"),
            ("H264", {"profile-id": "1", "level-id": "93"}, "H265"),
            ("H264", {"sprop-vps": "", "sprop-sps": ""}, "H265"),
            ("H265", SETS_H264, "H264"),
            ("H264", SETS_H265, "H265"),
            ("H265", {"packetization-mode": "1", **SETS_H265}, "H265"),
            ("H264", {"sprop-parameter-sets": format_sprop_h264((VPS_H265, SPS_H265, PPS_H265))}, "H265"),
            ("H265", {**SETS_H264, **SETS_H265}, "H265"),
            ("H264", {"packetization-mode": "1", "profile-id": "1"}, "H264"),
            ("VP8", SETS_H264, "VP8"),
            ("", SETS_H264, ""),
        ):
            self.assertEqual(codec_of(name, parameters), expected, (name, parameters))

    def test_other_names(self) -> None:
        """Names that are not registered, and yet mean one thing, are read."""
        for name, expected in (
            ("HEVC", "H265"), ("H.264", "H264"), ("AVC1", "H264"), ("MJPEG", "JPEG"), ("X-H264", "H264"),
            ("H264-90000", "H264"), ("H264;90000", "H264"), ("VIDEO H.265", "H265"), ("X-HEVC.1", "H265"),
        ):  # fmt: skip
            self.assertEqual(codec_of(name, {}), expected)
            self.assertTrue(is_judged(name))
        for name in ("VP8", "H263", "H2640", "JPEG2000", "AVCX", "XAVC"):
            self.assertEqual(codec_of(name, {}), name)
            self.assertFalse(is_judged(name))

    def test_parameter_sets(self) -> None:
        """Only sets with which a decoder could begin are any; several in one, with start codes, are several."""
        self.assertEqual(parameter_sets("H264", SETS_H264), (SPS_H264, PPS_H264))
        self.assertEqual(parameter_sets("H265", SETS_H265), (VPS_H265, SPS_H265, PPS_H265))
        joined = {"sprop-parameter-sets": format_sprop_h264([b"\0\0\0\1".join((b"", SPS_H264, PPS_H264))])}
        self.assertEqual(parameter_sets("H264", joined), (SPS_H264, PPS_H264))
        for codec, parameters in (
            ("H264", {"sprop-parameter-sets": format_sprop_h264([PPS_H264])}),
            ("H264", SETS_H265),
            ("H265", SETS_H264),
            ("MP4V-ES", {"config": "0g"}),
            ("VP8", SETS_H264),
        ):
            self.assertEqual(parameter_sets(codec, parameters), ())
        self.assertEqual(parameter_sets("MP4V-ES", {"config": "0000012008"}), (b"\0\0\1\x20\x08",))
