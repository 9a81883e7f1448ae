"""Tests of ``wire.netlink``: tables of our own, truncation at every byte, mutations."""

from __future__ import annotations

import struct

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.kernel import MAC, address, attribute, done, link, message, neighbour
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.wire.netlink import messages as netlink
from twisted_detector.wire.netlink.messages import (
    AddressMessage,
    DumpDone,
    DumpInterrupted,
    LinkMessage,
    NeighbourMessage,
    RequestFailed,
    dump_request,
    parse,
)

TABLE: list[tuple[bytes, tuple[object, ...]]] = [
    (b"", ()),
    (link(2, "eth0", 0x1043), (LinkMessage(2, "eth0", 0x1043),)),
    (link(2, "eth0", 0x1002, kind=netlink.RTM_DELLINK), (LinkMessage(2, "eth0", 0x1002, removed=True),)),
    (link(2, "eth0", 0x1043, family=7), ()),  # a bridge about its port
    (address(2, "10.0.0.9", 24), (AddressMessage(2, "10.0.0.9", "10.0.0.9", 24, 0),)),
    (address(3, "10.8.0.2", 32, peer="10.8.0.1"), (AddressMessage(3, "10.8.0.2", "10.8.0.1", 32, 0),)),
    (address(2, "fe80::9", 64, short_flags=0x80), (AddressMessage(2, "fe80::9", "fe80::9", 64, 0x80),)),
    (address(2, "fe80::9", 64, short_flags=0x80, flags=0x240), (AddressMessage(2, "fe80::9", "fe80::9", 64, 0x240),)),
    (
        address(2, "10.0.0.9", 24, kind=netlink.RTM_DELADDR),
        (AddressMessage(2, "10.0.0.9", "10.0.0.9", 24, 0, removed=True),),
    ),
    (neighbour(2, "10.0.0.5", MAC.text, 2), (NeighbourMessage(2, "10.0.0.5", MAC, 2),)),
    (neighbour(2, "fe80::5", MAC.text, 4), (NeighbourMessage(2, "fe80::5", MAC, 4),)),
    (neighbour(2, "10.0.0.6", "", 0x20), (NeighbourMessage(2, "10.0.0.6", None, 0x20),)),
    (neighbour(1, "127.0.0.1", "00:00:00:00:00:00", 0x40), (NeighbourMessage(1, "127.0.0.1", None, 0x40),)),
    (neighbour(2, "224.0.0.1", "01:00:5e:00:00:01", 0x40), (NeighbourMessage(2, "224.0.0.1", None, 0x40),)),
    (neighbour(2, "10.0.0.5", "0a000005", 2), (NeighbourMessage(2, "10.0.0.5", None, 2),)),  # a tunnel's lladdr
    (
        neighbour(2, "10.0.0.5", MAC.text, 2, kind=netlink.RTM_DELNEIGH),
        (NeighbourMessage(2, "10.0.0.5", MAC, 2, removed=True),),
    ),
    (neighbour(2, "10.0.0.5", MAC.text, 2, flags=8), ()),  # proxy ARP of our own
    (neighbour(2, "10.0.0.5", MAC.text, 2, family=7), ()),  # a bridge's forwarding table
    (done(9), (DumpDone(9),)),
    (message(netlink.NLMSG_ERROR, struct.pack("=i", -16) + bytes(16)), (RequestFailed(7, 16),)),
    (message(99, b"whatever"), ()),
    (
        message(99, b"", flags=0x12) + link(1, "lo", 0x49) + message(3, bytes(4), flags=0x12),
        (DumpInterrupted(7), LinkMessage(1, "lo", 0x49), DumpDone(7)),
    ),
]


