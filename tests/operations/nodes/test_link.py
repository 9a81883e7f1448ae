"""What the broker's return of our own messages proves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.nodes.link import MAX_SENT, Link
from twisted_detector.operations.nodes.timing import TIMING


class LinkTest(SynchronousTestCase):
    """One session."""

    def test_lease(self) -> None:
        """It lasts from when the message was sent, not from when it came back."""
        link = Link(TIMING, 100.0)
        link.sent(1, 100.0)
        self.assertFalse(link.is_synchronised(100.0))
        link.returned(1, 100.1)
        self.assertEqual(100.0 + TIMING.lease, link.lease_end)
        self.assertEqual(100.0 + TIMING.silence, link.hold_end)

    def test_slow_broker(self) -> None:
        """It is twice as long as the broker takes, between two bounds; what a cut link held up counts for nothing."""
        for away, lease in ((0.1, TIMING.lease), (0.4, 0.8), (0.7, 1.4), (5.0, TIMING.longest_lease)):
            link = Link(TIMING, 100.0)
            for number in range(3):
                link.sent(number, 100.0 + number)
                link.returned(number, 100.0 + number + away)
            self.assertAlmostEqual(102.0 + lease, link.lease_end)
            self.assertAlmostEqual(away, link.round_trip)
            link.sent(3, 110.0)
            link.returned(3, 113.9)
            self.assertAlmostEqual(110.0 + lease, link.lease_end)
            link.grant(120.0)
            self.assertEqual(120.0 + TIMING.lease, link.lease_end)

    def test_firm(self) -> None:
        """It is firm when messages have settled, for a while; and again after the next one has settled."""
        link = Link(TIMING, 100.0)
        link.sent(1, 100.0)
        link.returned(1, 100.1)
        self.assertFalse(link.is_firm(100.1 + TIMING.settle / 2))
        self.assertTrue(link.is_firm(100.1 + TIMING.settle))
        self.assertFalse(link.is_firm(100.01 + TIMING.firm))
        link.sent(2, 103.0)
        link.returned(2, 103.1)
        self.assertFalse(link.is_firm(103.2))
        self.assertTrue(link.is_firm(103.1 + TIMING.settle))

    def test_late_and_twice(self) -> None:
        """A message that comes after a newer one, or was never sent, changes nothing."""
        link = Link(TIMING, 100.0)
        link.sent(1, 100.0)
        link.sent(2, 101.0)
        link.returned(2, 101.1)
        link.returned(1, 101.2)
        link.returned(7, 101.2)
        self.assertEqual(101.0, link.proved)

    def test_stop(self) -> None:
        """What was sent before the process was stopped proves nothing after it."""
        link = Link(TIMING, 100.0)
        link.sent(1, 100.0)
        link.stopped(120.0)
        link.returned(1, 120.1)
        self.assertFalse(link.is_synchronised(121.0))
        link.sent(2, 120.2)
        link.returned(2, 120.3)
        self.assertFalse(link.is_synchronised(120.3 + TIMING.settle))
        self.assertTrue(link.is_synchronised(120.3 + TIMING.arrive))

    def test_bound(self) -> None:
        """A message that is long under way is forgotten."""
        link = Link(TIMING, 0.0)
        for number in range(MAX_SENT + 1):
            link.sent(number, float(number))
        link.returned(0, 100.0)
        self.assertFalse(link.is_synchronised(1000.0))
