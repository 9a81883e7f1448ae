"""With which pictures a decoder can begin, however rudely they are sent."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rude_rtp import START, WAYS, Units, Way, as_sent, packets, usual
from tests.fuzz.seeds import PPS_H264, PPS_H265, SPS_H264, SPS_H265, VPS_H265
from tests.fuzz.targets import split_parts
from twisted_detector.testing.simulator.wire.rtp import split_annex_b
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.h26x import Fragment
from twisted_detector.wire.rtp.h26x_pictures import MAX_NALS, MAX_UNITS
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.packets import RtpPacket

NOISE = bytes(range(1, 250)) * 5
SETS = {"H264": [SPS_H264, PPS_H264], "H265": [VPS_H265, SPS_H265, PPS_H265]}


def slice_of(codec: str, *, kind: int, address: int = 0, intra: bool = False) -> bytes:
    """A slice with a header as the standards have it (first block, type, parameter set 0), and noise behind."""
    if codec == "H264":
        bits = golomb(address) + golomb(7 if intra else 5) + golomb(0)
        return bytes((0x60 | kind,)) + as_bytes(bits) + NOISE
    # first_slice_segment_in_pic_flag, no_output_of_prior_pics_flag of IRAP, pps id, address (8 bits in 320x180)
    bits = ("0" if address else "1") + ("0" if 16 <= kind < 24 else "") + golomb(0)
    bits += format(address, "08b") if address else ""
    return bytes((kind << 1, 1)) + as_bytes(bits + golomb(2 if intra else 1)) + NOISE


def golomb(value: int) -> str:
    binary = format(value + 1, "b")
    return "0" * (len(binary) - 1) + binary


def as_bytes(bits: str) -> bytes:
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def recovery(codec: str, count: int) -> bytes:
    """An SEI unit with something else first, then a recovery point; exact_match and broken_link follow the count."""
    bits = golomb(count if codec == "H264" else 2 * count - 1 if count else 0) + "10"
    body = b"\x05\x03abc" + b"\x06" + bytes((len(as_bytes(bits)),)) + as_bytes(bits) + b"\x80"
    return (b"\x06" if codec == "H264" else b"\x4e\x01") + body


KEY = {"H264": 5, "H265": 19}
OTHER = {"H264": 1, "H265": 1}


def key(codec: str, kind: int = 0) -> bytes:
    return slice_of(codec, kind=kind or KEY[codec], intra=True)


def inter(codec: str, **more: int) -> bytes:
    return slice_of(codec, kind=OTHER[codec], **more)


def intra(codec: str, address: int = 0) -> bytes:
    return slice_of(codec, kind=OTHER[codec], address=address, intra=True)


def judged(given: list[RtpPacket], codec: str, *, collect: bool = False) -> KeyframeFinder:
    finder = KeyframeFinder(codec, collect=collect)
    for packet in given:
        if finder.packet(packet):
            break
    return finder


class Ways(SynchronousTestCase):
    """Of each picture a decoder can begin with, in each way of sending it, and with each kind of packet header."""

    def beginnings(self, codec: str) -> dict[str, list[list[bytes]]]:
        sets, p = SETS[codec], [inter(codec)]
        return {
            "key": [p, [*sets, key(codec)], p],
            "recovery point": [p, [*sets, recovery(codec, 2), inter(codec)], p, p, p],
            "recovery at once": [p, [*sets, recovery(codec, 0), intra(codec)], p],
            "intra without a word": [p, [*sets, intra(codec)], p],
        }

    def each(self) -> list[tuple[str, str, Way, list[list[bytes]]]]:
        return [
            (codec, name, way, pictures)
            for codec in SETS
            for name, pictures in self.beginnings(codec).items()
            for way in WAYS
        ]

    def test_found(self) -> None:
        """It is found, in the codec that it is, whichever the description names, and its size is told."""
        for codec, name, way, pictures in self.each():
            for called in ("H264", "H265", ""):
                found = judged(packets(pictures, codec, way), called)
                self.assertTrue(found.found, (codec, name, way.__name__, called))
                self.assertEqual(found.codec, codec, (name, way.__name__, called))
                self.assertIsNotNone(found.parameters)

    def test_collected(self) -> None:
        """All units of it come out, parameter sets first, whatever was in the way."""
        for codec, name, way, pictures in self.each():
            found = judged(packets(pictures, codec, way), codec, collect=True)
            units = [unit for unit in split_annex_b(found.unit) if len(unit) > h26x.HEADER[codec]]
            count = 3 if name == "recovery point" else 1
            expected = [unit for picture in pictures[1 : 1 + count] for unit in picture]
            self.assertEqual(units, expected, (codec, name, way.__name__))

    def test_packet_headers(self) -> None:
        """Markers, timestamps, numbers and payload types need not be right for a key or a recovery point."""
        for codec in SETS:
            for name in ("key", "recovery point"):
                for kind, sent in as_sent(packets(self.beginnings(codec)[name], codec)).items():
                    self.assertTrue(judged(sent, codec).found, (codec, name, kind))

    def test_nothing_to_begin_with(self) -> None:
        """Pictures that refer to others are none, in whatever way they come; nor is a lone recovery point."""
        for codec in SETS:
            for way in WAYS:
                for called in ("H264", "H265", ""):
                    pictures = [[*SETS[codec], inter(codec)], *[[inter(codec)]] * 5, [recovery(codec, 2)]]
                    self.assertFalse(judged(packets(pictures, codec, way), called).found, (way.__name__, called))

    def test_lost(self) -> None:
        """Of a picture of which any packet is missing nothing is collected, and no unit of which one is counts."""
        for codec, name, way, pictures in self.each():
            sent = packets(pictures[:2], codec, way)
            for missing in (number for number, packet in enumerate(sent) if packet.timestamp):
                given = [*sent[:missing], *sent[missing + 1 :]]
                # What follows shows the gap; alone it is nothing to begin with.
                last = RtpPacket(96, (sent[-1].sequence + 1) & 0xFFFF, 9000, 7, inter(codec), True)
                found = judged([*given, last], codec, collect=True)
                self.assertEqual(found.unit, b"", (codec, name, way.__name__, missing))


class Ends(SynchronousTestCase):
    """Where a picture of several slices ends, of a device that says it wrongly or not at all."""

    def pictures(self, codec: str) -> list[list[bytes]]:
        other = [inter(codec), inter(codec, address=100)]
        return [*[other] * 3, [*SETS[codec], key(codec), slice_of(codec, kind=KEY[codec], address=100)], *[other] * 3]

    def sent(self, codec: str) -> dict[str, list[RtpPacket]]:
        sent = as_sent(packets(self.pictures(codec), codec))
        sent["neither"] = [replace(one, timestamp=0, marker=False) for one in sent["as it should be"]]
        sent["both wrong"] = [replace(one, marker=True) for one in sent["timestamp of its own for each"]]
        return sent

    def test_collected(self) -> None:
        """All its slices come out; where nothing tells its end, no more than the picture after it comes with them."""
        for codec in SETS:
            for kind, sent in self.sent(codec).items():
                key_picture, after = self.pictures(codec)[3:5]
                for begin in range(0, len(packets(self.pictures(codec)[:4], codec)) - 12, 3):
                    units = list(split_annex_b(judged(sent[begin:], codec, collect=True).unit))
                    self.assertEqual(key_picture, units[: len(key_picture)], (codec, kind, begin))
                    self.assertIn(units[len(key_picture) :], ([], after), (codec, kind, begin))

    def test_after_a_loss(self) -> None:
        """The next keyframe is collected, all of it, whatever was missing before it, though every packet is marked."""
        for codec in SETS:
            whole = [key(codec), slice_of(codec, kind=KEY[codec], address=100)]
            before = len(packets([[inter(codec)]], codec))  # they show how it marks and stamps
            pictures = [[inter(codec)], *[[*SETS[codec], *whole], *[[inter(codec)]] * 3] * 3]
            for stamp in (lambda one, n: one.timestamp, lambda one, n: 0, lambda one, n: n):
                sent = [
                    replace(one, timestamp=stamp(one, n), marker=True) for n, one in enumerate(packets(pictures, codec))
                ]
                for missing in range(before, len(sent) // 3):
                    found = judged([*sent[:missing], *sent[missing + 1 :]], codec, collect=True)
                    units = [unit for unit in split_annex_b(found.unit) if unit not in SETS[codec]]
                    self.assertEqual(whole, units[:2], (codec, missing))

    def test_sets_that_come_later(self) -> None:
        """A keyframe before any parameter set is none, and what follows it is not collected in its place."""
        for codec in SETS:
            pictures = [[inter(codec)], [key(codec)], *[[inter(codec)]] * 3, [*SETS[codec], key(codec)], [inter(codec)]]
            sent = as_sent(packets(pictures, codec))
            sent["both wrong"] = [replace(one, marker=True) for one in sent["timestamp of its own for each"]]
            for kind, each in sent.items():
                found = judged([*each, replace(each[-1], timestamp=1, payload=inter(codec))], codec, collect=True)
                self.assertEqual(key(codec), list(split_annex_b(found.unit))[len(SETS[codec])], (codec, kind))

    def test_fields(self) -> None:
        """The two fields of an H.264 frame come out together, though each begins with the first block."""
        frame = [*SETS["H264"], key("H264"), intra("H264")]
        found = judged(packets([frame, [inter("H264")] * 2], "H264"), "H264", collect=True)
        self.assertEqual(frame, list(split_annex_b(found.unit)))


class Strangers(SynchronousTestCase):
    """Packets of the same numbers that are nothing of the stream's."""

    def test_between(self) -> None:
        """Empty ones, types of the maker's own and, in H.265, other layers may stand anywhere, within a unit too."""
        for codec, others in (
            ("H264", (b"", b"\x1f\0\0", b"\x1e", b"\x00")),
            ("H265", (b"", b"\x26", b"\x64\1\0", b"\x7e\1\0", b"\x4e\x09\1")),
        ):
            for way in WAYS:
                usual_ones = packets([[*SETS[codec], key(codec)], [inter(codec)]], codec, way)
                for other in others:
                    given = [
                        replace(one, sequence=(2 * number + part) & 0xFFFF, payload=payload, marker=marker)
                        for number, one in enumerate(usual_ones)
                        for part, (payload, marker) in enumerate(((one.payload, one.marker), (other, False)))
                    ]
                    found = judged(given, codec, collect=True)
                    self.assertEqual([*SETS[codec], key(codec)], list(split_annex_b(found.unit)), (way.__name__, other))

    def test_a_part_that_is_cut(self) -> None:
        """A part of a unit of which nothing came is missing there."""
        for codec, head in (("H264", 2), ("H265", 3)):
            given = packets([[*SETS[codec], key(codec)]], codec)
            given[-2] = replace(given[-2], payload=given[-2].payload[:head])
            self.assertFalse(judged(given, codec).found)


