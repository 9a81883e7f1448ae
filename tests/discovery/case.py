"""A method that asks a multicast group goes in; a test case on a LAN in memory comes out; at its end all is closed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.load import load
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface
from twisted_detector.testing.lan import ETH0, LOOPBACK, MemoryLAN, MemoryNeighbours, RecordingSink

#: Seconds of a sweep, and a bit.
SWEEP = 3.1


class GroupCase(SynchronousTestCase):
    """Made by :meth:`make`, on ``interfaces``."""

    interfaces: tuple[Interface, ...] = (LOOPBACK, ETH0)
    discovery: Any

    def setUp(self) -> None:
        self.clock = Clock()
        self.lan = MemoryLAN(self.clock)
        self.neighbours = MemoryNeighbours(*self.interfaces)
        self.sink = RecordingSink()
        self.discovery = self.make()

    def make(self) -> Any:
        """What is tested."""
        raise NotImplementedError

    def tearDown(self) -> None:
        self.assertEqual(self.lan.open_ports, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def begin(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.discovery.sweep(self.sink))

    def run_until(self, seconds: float) -> None:
        while self.clock.seconds() < seconds:
            self.clock.advance(0.01)

    def sweep(self) -> None:
        sweeping = self.begin()
        self.run_until(self.clock.seconds() + SWEEP)
        self.successResultOf(sweeping)


class Watching(GroupCase):
    """It watches from the beginning of each test to its end."""

    def setUp(self) -> None:
        super().setUp()
        self.discovery.startWatching(self.sink)

    def tearDown(self) -> None:
        self.discovery.stopWatching()
        super().tearDown()


def made_with(maker: Any, **environment: str) -> Any:
    """What a maker makes of a configuration."""
    config = load({"HOME": "/h", **environment}, hostname="h", superuser=False)
    parts = {INeighbours: MemoryNeighbours(), PacketRateLimiter: PacketRateLimiter(1000, Clock().seconds)}
    context: Any = SimpleNamespace(reactor=Clock(), config=config, parts=parts)
    return maker.make(context)
