"""What an ending means after what the broker did before: refusals while it starts, a client id used twice."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.connection.experience import (
    ACCEPTED_BEFORE,
    CERTAIN_WAIT,
    LET_IN_BEFORE,
    SHORT,
    SUSPICIOUS,
    USED_TWICE,
    Experience,
)
from twisted_detector.mqtt.seams import Cause

WORDS = "the broker does not authorize this client"


class RefusalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.experience = Experience("kitchen", 300.0)

    def refuse(self, now: float) -> tuple[str, bool]:
        judged = self.experience.judge_attempt(WORDS, True, Cause.LOGIN, now)
        return judged.reason, judged.terminal

    def test_login_that_was_never_let_in(self) -> None:
        """It is wrong, as the broker says; for five minutes it may be the broker's start all the same."""
        for now, passing in ((0.0, True), (299.0, True), (300.0, False), (900.0, False)):
            judged = self.experience.judge_attempt(WORDS, True, Cause.LOGIN, now)
            self.assertEqual((judged.reason, judged.terminal, judged.passing), (WORDS, True, passing), now)

    def test_login_that_was_let_in(self) -> None:
        """It is doubted for five minutes, with the same words each time; then it is believed, and said otherwise."""
        self.experience.record_success(0.0)
        first = self.refuse(1000.0)
        self.assertEqual(
            first,
            (f"the broker refuses the login that it let in before; perhaps it is still starting ({WORDS})", False),
        )
        self.assertEqual(self.refuse(1299.0), first)
        reason, terminal = self.refuse(1300.0)
        self.assertTrue(terminal)
        self.assertEqual(f"the broker has refused {LET_IN_BEFORE} for more than 5 minutes ({WORDS})", reason)
        self.assertNotIn("starting", reason)
        self.assertTrue(self.refuse(1600.0)[1], "the slow retry begins no new five minutes")

    def test_every_start_has_its_own_minutes(self) -> None:
        """A broker that let us in, or that went away, meanwhile begins anew."""
        self.experience.record_success(0.0)
        self.refuse(10.0)
        self.experience.judge_attempt("nothing listens there", False, Cause.OTHER, 400.0)
        self.assertFalse(self.refuse(401.0)[1])
        self.experience.record_success(500.0)
        self.assertFalse(self.refuse(800.0)[1])

    def test_what_has_nothing_to_do_with_the_login(self) -> None:
        """A ban is terminal whatever was before, and each attempt may make it longer."""
        for _ in range(2):
            judged = self.experience.judge_attempt("the broker has banned this client", True, Cause.OTHER, 1.0)
            self.assertEqual((judged.reason, judged.terminal), ("the broker has banned this client", True))
            self.assertFalse(judged.passing)
            self.experience.record_success(0.0)

    def test_terms_that_were_accepted(self) -> None:
        """A version of MQTT, or a certificate, that was right before is doubted as a login is."""
        words = "the broker does not speak this version of MQTT"
        self.experience.record_success(0.0)
        judged = self.experience.judge_attempt(words, True, Cause.TERMS, 10.0)
        self.assertEqual(
            (judged.reason, judged.terminal),
            (f"the broker refuses {ACCEPTED_BEFORE}; perhaps it is still starting ({words})", False),
        )
        judged = self.experience.judge_attempt(words, True, Cause.TERMS, 310.0)
        self.assertTrue(judged.terminal)
        self.assertIn(f"has refused {ACCEPTED_BEFORE} for more than 5 minutes", judged.reason)


class UsedTwiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.experience = Experience("kitchen", 300.0)
        self.now = 0.0

    def lose(self, lasted: float, cause: Cause = Cause.CLOSED) -> str:
        self.experience.record_success(self.now)
        self.now += lasted
        judged = self.experience.judge_loss("the broker closed the connection", cause, self.now)
        self.assertEqual(judged.longest_wait, CERTAIN_WAIT if cause is Cause.TAKEN_OVER else 0.0)
        return judged.reason

    def test_closed_again_and_again(self) -> None:
        """From the third connection on that is closed within seconds the reason names the client id, with a perhaps."""
        said = [self.lose(each) for each in (0.3, 1.0, 2.0, 3.0)]
        self.assertEqual([USED_TWICE in each for each in said], [False, False, True, True])
        self.assertIn("perhaps another client uses the client id kitchen too", said[-1])
        self.assertEqual(said[2], said[3], "the page counts reasons by their words")

    def test_other_ends_are_no_sign(self) -> None:
        """A connection that lasted, one that we ended, and a broker that went away meanwhile, begin the count anew."""
        for interruption in (
            lambda: self.lose(SHORT + 1),
            lambda: self.lose(1.0, Cause.OTHER),
            lambda: self.experience.judge_attempt("nothing listens there", False, Cause.OTHER, self.now),
        ):
            for _ in range(SUSPICIOUS - 1):
                self.lose(1.0)
            interruption()
            self.assertNotIn(USED_TWICE, self.lose(1.0))
            self.lose(SHORT + 1)

    def test_taken_over(self) -> None:
        """Where the broker says so (MQTT 5) it is certain the first time."""
        self.assertEqual(
            self.lose(1000.0, Cause.TAKEN_OVER),
            "the broker closed the connection; another client uses the client id kitchen too",
        )
