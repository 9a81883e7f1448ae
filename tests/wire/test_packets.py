"""RTP packets."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.wire.rtp import format_packet
from twisted_detector.wire.rtp import packets as rtp

PACKET = rtp.RtpPacket(
    payload_type=96, sequence=513, timestamp=0x01020304, ssrc=0xA1B2C3D4, payload=b"abc", marker=True
)
BYTES = bytes.fromhex("80e0 0201 01020304 a1b2c3d4") + b"abc"

#: (bytes, value): what differs from the plain packet is a CSRC list, an extension, padding.
TABLE = [
    (BYTES, PACKET),
    (bytes.fromhex("82e0 0201 01020304 a1b2c3d4 00000001 00000002") + b"abc", PACKET),
    (bytes.fromhex("90e0 0201 01020304 a1b2c3d4 bede0001 11223344") + b"abc", PACKET),
    (bytes.fromhex("a0e0 0201 01020304 a1b2c3d4") + b"abc\0\x02", PACKET),
    (b"\xa0" + BYTES[1:-1] + b"\0", replace(PACKET, payload=b"ab\0")),
    (b"\xa0" + BYTES[1:-1] + b"\x03", replace(PACKET, payload=b"")),
    (b"\xa0" + BYTES[1:-1] + b"\x04", replace(PACKET, payload=b"ab\x04")),
]


class RtpTests(SynchronousTestCase):
    """RFC 3550 section 5.1."""

    def test_table(self) -> None:
        """CSRC list, header extension and padding are no part of the payload; more padding than payload is none."""
        for data, value in TABLE:
            self.assertEqual(rtp.parse(data), value, data.hex())

    def test_format(self) -> None:
        """A packet is written as the standard has it."""
        self.assertEqual(format_packet(PACKET), BYTES)

    def test_fields_that_do_not_fit(self) -> None:
        """A field that does not fit its bits is our fault."""
        for packet in (
            rtp.RtpPacket(128, 0, 0, 0, b""),
            rtp.RtpPacket(96, 65_536, 0, 0, b""),
            rtp.RtpPacket(96, 0, -1, 0, b""),
        ):
            self.assertRaises(LocalError, format_packet, packet)

    def test_refused(self) -> None:
        """Another version, and a header or extension cut short are refused."""
        for data in (
            b"",
            BYTES[:11],
            b"\x40" + BYTES[1:],
            b"\x8f" + BYTES[1:],
            b"\x90" + BYTES[1:12],
            bytes.fromhex("90e0 0201 01020304 a1b2c3d4 bede0002 11223344"),
            b"\xb0" + BYTES[1:12] + b"\0\0\0\xff",
        ):
            self.assertRaises(RemoteError, rtp.parse, data)

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=64))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are a packet or a RemoteError, and a payload is never longer than its packet."""
        try:
            packet = rtp.parse(data)
        except RemoteError:
            return
        self.assertLessEqual(len(packet.payload) + 12, len(data))
