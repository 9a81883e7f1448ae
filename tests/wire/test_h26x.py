"""Parameter sets, sprop parameters and RTP payloads of H.264 and H.265."""

from __future__ import annotations

import base64

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.wire.rtp import (
    format_sprop_h264,
    format_sprop_h265,
    packetize,
    packetize_h265,
    split_annex_b,
)
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.bits import BitReader, unescape
from twisted_detector.wire.rtp.sps import VideoParameters, parse_sps_h264, parse_sps_h265


def numbers(*pairs: tuple[str, int]) -> bytes:
    """A bit string from ("u8", value) and ("ue", value) and ("se", value) pairs, with its stop bit."""
    text = ""
    for kind, value in pairs:
        if kind.startswith("u") and kind != "ue":
            text += format(value, f"0{kind[1:]}b")
            continue
        code = value if kind == "ue" else (2 * value - 1 if value > 0 else -2 * value)
        binary = format(code + 1, "b")
        text += "0" * (len(binary) - 1) + binary
    text += "1"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def escaped(rbsp: bytes) -> bytes:
    out = bytearray()
    for octet in rbsp:
        if len(out) >= 2 and out[-1] == out[-2] == 0 and octet <= 3:
            out.append(3)
        out.append(octet)
    return bytes(out)


def sps_h264(
    *,
    profile: int = 66,
    flags: int = 0xC0,
    level: int = 31,
    crop: bool = False,
    interlaced: bool = False,
    chroma: int | None = None,
    units: int = 1,
    scale: int = 50,
    poc: int = 2,
    broken_vui: bool = False,
    width: int = 80,
    height: int = 45,
    left: int = 1,
) -> bytes:
    """An H.264 parameter set, written field by field after section 7.3.2.1.1; size in macroblocks."""
    fields: list[tuple[str, int]] = [("u8", profile), ("u8", flags), ("u8", level), ("ue", 0)]
    if chroma is not None:
        fields += [("ue", chroma)] + ([("u1", 0)] if chroma == 3 else [])
        fields += [("ue", 0), ("ue", 0), ("u1", 0), ("u1", 1)]
        fields += [("u1", 1)] + [("se", 0)] * 16  # one whole list of sixteen …
        fields += [("u1", 0)] * (7 if chroma != 3 else 11)  # … and the others absent
    fields += [("ue", 0), ("ue", poc)]
    fields += {0: [("ue", 4)], 1: [("u1", 0), ("se", -3), ("se", 2), ("ue", 2), ("se", 1), ("se", -1)], 2: []}[poc]
    fields += [("ue", 1), ("u1", 0), ("ue", width - 1), ("ue", height - 1)]
    fields += [("u1", 0), ("u1", 1)] if interlaced else [("u1", 1)]
    fields += [("u1", 1)]
    fields += [("u1", 1), ("ue", left), ("ue", 2), ("ue", 0), ("ue", 4)] if crop else [("u1", 0)]
    fields += [("u1", 1), ("u1", 1), ("u8", 255), ("u16", 4), ("u16", 3)]  # VUI with an extended sample ratio
    if not broken_vui:
        fields += [("u1", 1), ("u1", 0), ("u1", 1), ("u4", 5), ("u1", 1), ("u24", 1), ("u1", 1), ("ue", 0), ("ue", 0)]
        fields += [("u1", 1), ("u32", units), ("u32", scale), ("u1", 1)]
    return escaped(b"\x67" + numbers(*fields))


def sps_h265(
    *,
    sub_layers: int = 0,
    crop: bool = False,
    chroma: int = 1,
    lists: bool = False,
    long_term: bool = False,
    sets: bool = False,
    units: int = 1,
    scale: int = 25,
) -> bytes:
    """An H.265 parameter set, written field by field after section 7.3.2.2."""
    fields: list[tuple[str, int]] = [("u4", 0), ("u3", sub_layers), ("u1", 1)]
    fields += [("u2", 0), ("u1", 0), ("u5", 1), ("u32", 0x60000000), ("u48", 0), ("u8", 120)]
    if sub_layers:
        fields += [("u1", 1), ("u1", 1)] * sub_layers + [("u2", 0)] * (8 - sub_layers)
        fields += [("u88", 5), ("u8", 90)] * sub_layers
    fields += [("ue", 0), ("ue", chroma)] + ([("u1", 0)] if chroma == 3 else []) + [("ue", 1280), ("ue", 720)]
    fields += [("u1", 1), ("ue", 0), ("ue", 4), ("ue", 1), ("ue", 2)] if crop else [("u1", 0)]
    fields += [("ue", 0), ("ue", 0), ("ue", 4), ("u1", 1)] + [("ue", 1)] * 3 * (sub_layers + 1) + [("ue", 0)] * 6
    if lists:
        fields += [("u1", 1), ("u1", 1)]
        for size in range(4):
            for _ in range(0, 6, 3 if size == 3 else 1):
                fields += [("u1", 1)] + ([("se", 2)] if size > 1 else []) + [("se", 1)] * min(64, 1 << (4 + 2 * size))
    else:
        fields += [("u1", 0)]
    fields += [("u1", 1), ("u1", 1), ("u1", 1), ("u8", 0x77), ("ue", 0), ("ue", 0), ("u1", 0)]
    if sets:
        fields += [("ue", 2), ("ue", 1), ("ue", 1), ("ue", 0), ("u1", 1), ("ue", 0), ("u1", 1)]
        fields += [("u1", 1), ("u1", 0), ("ue", 0), ("u1", 1), ("u1", 0), ("u1", 1), ("u1", 0), ("u1", 0)]
    else:
        fields += [("ue", 0)]
    fields += [("u1", 1), ("ue", 1), ("u8", 1), ("u1", 1)] if long_term else [("u1", 0)]
    fields += [("u2", 3), ("u1", 1), ("u1", 0), ("u1", 0), ("u1", 0), ("u1", 0), ("u3", 0)]
    fields += [("u1", 1)] + [("ue", 0)] * 4 + [("u1", 1), ("u32", units), ("u32", scale), ("u1", 0)]
    return escaped(b"\x42\x01" + numbers(*fields))


