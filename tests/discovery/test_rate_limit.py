"""Tests of ``discovery.rate_limit``: one rate for all, and that it is a cap whatever follows by itself."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.discovery import rate_limit
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import LocalError


def most_in_a_second(times: list[float]) -> int:
    return max((sum(begin <= at < begin + 1 - 1e-6 for at in times) for begin in times), default=0)


class RateLimiterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[float] = []

    def make(self, rate: int) -> PacketRateLimiter:
        return PacketRateLimiter(rate, self.clock.seconds, self.clock)

    def send(self) -> None:
        self.sent.append(self.clock.seconds())

    def test_in_turn(self) -> None:
        """Who may not send now waits, in order, at the rate; who could come again does not go before them."""
        limiter = self.make(100)
        order: list[int] = []
        for number in range(150):
            limiter.send(lambda number=number: (order.append(number), self.send()), by="a")  # type: ignore[misc]
        self.assertFalse(limiter.allows())
        self.assertLess(len(order), 3)
        self.clock.pump([0.005] * 600)
        self.assertEqual(list(range(150)), order)
        self.assertLessEqual(most_in_a_second(self.sent), 100)
        self.assertTrue(limiter.allows())
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual((100, 150, {"a": 150}), (limiter.rate, limiter.packets, limiter.document()["by_method"]))

    def test_withdrawn(self) -> None:
        """Who waits may give up, and is not counted."""
        limiter = self.make(1)
        limiter.send(self.send, by="a")
        turn = limiter.acquire(by="b")
        self.assertNoResult(turn)
        turn.cancel()
        self.failureResultOf(turn, CancelledError)
        limiter.send(self.send, by="c")()
        self.clock.pump([0.1] * 30)
        self.assertEqual((1, {"a": 1}), (len(self.sent), dict(limiter.sent)))

    def test_a_crowd(self) -> None:
        """Only so many wait; for more there is no turn, and nothing of theirs is sent."""
        self.patch(rate_limit, "MAX_WAITING", 3)
        limiter = self.make(1)
        for _ in range(4):
            limiter.send(self.send, by="a")
        self.failureResultOf(limiter.acquire(by="b"), LocalError)
        limiter.send(self.send, by="c")
        self.assertEqual((3, 2), (limiter.document()["waited"], limiter.document()["refused"]))
        self.clock.pump([0.5] * 20)
        self.assertEqual({"a": 4}, dict(limiter.sent))

    def test_reservations(self) -> None:
        """What follows by itself takes room from the start, is counted when it leaves, and not when it is released."""
        limiter = self.make(10)
        used = limiter.charge(by="arp", after=(1.0, 2.0))
        released = limiter.charge(by="arp", reserve=7)
        self.assertEqual((2, 9), (limiter.packets, limiter.reserved))
        self.clock.advance(0.5)
        self.assertFalse(limiter.allows())  # the bucket is full: it is the count that says no
        released.release()
        self.assertTrue(limiter.allows())
        for at, packets, owed in ((1.5, 3, 1), (2.5, 4, 0)):
            self.clock.advance(at - self.clock.seconds())
            limiter.allows()
            self.assertEqual((packets, owed), (limiter.packets, limiter.reserved))
        used.use()
        self.assertEqual((4, 0), (limiter.packets, used.left))

    @settings(max_examples=60, deadline=None)
    @given(
        st.integers(1, 400),
        st.lists(
            st.tuples(st.floats(0, 0.4), st.sampled_from(["once", "kernel", "answered", "waits"])),
            min_size=1,
            max_size=80,
        ),
    )
    def test_no_second_sees_more(self, rate: int, deeds: list[tuple[float, str]]) -> None:
        """Whoever sends how often, with whatever follows by itself: no second sees more packets than the rate.

        Below three a second a single question of the kernel's is more than the rate; it goes out alone.
        """
        clock = Clock()
        limiter = PacketRateLimiter(rate, clock.seconds, clock)
        times: list[float] = []

        def send() -> None:
            times.append(clock.seconds())

        for pause, deed in deeds:
            clock.advance(pause)
            if deed == "waits":
                limiter.send(send, by=deed)
            while deed != "waits" and limiter.allows(3 if deed == "kernel" else 2) and len(times) < 2000:
                times.append(clock.seconds())
                if deed == "kernel":
                    limiter.charge(by=deed, after=(1.0, 2.0))
                    times += [clock.seconds() + 1, clock.seconds() + 2]
                elif deed == "answered":
                    reservation = limiter.charge(by=deed, reserve=1)
                    clock.advance(0.001)
                    times.append(clock.seconds())
                    reservation.use()
                else:
                    limiter.charge(by=deed)
        clock.pump([0.05] * 60)
        self.assertLessEqual(most_in_a_second(times), max(rate, 3))


class RateTests(SynchronousTestCase):
    def test_another_rate(self) -> None:
        """A rate that changes holds from the next packet on, in both directions."""
        clock = Clock()
        limiter = PacketRateLimiter(1000, clock.seconds, clock)
        for rate in (10, 400):
            limiter.use_rate(rate)
            clock.advance(2)
            sent = 0
            for _ in range(1000):
                while limiter.allows():
                    limiter.charge(by="x")
                    sent += 1
                clock.advance(0.001)
            self.assertTrue(0.9 * rate <= sent <= rate, (rate, sent))
