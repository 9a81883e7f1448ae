"""Tests of ``discovery.pacing``: one rate for all, and that it is a cap whatever follows by itself."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.discovery import rate_limit as pacing
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import LocalError


def most_in_a_second(times: list[float]) -> int:
    return max((sum(begin <= at < begin + 1 - 1e-6 for at in times) for begin in times), default=0)


class PacerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[float] = []

    def make(self, rate: int) -> PacketRateLimiter:
        return PacketRateLimiter(rate, self.clock.seconds, self.clock)

    def send(self) -> None:
        self.sent.append(self.clock.seconds())

    def test_in_turn(self) -> None:
        """Who may not send now waits, in order, at the rate; who could come again does not go before them."""
        pacer = self.make(100)
        order: list[int] = []
        for number in range(150):
            pacer.send(lambda number=number: (order.append(number), self.send()), by="a")  # type: ignore[misc]
        self.assertFalse(pacer.may())
        self.assertLess(len(order), 3)
        self.clock.pump([0.005] * 600)
        self.assertEqual(list(range(150)), order)
        self.assertLessEqual(most_in_a_second(self.sent), 100)
        self.assertTrue(pacer.may())
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual((100, 150, {"a": 150}), (pacer.rate, pacer.packets, pacer.document()["by_method"]))

    def test_withdrawn(self) -> None:
        """Who waits may give up, and is not counted."""
        pacer = self.make(1)
        pacer.send(self.send, by="a")
        turn = pacer.turn(by="b")
        self.assertNoResult(turn)
        turn.cancel()
        self.failureResultOf(turn, CancelledError)
        pacer.send(self.send, by="c")()
        self.clock.pump([0.1] * 30)
        self.assertEqual((1, {"a": 1}), (len(self.sent), dict(pacer.sent)))

    def test_a_crowd(self) -> None:
        """Only so many wait; for more there is no turn, and nothing of theirs is sent."""
        self.patch(pacing, "MAX_WAITING", 3)
        pacer = self.make(1)
        for _ in range(4):
            pacer.send(self.send, by="a")
        self.failureResultOf(pacer.turn(by="b"), LocalError)
        pacer.send(self.send, by="c")
        self.assertEqual((3, 2), (pacer.document()["waited"], pacer.document()["refused"]))
        self.clock.pump([0.5] * 20)
        self.assertEqual({"a": 4}, dict(pacer.sent))

    def test_promises(self) -> None:
        """What follows by itself takes room from the start, is counted when it leaves, and not when it is withdrawn."""
        pacer = self.make(10)
        kept = pacer.spend(by="arp", after=(1.0, 2.0))
        withdrawn = pacer.spend(by="arp", to_follow=7)
        self.assertEqual((2, 9), (pacer.packets, pacer.owed))
        self.clock.advance(0.5)
        self.assertFalse(pacer.may())  # the bucket is full: it is the count that says no
        withdrawn.withdrawn()
        self.assertTrue(pacer.may())
        for at, packets, owed in ((1.5, 3, 1), (2.5, 4, 0)):
            self.clock.advance(at - self.clock.seconds())
            pacer.may()
            self.assertEqual((packets, owed), (pacer.packets, pacer.owed))
        kept.kept()
        self.assertEqual((4, 0), (pacer.packets, kept.left))

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
        pacer = PacketRateLimiter(rate, clock.seconds, clock)
        times: list[float] = []

        def send() -> None:
            times.append(clock.seconds())

        for pause, deed in deeds:
            clock.advance(pause)
            if deed == "waits":
                pacer.send(send, by=deed)
            while deed != "waits" and pacer.may(3 if deed == "kernel" else 2) and len(times) < 2000:
                times.append(clock.seconds())
                if deed == "kernel":
                    pacer.spend(by=deed, after=(1.0, 2.0))
                    times += [clock.seconds() + 1, clock.seconds() + 2]
                elif deed == "answered":
                    promise = pacer.spend(by=deed, to_follow=1)
                    clock.advance(0.001)
                    times.append(clock.seconds())
                    promise.kept()
                else:
                    pacer.spend(by=deed)
        clock.pump([0.05] * 60)
        self.assertLessEqual(most_in_a_second(times), max(rate, 3))
