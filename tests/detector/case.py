"""Shared cases and doubles of the detector's tests."""

from __future__ import annotations

from collections.abc import Callable, Container, Coroutine, Mapping
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.facts import SILENT, A, B, adopting, inspection, login, sighting
from twisted_detector.bus import Bus
from twisted_detector.detector.address_gate import AddressGate
from twisted_detector.detector.checks.presence import PresenceCheck
from twisted_detector.detector.detector import Detector
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_runner import InspectionRunner, Probes
from twisted_detector.detector.relocator import Relocator
from twisted_detector.detector.schedule import Intervals, Schedule
from twisted_detector.detector.search import Network, Search
from twisted_detector.detector.sweeper import Sweeper
from twisted_detector.detector.work_queue import QueueLimits, WorkQueue
from twisted_detector.errors import Unreachable
from twisted_detector.events import CameraMoved, SweepFinished
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.interfaces import IAddressProbe, IFinder, ILiveness, IQuickSweep, ISightingSink
from twisted_detector.model import Camera, Candidate, Interface, Login, Mac, Status
from twisted_detector.model.decisions import NOT_GIVEN, OwnStreams
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import (
    Gate,
    Guarded,
    MemoryDiscoverer,
    MemoryWatcher,
    RecordingListener,
    ScriptedInspector,
    ScriptedValidator,
)
from twisted_detector.testing.lan import ETH0, MemoryNeighbours

HERE, THERE, MOVED = "10.0.0.5", "10.0.0.6", "10.0.0.77"
XADDR = (f"http://{HERE}/o",)
ID = A.compact
MAIN, SUB = f"rtsp://{HERE}:554/main", f"rtsp://{HERE}:554/sub"
BAD, GOOD, OTHER = login("bad", "canary-b"), login("good", "canary-g"), login("other", "canary-o")


class DetectorCase(SynchronousTestCase):
    """A detector over doubles; the class attributes are settings of :meth:`build`."""

    smart = True
    excluded: Container[str] = ()
    listed: tuple[str, ...] = ()
    liveness: ILiveness | None = None
    mac_tracking = True
    proof_every = 1
    logins: tuple[Login, ...] = ()

    def setUp(self) -> None:
        self.clock = Clock()
        self.saved_logins: dict[str, str] = {}
        self.budget = self.make_budget()
        self.listener = RecordingListener()
        self.bus = Bus()
        self.bus.subscribe(self.listener)
        self.registry = Registry(self.bus.emit, missed_limit=3, adoption=adopting())
        self.neighbours = MemoryNeighbours(ETH0, macs={HERE: A, THERE: B})
        self.observed: list[tuple[str, str, str]] = []
        self.inspector = ScriptedInspector({HERE: inspection(HERE), THERE: inspection(THERE)})
        self.validator = ScriptedValidator()
        self.methods: list[Any] = [MemoryDiscoverer(name="one")]
        self.watcher = MemoryWatcher()
        self.watchers = [self.watcher]

    def make_budget(self) -> LoginBudget:
        return LoginBudget(self.logins, salt="s", save=self.saved_logins.__setitem__)

    def build(self) -> Detector:
        environment = Environment(
            self.clock,
            self.clock.seconds,
            excluded=self.excluded,
            observe=self.observe,
            gate=AddressGate(lambda: tuple(map(ip_network, self.listed)), self.neighbours.interfaces),
        )
        sweeper = Sweeper(
            environment,
            self.methods,
            schedule=Schedule(Intervals(steady=300, quick=60, initial_count=3, initial_pause=10, smart=self.smart)),
            timeout=30,
            cameras=lambda: len(self.registry.cameras()),
            emit=self.bus.emit,
        )
        presence = PresenceCheck(self.registry, sweeper, interval=60)
        relocator = Relocator(
            environment,
            self.registry,
            neighbours=self.neighbours,
            finders=[one for one in self.methods if IFinder.providedBy(one)],
            sweep=sweeper.hasten,
        )
        self.runner = runner = InspectionRunner(
            environment,
            self.registry,
            probes=Probes([self.inspector], self.validator, own_streams=lambda *where: self.own_streams(*where)),
            budget=self.budget,
            emit=self.bus.emit,
            missed=relocator.device_missed,
            proof_every=self.proof_every,
        )
        self.queue = WorkQueue(
            self.clock,
            QueueLimits(max_concurrent=4, max_seconds=20),
            timed_out=runner.timed_out,
            monotonic=self.clock.seconds,
            is_known=self.registry.is_published,
            is_wanted=runner.wants,
            host_of=self.registry.host_of,
        )
        self.detector = Detector(
            environment,
            self.registry,
            search=Search(sweeper, presence, relocator),
            network=Network(self.neighbours if self.mac_tracking else None, self.watchers, self.liveness),
            runner=runner,
            inspections=self.queue,
            check_interval=60,
        )
        return self.detector

    def observe(self, at: float, address: str, source: str, text: str) -> None:
        self.observed.append((address, source, text))

    def own_streams(self, camera_id: str, address: str) -> OwnStreams:
        """The streams that a person gave."""
        return NOT_GIVEN

    def start(self) -> None:
        self.build().start()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.detector.stop()))
        self.assertEqual([], self.clock.getDelayedCalls())

    def sweeps(self) -> list[SweepFinished]:
        return [event for event in self.listener.events if isinstance(event, SweepFinished)]

    def ids(self) -> list[str]:
        return sorted(camera.id for camera in self.registry.cameras())


