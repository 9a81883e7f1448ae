"""The detector is joined with the plugins' methods and with this machine's network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.config.case import read
from tests.operations.networks.case import book_in, networks_of
from twisted_detector.bus import Bus
from twisted_detector.config.running import RunningConfig
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.interfaces import IDiscoverer, ISightingSink, IWatcher
from twisted_detector.model import Interface
from twisted_detector.model.addresses import Exclusions
from twisted_detector.operations.decisions.streams import GivenStreams
from twisted_detector.registry.observations import MAX_ADDRESSES, ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.service.detection import Methods, make_detection
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.testing.doubles import MemoryDiscoverer, MemoryWatcher, ScriptedValidator
from twisted_detector.testing.lan import ETH0, MemoryNeighbours


class CountingNeighbours(MemoryNeighbours):
    """Counts how often the interfaces were looked at."""

    looks = 0

    async def interfaces(self) -> Sequence[Interface]:
        self.looks += 1
        return await super().interfaces()


@implementer(IDiscoverer, IWatcher)
class Both(MemoryWatcher):
    """A discoverer that is a watcher as well."""

    starts = 0

    async def sweep(self, sink: ISightingSink) -> None:
        pass

    def startWatching(self, sink: ISightingSink) -> None:
        self.starts += 1
        super().startWatching(sink)


class Joined(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.neighbours = CountingNeighbours(ETH0)
        self.observations = ObservationLog()

    def start(self, methods: Methods) -> None:
        bus = Bus()
        nothing: Any = None
        neighbours: Any = self.neighbours
        limiter = PacketRateLimiter(1000, self.clock.seconds, self.clock)
        knowledge = Knowledge(
            bus=bus,
            registry=Registry(bus.emit),
            adoption=nothing,
            observations=self.observations,
            budget=LoginBudget([], salt="s", save=lambda key, text: None),
            access=nothing,
            validator=ScriptedValidator(),  # type: ignore[arg-type]
            freeze_detector=nothing,
            dialects=nothing,
            history=nothing,
            decisions=nothing,
            given_streams=GivenStreams(book_in(self.mktemp())),
            logins=nothing,
            networks=networks_of(read({})),
        )
        ground = Ground(nothing, neighbours, limiter, Exclusions(()), RunningConfig(read({})), is_fresh=True)
        detector = make_detection(self.clock, read({}), ground, knowledge, methods).detector
        detector.start()
        self.addCleanup(lambda: self.successResultOf(Deferred.fromCoroutine(detector.stop())))
        self.clock.advance(0)

    def test_a_change_of_the_network(self) -> None:
        """When this machine gets another address, the detector looks at its interfaces again."""
        self.start(Methods([MemoryDiscoverer()], [], []))
        looks = self.neighbours.looks
        self.neighbours.change_interfaces()
        self.clock.advance(1.5)
        self.assertEqual(looks + 1, self.neighbours.looks)

    def test_what_plugins_report(self) -> None:
        """A report of a method that was told of a device pushes out nothing that was asked, whoever's plugin it is."""
        mine, swept = MemoryDiscoverer(), MemoryDiscoverer()
        mine.name, swept.name = "doorbell", "neighboursweep"
        self.start(Methods([mine, swept], [], []))
        log = self.observations
        log.record(0.0, "10.0.0.5", "onvif", "a camera")
        for number in range(3 * MAX_ADDRESSES):
            log.record(1.0, f"10.{number // 250}.1.{number % 250}", "doorbell", "seen")
        self.assertEqual(1, len(log.observations_of("10.0.0.5")))
        for number in range(3 * MAX_ADDRESSES):
            log.record(1.0, f"10.{number // 250}.2.{number % 250}", "neighboursweep", "seen")
        self.assertEqual([], log.observations_of("10.0.0.5"))

    def test_what_is_both(self) -> None:
        """What sweeps and watches is started once, whichever maker it came from."""
        both, other = Both(), MemoryWatcher()
        self.start(Methods([both], [both, other], []))
        self.assertEqual((1, True), (both.starts, other.sink is not None))
