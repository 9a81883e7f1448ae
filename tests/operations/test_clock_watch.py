"""A wall clock that is set, or goes as it should; what is told of it."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.wall import WallClock
from twisted_detector.operations.clock_watch import INTERVAL, STEP, ClockWatch


class ClockWatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = WallClock(self.clock)
        self.watch = ClockWatch(self.wall, self.clock.seconds)
        self.steps: list[float] = []
        self.watch.stepped.add(self.steps.append)
        self.watch.start()

    def test_steps(self) -> None:
        """Each is told once, ahead or back, however long the clock goes as it should before and after."""
        self.clock.pump([INTERVAL] * 1000)
        for step in (1.8e9, -7200.0, STEP + 1):
            self.wall.step += step
            self.clock.pump([INTERVAL] * 100)
        self.assertEqual([1.8e9, -7200.0, STEP + 1], self.steps)

    def test_slewing(self) -> None:
        """A clock that NTP brings up slowly, by much in all, was not set."""
        for _ in range(1000):
            self.wall.step += STEP - 1
            self.clock.advance(INTERVAL)
        self.assertEqual([], self.steps)

    def test_stop(self) -> None:
        """No timer is left."""
        self.watch.stop()
        self.watch.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
