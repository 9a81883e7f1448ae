"""What is missed is looked for at once, cheapest first; who is new is looked at, within bounds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.detector.test_detector import HERE, ID, THERE, XADDR, DetectorCase
from tests.facts import SILENT, A, B, C, inspection, sighting
from twisted_detector.detector import new_hosts as newcomers_module
from twisted_detector.detector.new_hosts import HOLD, NewHosts
from twisted_detector.detector.schedule import Intervals, Schedule
from twisted_detector.errors import Unreachable
from twisted_detector.events import CameraMoved
from twisted_detector.interfaces import IAddressProbe, IFinder, IQuickSweep, ISightingSink
from twisted_detector.model import Candidate, Mac, Status
from twisted_detector.testing.doubles import Gate, MemoryDiscoverer
from twisted_detector.testing.lan import RecordingSink

MOVED = "10.0.0.77"


@implementer(IFinder, IAddressProbe, IQuickSweep)
class Searching(MemoryDiscoverer):
    """A discoverer that does all; what each was asked for is noted."""

    def __init__(self, **more: Any) -> None:
        super().__init__(name="searching", **more)
        self.found: list[Any] = []
        self.answers: list[Any] = []
        self.searched: list[str] = []
        self.looked_at: list[str] = []
        self.quick = 0
        self.slow: Gate | None = None

    async def find(self, candidate: Candidate, sink: ISightingSink) -> None:
        self.searched.append(candidate.address)
        if self.slow is not None:
            await self.slow.passing()
        if self.problem is not None:
            raise self.problem
        for one in self.found:
            sink.sighted(one)

    async def probe(self, address: str, sink: ISightingSink) -> None:
        self.looked_at.append(address)
        if self.slow is not None:
            await self.slow.passing()

    async def sweep_quickly(self, sink: ISightingSink) -> None:
        self.quick += 1
        if self.problem is not None:
            raise self.problem
        for one in self.answers:
            sink.sighted(one)


class LossCase(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.method = Searching()
        self.methods = [self.method]
        self.start()
        self.watcher.hear(sighting(HERE, xaddrs=XADDR))
        self.clock.pump([1] * 100)  # steady by now: the next sweep is far away
        self.inspector.answers[MOVED] = inspection(MOVED)
        self.heard.take()

    def lose(self, seconds: int = 20) -> None:
        """Its next check, in so many seconds, is missed."""
        self.validator.answers[f"rtsp://{HERE}:554/main"] = SILENT
        self.inspector.answers[HERE] = Unreachable("no answer")
        self.clock.pump([1] * seconds)

    def moves(self) -> list[str]:
        return [event.new_address for event in self.heard.events if isinstance(event, CameraMoved)]


class LossTests(LossCase):
    def test_found_among_the_neighbours(self) -> None:
        """Its MAC at another address is enough: nobody is asked, and no sweep is made."""
        sweeps = self.method.sweeps
        self.neighbours.macs[MOVED] = A
        self.lose()
        self.assertEqual(([MOVED], [], sweeps), (self.moves(), self.method.searched, self.method.sweeps))
        self.assertIs(Status.ONLINE, self.registry.cameras()[0].status)

    def test_an_old_entry_is_not_believed(self) -> None:
        """Where it stood before, the kernel may still have its MAC from then."""
        self.neighbours.macs[MOVED] = A
        self.watcher.hear(sighting(MOVED, A))
        self.watcher.hear(sighting(HERE, A, xaddrs=XADDR))
        self.heard.take()
        self.lose()
        self.assertEqual(([], [HERE]), (self.moves(), self.method.searched))

    def test_found_by_asking(self) -> None:
        """A finder that sees it elsewhere is enough: no sweep is made."""
        sweeps = self.method.sweeps
        self.method.found = [sighting(MOVED, A)]
        self.lose()
        self.assertEqual(([MOVED], [HERE], sweeps), (self.moves(), self.method.searched, self.method.sweeps))

    def test_a_sweep_comes_last(self) -> None:
        """When nobody finds it a sweep is made, once for each loss, and not for each missed check."""
        sweeps = self.method.sweeps
        self.method.problem = OSError("no route")
        self.lose()
        self.clock.pump([1] * 200)
        self.assertEqual(([HERE], sweeps + 1), (self.method.searched, self.method.sweeps))
        self.assertIs(Status.OFFLINE, self.registry.cameras()[0].status)

    def test_a_second_loss(self) -> None:
        """When it was back meanwhile, the next loss is searched for again."""
        self.lose()
        self.validator.answers.clear()
        self.clock.pump([1] * 60)
        self.lose(60)
        self.assertEqual(2, len(self.method.searched))

    def test_stopped_while_searching(self) -> None:
        """A stop ends the search."""
        self.method.slow = Gate()
        self.lose()
        self.assertEqual(1, self.method.slow.waiting)
        self.stop()
        self.assertEqual(0, self.method.slow.waiting)

    def test_a_finder_that_hangs(self) -> None:
        """It is given up after some seconds, and the sweep is made."""
        sweeps = self.method.sweeps
        self.method.slow = Gate()
        self.lose()
        self.clock.pump([1] * 11)
        self.assertEqual((0, sweeps + 1), (self.method.slow.waiting, self.method.sweeps))


class QuickTests(LossCase):
    def test_a_silent_move(self) -> None:
        """A quick look that sees it elsewhere is enough."""
        self.method.answers = [sighting(MOVED, A)]
        self.clock.pump([1] * 60)
        self.assertEqual([MOVED], self.moves())

    def test_cheap(self) -> None:
        """Quick looks come between rare sweeps; one that fails is counted and is no sweep that ended."""
        sweeps, quick = self.method.sweeps, self.method.quick
        self.method.problem = OSError("down")
        self.clock.pump([1] * 120)
        self.assertEqual((sweeps, quick + 2), (self.method.sweeps, self.method.quick))
        self.assertEqual(2, self.detector.counts["failed_quick_looks"])
        self.assertEqual([], self.sweeps())

    def test_a_rescan_does_not_wait(self) -> None:
        """A sweep that is asked for during a quick look begins at once, and they do not overlap."""
        begun = self.method.sweeps
        self.detector.rescan()
        self.assertEqual(begun + 1, self.method.sweeps)
        self.assertEqual("aggressive", self.detector.phase)


class PresenceTests(LossCase):
    def test_a_known_mac_elsewhere(self) -> None:
        """A neighbour with a camera's MAC at another address: it has moved, at once."""
        self.watcher.hear(sighting(MOVED, A))
        self.assertEqual(([MOVED], [ID]), (self.moves(), self.ids()))

    def test_a_newcomer(self) -> None:
        """A new MAC alone is no device: it is looked at, once in a while."""
        for _ in range(3):
            self.watcher.hear(sighting(THERE, C))
        self.assertEqual(([THERE], 1), (self.method.looked_at, len(self.registry.devices())))

    def test_during_a_sweep(self) -> None:
        """Whom a sweep makes visible is not looked at again: the sweep asks everybody."""
        self.method.gate = Gate()
        self.detector.rescan()
        self.watcher.hear(sighting(THERE, C))
        self.assertEqual([], self.method.looked_at)
        self.method.gate.open()
        self.method.gate = None

    def test_the_network_changed(self) -> None:
        """Another address of ours begins the sweeps anew."""
        self.assertEqual("steady", self.detector.phase)
        sweeps = self.method.sweeps
        self.detector.network_changed()
        self.clock.advance(0)
        self.assertEqual(("aggressive", sweeps + 1), (self.detector.phase, self.method.sweeps))

    def test_another_camera(self) -> None:
        """So does a camera that is found between sweeps."""
        self.bus.subscribe(self.detector)
        self.neighbours.macs[THERE] = B
        self.watcher.hear(sighting(THERE, xaddrs=(f"http://{THERE}/o",)))
        self.assertEqual("aggressive", self.detector.phase)


