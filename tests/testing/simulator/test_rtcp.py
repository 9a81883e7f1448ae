"""RTCP: our reports against bytes written by hand, and hostile compound packets."""

from __future__ import annotations

from hypothesis import given, settings, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_reading import packet_types
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.wire.rtp import goodbye, sender_report


class Reports(SynchronousTestCase):
    def test_sender_report(self) -> None:
        """A sender report holds the NTP time, the RTP time and the counts, and is followed by a CNAME."""
        data = sender_report(0x01020304, seconds=1.5, timestamp=2**32 + 7, packets=3, octets=400, cname="ab")
        expected = bytes.fromhex(
            "80c80006 01020304 83aa7e81 80000000 00000007 00000003 00000190"  # 2208988801 = 0x83aa7e81
            "81ca0003 01020304 01026162 00000000"
        )
        self.assertEqual(data, expected)

    def test_goodbye(self) -> None:
        """A stream's end is a receiver report, a CNAME and BYE."""
        data = goodbye(5, cname="x")
        self.assertEqual(packet_types(data), (201, 202, 203))
        self.assertEqual(data[-8:], bytes.fromhex("81cb0001 00000005"))

    def test_long_cname(self) -> None:
        """A CNAME that its length octet cannot count is our fault."""
        with self.assertRaises(LocalError):
            goodbye(1, cname="x" * 256)


class Reading(SynchronousTestCase):
    def test_truncation(self) -> None:
        """A compound packet cut anywhere but between two packets is refused."""
        data = goodbye(1, cname="abc")
        whole = {8: (201,), 8 + 20 - 4: (201, 202)}
        for end in range(len(data)):
            if end in whole:
                self.assertEqual(packet_types(data[:end]), whole[end])
            else:
                with self.assertRaises(RemoteError, msg=str(end)):
                    packet_types(data[:end])

    @settings(max_examples=200, deadline=None)
    @given(strategies.binary(max_size=64))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes give types or RemoteError."""
        try:
            found = packet_types(data)
        except RemoteError:
            return
        self.assertGreater(len(found), 0)
