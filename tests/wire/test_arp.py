"""Tests of ``wire.arp`` against frames written out by hand."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.lan import arp

OURS = Mac("02:00:00:00:00:09")
#: who-has 10.0.0.5 tell 10.0.0.9
REQUEST = bytes.fromhex(
    "ffffffffffff 020000000009 0806 0001 0800 06 04 0001 020000000009 0a000009 000000000000 0a000005"
)
#: 10.0.0.5 is-at 02:00:00:00:00:05, padded to the least length of Ethernet
REPLY = bytes.fromhex(
    "020000000009 020000000005 0806 0001 0800 06 04 0002 020000000005 0a000005 020000000009 0a000009"
) + bytes(18)


class ArpTests(SynchronousTestCase):
    """Bytes and values."""

    def test_request(self) -> None:
        """A request is a broadcast frame of 42 octets."""
        self.assertEqual(arp.format_request(OURS, "10.0.0.9", "10.0.0.5"), REQUEST)

    def test_parse(self) -> None:
        """Requests and padded replies are read."""
        self.assertEqual(arp.parse(REQUEST), arp.ArpPacket(arp.REQUEST, OURS, "10.0.0.9", "10.0.0.5"))
        reply = arp.ArpPacket(arp.REPLY, Mac("02:00:00:00:00:05"), "10.0.0.5", "10.0.0.9")
        self.assertEqual(arp.parse(REPLY), reply)

    def test_not_an_address(self) -> None:
        """A text that is no IPv4 address is our own mistake."""
        self.assertRaises(LocalError, arp.format_request, OURS, "10.0.0.9", "fe80::1")

    def test_truncated(self) -> None:
        """A frame cut off anywhere within its packet is refused."""
        for length in range(42):
            self.assertRaises(RemoteError, arp.parse, REPLY[:length])

    def test_other_kinds(self) -> None:
        """Another ethertype, hardware, protocol, size, operation or a group's MAC is refused."""
        for offset, value in ((13, 0), (15, 6), (16, 0x86), (18, 8), (19, 16), (21, 3), (22, 1)):
            changed = bytearray(REPLY)
            changed[offset] = value
            self.assertRaises(RemoteError, arp.parse, bytes(changed))
        self.assertRaises(RemoteError, arp.parse, REPLY[:22] + bytes(6) + REPLY[28:])

    @settings(max_examples=300, deadline=None)
    @given(st.one_of(st.binary(max_size=80), st.tuples(st.integers(0, 41), st.binary(min_size=1, max_size=4))))
    def test_garbage(self, noise: bytes | tuple[int, bytes]) -> None:
        """Garbage and mutations give a packet or RemoteError, nothing else."""
        data = noise if isinstance(noise, bytes) else REPLY[: noise[0]] + noise[1] + REPLY[noise[0] + len(noise[1]) :]
        try:
            packet = arp.parse(data)
        except RemoteError:
            return
        self.assertIn(packet.operation, (arp.REQUEST, arp.REPLY))
