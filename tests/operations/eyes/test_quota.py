"""Quota: a burst, and a rate after it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.eyes.quota import EYE_BURST, EYE_RATE, NODE_BURST, NODE_RATE, Quota


class QuotaTests(SynchronousTestCase):
    def test_burst_and_rate(self) -> None:
        """A burst at once, then as many as time has passed, and never more than a burst."""
        quota = Quota(3.0, 2.0, 10.0)
        self.assertEqual([True] * 3 + [False], [quota.take(10.0) for _ in range(4)])
        self.assertEqual([True, False], [quota.take(10.5) for _ in range(2)])
        self.assertEqual(3, sum(quota.take(1_000.0) for _ in range(9)))

    def test_the_node_takes_more(self) -> None:
        """An eye that keeps its own quota is never refused for the node's."""
        self.assertTrue(NODE_BURST > EYE_BURST and NODE_RATE > EYE_RATE)
