"""When a stream has shown a keyframe."""

from __future__ import annotations

import random

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import SPS_H265
from twisted_detector.testing.simulator.wire.rtp import packetize, packetize_h265, split_annex_b
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtp.keyframe import MIN_CLEAR, MIN_GAPS, KeyframeFinder

SPS = bytes.fromhex("6742c01edb0280bfe5c05a808080a000000300200000078 1e2c5d4".replace(" ", ""))
IDR = b"\x65" + bytes(range(200)) * 30
SLICE = b"\x41" + bytes(100)


class KeyframeTests(SynchronousTestCase):
    """When a decoder could have shown one picture."""

    def feed(self, finder: KeyframeFinder, payloads: list[bytes], first: int = 65_534) -> list[bool]:
        return [
            finder.packet(rtp.RtpPacket(96, (first + index) & 0xFFFF, 0, 1, payload))
            for index, payload in enumerate(payloads)
        ]

    def fed(self, finder: KeyframeFinder, packets: list[rtp.RtpPacket]) -> bool:
        """Whether a keyframe was found, after all packets came."""
        for packet in packets:
            finder.packet(packet)
        return finder.found

    def test_single(self) -> None:
        """One IDR in one packet is a keyframe; a slice before it is none."""
        finder = KeyframeFinder("H264", parameter_sets=(SPS,))
        self.assertEqual(self.feed(finder, [SLICE, IDR[:900]]), [False, True])
        self.assertEqual(finder.packets, 2)

    def test_fragments(self) -> None:
        """An IDR in parts is a keyframe with its last part, over the wrap of the sequence numbers."""
        parts = list(packetize(IDR, 1000))
        self.assertGreater(len(parts), 3)
        finder = KeyframeFinder("H264", parameter_sets=(SPS,))
        self.assertEqual(self.feed(finder, parts), [False] * (len(parts) - 1) + [True])

    def test_lost_fragment(self) -> None:
        """An IDR of which a part is missing is none; the next whole one is."""
        parts = list(packetize(IDR, 1000))
        finder = KeyframeFinder("H264", parameter_sets=(SPS,))
        for index, part in enumerate(parts):
            if index != 2:
                self.assertFalse(finder.packet(rtp.RtpPacket(96, index, 0, 1, part)))
        self.assertTrue(self.feed(finder, parts, first=100)[-1])

    def test_started_in_the_middle(self) -> None:
        """The end of an IDR whose beginning was never seen is no keyframe."""
        finder = KeyframeFinder("H264", parameter_sets=(SPS,))
        self.assertFalse(any(self.feed(finder, list(packetize(IDR, 1000))[1:])))

    def test_parameters_in_band(self) -> None:
        """Without parameters in the SDP a keyframe counts once a parameter set came in band, which tells the size."""
        finder = KeyframeFinder("H264")
        self.assertEqual(self.feed(finder, [IDR[:900]]), [False])
        self.assertTrue(finder.lacks_parameters)
        stap = b"\x18" + len(SPS).to_bytes(2, "big") + SPS + b"\x00\x04\x68\xce\x38\x80"
        self.assertEqual(self.feed(finder, [stap, IDR[:900]]), [False, True])
        self.assertEqual((finder.parameters.width, finder.parameters.height), (640, 360))

    def test_h265(self) -> None:
        """Every IRAP type is a keyframe in H.265, whole or in parts; a trailing picture is none."""
        for kind in (16, 19, 20, 21):
            nal = bytes((kind << 1, 1)) + bytes(3000)
            for mtu in (4000, 1000):
                finder = KeyframeFinder("H265", parameter_sets=(SPS_H265,))
                self.assertTrue(self.feed(finder, list(packetize_h265(nal, mtu)))[-1], (kind, mtu))
        finder = KeyframeFinder("H265", parameter_sets=(SPS_H265,))
        self.assertEqual(self.feed(finder, [bytes((1 << 1, 1)) + bytes(50)]), [False])

    def test_jpeg(self) -> None:
        """A whole picture is wanted of JPEG, and tells the size; a packet of zeros is none."""
        finder = KeyframeFinder("JPEG")
        later, whole = b"\0\0\x05\x78\x01\x50\x28\x1e" + bytes(20), b"\0\0\0\0\x01\x50\x28\x1e" + bytes(20)
        for number, payload in enumerate((later, whole, bytes(60))):
            self.assertFalse(finder.packet(rtp.RtpPacket(26, number, number, 1, payload, payload is not whole)))
        self.assertTrue(finder.packet(rtp.RtpPacket(26, 3, 3, 1, whole, True)))
        self.assertEqual((finder.parameters.width, finder.parameters.height), (320, 240))

    def test_other_payload_types(self) -> None:
        """Once a packet of the stream's own type came, those of others count nothing, nor do their numbers."""
        stream = [SPS, *packetize(IDR, 50), b"\x41abc"]
        for first in (False, True):  # whether one of the others comes first
            finder = KeyframeFinder("H264", own=frozenset({96, 97}), collect=True)
            given = [rtp.RtpPacket(8, 7_000, 5, 2, bytes(160))] if first else []
            for number, payload in enumerate(stream):
                given += [rtp.RtpPacket(96, number, 0, 1, payload, payload == stream[-2])]
                given += [
                    rtp.RtpPacket(50, number + 1, 9, 1, b"\x65", True),
                    rtp.RtpPacket(8, 7_000 + number, 5, 2, b"s"),
                ]
            self.assertTrue(self.fed(finder, given))
            self.assertEqual((SPS, IDR), split_annex_b(finder.unit))
            self.assertEqual(len(stream) + first, finder.packets)
        finder = KeyframeFinder("H264", own=frozenset({97}))
        self.assertTrue(any(finder.packet(rtp.RtpPacket(96, n, 0, 1, one)) for n, one in enumerate(stream)))

    def test_numbers_of_more_than_the_stream(self) -> None:
        """Over TCP numbers are not believed that are seen to count other packets too, or nothing."""
        unit = packetize(IDR, 20)
        for numbers, believed in (
            (lambda n: n, True),
            (lambda n: 2 * n, False),
            (lambda n: n + n // 3, False),
            (lambda n: 3 * n - n // 5, False),
            (lambda n: n * 7_919, False),
            (lambda n: -n, False),
            (lambda n: n + n // 4 * 9, True),  # it leaves packets out, ten at a time
        ):
            for reliable in (False, True):
                finder = KeyframeFinder("H264", parameter_sets=(SPS,))
                if reliable:
                    finder.nothing_is_lost()
                stream = [b"\x41" + bytes((n,)) * 9 for n in range(4 * MIN_GAPS)] + list(unit)
                given = [rtp.RtpPacket(96, numbers(n) & 0xFFFF, 0, 1, one) for n, one in enumerate(stream)]
                expected = numbers(9) == 9 or (reliable and not believed)
                self.assertEqual(expected, self.fed(finder, given), numbers(100))

    def test_single_losses(self) -> None:
        """A device that leaves out one packet of fifty numbers no others, and its keyframe is whole or none."""
        chance = random.Random(7)
        key = b"\x65" + bytes(chance.randrange(1, 256) for _ in range(6_000))
        stream = [SLICE] * 50 * 2 * MIN_GAPS + [*packetize(key, 100), SLICE] * 40
        found = 0
        for _ in range(5):
            finder = KeyframeFinder("H264", parameter_sets=(SPS,), collect=True)
            finder.nothing_is_lost()
            given = [
                rtp.RtpPacket(96, n & 0xFFFF, n if one is SLICE else 0, 1, one)
                for n, one in enumerate(stream)
                if chance.random() >= 0.02
            ]
            if self.fed(finder, given):
                found += 1
                self.assertEqual(key, split_annex_b(finder.unit)[1])
        self.assertGreater(found, 0)

    def test_announced_as_encrypted(self) -> None:
        """Nothing is read before so many packets of its own have the first bit that none in clear has set."""
        stream = [SPS, *[SLICE] * (MIN_CLEAR - 2), IDR[:900]]
        for payloads, expected in (
            (stream, True),
            (stream[1:], False),
            ([*stream[:2], b"\x80", *stream[2:]], False),
            ([b"\xe5", *stream, IDR[:900]], False),
        ):
            finder = KeyframeFinder("H264", parameter_sets=(SPS,), own=frozenset({96}), encrypted=True, collect=True)
            for number in range(MIN_CLEAR):  # of another type: they tell nothing of it
                finder.packet(rtp.RtpPacket(8, number, 0, 1, b"\x80" if number % 2 else b"\x25"))
            packets = [rtp.RtpPacket(96, n, n, 1, one, one != SPS) for n, one in enumerate(payloads)]
            self.assertEqual(expected, self.fed(finder, packets))
            self.assertEqual((expected, expected), (bool(finder.unit), finder.parameters is not None))

    def test_codecs_called_by_other_names(self) -> None:
        """The packets decide, whatever the description calls them, but for MPEG-4, which is believed by its name."""
        jpeg = bytes.fromhex("00 000000 01 50 28 1e") + bytes(range(100))
        h264, h265 = [SPS, *packetize(IDR, 900)], [SPS_H265, *packetize_h265(b"\x26\1" + bytes(range(1, 250)), 900)]
        for called in ("H264", "H265", "JPEG", "MP4V-ES", ""):
            for codec, payloads in (("JPEG", [jpeg]), ("H264", h264), ("H265", h265)):
                for collect in (False, True):
                    finder = KeyframeFinder(called, collect=collect)
                    packets = [rtp.RtpPacket(96, n, 0, 1, one, one is payloads[-1]) for n, one in enumerate(payloads)]
                    self.assertTrue(self.fed(finder, packets), (called, codec))
                    self.assertEqual((codec, collect or codec == "JPEG"), (finder.codec, bool(finder.unit)))

    def test_undecidable(self) -> None:
        """A codec whose keyframes are not known is not decidable; its packets are counted."""
        finder = KeyframeFinder("VP8")
        self.assertEqual(self.feed(finder, [b"\x10\0abc"]), [False])
        self.assertEqual((finder.decidable, finder.packets), (False, 1))

    def test_rtcp_is_no_media(self) -> None:
        """A receiver or sender report on the same channel (RFC 5761) is not counted."""
        finder = KeyframeFinder("H264")
        finder.packet(rtp.RtpPacket(72, 1, 0, 1, bytes(16), True))
        self.assertEqual(finder.packets, 0)

    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from(["H264", "H265", "JPEG", "MP4V-ES", "VP8", ""]), st.lists(st.binary(max_size=80), max_size=6)
    )
    def test_any_payloads(self, codec: str, payloads: list[bytes]) -> None:
        """Any payloads are counted, and none raises."""
        finder = KeyframeFinder(codec)
        self.feed(finder, payloads)
        self.assertEqual(finder.packets, len(payloads))