class NewcomerBounds(SynchronousTestCase):
    def test_flood(self) -> None:
        """Of a flood of newcomers so many are looked at at one time; one that hangs is given up; all is bounded."""
        self.patch(newcomers_module, "MAX_REMEMBERED", 50)
        clock, method, counts = Clock(), Searching(), Counter[str]()
        method.slow = Gate()
        newcomers = NewHosts(clock, [method], sink=RecordingSink(), monotonic=clock.seconds, counts=counts)
        for number in range(1000):
            newcomers.came(f"10.0.{number // 250}.{number % 250}", A)
        self.assertEqual((16, 984), (method.slow.waiting, counts["dropped_newcomers"]))
        clock.advance(10)
        self.assertEqual(0, method.slow.waiting)
        for number in range(200):
            newcomers.came(f"10.1.0.{number}", A)
            clock.advance(10)
        self.assertEqual(50, len(newcomers._seen))
        self.assertEqual([], clock.getDelayedCalls())

    def test_again_after_a_while(self) -> None:
        """Somebody who is there again after a long time is looked at again; another MAC there at once."""
        clock, method = Clock(), Searching()
        newcomers = NewHosts(clock, [method], sink=RecordingSink(), monotonic=clock.seconds, counts=Counter())
        macs: list[Mac] = [A, A, B, A]
        for mac in macs:
            newcomers.came(HERE, mac)
        self.assertEqual(2, len(method.looked_at))
        clock.advance(HOLD)
        newcomers.came(HERE, A)
        self.assertEqual(3, len(method.looked_at))


class ScheduleOfTheCase(SynchronousTestCase):
    def test_steady_is_far(self) -> None:
        """What the cases above rely on: after 100 s the next sweep of this schedule is not near."""
        schedule = Schedule(Intervals(steady=300, quick=60))
        for now in (0.0, 10.0, 20.0, 40.0, 80.0):
            schedule.swept(0, now)
        self.assertGreaterEqual(schedule.next(100)[1], 40)
