"""Sweeper: quick sweeps, and what begins a sweep out of turn. Sweeps as a whole are in ``test_detector``."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.detector.case import HERE, MOVED, THERE, DetectorCase, LossCase
from tests.facts import A, B, sighting
from twisted_detector.detector.schedule import Intervals, Schedule
from twisted_detector.detector.sweeper import MAX_EXTENSIONS
from twisted_detector.interfaces import IDiscoverer, ISeveralMethods, ISightingSink, ISweepProgress
from twisted_detector.testing.doubles import Gate, MemoryDiscoverer


class QuickTests(LossCase):
    def test_a_silent_move(self) -> None:
        """A quick sweep that sees it elsewhere is enough."""
        self.method.answers = [sighting(MOVED, A)]
        self.clock.pump([1] * 60)
        self.assertEqual([MOVED], self.moves())

    def test_cheap(self) -> None:
        """Quick sweeps come between rare sweeps; one that fails is counted and is no sweep that ended."""
        sweeps, quick = self.method.sweeps, self.method.quick
        self.method.problem = OSError("down")
        self.clock.pump([1] * 120)
        self.assertEqual((sweeps, quick + 2), (self.method.sweeps, self.method.quick))
        self.assertEqual(2, self.detector.counts["failed_quick_looks"])
        self.assertEqual([], self.sweeps())

    def test_a_rescan_does_not_wait(self) -> None:
        """A sweep that is asked for during a quick sweep begins at once, and they do not overlap."""
        begun = self.method.sweeps
        self.detector.rescan()
        self.assertEqual(begun + 1, self.method.sweeps)
        self.assertEqual("aggressive", self.detector.phase)


class ChangeTests(LossCase):
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
        self.watcher.report(sighting(THERE, xaddrs=(f"http://{THERE}/o",)))
        self.assertEqual("aggressive", self.detector.phase)


@implementer(ISeveralMethods)
class ManyMethods(MemoryDiscoverer):
    """A discoverer whose sightings have the names of two protocols."""

    methods = ("one", "other")


class SeveralMethodsTests(DetectorCase):
    def test_counted(self) -> None:
        """The sightings of a sweep are counted under all names that the discoverer's have; others' are not."""
        seen = [replace(sighting(address, A), method=name) for address, name in ((HERE, "one"), (THERE, "other"))]
        self.methods = [ManyMethods(*seen, name="many"), MemoryDiscoverer(replace(seen[0], method="memory"))]
        self.start()
        self.assertEqual({"many": 2, "memory": 1}, {one.method: one.sightings for one in self.sweeps()})


@implementer(IDiscoverer, ISweepProgress)
class SlowDiscoverer:
    """Sweeps until ``end`` is opened, and has asked ``asked`` so far."""

    name = "slow"

    def __init__(self) -> None:
        self.asked = 0
        self.end = Gate()

    async def sweep(self, sink: ISightingSink) -> None:
        await self.end.wait()

    def progress(self) -> int:
        return self.asked


class ProgressTests(DetectorCase):
    """A sweep is given 30 seconds."""

    def setUp(self) -> None:
        super().setUp()
        self.method = SlowDiscoverer()
        self.methods = [self.method]
        self.start()

    def test_who_gets_on_is_not_cancelled(self) -> None:
        """A sweep that asked somebody in each half minute may go on, and ends without an error."""
        for _ in range(5):
            self.method.asked += 1
            self.clock.advance(30)
            self.assertEqual(([], True), (self.sweeps(), self.detector.sweeping))
        self.method.end.open()
        self.assertEqual([("slow", 150.0, "")], [(one.method, one.duration, one.error) for one in self.sweeps()])

    def test_who_does_not_is(self) -> None:
        """One that asked nobody for half a minute is cancelled, and the reason says how long it took."""
        self.method.asked = 1
        self.clock.advance(30)
        self.clock.advance(29)
        self.assertEqual([], self.sweeps())
        self.clock.advance(1)
        self.assertEqual([(60.0, "it took longer than 60 s")], [(one.duration, one.error) for one in self.sweeps()])

    def test_not_for_ever(self) -> None:
        """One that never ends is cancelled after ten minutes, whatever it asks."""
        for _ in range(MAX_EXTENSIONS):
            self.assertEqual([], self.sweeps())
            self.method.asked += 1
            self.clock.advance(30)
        self.assertEqual([(600.0, "it took longer than 600 s")], [(one.duration, one.error) for one in self.sweeps()])


class ScheduleOfTheCase(SynchronousTestCase):
    def test_steady_is_far(self) -> None:
        """What the cases above rely on: after 100 s the next sweep of this schedule is not near."""
        schedule = Schedule(Intervals(steady=300, quick=60))
        for now in (0.0, 10.0, 20.0, 40.0, 80.0):
            schedule.sweep_ended(0, now)
        self.assertGreaterEqual(schedule.next(100)[1], 40)