class Beginnings(SynchronousTestCase):
    def test_h265_types(self) -> None:
        """BLA, IDR and CRA pictures; those that lead and trail them are none."""
        for kind in range(10):
            pictures = [[*SETS["H265"], slice_of("H265", kind=kind)]]
            self.assertFalse(judged(packets(pictures, "H265"), "H265").found, kind)
        for kind in range(16, 22):
            pictures = [[*SETS["H265"], key("H265", kind)]]
            self.assertTrue(judged(packets(pictures, "H265"), "H265").found, kind)

    def test_rows_that_are_refreshed(self) -> None:
        """Intra slices that wander over the picture cover it in the end; while a row is missing they do not."""
        for codec in SETS:
            rows = (0, 20, 40)

            def picture(fresh: int, codec: str = codec, rows: tuple[int, ...] = rows) -> list[bytes]:
                return [intra(codec, row) if row == fresh else inter(codec, address=row) for row in rows]

            sets = [*SETS[codec], inter(codec)]
            self.assertFalse(judged(packets([sets, picture(0), picture(20), picture(0)], codec), codec).found)
            found = judged(packets([sets, picture(20), picture(0), [inter(codec)], picture(40)], codec), codec)
            self.assertEqual((found.found, found.digest), (True, ""))
            sent = packets([sets, picture(20), picture(0), picture(40)], codec)
            del sent[-5]
            self.assertFalse(judged(sent, codec).found, "a gap spoils what was covered")

    def test_intra_in_part(self) -> None:
        """A picture of which one slice refers to others is nothing to begin with."""
        for codec in SETS:
            pictures = [[*SETS[codec], intra(codec), inter(codec, address=30)]] * 3
            self.assertFalse(judged(packets(pictures, codec), codec).found)

    def test_too_many_slices(self) -> None:
        """A picture of more slices than any has is nothing to begin with, whatever the first of them are."""
        for codec in SETS:
            many = [intra(codec), *[intra(codec, 1)[:40]] * MAX_NALS, inter(codec, address=30)]
            self.assertFalse(judged(packets([[*SETS[codec], *many]], codec), codec).found)

    def test_too_many_units(self) -> None:
        """Whoever sends more tiny units than a keyframe can need is not listened to any more."""
        packet = RtpPacket(96, 0, 0, 7, b"\x78" + b"\0\1\x61" * h26x.MAX_AGGREGATED)
        for count, found in ((100, True), (MAX_UNITS // h26x.MAX_AGGREGATED + 1, False)):
            finder = KeyframeFinder("H264")
            for number in range(count):
                finder.packet(replace(packet, sequence=number))
            sent = packets([[*SETS["H264"], key("H264")]], "H264", first=count)
            self.assertEqual(any(finder.packet(one) for one in sent), found)

    def test_digests(self) -> None:
        """Intra pictures have a digest; a recovery point's has none: where nothing moves, it is the same each time."""
        for codec in SETS:
            for units, has_one in (
                ([key(codec)], True), ([intra(codec)], True), ([recovery(codec, 3), inter(codec)], False),
            ):  # fmt: skip
                found = judged(packets([[*SETS[codec], *units], [inter(codec)]], codec), codec)
                self.assertEqual((found.found, bool(found.digest)), (True, has_one))

    def test_sets_that_are_of_another_codec(self) -> None:
        """What the description calls parameter sets does not make a keyframe of another codec's packets."""
        for codec, other in (("H264", "H265"), ("H265", "H264")):
            finder = KeyframeFinder(codec, parameter_sets=SETS[codec])
            given = packets([[SETS[other][-1], inter(other)], [key(other)], [inter(other)]], other)
            self.assertFalse(any(finder.packet(packet) for packet in given))
            self.assertTrue(any(finder.packet(one) for one in packets([[*SETS[other], key(other)]], other, first=90)))
            self.assertEqual(finder.codec, other)

    def test_retransmissions_are_no_pictures(self) -> None:
        """Packets of a payload type for retransmission or error correction are not looked at."""
        for auxiliary, found in ((frozenset({96}), False), (frozenset({97}), True)):
            finder = KeyframeFinder("H264", auxiliary=auxiliary)
            given = packets([[*SETS["H264"], key("H264")]], "H264")
            self.assertEqual(any(finder.packet(packet) for packet in given), found)
            self.assertEqual(finder.packets > 0, found)

    def test_twice(self) -> None:
        """A datagram that comes twice is one."""
        given = [one for one in packets([[*SETS["H264"], key("H264")]], "H264") for _ in range(2)]
        self.assertTrue(judged(given, "H264").found)


class Splitting(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=9), max_size=6), st.lists(st.integers(0, 60), max_size=4))
    def test_anywhere(self, units: Units, borders: list[int]) -> None:
        """Units with start codes between come out as they are, wherever the parts are cut."""
        data = b"\x67" + START.join(units)
        places = [0, *sorted(min(place, len(data)) for place in borders), len(data)]
        parts = [data[start:end] for start, end in pairwise(places)]
        last = len(parts) - 1
        fragments = [Fragment(7, number == 0, number == last, part) for number, part in enumerate(parts)]
        whole = [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")]
        self.assertEqual(split_parts(fragments), [unit for unit in whole if unit])

    def test_bounded(self) -> None:
        """A payload of nothing but start codes costs no more than a payload."""
        fragment = Fragment(7, True, True, b"\0\0\1a" * 16_000)
        self.assertLessEqual(len(h26x.UnitSplitter().feed(fragment)), h26x.MAX_SPLIT + 1)
        self.assertLessEqual(len(h26x.split_units(b"\0\0\1a" * 16_000)), h26x.MAX_SPLIT)

    def test_usual(self) -> None:
        """Packets as they should be are not touched."""
        (part,) = h26x.UnitSplitter().feed(h26x.fragments(key("H264"))[0])
        self.assertEqual(part, (True, True, key("H264")))
        self.assertEqual(usual([key("H264")[:300]], "H264"), [key("H264")[:300]])
