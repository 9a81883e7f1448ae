"""When the first run ends."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.first_run import GRACE, FirstRunWatch
from twisted_detector.events import SweepFinished


class FirstRunWatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.ended = 0
        self.watch = FirstRunWatch(self.clock, ["arp", "mdns"], rounds=2, end=self.end, adopted=lambda: 3)

    def end(self) -> None:
        self.ended += 1

    def sweep(self, *methods: str) -> None:
        for method in methods:
            self.watch.handle(SweepFinished(at=0.0, method=method, duration=1.0, sightings=0))

    def test_after_the_round(self) -> None:
        """It ends a moment after each method has swept so often, and once."""
        self.watch.start(600.0)
        self.sweep("arp", "mdns", "arp", "arp")
        self.clock.advance(GRACE + 1)
        self.assertEqual(0, self.ended)
        self.sweep("mdns")
        self.assertEqual(0, self.ended)
        self.clock.advance(GRACE)
        self.assertEqual(1, self.ended)
        self.sweep("arp", "mdns", "arp", "mdns")
        self.clock.advance(1000)
        self.assertEqual(1, self.ended)

    def test_more_sweeps_do_not_prolong_it(self) -> None:
        """Sweeps that follow at once do not put its end off."""
        self.watch.start(600.0)
        for _ in range(int(GRACE) * 2):
            self.sweep("arp", "mdns", "arp", "mdns")
            self.clock.advance(1)
        self.assertEqual(1, self.ended)

    def test_in_any_case(self) -> None:
        """It ends when its time is over, though a method never swept."""
        self.watch.start(600.0)
        self.sweep("arp", "arp", "arp")
        self.clock.advance(599)
        self.assertEqual(0, self.ended)
        self.clock.advance(1)
        self.assertEqual(1, self.ended)

    def test_none(self) -> None:
        """Where it is over already, nothing is watched; a stop ends the watch, not the first run."""
        self.watch.start(0.0)
        self.sweep("arp", "mdns", "arp", "mdns")
        self.assertEqual([], self.clock.getDelayedCalls())
        self.watch.start(600.0)
        self.watch.stop()
        self.watch.stop()
        self.clock.advance(1000)
        self.assertEqual(0, self.ended)
