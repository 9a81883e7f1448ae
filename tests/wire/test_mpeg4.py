"""MPEG-4 part 2: layers, and whole intra pictures."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.mpeg4 import parse_layer
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.sps import VideoParameters

#: FFmpeg's encoder, 320x240, 25 frames a second: sequence, object, layer.
HEADERS = bytes.fromhex(
    "000001b001000001b58913000001000000012000c48d8800cd0a041e1463000001b24c61766335392e33372e313030"
)
#: Of the year 2010: a camera's, 640x480, with an object layer identifier and a fixed rate.
OLDER = bytes.fromhex("000001b0f5000001b509000001000000012008d48d88032514043c14440f")
KEY, OTHER = b"\0\0\1\xb6\x10\x60abc", b"\0\0\1\xb6\x50\x60abc"


class Layers(SynchronousTestCase):
    def test_size(self) -> None:
        """The size comes out of the headers of an encoder and of a camera."""
        self.assertEqual(parse_layer(HEADERS), VideoParameters(320, 240))
        self.assertEqual(parse_layer(OLDER), VideoParameters(640, 480))

    def test_cut(self) -> None:
        """Cut at any byte there is the size or none."""
        for end in range(len(HEADERS)):
            self.assertIn(parse_layer(HEADERS[:end]), (None, VideoParameters(320, 240)))
        self.assertIsNone(parse_layer(b"\0\0\1\x20" + bytes(20)))


class Pictures(SynchronousTestCase):
    def found(self, *payloads: bytes, config: bytes = b"", gap: int = 99) -> KeyframeFinder:
        """``payloads``: the last of a picture ends with ``!``."""
        finder = KeyframeFinder("MP4V-ES", parameter_sets=(config,) if config else ())
        for number, payload in enumerate(payloads):
            finder.packet(RtpPacket(96, number + (number >= gap), 0, 1, payload, payload.endswith(b"!")))
        return finder

    def test_whole_intra_pictures(self) -> None:
        """An intra picture, in one packet or several, headers before it or in the description; never in part."""
        for payloads, expected in (
            ((HEADERS + KEY + b"!",), True),
            ((HEADERS + KEY, b"more", b"end!"), True),
            ((HEADERS, KEY, b"end!"), True),
            ((HEADERS + OTHER + b"!", OTHER + b"!"), False),
            ((HEADERS + KEY, b"more"), False),
            ((HEADERS + b"\0\0\1\xb6",), False),
            ((b"something!",), False),
            ((HEADERS + KEY, b"more", OTHER), True),
            ((HEADERS + KEY, HEADERS), True),
            ((HEADERS + OTHER, OTHER, HEADERS + KEY), False),
        ):
            finder = self.found(*payloads)
            self.assertEqual((finder.found, finder.decidable), (expected, True), payloads)
        self.assertEqual(self.found(HEADERS + KEY + b"!").parameters, VideoParameters(320, 240))
        self.assertTrue(self.found(KEY + b"!", config=HEADERS).found)

    def test_new_timestamp(self) -> None:
        """It ends a picture that no marker ended."""
        finder = KeyframeFinder("MP4V-ES")
        for number, (payload, timestamp) in enumerate(((HEADERS + KEY, 0), (b"more", 0), (b"of another", 1))):
            self.assertEqual(timestamp == 1, finder.packet(RtpPacket(96, number, timestamp, 1, payload)))

    def test_lost(self) -> None:
        """With a packet missing there is no picture; the next one is whole."""
        self.assertFalse(self.found(HEADERS + KEY, b"more", b"end!", gap=1).found)
        self.assertTrue(self.found(HEADERS + KEY, b"more", b"end!", KEY + b"!", gap=1).found)

    def test_without_headers(self) -> None:
        """A picture that no header explains is told as such."""
        finder = self.found(KEY + b"!")
        self.assertEqual((finder.found, finder.lacks_parameters), (False, True))