class ResolvingNeighbours(MemoryNeighbours):
    """Learns some MACs only when it is asked for them, as the kernel does by ARP.

    :ivar silent: address → MAC of those.
    """

    def __init__(self, *addresses: Interface, macs: Mapping[str, Mac]) -> None:
        super().__init__(*addresses, macs=macs)
        self.silent: dict[str, Mac] = {}

    async def mac_of(self, address: str) -> Mac | None:
        if address in self.silent:
            self.macs[address] = self.silent[address]
        return await super().mac_of(address)


@implementer(IFinder, IAddressProbe, IQuickSweep)
class SearchingDiscoverer(MemoryDiscoverer):
    """A discoverer that can do everything; what each was called for is recorded."""

    def __init__(self, **more: Any) -> None:
        super().__init__(name="searching", **more)
        self.found: list[Any] = []
        self.answers: list[Any] = []
        self.searched: list[str] = []
        self.probed: list[str] = []
        self.quick = 0
        self.slow: Gate | None = None

    async def find(self, candidate: Candidate, sink: ISightingSink) -> None:
        self.searched.append(candidate.address)
        if self.slow is not None:
            await self.slow.wait()
        if self.problem is not None:
            raise self.problem
        for one in self.found:
            sink.sighted(one)

    async def probe(self, address: str, sink: ISightingSink) -> None:
        self.probed.append(address)
        if self.slow is not None:
            await self.slow.wait()
        if self.problem is not None:
            raise self.problem

    async def sweep_quickly(self, sink: ISightingSink) -> None:
        self.quick += 1
        if self.problem is not None:
            raise self.problem
        for one in self.answers:
            sink.sighted(one)


class LossCase(DetectorCase):
    """A camera that is known and well, in a steady schedule, and can be lost."""

    def setUp(self) -> None:
        super().setUp()
        self.method = SearchingDiscoverer()
        self.methods = [self.method]
        neighbours = ResolvingNeighbours(ETH0, macs=self.neighbours.macs)
        neighbours.silent[MOVED] = A
        self.neighbours = neighbours
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.clock.pump([1] * 100)  # steady by now: the next sweep is far away
        self.inspector.answers[MOVED] = inspection(MOVED)
        self.listener.take()

    def lose(self, seconds: int = 20) -> None:
        """Its next check, in so many seconds, is missed."""
        self.validator.answers[f"rtsp://{HERE}:554/main"] = SILENT
        self.inspector.answers[HERE] = Unreachable("no answer")
        self.clock.pump([1] * seconds)

    def moves(self) -> list[str]:
        return [event.new_address for event in self.listener.events if isinstance(event, CameraMoved)]


def is_good(one: Login) -> bool:
    return one == GOOD


def asks_login(then: Any = None, **more: Any) -> Guarded:
    return Guarded(then or inspection(), is_good, **more)


class RunnerCase(SynchronousTestCase):
    """A runner over doubles; :attr:`vendor_of` and :attr:`is_present` may be replaced at any time.

    :ivar own: the streams that a person gave, by the id of the camera.
    """

    proof_every = 1

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(10_000)
        self.listener = RecordingListener()
        self.bus = Bus()
        self.bus.subscribe(self.listener)
        self.registry = Registry(self.bus.emit, missed_limit=3, adoption=adopting())
        self.onvif, self.rtsp = ScriptedInspector(name="onvif"), ScriptedInspector(name="rtsp")
        self.validator = ScriptedValidator()
        self.vendor_of: Callable[[Mac], str] = lambda mac: ""
        self.is_present: Callable[[int], bool] = lambda key: False
        self.own: dict[str, OwnStreams] = {}
        self.observe: list[str] = []
        self.build()
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))

    def build(self, *logins: Login) -> None:
        self.budget = LoginBudget(logins, salt="s", save=lambda key, text: None)
        self.runner = InspectionRunner(
            Environment(
                self.clock, self.clock.seconds, observe=lambda at, address, source, text: self.observe.append(text)
            ),
            self.registry,
            probes=Probes(
                [self.onvif, self.rtsp],
                self.validator,
                lambda mac: self.vendor_of(mac),
                lambda *where: self.own_streams(*where),
            ),
            budget=self.budget,
            emit=self.bus.emit,
            proof_every=self.proof_every,
        )

    def own_streams(self, camera_id: str, address: str) -> OwnStreams:
        return self.own.get(camera_id, NOT_GIVEN)

    def see(self, address: str = HERE, mac: Any = A) -> int:
        seen = self.registry.record_sighting(sighting(address, mac), self.clock.seconds())
        assert seen is not None
        return seen.key

    def run_it(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        running = Deferred.fromCoroutine(work)
        # A busy device is asked once more a little later.
        self.clock.pump([0.5] * 6 * (not running.called))
        self.successResultOf(running)

    def inspect(self, key: int | None = None) -> int:
        key = self.see() if key is None else key
        self.run_it(self.runner.inspect(key))
        return key

    def check(self, key: int) -> None:
        self.validator.validated.clear()
        if not (self.is_present(key) and self.runner.routine.settle(key)):
            self.run_it(self.runner.routine.check(key))

    def camera(self, camera_id: str = ID) -> Camera:
        found = self.registry.camera(camera_id)
        assert found is not None
        return found

    def state(self) -> tuple[Status, str]:
        return self.camera().status, self.camera().reason
