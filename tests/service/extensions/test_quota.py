"""The quota of messages: a burst, then a rate, by number and by size."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.service.extensions.quota import BURST, OCTETS, RATE, MessageQuota


class QuotaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.quota = MessageQuota(self.clock.seconds)

    def taken(self, octets: int = 0) -> int:
        return sum(self.quota.take(octets) for _ in range(int(2 * BURST)))

    def test_burst_and_rate(self) -> None:
        """So many at once, then so many in each second; never more than the burst, however long it was silent."""
        self.assertEqual(BURST, self.taken())
        self.clock.advance(2.0)
        self.assertEqual(2 * RATE, self.taken())
        self.clock.advance(1_000_000.0)
        self.assertEqual(BURST, self.taken())

    def test_size(self) -> None:
        """A payload of 4 KiB costs as much as a second message."""
        self.assertEqual(BURST // 2, self.taken(OCTETS))

    def test_huge(self) -> None:
        """One that is larger than everything goes out when nothing did for long, and others wait for it."""
        self.assertTrue(self.quota.take(int(10 * BURST) * OCTETS))
        self.assertFalse(self.quota.take(0))
        self.clock.advance(10 * BURST / RATE)
        self.assertTrue(self.quota.take(0))