class ParameterSetTests(SynchronousTestCase):
    """Sections 7.3.2.1 of H.264 and 7.3.2.2 of H.265."""

    def test_h264(self) -> None:
        """Size after cropping and frame rate come out, whatever else the set holds."""
        plain = VideoParameters(1280, 720, 25.0)
        for nal, expected in (
            (sps_h264(), plain),
            (sps_h264(poc=0), plain),
            (sps_h264(poc=1), plain),
            (sps_h264(crop=True), VideoParameters(1274, 712, 25.0)),
            (sps_h264(interlaced=True, crop=True), VideoParameters(1274, 1424, 25.0)),
            (sps_h264(profile=100, flags=0, chroma=1), VideoParameters(1280, 720, 25.0)),
            (
                sps_h264(profile=122, flags=0, chroma=2, crop=True),
                VideoParameters(1274, 716, 25.0),
            ),
            (
                sps_h264(profile=244, flags=0, chroma=3, crop=True),
                VideoParameters(1277, 716, 25.0),
            ),
            (sps_h264(profile=77, flags=0x10, level=11), VideoParameters(1280, 720, 25.0)),
            (sps_h264(units=1001, scale=60_000), VideoParameters(1280, 720, 29.97)),
        ):
            self.assertEqual(parse_sps_h264(nal), expected, nal.hex())

    def test_frame_rate_that_is_none(self) -> None:
        """A VUI that is cut short, has no ticks or too many costs the frame rate and nothing else."""
        for nal in (sps_h264(broken_vui=True), sps_h264(units=0), sps_h264(units=1, scale=180_000)):
            self.assertEqual(parse_sps_h264(nal), VideoParameters(1280, 720, 0.0))

    def test_h265(self) -> None:
        """Size after cropping and frame rate come out, whatever else the set holds."""
        plain = VideoParameters(1280, 720, 25.0)
        for nal, expected in (
            (sps_h265(), plain),
            (sps_h265(sub_layers=2), plain),
            (sps_h265(lists=True), plain),
            (sps_h265(long_term=True), plain),
            (sps_h265(sets=True), plain),
            (sps_h265(crop=True), VideoParameters(1272, 714, 25.0)),
            (sps_h265(crop=True, chroma=3), VideoParameters(1276, 717, 25.0)),
            (sps_h265(units=1001, scale=30_000), VideoParameters(1280, 720, 29.97)),
        ):
            self.assertEqual(parse_sps_h265(nal), expected, nal.hex())

    def test_impossible_sizes(self) -> None:
        """A size beyond the highest level, or none left after cropping, is refused."""
        self.assertRaises(RemoteError, parse_sps_h264, sps_h264(width=1056))
        self.assertRaises(RemoteError, parse_sps_h264, sps_h264(height=4_000_000))
        self.assertEqual(parse_sps_h264(sps_h264(width=1, height=1, crop=True)).width, 10)
        self.assertRaises(
            RemoteError, parse_sps_h264, sps_h264(profile=44, chroma=1, width=1, height=1, crop=True, left=9)
        )

    def test_other_units(self) -> None:
        """A unit of another type, an empty and an overlong one are refused."""
        for parse, nal in (
            (parse_sps_h264, b"\x68" + sps_h264()[1:]),
            (parse_sps_h264, b""),
            (parse_sps_h264, b"\x67" + b"\xff" * 5000),
            (parse_sps_h265, b"\x40" + sps_h265()[1:]),
            (parse_sps_h265, b""),
        ):
            self.assertRaises(RemoteError, parse, nal)

    def test_truncation(self) -> None:
        """Cut at any byte, a set gives its size or a RemoteError, and the size is the right one."""
        for parse, nal in ((parse_sps_h264, sps_h264(chroma=1, profile=100)), (parse_sps_h265, sps_h265())):
            refused = 0
            for end in range(len(nal)):
                try:
                    self.assertEqual((parse(nal[:end]).width, parse(nal[:end]).height), (1280, 720))
                except RemoteError:
                    refused += 1
            self.assertGreater(refused, 8)

    @settings(max_examples=200, deadline=None)
    @given(st.booleans(), st.integers(1, 40), st.binary(min_size=1, max_size=8))
    def test_mutations(self, h264: bool, position: int, garbage: bytes) -> None:
        """Any bytes give a size within bounds or a RemoteError."""
        nal = sps_h264(chroma=1, profile=100) if h264 else sps_h265(sets=True)
        try:
            found = h26x.parse_sps(
                nal[:position] + garbage + nal[position + len(garbage) :], "H264" if h264 else "H265"
            )
        except RemoteError:
            return
        self.assertTrue(0 < found.width <= 16_888 and 0 < found.height <= 16_888 and 0 <= found.fps <= 480)


