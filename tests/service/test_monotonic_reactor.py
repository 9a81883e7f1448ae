"""A wall clock that jumps goes in; timers that do not care come out."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock, LoopingCall
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.service.monotonic_reactor import monotonic_reactor


class JumpingClock(Clock):
    """As a real reactor: its timers ask ``self.seconds``, which jumps."""

    jump = 1_700_000_000.0

    def seconds(self) -> float:
        return self.rightNow + self.jump


class SteadyReactorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = JumpingClock()

    def steady(self) -> Any:
        return monotonic_reactor(self.clock, lambda: self.clock.rightNow)

    def test_unsteady(self) -> None:
        """Without it a timer waits as much longer as the clock was set back: so does Twisted's."""
        called: list[int] = []
        self.clock.callLater(1, called.append, 1)
        self.clock.jump -= 3600
        self.clock.advance(5)
        self.assertEqual(called, [])

    def test_set_back(self) -> None:
        """A clock that is set back holds up no timer."""
        called: list[int] = []
        self.steady().callLater(1, called.append, 1)
        self.clock.jump -= 3600
        self.clock.advance(1)
        self.assertEqual(called, [1])

    def test_set_ahead(self) -> None:
        """A clock that is set ahead fires no timer early."""
        called: list[int] = []
        self.steady().callLater(1, called.append, 1)
        self.clock.jump += 3600
        self.clock.advance(0.5)
        self.assertEqual(called, [])

    def test_tells_the_time(self) -> None:
        """Its ``seconds`` is the wall clock's, jumps included."""
        steady = self.steady()
        self.clock.jump += 60
        self.clock.advance(1)
        self.assertEqual(steady.seconds(), 1_700_000_061.0)

    def test_loops_go_on(self) -> None:
        """A LoopingCall that is clocked by it runs on after jumps both ways, never more than an interval later."""
        called: list[float] = []
        loop = LoopingCall(lambda: called.append(self.clock.rightNow))
        loop.clock = self.steady()
        loop.start(10, now=False)
        for jump in (-3600, 7200, -90_000.5):
            self.clock.jump += jump
            before = len(called)
            for _ in range(20):
                self.clock.advance(1)
            self.assertGreater(len(called), before)
        loop.stop()

    def test_same_interfaces(self) -> None:
        """It provides what the reactor provides, and is the reactor for everything else."""
        steady = self.steady()
        self.assertTrue(IReactorTime.providedBy(steady))
        self.assertEqual(steady.getDelayedCalls(), [])

    def test_too_late(self) -> None:
        """A reactor that has timers already is refused."""
        self.clock.callLater(1, lambda: None)
        self.assertRaises(LocalError, self.steady)
