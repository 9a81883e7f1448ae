"""Headers of slices and recovery points."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import PPS_H265
from tests.wire.test_h26x import escaped, numbers
from tests.wire.test_h26x_pictures import recovery, slice_of
from twisted_detector.errors import RemoteError
from twisted_detector.wire.rtp.slices import MAX_RECOVERY, Slice, SliceReader, recovery_point


class Slices(SynchronousTestCase):
    def test_h264(self) -> None:
        """Address and type; I and SI, alone or of all slices, are intra, P, B and SP are not."""
        reader = SliceReader("H264")
        for kind, is_intra in enumerate((False, False, True, False, True) * 2):
            nal = b"\x41" + numbers(("ue", 300), ("ue", kind), ("ue", 0))
            self.assertEqual(reader.read(nal, 1), Slice(300, is_intra))
        self.assertRaises(RemoteError, reader.read, b"\x41" + numbers(("ue", 0), ("ue", 10)), 1)
        self.assertRaises(RemoteError, reader.read, b"\x41", 1)

    def test_h265(self) -> None:
        """With what the parameter sets say: bits that nobody needs, dependent segments, the address's length."""
        reader = SliceReader("H265")
        self.assertRaises(RemoteError, reader.read, slice_of("H265", kind=1), 1)
        reader.parameter_set(PPS_H265)
        self.assertEqual(reader.read(slice_of("H265", kind=1), 1), Slice(0, intra=False))
        self.assertEqual(reader.read(slice_of("H265", kind=1, intra=True), 1), Slice(0, intra=True))
        self.assertRaises(RemoteError, reader.read, slice_of("H265", kind=1, address=9), 1)
        reader.address_bits = 8
        self.assertEqual(reader.read(slice_of("H265", kind=1, address=9), 1), Slice(9, intra=False))
        # parameter set 1: dependent segments, no output flag, three bits more
        reader.parameter_set(b"\x44\x01" + numbers(("ue", 1), ("ue", 0), ("u1", 1), ("u1", 0), ("u3", 3)))
        head = b"\x02\x01"
        self.assertIsNone(reader.read(head + numbers(("u1", 0), ("ue", 1), ("u1", 1), ("u8", 9)), 1))
        own = numbers(("u1", 0), ("ue", 1), ("u1", 0), ("u8", 9), ("u3", 5), ("ue", 2))
        self.assertEqual(reader.read(head + own, 1), Slice(9, intra=True))
        self.assertRaises(RemoteError, reader.read, head + numbers(("u1", 1), ("ue", 1), ("u3", 5), ("ue", 3)), 1)

    def test_recovery_points(self) -> None:
        """The count comes out, within its bound; other messages before it are passed over, long ones too."""
        for codec in ("H264", "H265"):
            for count in (0, 1, 24, MAX_RECOVERY, MAX_RECOVERY + 1):
                self.assertEqual(recovery_point(recovery(codec, count), codec), min(count, MAX_RECOVERY))
            sei = b"\x06" if codec == "H264" else b"\x4e\x01"
            long = sei + b"\xff\x05\xff\xff\x02" + bytes(512).replace(b"\0", b"x") + b"\x06\x01\xc0\x80"
            self.assertEqual(recovery_point(long, codec), 0)
            for other in (
                sei,
                sei + b"\x05\x02ab\x80",
                sei + b"\xff" * 3_000,
                sei + b"\x06\x05",
                sei + b"\x06\x00\x80",
            ):
                self.assertIsNone(recovery_point(other, codec), other)
        negative = b"\x4e\x01" + b"\x06\x01" + numbers(("se", -3), ("u1", 1), ("u1", 0))
        self.assertEqual(recovery_point(negative, "H265"), 0)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(["H264", "H265"]), st.binary(max_size=40))
    def test_any_bytes(self, codec: str, data: bytes) -> None:
        """Any bytes give a slice, a count or a RemoteError."""
        reader = SliceReader(codec)
        reader.parameter_set(escaped(data))
        recovery_point(data, codec)
        try:
            reader.read(data, 1)
        except RemoteError:
            return