class BitTests(SynchronousTestCase):
    """Section 9.1 of H.264."""

    def test_numbers(self) -> None:
        """Fixed and Exp-Golomb numbers read back as they were written."""
        reader = BitReader(numbers(("u3", 5), ("ue", 0), ("ue", 7), ("se", -3), ("se", 4), ("ue", 2**32 - 2)))
        read = (
            reader.bits(3),
            reader.unsigned(),
            reader.unsigned(),
            reader.signed(),
            reader.signed(),
            reader.unsigned(),
        )
        self.assertEqual(read, (5, 0, 7, -3, 4, 2**32 - 2))

    def test_end(self) -> None:
        """Reading and skipping beyond the end, and a number without end, are RemoteErrors."""
        self.assertRaises(RemoteError, BitReader(b"\1").bits, 9)
        self.assertRaises(RemoteError, BitReader(b"\1").skip, 9)
        self.assertRaises(RemoteError, BitReader(bytes(8)).unsigned)

    def test_unescape(self) -> None:
        """Emulation prevention bytes go, other threes stay."""
        for given_, expected in (
            ("000003000003", "00000000"),
            ("0000030103", "00000103"),
            ("030303", "030303"),
            ("00000303", "000003"),
        ):
            self.assertEqual(unescape(bytes.fromhex(given_)).hex(), expected)


class SpropTests(SynchronousTestCase):
    """Parameter sets in a session description."""

    def test_read(self) -> None:
        """Both codecs' parameters are read; start codes around a set and missing padding do not matter."""
        sps, pps = sps_h264(), b"\x68\xee\x3c\x80"
        text = (
            base64.b64encode(b"\0\0\0\1" + sps).decode().rstrip("=")
            + ","
            + base64.b64encode(pps + b"\0\0\0\1").decode()
        )
        self.assertEqual(h26x.parameter_sets({"sprop-parameter-sets": text}), (sps, pps))
        self.assertEqual(h26x.video_parameters({"sprop-parameter-sets": text}).width, 1280)

    def test_written_and_read(self) -> None:
        """What is written reads back."""
        units = (b"\x40\x01\x0c", sps_h265(), b"\x44\x01\xc0")
        fields = dict(part.split("=", 1) for part in format_sprop_h265(*units).split(";"))
        self.assertEqual(h26x.parameter_sets(fields, "H265"), units)
        self.assertEqual(h26x.video_parameters(fields, "H265").height, 720)
        text = format_sprop_h264([sps_h264(), b"\x68\xce"])
        self.assertEqual(h26x.parameter_sets({"sprop-parameter-sets": text}), (sps_h264(), b"\x68\xce"))

    def test_unreadable(self) -> None:
        """What is no base64 or no parameter set is passed over."""
        self.assertEqual(h26x.parameter_sets({"sprop-parameter-sets": "!!,,Z,é"}), ())
        self.assertIsNone(h26x.video_parameters({"sprop-parameter-sets": "aO48gA==,Z0I="}))
        self.assertIsNone(h26x.video_parameters({}, "H265"))
        self.assertEqual(len(h26x.parameter_sets({"sprop-parameter-sets": "aO48gA==," * 500})), h26x.MAX_PARAMETER_SETS)


