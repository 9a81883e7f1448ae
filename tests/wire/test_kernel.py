"""The kernel's tables: what is kept ready is what would be found by looking at everything anew."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Mac
from twisted_detector.wire.netlink import tables as module
from twisted_detector.wire.netlink.messages import (
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_RUNNING,
    IFF_UP,
    NUD_FAILED,
    NUD_REACHABLE,
    RTM_GETNEIGH,
    AddressMessage,
    LinkMessage,
    NeighbourMessage,
)
from twisted_detector.wire.netlink.tables import KernelTables

UP = IFF_UP | IFF_RUNNING | IFF_MULTICAST
MACS = (Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:02"), None)
HOSTS = ("10.0.0.1", "10.0.0.7", "10.0.0.255", "10.0.1.7", "fe80::7", "192.168.9.9")

links = st.builds(
    LinkMessage,
    st.integers(1, 2),
    st.just("eth"),
    st.sampled_from((UP, UP, IFF_UP, UP | IFF_LOOPBACK)),
    st.booleans(),
).map(lambda one: LinkMessage(one.index, f"eth{one.index}", one.flags, one.removed))
addresses = st.builds(
    lambda index, at, length, removed: AddressMessage(index, at, at, length, 0, removed),
    st.integers(1, 2),
    st.sampled_from(("10.0.0.1", "10.0.1.1", "fe80::1")),
    st.sampled_from((16, 24, 31)),
    st.booleans(),
)
neighbours = st.builds(
    NeighbourMessage,
    st.integers(1, 2),
    st.sampled_from(HOSTS),
    st.sampled_from(MACS),
    st.sampled_from((NUD_REACHABLE, NUD_REACHABLE, NUD_FAILED)),
    st.booleans(),
)
first = [LinkMessage(1, "eth1", UP), LinkMessage(2, "eth2", UP), AddressMessage(1, "10.0.0.1", "10.0.0.1", 24, 0)]


class Known(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.one_of(neighbours, neighbours, neighbours, links, addresses), max_size=30))
    def test_kept_ready(self, messages: list[LinkMessage | AddressMessage | NeighbourMessage]) -> None:
        """Asked after each message or only at the end, the tables tell the same."""
        often, once = KernelTables(), KernelTables()
        for message in (*first, *messages):
            often.apply(message)
            once.apply(message)
            often.known()
        self.assertEqual(dict(often.known()), dict(once.known()))

    def test_not_confirmed(self) -> None:
        """A neighbour that a dump did not confirm is no longer known."""
        tables = KernelTables()
        for message in (*first, NeighbourMessage(1, "10.0.0.7", MACS[0], NUD_REACHABLE)):
            tables.apply(message)
        self.assertEqual(dict(tables.known()), {"10.0.0.7": MACS[0]})
        tables.begin(RTM_GETNEIGH)
        tables.end(RTM_GETNEIGH)
        self.assertEqual(dict(tables.known()), {})

    def test_read_once(self) -> None:
        """No address is read again when another MAC, a lost neighbour or the end of a dump changes what is known."""
        tables, read = KernelTables(), []
        self.patch(module, "ip_address", lambda text: read.append(text) or ip_address(text))
        hosts = [f"10.0.0.{number}" for number in range(2, 102)]
        for message in (*first, *(NeighbourMessage(1, one, MACS[0], NUD_REACHABLE) for one in hosts)):
            tables.apply(message)
        read.clear()
        self.assertEqual(100, len(tables.known()))
        tables.apply(NeighbourMessage(1, hosts[0], MACS[1], NUD_REACHABLE))
        tables.apply(NeighbourMessage(1, hosts[1], None, NUD_FAILED))
        tables.apply(first[0])  # as it was: a Wi-Fi link tells of itself all day
        self.assertEqual((99, MACS[1]), (len(tables.known()), tables.known()[hosts[0]]))
        tables.begin(RTM_GETNEIGH)
        for host in hosts[:-1]:
            tables.apply(NeighbourMessage(1, host, MACS[0], NUD_REACHABLE))
        tables.end(RTM_GETNEIGH)
        self.assertEqual(99, len(tables.known()))
        self.assertEqual([], read)

    def test_address_lost(self) -> None:
        """With our own address goes the network that the neighbours were of."""
        tables = KernelTables()
        for message in (*first, NeighbourMessage(1, "10.0.0.7", MACS[0], NUD_REACHABLE)):
            tables.apply(message)
        self.assertEqual(len(tables.known()), 1)
        self.assertEqual(len(tables.targets("10.0.0.9")), 1)
        tables.apply(AddressMessage(1, "10.0.0.1", "10.0.0.1", 24, 0, True))
        self.assertEqual(len(tables.known()), 0)
        self.assertEqual(tables.targets("10.0.0.9"), ())
