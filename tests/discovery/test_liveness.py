"""Tests of ``discovery.sweep.liveness``: whether a host answers at an address."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.discovery.sweep.liveness import TcpLiveness
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import ILiveness
from twisted_detector.testing.lan import MemoryHosts

HERE = "10.0.0.5"


class UnreadHosts(MemoryHosts):
    """Hosts whose answers are there at once, and are read only when the connector is polled."""

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        self.attempts.append((self._clock.seconds(), address, port))
        self._unread: Callable[[], None] = lambda: ended(self.ports[address][port])
        return lambda: None

    def poll(self) -> bool:
        self._unread()
        return True


class KnockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock)
        self.limiter = PacketRateLimiter(1000, self.clock.seconds, self.clock)
        self.liveness = TcpLiveness(self.clock, self.limiter, make_connector=self.hosts.connector)
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))

    def answers(self, *ports: int, address: str = HERE) -> bool:
        asked = Deferred.fromCoroutine(self.liveness.is_alive(address, ports))
        self.clock.pump([0.01] * 60)
        return self.successResultOf(asked)

    def test_answers(self) -> None:
        """An open port and a closed one are answers; silence and no route are none."""
        verifyObject(ILiveness, self.liveness)
        for outcome, answer in (
            (Outcome.OPEN, True),
            (Outcome.REFUSED, True),
            (Outcome.UNREACHABLE, False),
            (None, False),
        ):
            self.hosts.ports = {HERE: {8554: outcome}} if outcome else {}
            self.assertIs(answer, self.answers(8554, 554), outcome)
            self.assertTrue(self.hosts.is_closed)
        self.assertEqual({8554}, {port for _, _, port in self.hosts.attempts})

    def test_a_busy_reactor_is_no_silence(self) -> None:
        """Timers are due before sockets are read: an answer that waits to be read counts, however late it is."""
        hosts = UnreadHosts(self.clock)
        self.liveness = TcpLiveness(self.clock, self.limiter, make_connector=hosts.connector)
        for outcome, answer in ((Outcome.OPEN, True), (Outcome.REFUSED, True), (Outcome.UNREACHABLE, False)):
            hosts.ports = {HERE: {554: outcome}}
            asked = Deferred.fromCoroutine(self.liveness.is_alive(HERE, (554,)))
            self.clock.advance(5)
            self.assertIs(answer, self.successResultOf(asked), outcome)
        self.assertEqual(3, len(hosts.attempts))
        self.assertTrue(hosts.is_closed)

    def test_few_packets(self) -> None:
        """Silence costs two attempts, both counted; ports that are never touched and IPv6 cost none there."""
        self.answers(9000, 554)
        self.assertEqual([554, 554], [port for _, _, port in self.hosts.attempts])
        self.assertEqual({"knock": 4}, dict(self.limiter.sent))
        self.assertFalse(self.answers(554, address="fe80::1%eth0"))
        self.answers(37777)
        self.assertEqual({554, 80}, {port for _, _, port in self.hosts.attempts})

    def accepts(self, *ports: int, address: str = HERE) -> Deferred[bool]:
        asked = Deferred.fromCoroutine(self.liveness.accepts(address, ports))
        self.clock.pump([0.01] * 120)
        return asked

    def test_accepts(self) -> None:
        """An open port is an answer, a closed one and silence are none; one of the first two ports is enough."""
        for outcome, answer in ((Outcome.OPEN, True), (Outcome.REFUSED, False), (Outcome.UNREACHABLE, False)):
            for address in (HERE, "fe80::5%eth0"):
                self.hosts.ports = {address: {554: outcome}}
                self.assertIs(answer, self.successResultOf(self.accepts(554, address=address)), outcome)
        self.hosts.ports = {HERE: {554: Outcome.REFUSED, 80: Outcome.OPEN, 8080: Outcome.OPEN}}
        self.assertTrue(self.successResultOf(self.accepts(554, 80)))
        self.hosts.attempts.clear()
        self.assertFalse(self.successResultOf(self.accepts(9000, 554, 554, 8554, 8080)))
        self.assertEqual([554, 8554, 8554], [port for _, _, port in self.hosts.attempts])
        self.assertFalse(self.successResultOf(self.accepts()))
        self.assertTrue(self.hosts.is_closed)

    def test_no_room(self) -> None:
        """When this machine has no room for a connection, nothing is known of the device."""
        self.hosts.ports = {HERE: {554: Outcome.NO_ROOM}}
        self.failureResultOf(self.accepts(554), LocalError)

    def test_cancelled(self) -> None:
        """Cancelled, it leaves nothing open."""
        asked = Deferred.fromCoroutine(self.liveness.is_alive(HERE, (554,)))
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual((True, {}), (self.hosts.is_closed, self.hosts.running))
