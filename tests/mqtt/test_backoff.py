"""Back-off: delays within their bounds, whatever the random numbers; and their sequence."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.mqtt.connection.backoff import Backoff, Delays, Jitter

LUCK = st.floats(0, 1, exclude_max=True)


class BackoffTests(SynchronousTestCase):
    def test_equal_doubles_until_the_cap(self) -> None:
        """Without luck either way the delay doubles from the base up to the cap."""
        backoff = Backoff(base=0.25, cap=3.0)
        delays = [backoff.delay(failures, 0.0, lambda: 0.5) for failures in range(6)]
        self.assertEqual(delays, [0.25, 0.5, 1.0, 2.0, 3.0, 3.0])

    def test_equal_spreads_by_a_quarter(self) -> None:
        """The extremes of luck are a quarter below and above, but never above the cap."""
        backoff = Backoff(base=1.0, cap=3.0)
        self.assertEqual(backoff.delay(0, 0.0, lambda: 0.0), 0.75)
        self.assertAlmostEqual(backoff.delay(0, 0.0, lambda: 0.999999), 1.25, places=4)
        self.assertEqual(backoff.delay(9, 0.0, lambda: 0.999999), 3.0)
        self.assertEqual(backoff.delay(9, 0.0, lambda: 0.0), 2.25)

    def test_full_is_anything_below(self) -> None:
        """Full jitter goes from the floor to the exponential delay."""
        backoff = Backoff(base=1.0, cap=60.0, jitter=Jitter.FULL)
        self.assertEqual(backoff.delay(3, 0.0, lambda: 0.0), Backoff.FLOOR)
        self.assertEqual(backoff.delay(3, 0.0, lambda: 0.5), 4.0)

    def test_decorrelated_grows_from_the_delay_before(self) -> None:
        """Decorrelated jitter lies between the base and three times the delay before."""
        backoff = Backoff(base=1.0, cap=60.0, jitter=Jitter.DECORRELATED)
        self.assertEqual(backoff.delay(0, 0.0, lambda: 0.9), 1.0)
        self.assertEqual(backoff.delay(1, 4.0, lambda: 0.0), 1.0)
        self.assertEqual(backoff.delay(1, 4.0, lambda: 0.5), 6.5)
        self.assertEqual(backoff.delay(1, 50.0, lambda: 0.9), 60.0)

    @given(st.sampled_from(Jitter), st.floats(0.01, 10), st.floats(1, 100), st.integers(0, 10**9), LUCK, LUCK)
    def test_bounds_hold_for_any_luck(
        self, jitter: Jitter, base: float, factor: float, failures: int, luck: float, before: float
    ) -> None:
        """No delay is above the cap, or below the floor, in any mode, after any number of failures."""
        backoff = Backoff(base=base, cap=base * factor, jitter=jitter)
        delay = backoff.delay(failures, before * backoff.cap, lambda: luck)
        self.assertLessEqual(delay, backoff.cap)
        self.assertGreaterEqual(delay, min(Backoff.FLOOR, backoff.cap))

    def test_impossible_bounds_are_refused(self) -> None:
        """A base of nothing, a cap below the base and a spread above 1 are errors at once."""
        for wrong in ({"base": 0.0}, {"base": 4.0, "cap": 3.0}, {"spread": 1.5}):
            with self.assertRaises(LocalError):
                Backoff(**wrong)


class DelaysTests(SynchronousTestCase):
    def test_sequence(self) -> None:
        """The delays of a connection grow with each failure, and begin anew after a reset."""
        delays = Delays(Backoff(base=0.25, cap=3.0), lambda: 0.5)
        self.assertEqual([delays.next() for _ in range(3)], [0.25, 0.5, 1.0])
        delays.reset()
        self.assertEqual(delays.next(), 0.25)

    def test_decorrelated(self) -> None:
        """Each decorrelated delay depends on the one before it."""
        delays = Delays(Backoff(base=1.0, cap=60.0, jitter=Jitter.DECORRELATED), lambda: 0.5)
        self.assertEqual([delays.next() for _ in range(3)], [1.0, 2.0, 3.5])

    def test_spread(self) -> None:
        """Another delay is spread as the first of the sequence would be."""
        self.assertEqual(Delays(Backoff(spread=0.5), lambda: 0.0).spread(300.0), 150.0)
