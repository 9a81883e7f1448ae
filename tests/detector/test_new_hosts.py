"""New hosts: each is probed once in a while, within bounds."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.detector.case import HERE, ID, MOVED, THERE, LossCase, SearchingDiscoverer
from tests.facts import A, B, C, sighting
from twisted_detector.detector import new_hosts as new_hosts_module
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.new_hosts import REPEAT_AFTER, SECOND_PROBE, NewHosts
from twisted_detector.model import Mac
from twisted_detector.testing.doubles import Gate
from twisted_detector.testing.lan import RecordingSink


class NeighbourTests(LossCase):
    def test_a_known_mac_elsewhere(self) -> None:
        """A neighbour with a camera's MAC at another address: it has moved, at once."""
        self.watcher.report(sighting(MOVED, A))
        self.assertEqual(([MOVED], [ID]), (self.moves(), self.ids()))

    def test_a_new_host(self) -> None:
        """A new MAC alone is no device: it is probed, once in a while."""
        for _ in range(3):
            self.watcher.report(sighting(THERE, C))
        self.assertEqual(([THERE], 1), (self.method.probed, len(self.registry.devices())))
        self.assertIn((THERE, "neighbours", f"a new neighbour, {C}: it is looked at"), self.observed)

    def test_during_a_sweep(self) -> None:
        """A host that a sweep makes visible is not probed: the sweep probes every host."""
        self.method.gate = Gate()
        self.detector.rescan()
        self.watcher.report(sighting(THERE, C))
        self.assertEqual([], self.method.probed)
        self.method.gate.open()
        self.method.gate = None


class BoundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.known: set[str] = set()

    def test_flood(self) -> None:
        """Of a flood of new hosts so many are probed at one time; one that hangs is given up; all is bounded."""
        self.patch(new_hosts_module, "MAX_REMEMBERED", 50)
        clock, method = Clock(), SearchingDiscoverer()
        environment = Environment(clock, clock.seconds)
        method.slow = Gate()
        new_hosts = NewHosts(environment, [method], sink=RecordingSink(), is_known=self.known.__contains__)
        for number in range(1000):
            new_hosts.host_appeared(f"10.0.{number // 250}.{number % 250}", A)
        self.assertEqual((16, 984), (method.slow.waiting, environment.counts["dropped_newcomers"]))
        clock.advance(10)
        self.assertEqual(0, method.slow.waiting)
        for number in range(200):
            new_hosts.host_appeared(f"10.1.0.{number}", A)
            clock.advance(10)
        self.assertEqual(50, len(new_hosts._probed_at))
        clock.pump([10] * 3)
        self.assertEqual([], clock.getDelayedCalls())

    def test_why_not(self) -> None:
        """A probe that took too long, or failed, is logged in words that say which and why."""
        clock, method = Clock(), SearchingDiscoverer()
        new_hosts = NewHosts(
            Environment(clock, clock.seconds), [method], sink=RecordingSink(), is_known=self.known.__contains__
        )
        method.slow = Gate()
        with capturedLogs() as logged:
            new_hosts.host_appeared(HERE, A)
            clock.advance(10)
            method.slow = None
            method.problem = OSError("Network is unreachable")
            new_hosts.host_appeared(THERE, A)
        self.assertEqual(
            [
                f"{HERE} cannot be looked at by searching: it took longer than 10 s",
                f"{THERE} cannot be looked at by searching: Network is unreachable",
            ],
            [formatEvent(event) for event in logged if "error" in event],
        )

    def test_again_after_a_while(self) -> None:
        """A host that is there again after a long time is probed again; another MAC there at once."""
        clock, method = Clock(), SearchingDiscoverer()
        new_hosts = NewHosts(
            Environment(clock, clock.seconds), [method], sink=RecordingSink(), is_known=self.known.__contains__
        )
        macs: list[Mac] = [A, A, B, A]
        for mac in macs:
            new_hosts.host_appeared(HERE, mac)
        self.assertEqual(2, len(method.probed))
        clock.advance(REPEAT_AFTER)
        method.probed.clear()
        new_hosts.host_appeared(HERE, A)
        self.assertEqual(1, len(method.probed))

    def test_once_more(self) -> None:
        """A host at which no device was found is probed once more, for a camera has an address before it answers; one
        that is known by then is not, and none when all is stopped, or when too many wait.
        """
        self.patch(new_hosts_module, "MAX_WAITING", 3)
        clock, method = Clock(), SearchingDiscoverer()
        new_hosts = NewHosts(
            Environment(clock, clock.seconds), [method], sink=RecordingSink(), is_known=self.known.__contains__
        )
        for address in (HERE, THERE, MOVED, "10.0.0.99"):
            new_hosts.host_appeared(address, A)
        self.known.add(THERE)
        method.probed.clear()
        clock.advance(SECOND_PROBE)
        self.assertEqual([HERE, MOVED], method.probed)
        clock.advance(REPEAT_AFTER)
        self.assertEqual([HERE, MOVED], method.probed)
        new_hosts.host_appeared(HERE, B)
        self.successResultOf(new_hosts.stop())
        self.assertEqual([], clock.getDelayedCalls())
