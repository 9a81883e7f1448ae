"""Login attempt: the budget records the outcome, whatever the attempt does."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import candidate, login
from twisted_detector.detector.login_attempt import attempt_for_purpose, attempt_login, is_on_device
from twisted_detector.errors import Unauthorized, Unreachable
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.model import Login, Secret

ONE, TWO = login("one", "canary-1"), login("two", "canary-2")


class AttemptLoginTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.budget = LoginBudget([ONE, TWO], salt="s", save=lambda key, text: None)

    def names(self) -> list[str]:
        return [one.name for one in self.budget.allowed_logins(candidate(), self.clock.seconds())]

    def run_it(
        self,
        *,
        reveal: bool = True,
        then: Any = "welcome",
        proved: bool = True,
        wanted: bool = False,
        doubt: bool = False,
    ) -> Deferred[Any]:
        async def attempt(given: Login) -> Any:
            self.assertEqual(ONE, given)
            if reveal:
                await given.acquire_permit()
                self.assertEqual("canary-1", given.password.reveal())
            if reveal and proved and not isinstance(then, BaseException | Deferred):
                given.report_accepted()
            if isinstance(then, Deferred):
                return await then
            if isinstance(then, BaseException):
                raise then
            return then

        return Deferred.fromCoroutine(
            attempt_login(
                self.budget,
                self.clock,
                candidate(),
                ONE,
                attempt,
                wants_login=lambda outcome: wanted,
                doubted=lambda outcome: doubt,
            )
        )

    def test_let_in(self) -> None:
        """A login that was right comes first from then on."""
        self.assertEqual(("welcome", True), self.successResultOf(self.run_it()))
        self.assertEqual(["one", "two"], self.names())
        self.clock.advance(1)
        self.assertEqual("one", self.names()[0])

    def test_digest_is_remembered(self) -> None:
        """That a device took the login by Digest is recorded, whatever came after; by Basic it is not."""
        for scheme, after, taken in (("basic", None, False), ("digest", Unreachable("gone"), True)):

            async def attempt(given: Login, scheme: str = scheme, after: Exception | None = after) -> None:
                await given.acquire_permit()
                given.password.reveal()
                given.report_accepted(scheme)
                if after is not None:
                    raise after

            running = Deferred.fromCoroutine(
                attempt_login(self.budget, self.clock, candidate(), ONE, attempt, wants_login=lambda outcome: False)
            )
            running.addErrback(lambda failure: failure.trap(Unreachable) and None)
            self.successResultOf(running)
            self.assertEqual(taken, self.budget.took_digest(candidate()), scheme)

    def test_refused(self) -> None:
        """A refusal is charged; the error goes on to whoever asked."""
        error = self.failureResultOf(self.run_it(then=Unauthorized("no", attempted=True)), Unauthorized).value
        self.assertTrue(error.attempted)
        self.assertEqual(["two"], self.names())

    def test_a_plugin_that_does_not_say(self) -> None:
        """A refusal that does not say whether the login was sent is charged if the password was revealed."""
        error = self.failureResultOf(self.run_it(then=Unauthorized("no")), Unauthorized).value
        self.assertTrue(error.attempted)
        self.assertEqual(["two"], self.names())

    def test_a_plugin_that_did_not_reveal(self) -> None:
        """An attempt that never revealed the password cannot have sent it, and is not charged."""
        error = self.failureResultOf(self.run_it(reveal=False, then=Unauthorized("no")), Unauthorized).value
        self.assertFalse(error.attempted)
        self.assertEqual(["one", "two"], self.names())

    def test_not_for_the_password(self) -> None:
        """A refusal that is known to be about something else costs nothing."""
        self.failureResultOf(self.run_it(then=Unauthorized("no right", attempted=False)), Unauthorized)
        self.assertEqual(["one", "two"], self.names())

    def test_what_is_not_known(self) -> None:
        """Silence, a fault of ours, a cancelled session: sent is spent until the window is over, not sent is not."""
        for reveal, left in ((False, ["one", "two"]), (True, ["two"])):
            for then in (Unreachable("no answer"), ZeroDivisionError("a plugin"), CancelledError()):
                self.setUp()
                self.failureResultOf(self.run_it(reveal=reveal, then=then), type(then))
                self.assertEqual(left, self.names())
                self.clock.advance(WINDOW)
                self.assertEqual(["one", "two"], self.names())

    def test_an_outcome_that_proves_nothing(self) -> None:
        """An answer, however friendly, leaves the login as spent, unless the device was seen to accept it."""
        self.assertEqual(("welcome", False), self.successResultOf(self.run_it(proved=False)))
        self.assertEqual(["two"], self.names())

    def test_an_end_after_the_proof(self) -> None:
        """Once it was accepted it is recorded so, though the device falls silent or has no room afterwards."""

        async def silent(given: Login) -> None:
            await given.acquire_permit()
            given.password.reveal()
            given.report_accepted()
            raise Unreachable("no answer")

        for _ in range(3):
            attempted = attempt_login(self.budget, self.clock, candidate(), TWO, silent)
            self.failureResultOf(Deferred.fromCoroutine(attempted), Unreachable)
            self.assertEqual(["two", "one"], self.names())

    def test_of_no_use_though_it_had_worked(self) -> None:
        """A login that had worked, and after which the device still wants one, counts as a failure each time."""
        self.successResultOf(self.run_it())
        for left in (["one"], []):
            self.successResultOf(self.run_it(wanted=True))
            self.assertEqual(left, self.names())
            self.clock.advance(60)
        self.clock.advance(WINDOW)
        self.assertEqual(["one", "two"], self.names())

    def test_let_in_and_then_refused(self) -> None:
        """It counts as a failure, whatever it is let in for afterwards, and is not barred: the device did let it in."""
        self.successResultOf(self.run_it(doubt=True))
        self.assertEqual(["one"], self.names())
        self.clock.advance(60)
        self.successResultOf(self.run_it())
        self.assertEqual(["one"], self.names())
        self.successResultOf(self.run_it(doubt=True))
        self.assertEqual([], self.names())
        self.clock.advance(WINDOW - 60)
        self.assertEqual(["one"], self.names())
        self.clock.advance(60)
        self.assertEqual(["one", "two"], self.names())

    def test_while_it_runs(self) -> None:
        """Everybody else waits for a login that is under way; cancelled, it is spent for them."""
        waiting: Deferred[Any] = Deferred()
        running = self.run_it(then=waiting)
        other = self.run_it()
        self.assertNoResult(other)
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.failureResultOf(other, Unauthorized)
        self.assertEqual(["two"], self.names())

    def test_whoever_waits_sees_the_outcome(self) -> None:
        """A refusal is recorded before the next attempt goes on."""
        self.successResultOf(self.run_it())
        now, left = self.clock.seconds(), list[int]()
        gate: Deferred[None] = Deferred()

        async def take(given: Login) -> None:
            await given.acquire_permit()
            given.report_accepted()

        async def take_late(given: Login) -> None:
            await given.acquire_permit()
            given.password.reveal()
            await gate
            raise Unauthorized("no right", attempted=True)

        async def snapshot(attempt: Any) -> None:
            over = await self.budget.charge_purpose(candidate(), ONE, now, "snapshot")
            assert over is not None
            await attempt_for_purpose(self.budget, self.clock, candidate(), ONE, "snapshot", attempt, over=over)

        async def look() -> None:
            await self.budget._turns.next_end()
            left.append(self.budget.failures_left(candidate(), now))

        self.successResultOf(Deferred.fromCoroutine(snapshot(take)))
        late = Deferred.fromCoroutine(snapshot(take_late))
        looking = Deferred.fromCoroutine(look())
        gate.callback(None)
        self.failureResultOf(late, Unauthorized)
        self.successResultOf(looking)
        self.assertEqual([1], left)

    def test_a_watched_secret_is_as_masked_as_any(self) -> None:
        """What an inspector is given shows no password, and is equal to what was configured."""
        seen: list[Login] = []

        async def attempt(given: Login) -> None:
            seen.append(given)

        self.successResultOf(Deferred.fromCoroutine(attempt_login(self.budget, self.clock, candidate(), ONE, attempt)))
        self.assertNotIn("canary", f"{seen[0]!r} {seen[0]} {seen[0].password}")
        self.assertEqual((ONE.password, hash(ONE.password)), (seen[0].password, hash(seen[0].password)))
        self.assertNotEqual(Secret("x"), ONE.password)
        self.assertNotEqual("canary-1", ONE.password)


class IsOnDeviceTests(SynchronousTestCase):
    def test_only_the_device_itself(self) -> None:
        """A secret goes to the device's address, by whatever port; to no name and no other address."""
        for url in ("rtsp://10.0.0.5/a", "rtsp://10.0.0.5:554/a", "http://10.0.0.5?x", "rtsps://10.0.0.5"):
            self.assertTrue(is_on_device(url, "10.0.0.5"), url)
        for url in (
            "rtsp://10.0.0.50/a",
            "rtsp://10.0.0.5.evil.example/a",
            "rtsp://10.0.0.5@evil.example/a",
            "rtsp://evil.example/10.0.0.5",
            "rtsp://camera.local/a",
            "rtsp://10.0.0.5:554@203.0.113.1/a",
            "10.0.0.5/a",
            "",
        ):
            self.assertFalse(is_on_device(url, "10.0.0.5"), url)
        self.assertTrue(is_on_device("rtsp://[2001:db8::5]:554/a", "2001:db8::5"))
        self.assertFalse(is_on_device("rtsp://[2001:db8::55]:554/a", "2001:db8::5"))
