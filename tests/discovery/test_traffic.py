"""What goes to each network is counted: by minute for the hour, and by sweep."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

from hypothesis import given, strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.traffic import NetworkTraffic, TrafficCount

SITE, YARD, GATE, FAR = map(IPv4Network, ("10.0.0.0/16", "10.0.7.0/24", "10.0.7.9/32", "192.168.1.0/24"))


class TrafficTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.traffic = NetworkTraffic(self.clock.seconds)
        self.traffic.follow((FAR, YARD, SITE, GATE))

    def hours(self) -> list[int]:
        return [self.traffic.of(one).hour for one in (SITE, YARD, GATE, FAR)]

    def test_where(self) -> None:
        """A packet counts for each network that its address is in, and for no other."""
        for address in ("10.0.7.9", "10.0.7.10", "10.0.8.1", "10.0.255.255", "192.168.1.0"):
            self.traffic.record(address, 1, "why.connect")
        for address in ("9.255.255.255", "10.1.0.0", "192.168.2.0", "fd00::5", "fe80::1%eth0", "255.255.255.255"):
            self.traffic.record(address, 1, "why.connect")
        self.assertEqual([4, 2, 1, 1], self.hours())
        self.assertEqual(TrafficCount(), self.traffic.of(ip_network("10.9.0.0/16")))

    def test_hour(self) -> None:
        """What is older than an hour does not count any more, and is not kept."""
        self.traffic.record("192.168.1.5", 3, "knock")
        self.clock.advance(3000)
        self.traffic.record("192.168.1.5", 4, "knock")
        self.assertEqual(7, self.hours()[3])
        self.clock.advance(700)
        self.assertEqual(4, self.hours()[3])
        self.clock.advance(3600)
        self.assertEqual(0, self.hours()[3])

    def test_sweep(self) -> None:
        """Of a sweep that ended its own packets and the hosts that answered are told; of one under way, nothing."""
        self.assertIsNone(self.traffic.of(YARD).at)
        self.traffic.begin()
        self.traffic.record("10.0.7.9", 2, "neighboursweep.arp")
        self.traffic.record("10.0.7.9", 5, "knock")
        self.traffic.answered("10.0.7.9")
        self.traffic.end(1000.0)
        self.traffic.begin()
        self.traffic.record("10.0.7.9", 9, "portscan.connect")
        for network in (SITE, YARD, GATE):
            self.assertEqual(TrafficCount(16, 2, 1, 1000.0), self.traffic.of(network))
        self.assertEqual(TrafficCount(0, 0, 0, 1000.0), self.traffic.of(FAR))

    def test_sweep_of_one(self) -> None:
        """A network that is swept alone has figures of its own."""
        self.traffic.begin(FAR)
        self.traffic.record("192.168.1.5", 2, "portscan.connect")
        self.traffic.end(7.0, FAR)
        self.assertEqual((2, 7.0), (self.traffic.of(FAR).sweep, self.traffic.of(FAR).at))
        self.assertIsNone(self.traffic.of(SITE).at)

    def test_other_networks(self) -> None:
        """When other networks are followed, those that stay keep what was counted."""
        self.traffic.record("10.0.7.9", 1, "knock")
        self.traffic.follow((YARD, IPv4Network("10.0.7.0/25")))
        self.traffic.record("10.0.7.9", 1, "knock")
        self.assertEqual([0, 2, 0, 0], self.hours())
        self.assertEqual(1, self.traffic.of(IPv4Network("10.0.7.0/25")).hour)
        self.traffic.follow(())
        self.traffic.record("10.0.7.9", 1, "knock")
        self.assertEqual([0, 0, 0, 0], self.hours())

    @given(
        st.sets(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=12),
        st.lists(st.integers(0, 255), max_size=20),
    )
    def test_any_networks(self, drawn: set[tuple[int, int]], last: list[int]) -> None:
        """However networks lie within one another, the count is that of every address looked up in each."""
        networks = {IPv4Network((f"10.0.0.{octet}", bits), strict=False) for octet, bits in drawn}
        traffic = NetworkTraffic(self.clock.seconds)
        traffic.follow(networks)
        for octet in last:
            traffic.record(f"10.0.0.{octet}", 1, "x")
        for network in networks:
            inside = sum(ip_network(f"10.0.0.{octet}").subnet_of(network) for octet in last)
            self.assertEqual(inside, traffic.of(network).hour)

    def test_limiter(self) -> None:
        """The rate limiter counts what it is told the address of, the answers that are owed as well."""
        limiter = PacketRateLimiter(100, self.clock.seconds, self.clock)
        limiter.traffic.follow((FAR,))
        reset = limiter.charge(to="192.168.1.5", reserve=1)
        reset.use()
        reset.release()
        limiter.charge(by="mdns")
        limiter.send(lambda: None, by="x", to="192.168.1.6")
        limiter.acquire(by="x", to="192.168.1.6", packets=2)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(5, limiter.traffic.of(FAR).hour)
