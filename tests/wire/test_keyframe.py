"""Whole keyframes out of RTP packets, and JPEG files out of RTP/JPEG."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import PPS_H264, PPS_H265, SPS_H264, SPS_H265, VPS_H265
from twisted_detector.testing.simulator.media.clip import main_clip
from twisted_detector.testing.simulator.wire.rtp import packetize, packetize_h265, split_annex_b
from twisted_detector.wire.image import read_image
from twisted_detector.wire.rtp.h26x_pictures import MAX_NALS
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.packets import RtpPacket

SEI, SLICE, OTHER = b"\x06abc", b"\x65\x88" + bytes(range(256)) * 3, b"\x65\x20" + bytes(range(200, 50, -1))
P_SLICE = b"\x41\x9a" + bytes(300)


def packets(*pictures: list[bytes], mtu: int = 200, first: int = 65_530, split=packetize) -> list[RtpPacket]:  # type: ignore[no-untyped-def]
    """Each picture with its timestamp, its last packet marked; sequence numbers wrap."""
    made = []
    for number, nals in enumerate(pictures):
        payloads = [payload for nal in nals for payload in split(nal, mtu)]
        for index, payload in enumerate(payloads):
            sequence = (first + len(made)) & 0xFFFF
            made.append(RtpPacket(96, sequence, 1000 * number, 7, payload, index == len(payloads) - 1))
    return made


def collect(given: list[RtpPacket], codec: str = "H264", **more: Any) -> KeyframeFinder:
    collector = KeyframeFinder(codec, collect=True, **more)
    for packet in given:
        if collector.packet(packet):
            break
    return collector


class H26x(SynchronousTestCase):
    def test_whole_access_unit(self) -> None:
        """All slices come out, SEI with them, parameter sets of the band first; FU parts get their header back."""
        found = collect(packets([P_SLICE], [SPS_H264, PPS_H264, SEI, SLICE, OTHER], [P_SLICE]))
        self.assertEqual(split_annex_b(found.unit), (SPS_H264, PPS_H264, SEI, SLICE, OTHER))
        self.assertTrue(found.found)

    def test_sets_of_the_description(self) -> None:
        """Parameter sets of the SDP are put before; newer ones in band after them."""
        found = collect(packets([SLICE]), parameter_sets=(SPS_H264, PPS_H264))
        self.assertEqual(split_annex_b(found.unit), (SPS_H264, PPS_H264, SLICE))
        newer = SPS_H264[:-1] + b"\x8f"
        found = collect(packets([newer, PPS_H264, SLICE]), parameter_sets=(SPS_H264, PPS_H264))
        self.assertEqual(split_annex_b(found.unit), (SPS_H264, newer, PPS_H264, SLICE))

    def test_without_parameters(self) -> None:
        """Without any parameter set there is nothing to decode."""
        found = collect(packets([SLICE], [P_SLICE], [SLICE]))
        self.assertEqual((found.found, found.lacks_parameters), (False, True))

    def test_lost_packets(self) -> None:
        """A keyframe with a packet missing, wherever, is dropped, and the next one is taken."""
        there = packets([SPS_H264, PPS_H264, SLICE, OTHER], [P_SLICE], [SLICE, OTHER])
        count = sum(packet.timestamp == 0 for packet in there)
        for missing in range(2, count - 1):
            given = there[:missing] + there[missing + 1 :]
            found = collect(given)
            self.assertEqual(split_annex_b(found.unit)[-2:], (SLICE, OTHER), missing)
            self.assertEqual(found.packets, len(given), missing)

    def test_no_marker(self) -> None:
        """Without a marker bit the next timestamp ends the picture."""
        given = [replace(packet, marker=False) for packet in packets([SPS_H264, PPS_H264, SLICE], [P_SLICE])]
        self.assertEqual(split_annex_b(collect(given).unit), (SPS_H264, PPS_H264, SLICE))

    def test_rtcp_between(self) -> None:
        """RTCP on the same channel is no part of it."""
        given = packets([SPS_H264, PPS_H264, SLICE])
        given.insert(3, RtpPacket(72, 0, 0, 0, b"\x65rtcp", True))
        self.assertEqual(split_annex_b(collect(given).unit), (SPS_H264, PPS_H264, SLICE))

    def test_bounds(self) -> None:
        """A picture of too many units is dropped."""
        found = collect(packets([SPS_H264, PPS_H264, *[SEI] * MAX_NALS, SLICE], [P_SLICE]))
        self.assertEqual((found.found, found.unit), (False, b""))

    def test_h265(self) -> None:
        """H.265 with its two-octet headers."""
        idr, trail = b"\x26\x01" + bytes(range(1, 250)) * 3, b"\x02\x01" + bytes(30)
        given = packets([trail], [VPS_H265, SPS_H265, PPS_H265, idr], [trail], split=packetize_h265)
        found = collect(given, "H265")
        self.assertEqual(split_annex_b(found.unit), (VPS_H265, SPS_H265, PPS_H265, idr))

    def test_other_codecs(self) -> None:
        """Of a codec that is not known nothing is found, and nothing breaks."""
        found = collect(packets([SLICE]), "VP8")
        self.assertEqual((found.found, found.decidable), (False, False))


class Digests(SynchronousTestCase):
    def digest(self, nal: bytes, mtu: int = 1400) -> str:
        finder = KeyframeFinder("H264", parameter_sets=(SPS_H264,))
        self.assertTrue([finder.packet(packet) for packet in packets([nal], mtu=mtu)][-1])
        return finder.digest

    def test_same_picture(self) -> None:
        """The same coded picture has the same digest, however it is cut, whatever its slice header counts."""
        picture = main_clip().units[0].nals[-1]
        self.assertEqual(self.digest(picture), self.digest(picture, mtu=100))
        self.assertEqual(self.digest(picture), self.digest(picture[:3] + b"\x17" + picture[4:]))
        self.assertEqual(
            self.digest(b"\x65" + bytes(40_000) + b"x" * 20_000), self.digest(b"\x65\1" + bytes(40_000) + b"x" * 20_000)
        )
        self.assertEqual(len(self.digest(picture)), 16)

    def test_other_picture(self) -> None:
        """One bit of noise is another digest; too small a picture has none."""
        clip = main_clip()
        pictures = [unit.nals[-1] for unit in clip.units if unit.keyframe]
        noisy = bytearray(pictures[0])
        noisy[-100] ^= 1
        self.assertEqual(len({self.digest(one) for one in (*pictures, bytes(noisy))}), 5)
        self.assertEqual(self.digest(b"\x65" + bytes(200)), "")


class Jpegs(SynchronousTestCase):
    SCAN = bytes(Random(1).randrange(255) for _ in range(500))

    def payloads(
        self, *, kind: int = 1, quality: int = 50, tables: bytes = b"", restart: bytes = b""
    ) -> list[RtpPacket]:
        made = []
        for offset in range(0, len(self.SCAN), 200):
            head = b"\0" + offset.to_bytes(3, "big") + bytes((kind, quality, 4, 3)) + restart
            data = (tables if not offset else b"") + self.SCAN[offset : offset + 200]
            made.append(RtpPacket(26, 65_535 + len(made) & 0xFFFF, 5, 1, head + data, offset + 200 >= len(self.SCAN)))
        return made

    def assemble(self, given: list[RtpPacket]) -> bytes:
        collector = KeyframeFinder("JPEG", collect=True)
        for packet in given:
            collector.packet(packet)
        return collector.unit

    def test_whole(self) -> None:
        """A picture is the headers of RFC 2435 appendix B, the scan, and the end."""
        for kind in (0, 1):
            data = self.assemble(self.payloads(kind=kind))
            self.assertEqual((read_image(data).width, read_image(data).height), (32, 24))
            self.assertTrue(data.endswith(self.SCAN + b"\xff\xd9"))
            self.assertIn(b"\x08\0\x18\0\x20\x03\x01" + bytes((0x22 if kind else 0x21,)), data)
            self.assertNotIn(b"\xff\xdd", data)

    def test_quality(self) -> None:
        """Q 50 is the standard's own table (annex K.1), Q 99 nearly ones, Q 1 as coarse as eight bits allow."""
        for quality, first in ((50, 16), (99, 1), (1, 255), (25, 32)):
            data = self.assemble(self.payloads(quality=quality))
            self.assertEqual(data[data.index(b"\xff\xdb") + 5], first)

    def test_tables_in_band(self) -> None:
        """Tables in the packet are taken, wide ones too; none where there must be some is no picture."""
        narrow = b"\0\0\0\x80" + bytes(range(1, 129))
        data = self.assemble(self.payloads(quality=255, tables=narrow))
        self.assertIn(b"\xff\xdb\0\x43\x01" + bytes(range(65, 129)), data)
        wide = b"\0\1\0\xc0" + bytes(range(192))
        self.assertIn(b"\xff\xdb\0\x83\x10" + bytes(range(128)), self.assemble(self.payloads(quality=200, tables=wide)))
        for bad in (b"\0\0\0\0", b"\0\0\0\x20" + bytes(32), b"\0\0\xff\xff"):
            self.assertEqual(self.assemble(self.payloads(quality=255, tables=bad)), b"")

    def test_restart_markers(self) -> None:
        """Types 64 and up have restart intervals, which the file must tell."""
        data = self.assemble(self.payloads(kind=65, restart=b"\0\x0a\xff\xff"))
        self.assertIn(b"\xff\xdd\0\x04\0\x0a", data)
        self.assertTrue(data.endswith(self.SCAN + b"\xff\xd9"))

    def test_lost_or_strange(self) -> None:
        """With a packet missing, a type or a Q that is not known, or no size, there is no picture."""
        for missing in range(3):
            given = self.payloads()
            del given[missing]
            self.assertEqual(self.assemble(given), b"")
        for more in ({"kind": 2}, {"kind": 200}, {"quality": 0}, {"quality": 100}):
            self.assertEqual(self.assemble(self.payloads(**more)), b"")  # type: ignore[arg-type]
        empty = replace(self.payloads()[0], payload=b"\0\0\0\0\1\x32\0\3abc")
        self.assertEqual(self.assemble([empty]), b"")

    def test_collector(self) -> None:
        """The collector gives the file with its last packet."""
        collector = KeyframeFinder("JPEG", collect=True)
        self.assertEqual([collector.packet(packet) for packet in self.payloads()], [False, False, True])
        self.assertEqual(read_image(collector.unit).width, 32)