class ReadingTests(SynchronousTestCase):
    """The bytes of the kernel become values."""

    def test_table(self) -> None:
        """Each message of the table gives its value, and what is not ours gives none."""
        for data, expected in TABLE:
            self.assertEqual(parse(data), expected, data.hex())

    def test_several(self) -> None:
        """All messages of one datagram are read in order."""
        data = b"".join(data for data, _ in TABLE)
        self.assertEqual(parse(data).count(DumpDone(9)), 1)
        plain = [value for _, values in TABLE for value in values]
        self.assertEqual(list(parse(data)), plain)

    def test_truncation(self) -> None:
        """A datagram cut at any byte of a message is refused; padding after the last may be missing."""
        for data, _ in TABLE:
            length = struct.unpack_from("=I", data)[0] if data else 0
            for cut in range(1, min(length, len(data))):
                self.assertRaises(RemoteError, parse, data[:cut])

    def test_wrong_lengths(self) -> None:
        """Lengths that lie about their frame, attribute, address or prefix are refused."""
        bad = [
            struct.pack("=IHHII", 15, 28, 0, 0, 0),
            struct.pack("=IHHII", 0, 28, 0, 0, 0),
            message(28, bytes(11)),
            message(20, struct.pack("=BBBBI", 2, 33, 0, 0, 1) + attribute(1, bytes(4))),
            message(20, struct.pack("=BBBBI", 2, 24, 0, 0, 1) + attribute(1, bytes(5))),
            message(20, struct.pack("=BBBBI", 2, 24, 0, 0, 1) + attribute(1, bytes(4)) + attribute(8, b"1")),
            message(28, bytes(12) + struct.pack("=HH", 3, 1)),
            message(28, bytes(12) + struct.pack("=HH", 400, 1)),
            message(netlink.NLMSG_OVERRUN, b""),
            message(netlink.NLMSG_ERROR, b"\0\0"),
        ]
        for data in bad:
            self.assertRaises(RemoteError, parse, data)

    def test_judgements(self) -> None:
        """Links without carrier are not up, addresses under detection are not usable, nor are failed neighbours."""
        self.assertTrue(LinkMessage(2, "eth0", 0x1043).up)
        self.assertFalse(LinkMessage(2, "eth0", 0x1003).up)
        self.assertFalse(AddressMessage(2, "fe80::9", "fe80::9", 64, netlink.IFA_F_TENTATIVE).usable)
        self.assertTrue(AddressMessage(2, "fe80::9", "fe80::9", 64, 0x80).usable)
        for state in (0x02, 0x04, 0x08, 0x10, 0x80):
            self.assertTrue(NeighbourMessage(2, "10.0.0.5", MAC, state).usable)
        for state in (0x00, 0x01, 0x20, 0x40):
            self.assertFalse(NeighbourMessage(2, "10.0.0.5", MAC, state).usable)
        self.assertFalse(NeighbourMessage(2, "10.0.0.5", MAC, 2, removed=True).usable)
        self.assertFalse(NeighbourMessage(2, "10.0.0.5", None, 2).usable)

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """Whatever bytes are changed, it is values or RemoteError."""
        original = bytearray(b"".join(data.draw(st.lists(st.sampled_from([row for row, _ in TABLE]), max_size=3))))
        for _ in range(data.draw(st.integers(0, 5))):
            if original:
                original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
        original += data.draw(st.binary(max_size=20))
        try:
            parse(bytes(original))
        except RemoteError:
            return


class AskingTests(SynchronousTestCase):
    """Dump requests, as the kernel wants them."""

    def test_request(self) -> None:
        """A dump request has the table's fixed body, the flags REQUEST and DUMP, and our sequence number."""
        for kind, size in ((netlink.RTM_GETLINK, 16), (netlink.RTM_GETADDR, 8), (netlink.RTM_GETNEIGH, 12)):
            data = dump_request(kind, 42)
            self.assertEqual(struct.unpack_from("=IHHII", data), (16 + size, kind, 0x301, 42, 0))
            self.assertEqual(data[16:], bytes(size))

    def test_unknown_table(self) -> None:
        """Another table is our own mistake."""
        self.assertRaises(LocalError, dump_request, 26, 1)
