"""Test cases on a LAN in memory, and over a kernel in memory; at the end of each all is closed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.kernel import FDClock, Kernel
from tests.operations.networks.case import networks_of
from twisted_detector.config.load import load
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface, Mac
from twisted_detector.model.addresses import Exclusions
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.registry.observations import ObservationLog
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


class NeighboursCase(SynchronousTestCase):
    """A KernelNeighbours over a kernel in memory, whose table holds ``table`` entries."""

    table = 1024

    def setUp(self) -> None:
        self.kernel = Kernel()
        self.clock = FDClock()
        self.provoked: list[tuple[str, int]] = []
        self.provoke_problem: OSError | None = None
        self.neighbours = KernelNeighbours(
            self.clock,
            monotonic=self.clock.seconds,
            table=self.table,
            open_socket=self.kernel.open,
            provoke=self.provoke,
        )

    def tearDown(self) -> None:
        self.neighbours.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.clock.readers, [])

    def provoke(self, target: IPv4Address | IPv6Address, index: int) -> None:
        self.provoked.append((str(target), index))
        if self.provoke_problem is not None:
            raise self.provoke_problem

    def start(self) -> None:
        self.neighbours.start()
        self.read()

    def read(self) -> None:
        for reader in list(self.clock.readers):
            reader.doRead()

    def receive(self, *messages: bytes | OSError) -> None:
        self.kernel.pending += messages
        self.read()

    def look_up(self, text: str) -> Deferred[Mac | None]:
        return Deferred.fromCoroutine(self.neighbours.mac_of(text))

    def mac_of(self, text: str) -> Mac | None:
        return self.successResultOf(self.look_up(text))


def made_with(maker: Any, **environment: str) -> Any:
    """What a maker makes of a configuration."""
    config = load({"HOME": "/h", **environment}, hostname="h", superuser=False)
    offers: dict[Any, Any] = {
        INeighbours: MemoryNeighbours(),
        PacketRateLimiter: PacketRateLimiter(1000, Clock().seconds),
        ObservationLog: ObservationLog(),
        SiteNetworks: networks_of(config),
        Exclusions: Exclusions(),
    }
    context: Any = SimpleNamespace(reactor=Clock(), config=config)
    return maker.make(context, *(offers[kind] for kind in maker.needs))