class PayloadTests(SynchronousTestCase):
    """RFC 6184 and RFC 7798."""

    def test_fu_a(self) -> None:
        """A long unit becomes FU-A parts with start and end bits; importance and type are kept."""
        parts = packetize(b"\x65" + bytes(range(10)), 6)
        expected = [b"\x7c\x85\0\1\2\3", b"\x7c\x05\4\5\6\7", b"\x7c\x45\x08\x09"]
        self.assertEqual(list(parts), expected)

    def test_fu_h265(self) -> None:
        """The same for H.265, whose header has two bytes."""
        parts = packetize_h265(b"\x26\x01" + bytes(range(5)), 6)
        self.assertEqual(list(parts), [b"\x62\x01\x93\0\1\2", b"\x62\x01\x53\3\4"])

    @settings(max_examples=100, deadline=None)
    @given(st.binary(min_size=3, max_size=400), st.integers(5, 120), st.sampled_from(["H264", "H265"]))
    def test_there_and_back(self, body: bytes, mtu: int, codec: str) -> None:
        """The parts of any unit, put together again, are the unit, and none is longer than allowed."""
        nal = (b"\x65" if codec == "H264" else b"\x26\x01") + body
        parts = packetize(nal, mtu) if codec == "H264" else packetize_h265(nal, mtu)
        self.assertLessEqual(max(map(len, parts)), mtu)
        pieces = [piece for part in parts for piece in h26x.fragments(part, codec)]
        self.assertTrue(all(h26x.is_keyframe(piece.kind, codec) for piece in pieces))
        self.assertEqual([piece.first for piece in pieces], [True] + [False] * (len(pieces) - 1))
        self.assertEqual([piece.last for piece in pieces], [False] * (len(pieces) - 1) + [True])
        header = b"" if len(pieces) == 1 else nal[: 1 if codec == "H264" else 2]
        self.assertEqual(header + b"".join(piece.data for piece in pieces), nal)

    def test_aggregation(self) -> None:
        """Every unit of an aggregation packet comes out, of STAP-A, STAP-B and H.265's AP."""
        units = b"\0\x02\x67\x42" + b"\0\x01\x65"
        self.assertEqual([one.kind for one in h26x.fragments(b"\x18" + units)], [7, 5])
        self.assertEqual([one.kind for one in h26x.fragments(b"\x19\0\0" + units)], [7, 5])
        h265 = b"\x60\x01" + b"\0\x03\x42\x01\x01" + b"\0\x03\x26\x01\xaf"
        self.assertEqual([one.kind for one in h26x.fragments(h265, "H265")], [33, 19])

    def test_refused(self) -> None:
        """Empty, cut short, too many and unknown payloads are refused."""
        for payload, codec in (
            (b"", "H264"),
            (b"\x1c\x85", "H264"),
            (b"\x18", "H264"),
            (b"\x18\0\x05\x67", "H264"),
            (b"\x18" + b"\0\x01\x67" * 65, "H264"),
            (b"\x1a\0\0\0", "H264"),
            (b"\x00\0", "H264"),
            (b"\x26", "H265"),
            (b"\x62\x01\x93", "H265"),
            (b"\x60\x01\0\x01\x42", "H265"),
            (b"\x66\x01\x01", "H265"),
        ):
            self.assertRaises(RemoteError, h26x.fragments, payload, codec)

    def test_whose_payload(self) -> None:
        """A part of a unit of one codec is none of the other's payloads; all that devices send is its own codec's."""
        for header in (0x01, 0x21, 0x41, 0x61):
            for part in packetize(bytes((header,)) + bytes(range(1, 200)), 60):
                self.assertEqual((True, False), tuple(h26x.is_plausible(part, codec) for codec in ("H264", "H265")))
        for kind in (0, 1, 8, 9, 16, 19, 21, 32, 33, 34, 35, 39, 40):
            unit = bytes((kind << 1, 1)) + bytes(range(1, 200))
            self.assertTrue(h26x.is_plausible(unit, "H265"))
            for part in packetize_h265(unit, 60):
                self.assertEqual((False, True), tuple(h26x.is_plausible(part, codec) for codec in ("H264", "H265")))
        for kind in (1, 5, 6, 7, 8, 9, 24, 28):
            self.assertTrue(h26x.is_plausible(bytes((0x60 | kind,)), "H264"))

    def test_our_faults(self) -> None:
        """Nothing to send, no room for it and another codec are our faults."""
        self.assertRaises(LocalError, packetize, b"", 100)
        self.assertRaises(LocalError, packetize, b"\x65abc", 2)
        self.assertRaises(LocalError, packetize_h265, b"\x26", 100)
        self.assertRaises(LocalError, h26x.nal_type, b"\x65", "VP8")

    def test_annex_b(self) -> None:
        """A byte stream is split at start codes of three and four bytes; zeros before them are no part of a unit."""
        self.assertEqual(split_annex_b(b"xx\0\0\0\1\x67a\0\0\1\x68b\0\0\0\0\1\x65c"), (b"\x67a", b"\x68b", b"\x65c"))
        self.assertEqual(split_annex_b(b"no start code"), ())
