"""Experiments with a will that a broker closes the connection for: what it takes is found, chance is not believed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.network.will import DOUBTED_AFTER, LADDER, PROOFS, SUSPICIOUS, WillLimits, WillTrials

Takes = Callable[[WillLimits], bool]


class WillTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.wills = WillTrials()

    def attempt(self, takes: Takes) -> bool:
        """One attempt at a broker that lets in what it takes, and the trial that may follow; whether we are in."""
        accepted = takes(self.wills.limits)
        if self.wills.record(0.0, closed=not accepted, limits=None):
            self.wills.tried(0.0, accepted=takes(self.wills.candidate))
        return accepted

    def attempts(self, takes: Takes, most: int = 40) -> int:
        for number in range(1, most):
            if self.attempt(takes):
                return number
        raise AssertionError("never let in")

    def test_each(self) -> None:
        """Whatever a broker takes is found, with the least that has to be left out."""
        for takes, limits in (
            (lambda will: True, WillLimits()),
            (lambda will: not (will.any and will.retain), WillLimits(retain=False)),
            (lambda will: not (will.any and will.qos), WillLimits(qos=0)),
            (lambda will: not (will.any and (will.qos or will.retain)), WillLimits(qos=0, retain=False)),
            (lambda will: not will.any, WillLimits(any=False)),
        ):
            self.setUp()
            needed = self.attempts(takes)
            self.assertEqual(self.wills.limits, limits)
            self.assertLessEqual(needed, SUSPICIOUS + LADDER.index(limits) + PROOFS)

    def test_broker_that_starts(self) -> None:
        """One that closes for all, however long, and then takes all, gets our will as it is."""
        for closed in range(60):
            self.setUp()
            for _ in range(closed):
                self.attempt(lambda will: False)
            self.assertTrue(self.attempt(lambda will: True))
            self.assertEqual(self.wills.limits, WillLimits())

    def test_chance(self) -> None:
        """One that closes and lets in by turns, a trial each time, is not believed as soon as ours is let in once."""
        for _ in range(10):
            for _ in range(SUSPICIOUS):
                due = self.wills.record(0.0, closed=True, limits=None)
            self.assertTrue(due)
            self.wills.tried(0.0, accepted=True)
            self.assertFalse(self.wills.record(0.0, closed=False, limits=None))
        self.assertEqual(self.wills.limits, WillLimits())

    def test_proofs(self) -> None:
        """Three in a row may be chance with a balancer before some that are dead; four are not."""
        for number in range(1, 5):
            for _ in range(SUSPICIOUS):
                self.wills.record(0.0, closed=True, limits=None)
            self.assertEqual(number == 4, self.wills.tried(0.0, accepted=True))

    def test_rights_that_are_given(self) -> None:
        """When the broker does not take that either any more, all else is tried, our will as it is among it."""
        self.attempts(lambda will: not will.any)
        self.assertEqual(self.wills.limits, WillLimits(any=False))
        self.attempts(lambda will: will == WillLimits())
        self.assertEqual(self.wills.limits, WillLimits())

    def test_told(self) -> None:
        """What a broker tells (MQTT 5) is believed at once."""
        self.wills.record(0.0, closed=False, limits=WillLimits(qos=0))
        self.assertEqual(self.wills.limits, WillLimits(qos=0))

    def test_doubted(self) -> None:
        """After an hour it is told as it is once, and when that is let in there are no limits any more."""
        self.wills.record(0.0, closed=False, limits=WillLimits(retain=False))
        self.assertEqual(self.wills.next(DOUBTED_AFTER - 1), WillLimits(retain=False))
        self.assertEqual(self.wills.next(DOUBTED_AFTER), WillLimits())
        self.wills.record(DOUBTED_AFTER, closed=True, limits=None)
        self.assertEqual(self.wills.next(DOUBTED_AFTER + 1), WillLimits(retain=False))
        self.wills.let_in(self.wills.next(2 * DOUBTED_AFTER), tells_none=False)
        self.assertEqual(self.wills.limits, WillLimits())

    def test_what_was_told_and_what_was_found(self) -> None:
        """A broker that tells no such limit any more ends what it told, not what it closed the connection for."""
        self.attempts(lambda will: not will.any)
        self.wills.let_in(self.wills.limits, tells_none=True)
        self.assertEqual(self.wills.limits, WillLimits(any=False))
        self.wills.record(0.0, closed=False, limits=WillLimits(qos=0))
        self.wills.let_in(self.wills.limits, tells_none=True)
        self.assertEqual(self.wills.limits, WillLimits())

    def test_words(self) -> None:
        """They name what is left out."""
        words = ["", "nothing retained", "QoS 0 only", "QoS 0 only, nothing retained", "no will of ours"]
        self.assertEqual([str(each) for each in LADDER], words)
