"""Schedule: the phases, what begins them anew, and that sweeps never follow one another too closely."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.schedule import Intervals, Schedule, SchedulePhase, SweepKind

USUAL = Intervals(steady=1800, quick=60, initial_count=3, initial_pause=10)


class Day:
    """Follows a schedule; each sweep takes 3 seconds, each quick sweep 1."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.now = 0.0
        self.began: list[tuple[float, SweepKind]] = []
        self.cameras = 0

    def until(self, end: float) -> None:
        while True:
            kind, delay = self.schedule.next(self.now)
            if self.now + delay >= end:
                self.now = end
                return
            self.now += delay
            self.began.append((self.now, kind))
            if kind is SweepKind.FULL:
                self.now += 3
                self.schedule.sweep_ended(self.cameras, self.now)
            else:
                self.now += 1
                self.schedule.quick_sweep_ended(self.now)

    def sweeps(self) -> list[float]:
        return [at for at, kind in self.began if kind is SweepKind.FULL]


class PhaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.day = Day(Schedule(USUAL))

    def test_phases(self) -> None:
        """Three sweeps in a row, some at growing distances, then one each interval with quick sweeps between."""
        self.day.until(200)
        self.assertEqual([0, 13, 26, 49, 92], self.day.sweeps())
        self.assertIs(SchedulePhase.STEADY, self.day.schedule.phase)
        self.day.until(4000)
        self.assertEqual([92 + 1803, 92 + 2 * 1803], self.day.sweeps()[5:])
        quick = [at for at, kind in self.day.began if kind is SweepKind.QUICK]
        self.assertEqual(61, quick[1] - quick[0])
        self.assertGreater(len(quick), 60)

    def test_not_smart(self) -> None:
        """Without phases there is one sweep each interval and nothing else, whatever changes; but who asks gets one."""
        day = Day(Schedule(Intervals(steady=300, quick=60, smart=False)))
        day.until(100)
        day.schedule.network_changed(day.now)
        day.until(1000)
        self.assertEqual([0, 303, 606, 909], day.sweeps())
        self.assertEqual(4, len(day.began))
        day.schedule.sweep_requested(day.now)
        self.assertEqual((SweepKind.FULL, 0.0), day.schedule.next(day.now))

    def test_a_change_begins_anew(self) -> None:
        """A new address, another number of cameras, or a command: three sweeps in a row again."""
        for change in (
            lambda schedule, now: schedule.network_changed(now),
            lambda schedule, now: schedule.cameras_changed(1, now),
            lambda schedule, now: schedule.sweep_requested(now),
        ):
            day = Day(Schedule(USUAL))
            day.until(1000)
            before = len(day.sweeps())
            change(day.schedule, day.now)
            self.assertIs(SchedulePhase.AGGRESSIVE, day.schedule.phase)
            day.until(1040)
            self.assertEqual([1000, 1013, 1026], day.sweeps()[before:])

    def test_no_news(self) -> None:
        """The same number of cameras is no change."""
        self.day.until(1000)
        self.day.schedule.cameras_changed(0, 1000)
        self.assertIs(SchedulePhase.STEADY, self.day.schedule.phase)

    def test_a_camera_found_by_a_sweep(self) -> None:
        """When a later sweep brings another camera, sweeps follow one another quickly again."""
        self.day.until(1000)
        self.day.cameras = 1
        self.day.until(1900)
        self.assertIs(SchedulePhase.AGGRESSIVE, self.day.schedule.phase)

    def test_hasten(self) -> None:
        """Who misses a camera gets one sweep soon, and the phase stays."""
        self.day.until(1000)
        self.day.schedule.hasten(1000)
        self.assertEqual((SweepKind.FULL, 0.0), self.day.schedule.next(1000))
        self.assertIs(SchedulePhase.STEADY, self.day.schedule.phase)

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(["network_changed", "hasten", "cameras"]), st.floats(0.1, 40)), max_size=60)
    )
    def test_never_too_often(self, changes: list[tuple[str, float]]) -> None:
        """Whatever changes how often, two sweeps have at least the initial pause between them."""
        day = Day(Schedule(USUAL))
        for number, (what, later) in enumerate(changes):
            if what == "cameras":
                day.schedule.cameras_changed(number, day.now)
            else:
                getattr(day.schedule, what)(day.now)
            day.until(day.now + later)
        sweeps = day.sweeps()
        self.assertTrue(all(after - before > 12.999 for before, after in pairwise(sweeps)), sweeps)
