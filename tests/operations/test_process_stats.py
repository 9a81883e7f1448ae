"""What the process costs."""

from __future__ import annotations

import sys

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.process_stats import ProcessStats, ReactorLag, percentile


class LagTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lag = ReactorLag(self.clock, self.clock.seconds)

    def test_on_time(self) -> None:
        """A reactor that is on time has no lag."""
        self.assertEqual({"p50": 0, "p99": 0, "max": 0}, self.lag.document())
        self.lag.start()
        self.clock.pump([0.5] * 100)
        self.assertEqual({"p50": 0, "p99": 0, "max": 0}, self.lag.document())
        self.lag.stop()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_every_delay_is_seen(self) -> None:
        """Two delays in a row are two, and the largest since the start is kept."""
        self.lag.start()
        self.clock.pump([0.7, 0.7, 0.5, 0.5])
        self.assertEqual((200.0, 200.0), (self.lag.document()["max"], self.lag.document()["p99"]))
        self.assertEqual([200, 200, 0, 0], [round(sample * 1000) for sample in self.lag._samples])
        self.clock.pump([0.5] * 2000)
        self.assertEqual(
            (0.0, 200.0, 1200), (self.lag.document()["p99"], self.lag.document()["max"], len(self.lag._samples))
        )
        self.lag.stop()

    def test_stop_and_start(self) -> None:
        """It may be stopped twice, started twice, and started again."""
        self.lag.stop()
        for _ in range(2):
            self.lag.start()
            self.lag.start()
            self.assertEqual(1, len(self.clock.getDelayedCalls()))
            self.lag.stop()
            self.lag.stop()
        self.assertEqual([], self.clock.getDelayedCalls())


class ResourcesTests(SynchronousTestCase):
    def test_percentile(self) -> None:
        """Nothing has no percentile; one value is every percentile."""
        self.assertEqual(
            (0.0, 3.0, 50.0, 99.0),
            (
                percentile([], 0.5),
                percentile([3.0], 0.99),
                percentile([float(n) for n in range(100)], 0.5),
                percentile([float(n) for n in range(100)], 0.99),
            ),
        )

    def test_this_process(self) -> None:
        """This process has memory and descriptors; no time gone by is no division by zero."""
        clock = Clock()
        resources = ProcessStats(clock.seconds)
        document = resources.document()
        self.assertEqual({"cpu_percent", "rss_mb", "fds"}, set(document))
        self.assertEqual(0.0, document["cpu_percent"])
        self.assertGreater(document["rss_mb"], 5)
        self.assertGreater(document["fds"], 2)
        sum(number * number for number in range(200_000))
        clock.advance(1000)
        self.assertLess(resources.document()["cpu_percent"], 100)

    def test_no_names_for_each(self) -> None:
        """Python keeps the parts of each new Path in its table of names, which grows by a megabyte at some time."""
        kept: list[str] = []
        resources = ProcessStats(Clock().seconds)
        resources.document()
        self.patch(sys, "intern", lambda text: kept.append(text) or text)
        resources.document()
        self.assertEqual([], kept)
