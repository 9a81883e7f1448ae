"""What real encoders make, sent in every rude way, is judged as a keyframe, and its picture is the one that was taken.

The streams are joined in the middle, as a camera's are: of a gradual refresh no IDR picture ever comes then.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.encoder import HEIGHT, WIDTH, decoded, encoded
from tests.doubles.rtsp_camera import SDP, Camera, result_of
from tests.doubles.rude_rtp import WAYS, as_sent, joined_in_one_unit, packets, usual
from tests.wire.test_h26x_pictures import recovery
from twisted_detector.inspection.pictures.decoder import CODES
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Proof, Stream
from twisted_detector.testing.simulator.wire.rtp import split_annex_b
from twisted_detector.wire.image import read_image
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.packets import RtpPacket

#: Pictures of each stream that were sent before somebody looked, the one IDR picture among them.
MISSED = 3
X264, X265 = "x264-params", "x265-params"
_X264 = "log-level=none:keyint=12:scenecut=0:"
_X265 = "log-level=none:keyint=12:no-scenecut=1:pools=1:"  # with "none" x265 crashes as soon as there are slices
#: What an encoder is told, by what comes out.
STREAMS: dict[str, tuple[str, str, dict[str, str]]] = {
    "H264, closed": ("H264", "libx264", {"preset": "ultrafast", X264: _X264}),
    "H264, open": ("H264", "libx264", {"preset": "medium", X264: _X264 + "open-gop=1:bframes=2"}),
    "H264, open, slices": ("H264", "libx264", {"preset": "ultrafast", X264: _X264 + "open-gop=1:bframes=2:slices=4"}),
    "H264, interlaced": ("H264", "libx264", {"preset": "ultrafast", X264: _X264 + "open-gop=1:bframes=1:tff=1"}),
    "H264, refresh": ("H264", "libx264", {"preset": "ultrafast", X264: _X264 + "intra-refresh=1"}),
    "H264, refresh, B": ("H264", "libx264", {"preset": "medium", X264: _X264 + "intra-refresh=1:bframes=2"}),
    "H265, closed": ("H265", "libx265", {"preset": "ultrafast", X265: _X265 + "open-gop=0"}),
    "H265, open": ("H265", "libx265", {"preset": "ultrafast", X265: _X265 + "open-gop=1:bframes=2"}),
    "H265, slices": ("H265", "libx265", {"preset": "ultrafast", X265: _X265 + "open-gop=1:slices=2"}),
}


def pictures_of(name: str) -> tuple[str, list[list[bytes]]]:
    codec, encoder, options = STREAMS[name]
    units = encoded(encoder, tuple(options.items()))
    return codec, [list(split_annex_b(picture)) for picture in units[MISSED:]]


def without_messages(codec: str, pictures: list[list[bytes]]) -> list[list[bytes]]:
    """As of an encoder that says nothing of recovery points."""

    def is_message(unit: bytes) -> bool:
        return unit[0] & 0x1F == 6 if codec == "H264" else unit[0] >> 1 == 39

    return [[unit for unit in picture if not is_message(unit)] for picture in pictures]


def judge(given: list[RtpPacket], codec: str, *, collect: bool = False) -> KeyframeFinder:
    finder = KeyframeFinder(codec, collect=collect)
    for packet in given:
        if finder.packet(packet):
            break
    return finder


def jpeg_payloads(picture: bytes, mtu: int = 1_000, *, quality: int = 255, tables_too: bool = True) -> list[bytes]:
    """The RTP payloads of a JPEG file with the standard Huffman tables (RFC 2435)."""
    tables, sampling, position = b"", 0x21, 2
    while picture[position : position + 2] != b"\xff\xda":
        marker, length = picture[position + 1], int.from_bytes(picture[position + 2 : position + 4], "big")
        body = picture[position + 4 : position + 2 + length]
        if marker == 0xDB:
            tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
        elif marker == 0xC0:
            sampling = body[7]
        position += 2 + length
    scan = picture[position + 2 + int.from_bytes(picture[position + 2 : position + 4], "big") :].removesuffix(
        b"\xff\xd9"
    )
    payloads = []
    for start in range(0, len(scan), mtu):
        head = b"\0" + start.to_bytes(3, "big") + bytes((int(sampling == 0x22), quality, WIDTH // 8, HEIGHT // 8))
        given = tables if tables_too else b""
        first = b"\0\0" + len(given).to_bytes(2, "big") + given if not start else b""
        payloads.append(head + first + scan[start : start + mtu])
    return payloads


class EncoderMatrix(SynchronousTestCase):
    def each(self) -> list[tuple[str, str, list[list[bytes]]]]:
        """Name, codec and pictures; some of them too as an encoder that says less or more would send them."""
        made = []
        for name in STREAMS:
            codec, pictures = pictures_of(name)
            made.append((name, codec, pictures))
            if "refresh" not in name:
                made.append((f"{name}, no messages", codec, without_messages(codec, pictures)))
        # x265 refreshes gradually, but does not say so: a recovery point as the standard has it is put in.
        _, encoder, options = STREAMS["H265, closed"]
        units = encoded(encoder, tuple({**options, X265: _X265 + "intra-refresh=1"}.items()))
        refresh = without_messages("H265", [list(split_annex_b(picture)) for picture in units[MISSED:]])
        for picture in refresh:
            if len(picture) > 1:
                picture.insert(len(picture) - 1, recovery("H265", 24))
        made.append(("H265, refresh", "H265", refresh))
        return made

    def test_judged(self) -> None:
        """Every stream in every way, whichever of the two codecs it is called, and with every kind of packet header."""
        for name, codec, pictures in self.each():
            self.assertFalse(any(unit[0] & 0x1F == 5 for unit in pictures[0]), "it begins in the middle")
            for way in WAYS:
                for called in ("H264", "H265", ""):
                    found = judge(packets(pictures, codec, way), called)
                    self.assertTrue(found.found, (name, way.__name__, called))
                    assert found.parameters is not None
                    size = found.parameters.width, found.parameters.height
                    self.assertEqual((found.codec, *size), (codec, WIDTH, HEIGHT), (name, way.__name__))
            if "no messages" not in name:
                for kind, sent in as_sent(packets(pictures, codec)).items():
                    self.assertTrue(judge(sent, codec).found, (name, kind))

    def test_nothing_to_begin_with(self) -> None:
        """Before its first keyframe nothing of any stream is one."""
        for name, codec, pictures in self.each():
            first = next(number for number, picture in enumerate(pictures) if self.sets(picture, codec))
            for way in WAYS:
                given = [[*self.sets(pictures[first], codec), pictures[0][-1]], *pictures[1:first]]
                self.assertFalse(judge(packets(given, codec, way), codec).found, (name, way.__name__))

    def sets(self, picture: list[bytes], codec: str) -> list[bytes]:
        kinds = (7, 8) if codec == "H264" else (32, 33, 34)
        return [unit for unit in picture if (unit[0] & 0x1F if codec == "H264" else unit[0] >> 1) in kinds]

    def test_pictures(self) -> None:
        """What is collected is decoded to a picture that is right, after a gradual refresh too."""
        units: dict[str, list[bytes]] = {"H264": [], "H265": []}
        for name, codec, pictures in self.each():
            for way in (usual, joined_in_one_unit):
                found = judge(packets(pictures, codec, way), codec, collect=True)
                self.assertTrue(found.found, (name, way.__name__))
                units[codec].append(found.unit)
        for codec, given in units.items():
            images = [read_image(one) for one in decoded(CODES[codec], given)]
            self.assertEqual({(WIDTH, HEIGHT)}, {(image.width, image.height) for image in images})
            self.assertEqual(len(given), len(images))

    def test_motion_jpeg(self) -> None:
        """Each picture has its tables, or one of them has those of all; markers and numbers must be right."""
        pictures = encoded("mjpeg", (("huffman", "default"),), "yuvj420p")
        for quality in (255, 200):
            made = [
                jpeg_payloads(one, quality=quality, tables_too=quality > 254 or not n) for n, one in enumerate(pictures)
            ]
            if quality < 255:
                made[0] = made[0][:-1]  # joined in the middle of a picture, of which the tables are all that is left
            sent = packets(made, "JPEG", as_they_are)
            for kind, given in as_sent(sent).items():
                if kind in ("as it should be", "timestamp always 0", "another payload type"):
                    found = judge(given, "JPEG", collect=True)
                    self.assertTrue(found.found, (quality, kind))
                    self.assertEqual((read_image(found.unit).width, read_image(found.unit).height), (WIDTH, HEIGHT))
            self.assertFalse(judge(sent[1 : len(made[0])], "JPEG").found, "a part is no picture")

    def test_mpeg4(self) -> None:
        """MPEG-4 part 2, its headers in band; without its first picture and the next intra one there is nothing."""
        pictures = encoded("mpeg4", (("g", "12"),))[MISSED:]
        sent = packets([[one] for one in pictures], "MP4V-ES", in_pieces)
        found = judge(sent, "MP4V-ES")
        assert found.parameters is not None
        self.assertEqual((found.found, found.parameters.width, found.parameters.height), (True, WIDTH, HEIGHT))
        before = [one for one in sent if one.timestamp < 3000 * (12 - MISSED)]
        self.assertFalse(judge(before, "MP4V-ES").found)

    def test_whole_proof(self) -> None:
        """The validator says so: a gradual refresh that is called H265, joined by start codes, is H264 and proved."""
        codec, pictures = pictures_of("H264, refresh")
        for way in WAYS:
            clock = Clock()
            media = [packet.payload for packet in packets(pictures[:20], codec, way)]
            camera = Camera(clock, paths={"/stream1": SDP.replace(b"H264/", b"H265/")}, media=media, marked=True)
            validator = RtspValidator(clock, connect=camera)
            report = result_of(clock, validator.validate(Stream(url="rtsp://10.0.0.5/stream1"), None), wait=12)
            said = (report.proof, report.validated, report.codec, report.width, report.height)
            self.assertEqual(said, (Proof.KEYFRAME, True, "H264", WIDTH, HEIGHT), way.__name__)


def as_they_are(payloads: Any, codec: str) -> list[bytes]:
    return list(payloads)


def in_pieces(units: Any, codec: str) -> list[bytes]:
    return [unit[start : start + 900] for unit in units for start in range(0, len(unit), 900)]
