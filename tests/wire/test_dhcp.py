"""Tests of ``wire.dhcp``: requests and ARP as they stand on the wire, truncation, mutation."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.dhcp_client import MAC, REQUEST, REQUESTED, arp, dhcp, packet
from twisted_detector.errors import RemoteError
from twisted_detector.wire.lan.dhcp import Claim, parse, parse_arp, parse_packet

TABLE: tuple[tuple[str, bytes, Claim | None], ...] = (
    ("a new client", REQUEST, Claim(MAC, "192.168.1.77", "axis-cam")),
    ("padding before", dhcp(b"\0\0" + REQUESTED), Claim(MAC, "192.168.1.77")),
    ("renewing", dhcp(b"\xff", client=bytes((10, 0, 0, 5))), Claim(MAC, "10.0.0.5")),
    ("an evil name", dhcp(REQUESTED + b"\x0c\x04a\x1b\nb"), Claim(MAC, "192.168.1.77", "ab")),
    ("a discover", dhcp(REQUESTED, kind=1), None),
    ("a server's answer", dhcp(REQUESTED, operation=2), None),
    ("no address", dhcp(b"\xff"), None),
    ("a group's address", dhcp(b"\x32\x04" + bytes((239, 1, 1, 1))), None),
)


class Messages(SynchronousTestCase):
    def test_table(self) -> None:
        """Each message says what it says."""
        for name, message, expected in TABLE:
            with self.subTest(name):
                self.assertEqual(expected, parse(message))

    def test_packets(self) -> None:
        """In its packet, with IP options or not; other packets are none of our business."""
        claim = Claim(MAC, "192.168.1.77", "axis-cam")
        self.assertEqual(claim, parse_packet(packet(REQUEST)))
        self.assertEqual(claim, parse_packet(packet(REQUEST, options=bytes(8)) + b"ethernet padding"))
        for other in (packet(REQUEST, port=53), packet(REQUEST, protocol=6), packet(REQUEST, fragment=5)):
            self.assertIsNone(parse_packet(other))

    def test_arp(self) -> None:
        """Request, reply and announcement claim the sender's address; a probe (RFC 5227) claims none."""
        for operation in (1, 2):
            self.assertEqual(Claim(MAC, "10.0.0.5"), parse_arp(arp(operation=operation) + bytes(18)))
        self.assertIsNone(parse_arp(arp(bytes(4))))

    def test_truncated(self) -> None:
        """Cut anywhere it is an error, or another valid message; never something else."""
        for whole, read in ((REQUEST, parse), (packet(REQUEST), parse_packet), (arp(), parse_arp)):
            for end in range(len(whole)):
                try:
                    self.assertIn(read(whole[:end]), (None, Claim(MAC, "192.168.1.77"), read(whole)))
                except RemoteError:
                    continue

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from([REQUEST, packet(REQUEST), arp()]), st.data())
    def test_mutated(self, whole: bytes, data: st.DataObject) -> None:
        """Whatever bytes come: a claim, nothing, or RemoteError."""
        changed = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 6))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        for read in (parse, parse_packet, parse_arp):
            try:
                claim = read(bytes(changed))
            except RemoteError:
                continue
            self.assertTrue(claim is None or (isinstance(claim, Claim) and claim.name.isprintable()))
