"""Who may try which login, and when: no camera may be locked by us."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, candidate, login
from twisted_detector.inspection.logins import store as login_store
from twisted_detector.inspection.logins.budget import DAY, LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.logins.fingerprints import Fingerprints, _stretch
from twisted_detector.inspection.logins.history import MAX_CREDENTIALS, MAX_FAILURES, WINDOW
from twisted_detector.model import Candidate, Login

ONE, TWO, THREE = login("one", "canary-1"), login("two", "canary-2"), login("three", "canary-3")


class BudgetCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.saved: dict[str, str] = {}
        self.budget = self.make(ONE, TWO, THREE)

    def make(self, *logins: Login, confirmed: str = "") -> LoginBudget:
        budget = LoginBudget(
            logins,
            confirmed=lambda: [ip_network(confirmed)] if confirmed else [],
            salt="salt",
            save=self.saved.__setitem__,
            work=2,
        )
        budget.restore(self.saved)
        return budget

    def names(self, one: Candidate | None = None, now: float = 1000.0) -> list[str]:
        return [each.name for each in self.budget.allowed_logins(one or candidate(), now)]


class SpendingTests(BudgetCase):
    def test_at_most_two(self) -> None:
        """Of three logins two may be tried, in the order of the configuration."""
        self.assertEqual(["one", "two"], self.names())

    def test_one_failure_per_login_and_two_per_window(self) -> None:
        """A refused login is never tried again; after two refusals nothing is, for half an hour."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(["two"], self.names(now=1001.0))
        self.budget.record_refused(candidate(), TWO, 1010.0, False)
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["three"], self.names(now=1010.0 + WINDOW))
        self.budget.record_refused(candidate(), THREE, 1010.0 + WINDOW, False)
        self.assertEqual([], self.names(now=1e9))

    def test_devices_are_apart(self) -> None:
        """What one device refused may be tried on another."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.6", B)))

    def test_a_move_is_no_new_chance(self) -> None:
        """A device keeps its history at its next address; what comes to the old one has an empty one."""
        self.budget.record_refused(candidate("10.0.0.5", A), ONE, 1000.0, False)
        self.assertEqual(["two"], self.names(candidate("10.0.0.99", A)))
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.5", B)))

    def test_learning_the_mac_is_no_new_chance(self) -> None:
        """What was refused before the MAC was known stays refused after."""
        for reference in ("", "r"):
            self.saved.clear()
            self.budget = self.make(ONE, TWO, confirmed="10.0.0.0/24")
            self.budget.record_refused(candidate("10.0.0.5", None, reference), ONE, 1000.0, False)
            self.assertEqual(["two"], self.names(candidate("10.0.0.5", A, reference)))
        self.assertEqual(["two"], self.names(candidate("10.0.0.77", A, "r")))

    def test_a_forged_reference_spends_its_own(self) -> None:
        """A device that lies about its EndpointReference bars no login from the one whose it is."""
        self.budget.record_refused(candidate("10.0.0.66", B, "r"), ONE, 1000.0, True)
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.5", A, "r")))

    def test_lock_word(self) -> None:
        """When the device says that it locks, nothing is tried for half an hour, of any login."""
        self.budget.record_refused(candidate(), ONE, 1000.0, True)
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["two", "three"], self.names(now=1000.0 + WINDOW))

    def test_last_success_first(self) -> None:
        """The login that worked comes first, and success clears its own failure only."""
        self.budget.record_accepted(candidate(), THREE, 1000.0)
        self.assertEqual(["three", "one"], self.names())
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(["three"], self.names())

    def test_second_chance(self) -> None:
        """One that had worked is tried once more when the window is over; refused again, it is barred."""
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.budget.record_refused(candidate(), ONE, 2000.0, False)
        self.assertEqual(["two"], self.names(now=2000.0 + WINDOW - 1))
        self.assertIn("one", self.names(now=2000.0 + WINDOW))
        self.budget.record_refused(candidate(), ONE, 2000.0 + WINDOW, False)
        self.assertNotIn("one", self.names(now=2000.0 + WINDOW + DAY - 1))

    def test_changed_password(self) -> None:
        """A login with another password is another one."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.budget = self.make(login("one", "new"))
        self.assertEqual(["one"], self.names(now=1001.0))

    def test_clock_that_jumps(self) -> None:
        """A stamp from the future counts half an hour from now, not for years; the login stays barred."""
        self.budget.record_refused(candidate(), ONE, 1e9, True)
        self.assertEqual([], self.names(now=1000.0))
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["two", "three"], self.names(now=1000.0 + WINDOW))


class PurposeTests(BudgetCase):
    """A login that is let in, tried for something else."""

    def risk(self, one: Login = ONE, now: float = 1000.0) -> bool:
        """Whether the login may be sent; the attempt is over at once, as far as others wait for it."""
        charging = Deferred.fromCoroutine(self.budget.charge_purpose(candidate(), one, now, "snapshot"))
        over = self.successResultOf(charging)
        if over is not None:
            over()
        return over is not None

    def refused(self, one: Login = ONE, now: float = 1000.0, *, locked: bool = False) -> None:
        self.assertTrue(self.risk(one, now))
        self.budget.record_purpose(candidate(), one, now, "snapshot", refused=True, locked=locked)

    def test_the_login_itself_stays_right(self) -> None:
        """What a login is refused for is no doubt about the login: it costs no writing, and counts only under way."""
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.refused()
        self.saved.clear()
        over = self.successResultOf(Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0)))
        assert over is not None
        self.assertEqual(({}, ["one"]), (self.saved, self.names()))
        over()

    def test_waits_for_what_is_under_way(self) -> None:
        """A picture is not risked beside a check that may fail, nor given up for it: it waits."""
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        over = self.successResultOf(Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0)))
        assert over is not None
        risking = Deferred.fromCoroutine(self.budget.charge_purpose(candidate(), ONE, 1000.0, "snapshot"))
        self.assertNoResult(risking)
        over()
        end = self.successResultOf(risking)
        assert end is not None
        self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot", accepted=True)
        end()
        charges = [Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0)) for _ in range(2)]
        again = Deferred.fromCoroutine(self.budget.charge_purpose(candidate(), ONE, 1000.0, "snapshot"))
        self.assertNoResult(again)
        for charging in charges:
            over = self.successResultOf(charging)
            assert over is not None
            over()
        self.assertIsNotNone(self.successResultOf(again))

    def test_refused_for_one_purpose(self) -> None:
        """A refusal for a purpose bars the login for that alone, for a day, after a restart too."""
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.refused()
        self.assertEqual(["one"], self.names())
        self.assertFalse(self.risk(now=1000.0 + DAY - 1))
        self.budget = self.make(ONE, TWO)
        self.assertFalse(self.risk(now=2000.0))
        self.assertEqual(["one", "two"], self.names(now=1000.0 + WINDOW))
        self.assertTrue(self.risk(now=1000.0 + DAY))

    def test_let_in(self) -> None:
        """Once it was let in, it is used on without a write each time."""
        self.assertTrue(self.risk())
        self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot", accepted=True)
        self.saved.clear()
        for _ in range(3):
            self.assertTrue(self.risk(now=2000.0))
            self.budget.record_purpose(candidate(), ONE, 2000.0, "snapshot", accepted=True)
        self.assertEqual(self.saved, {})

    def test_on_the_disk_before(self) -> None:
        """That it is going to be sent is kept before: who is killed meanwhile waits for the window, twice for a day."""
        self.assertTrue(self.risk())
        self.budget = self.make(ONE, TWO, THREE)
        self.assertFalse(self.risk(now=1000.0 + WINDOW - 1))
        self.assertTrue(self.risk(now=1000.0 + WINDOW))
        self.budget = self.make(ONE, TWO, THREE)
        self.assertFalse(self.risk(now=1000.0 + WINDOW + DAY - 1))
        self.assertTrue(self.risk(now=1000.0 + WINDOW + DAY))

    def test_where_no_login_is_wanted(self) -> None:
        """It is not charged, nor written, for each picture that everybody may have; once one is wanted, it is."""
        self.assertTrue(self.risk())
        self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot", sent=False, asked=False)
        self.saved.clear()
        for _ in range(3):
            self.assertTrue(self.risk())
            self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot", sent=False, asked=False)
        self.assertEqual({}, self.saved)
        self.assertIsNone(self.budget.begin(candidate(), ONE, 1000.0, "snapshot"))
        self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot", sent=False)
        self.assertTrue(self.risk())
        self.assertIsNotNone(self.budget.begin(candidate(), ONE, 1000.0, "snapshot"))

    def test_sent_without_a_proof(self) -> None:
        """Answered with anything but the picture it may have been a refusal: it counts. Not sent, it does not."""
        self.assertTrue(self.risk())
        self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot", sent=False)
        self.assertTrue(self.risk())
        self.budget.record_purpose(candidate(), ONE, 1000.0, "snapshot")
        self.assertFalse(self.risk())
        self.assertEqual(["one"], self.names())
        self.assertTrue(self.risk(now=1000.0 + WINDOW))

    def test_given_up_before_it_was_kept(self) -> None:
        """Cancelled before it was on the disk it was not sent, and counts for nothing."""
        write: Deferred[None] = Deferred()
        self.budget = LoginBudget([ONE], salt="salt", save=lambda key, text: write)
        asked = Deferred.fromCoroutine(self.budget.charge_purpose(candidate(), ONE, 1000.0, "snapshot"))
        self.assertNoResult(asked)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.budget = self.make(ONE)
        self.assertTrue(self.risk())

    def test_disk_that_is_full(self) -> None:
        """Where nothing can be kept nothing is risked."""
        self.budget = LoginBudget([ONE], salt="salt", save=lambda key, text: None, kept=lambda: False)
        self.assertFalse(self.risk())

    def test_room_is_left(self) -> None:
        """It is not tried while a refusal would use up the room that the device has for other logins."""
        self.budget.record_refused(candidate(), TWO, 1000.0, False)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.assertFalse(self.risk())
        self.assertTrue(self.risk(now=1000.0 + WINDOW))

    def test_what_may_not_be_tried_at_all(self) -> None:
        """A login that is barred is not tried for a purpose; one word of locking ends it all."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.assertFalse(self.risk(now=1e6))
        self.refused(THREE, 1e6, locked=True)
        self.assertEqual([], self.names(now=1e6))


class SecretTests(BudgetCase):
    def test_only_where_layer_2_was_seen(self) -> None:
        """No login for a device without a MAC, unless the operator named its network."""
        self.assertEqual([], self.names(candidate("10.0.0.5", None)))
        self.budget = self.make(ONE, confirmed="10.0.0.0/24")
        self.assertEqual(["one"], self.names(candidate("10.0.0.5", None)))
        self.assertEqual([], self.names(candidate("10.0.1.5", None)))
        self.assertEqual([], self.names(candidate("fe80::1%eth0", None)))
        self.budget = self.make(ONE, confirmed="fe80::/10")
        self.assertEqual(["one"], self.names(candidate("fe80::1%eth0", None)))

    def test_no_password_is_kept(self) -> None:
        """What is saved holds no user and no password, and other fingerprints with another salt."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.budget.record_accepted(candidate(), TWO, 1000.0)
        text = "".join(self.saved.values())
        self.assertNotIn("canary", text)
        self.assertNotIn('"one"', text)
        before = dict(self.saved)
        other = LoginBudget([ONE], salt="other", save=self.saved.__setitem__)
        other.record_refused(candidate(), ONE, 1000.0, False)
        self.assertNotEqual(
            before.keys() and json.loads(before["mac 02000000000a"])["failures"].keys(),
            json.loads(self.saved["mac 02000000000a"])["failures"].keys(),
        )


class KeepingTests(BudgetCase):
    def test_restarts(self) -> None:
        """Twenty restarts give no further chance."""
        tried = 0
        for turn in range(20):
            self.budget = self.make(ONE, TWO, THREE)
            for each in self.budget.allowed_logins(candidate(), 1000.0 + turn):
                self.budget.record_refused(candidate(), each, 1000.0 + turn, False)
                tried += 1
        self.assertEqual(2, tried)

    def test_success_and_locks_survive(self) -> None:
        """The last success and a lock are known after a restart."""
        self.budget.record_accepted(candidate(), THREE, 1000.0)
        self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual(["three", "one"], self.names())
        self.budget.record_refused(candidate(), ONE, 1000.0, True)
        self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual([], self.names(now=1001.0))

    def test_broken_entries(self) -> None:
        """An entry that cannot be read is forgotten; the others stay."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        for number, text in enumerate(
            ("", "[", "[]", "null", '{"failures":[]}', '{"failures":{"a":"x"}}', '{"failures":{"a":NaN}}',
             '{"locked_until":Infinity}', '{"locked_until":null}', '{"failures":{"a":true}}', "[" * 100_000)
        ):  # fmt: skip
            self.saved[f"mac {number}"] = text
        self.budget = self.make(ONE, TWO)
        self.assertEqual(["two"], self.names(now=1001.0))
        self.assertEqual(1, len(self.budget._histories))

    def test_bounds(self) -> None:
        """A flood of devices, or of credentials on one, is remembered within bounds; the latest stay."""
        self.patch(login_store, "MAX_REMEMBERED", 100)
        for number in range(1000):
            device = candidate(f"10.{number // 250}.0.{number % 250}", None, f"r{number}")
            self.budget.record_refused(device, ONE, 1000.0, True)
            self.budget.record_accepted(device, TWO, 1000.0)
        self.assertEqual(100, len(self.budget._histories))
        self.budget = self.make(ONE)
        self.assertEqual(100, len(self.budget._histories))
        for number in range(500):
            self.budget.record_refused(candidate(), login("n", str(number)), 1000.0 + number, False)
        self.assertLessEqual(len(self.budget._histories._histories["mac 02000000000a"].failures), MAX_CREDENTIALS)
        self.assertLess(len(self.saved["mac 02000000000a"]), 4096)

    def test_makes_room_on_the_disk(self) -> None:
        """What is forgotten for want of room is forgotten on the disk too, and what was emptied is no fault."""
        self.patch(login_store, "MAX_REMEMBERED", 2)
        for number in range(4):
            self.budget.record_refused(candidate(f"10.0.0.{number}", None), ONE, 1000.0, False)
        self.assertEqual(["at 10.0.0.2", "at 10.0.0.3"], sorted(key for key, text in self.saved.items() if text))
        self.budget = self.make(ONE)
        self.assertEqual(2, len(self.budget._histories))

    STEP = st.tuples(st.sampled_from([0.0, 1.0, 600.0, WINDOW, -5000.0]), st.booleans(), st.booleans(), st.booleans())

    @given(st.lists(STEP, max_size=30), st.sets(st.sampled_from(["one", "two", "three"])))
    @settings(max_examples=100, deadline=None)
    def test_any_history(self, steps: list[tuple[float, bool, bool, bool]], right: set[str]) -> None:
        """Whatever comes, with restarts and jumping clocks: one refusal per login, two in any half hour."""
        saved: dict[str, str] = {}
        now, steady = 10_000.0, 0.0
        refusals: list[tuple[float, str]] = []
        worked: set[str] = set()
        budget = LoginBudget([ONE, TWO, THREE], salt="s", save=saved.__setitem__)
        for jump, restart, locks, known_mac in steps:
            now += jump
            steady += max(0.0, jump)
            if restart:
                budget = LoginBudget([ONE, TWO, THREE], salt="s", save=saved.__setitem__)
                budget.restore(saved)
            device = candidate("10.0.0.5", A, "r" if known_mac else "")
            for each in budget.allowed_logins(device, now):
                if each.name in right:
                    budget.record_accepted(device, each, now)
                    worked.add(each.name)
                    break
                refusals.append((steady, each.name))
                budget.record_refused(device, each, now, locks)
                if locks:
                    break
            for name in ("one", "two", "three"):
                self.assertLessEqual([who for _, who in refusals].count(name), 1)
            recent = [at for at, _ in refusals if steady - at < WINDOW]
            self.assertLessEqual(len(recent), MAX_FAILURES)


class SpendingFirstTests(BudgetCase):
    """What is on the disk before a login is sent."""

    def setUp(self) -> None:
        super().setUp()
        self.writes: list[Deferred[None]] = []
        self.disk = True
        self.over: Callable[[], None] = lambda: None

    def make(self, *logins: Login, confirmed: str = "") -> LoginBudget:
        def save(key: str, text: str) -> Deferred[None]:
            self.writes.append(Deferred())
            self.writes[-1].addCallback(lambda _: self.saved.__setitem__(key, text))
            return self.writes[-1]

        self.disk, self.writes = True, []
        budget = LoginBudget(
            logins,
            confirmed=lambda: [ip_network(confirmed)] if confirmed else [],
            salt="salt",
            save=save,
            kept=lambda: self.disk,
        )
        budget.restore(self.saved)
        return budget

    def written(self) -> None:
        writes, self.writes[:] = list(self.writes), []
        for write in writes:
            write.callback(None)

    def charge(self, one: Login, now: float = 1000.0, device: Candidate | None = None) -> bool:
        spending = Deferred.fromCoroutine(self.budget.charge(device or candidate(), one, now))
        self.written()
        over = self.successResultOf(spending)
        self.over = over or self.over
        return over is not None

    def hang(self, one: Login, device: Candidate | None = None) -> None:
        """The attempt that was charged last ends without an answer."""
        self.budget.record_unanswered(device or candidate(), one)
        self.over()

    def restart(self) -> None:
        """As after kill -9: what was not written is gone."""
        self.budget = self.make(ONE, TWO, THREE)

    def test_on_the_disk_before_it_is_sent(self) -> None:
        """A login may be sent when it is written that it is, not before; whoever is killed then has used it up."""
        spending = Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0))
        self.assertNoResult(spending)
        self.assertEqual({}, self.saved)
        self.written()
        self.assertTrue(self.successResultOf(spending))
        self.restart()
        self.assertEqual(["two"], self.names(now=1001.0))

    def test_killed_again_and_again(self) -> None:
        """Twenty starts, each killed right after a login was sent: two logins were sent, one each."""
        sent = []
        for turn in range(20):
            self.restart()
            for one in self.budget.allowed_logins(candidate(), 1000.0 + turn)[:1]:
                self.assertTrue(self.charge(one, 1000.0 + turn))
                sent.append(one.name)
        self.assertEqual(["one", "two"], sent)

    def test_killed_before_the_answer_was_noted(self) -> None:
        """Accepted, and killed before that was written: it is tried once more at once, for it may be right."""
        self.charge(ONE)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.restart()
        self.assertEqual(["two"], self.names(now=1001.0))
        self.assertEqual(["one", "two"], self.names(now=1000.0 + WINDOW))

    def test_one_more_chance_for_what_was_not_answered(self) -> None:
        """A login without an answer is sent once more after the window, and then never."""
        self.charge(ONE)
        self.hang(ONE)
        self.assertEqual(["two"], self.names(now=1000.0 + WINDOW - 1))
        self.assertTrue(self.charge(ONE, 1000.0 + WINDOW))
        self.hang(ONE)
        self.assertEqual(["two", "three"], self.names(now=1e9))

    def test_a_proved_login_costs_no_writing(self) -> None:
        """A login that was let in since the start is spent without waiting for the disk."""
        self.charge(ONE)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.written()
        spending = Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1060.0))
        self.assertTrue(self.successResultOf(spending))
        self.assertEqual([], self.writes)
        self.restart()
        self.assertNoResult(Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1100.0)))

    def test_a_good_login_survives_a_kill(self) -> None:
        """Killed while a login that had worked was under way: it is tried again, but no more than the window allows."""
        self.charge(ONE)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.written()
        for turn in range(2):
            self.restart()
            self.assertEqual("one", self.names(now=2000.0 + turn)[0])
            self.charge(ONE, 2000.0 + turn)
        self.restart()
        self.assertEqual([], self.names(now=2002.0))
        self.assertEqual("one", self.names(now=2002.0 + WINDOW)[0])

    def test_a_silent_device_does_not_bar_a_good_login(self) -> None:
        """A camera that hangs after a login that had worked is asked again when it is back."""
        self.charge(ONE)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        for turn in range(5):
            self.charge(ONE, 2000.0 + turn)
            self.hang(ONE)
        self.assertEqual("one", self.names(now=2010.0)[0])

    def test_not_sent_costs_nothing(self) -> None:
        """What was written and then not sent is taken back; so is what was cancelled while it was written."""
        self.charge(ONE)
        self.budget.refund(candidate(), ONE)
        self.assertEqual(["one", "two"], self.names(now=1001.0))
        spending = Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0))
        spending.cancel()
        self.failureResultOf(spending, CancelledError)
        self.assertEqual(["one", "two"], self.names(now=1001.0))
        self.written()

    def test_a_full_disk(self) -> None:
        """While nothing can be written no new login is sent; one that had worked before is."""
        self.charge(TWO)
        self.budget.record_accepted(candidate(), TWO, 1000.0)
        self.over()
        self.written()
        self.restart()
        self.disk = False
        self.assertFalse(self.charge(ONE))
        self.assertTrue(self.charge(TWO))
        self.budget.record_accepted(candidate(), TWO, 1000.0)
        self.over()
        self.assertEqual(
            "no login is tried while STATE_DIR cannot be written", self.budget.explain_wait(candidate(), 1000.0)
        )
        self.disk = True
        self.assertTrue(self.charge(ONE))

    def test_at_the_same_time(self) -> None:
        """Of two who want the same login at once the second waits for what becomes of the first."""
        for refused in (True, False):
            self.saved = {}
            self.budget = self.make(ONE, TWO)
            self.assertTrue(self.charge(ONE))
            second = Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0))
            self.assertNoResult(second)
            self.assertEqual(["one", "two"], self.names())
            self.assertEqual((2, ""), (self.left(), self.budget.explain_wait(candidate(), 1000.0)))
            if refused:
                self.budget.record_refused(candidate(), ONE, 1000.0, False)
            else:
                self.budget.record_accepted(candidate(), ONE, 1000.0)
            self.over()
            self.assertEqual(refused, self.successResultOf(second) is None)
            self.assertEqual(1 if refused else 2, self.left())

    def test_accepted_for_another(self) -> None:
        """An attempt whose charge was taken back, for another with the login was accepted, counts until it ends."""
        self.charge(ONE)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.written()
        self.restart()
        overs = []
        for _ in range(2):
            self.assertTrue(self.charge(ONE))
            overs.append(self.over)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        overs[1]()
        self.assertTrue(self.charge(ONE))
        third = Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0))
        self.assertNoResult(third)
        overs[0]()
        self.assertIsNotNone(self.successResultOf(third))

    def test_waiting_is_given_up(self) -> None:
        """Who waits for his turn may be cancelled, and costs nothing."""
        self.charge(ONE)
        second = Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0))
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.over()
        self.assertEqual((2, 0), (self.left(), len(self.budget._turns)))

    def test_one_room_for_several(self) -> None:
        """With one failure to be had, attempts with a login that was right take turns; none is called barred."""
        self.charge(ONE)
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.over()
        self.budget.record_refused(candidate(), TWO, 1000.0, False)
        self.assertTrue(self.charge(ONE))
        self.assertEqual((["one"], 1), (self.names(), self.left()))
        others = [Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, 1000.0)) for _ in range(3)]
        for other in others:
            self.assertNoResult(other)
        for other in others:
            self.over()
            over = self.successResultOf(other)
            assert over is not None
            self.over = over
            self.assertIsNotNone(self.budget.begin(candidate(), ONE, 1000.0))
        self.assertEqual(1, self.left())

    def left(self) -> int:
        return self.budget.failures_left(candidate(), 1000.0)

    def test_before_the_mac_was_known(self) -> None:
        """What was sent while the MAC was not known counts when it is."""
        self.budget = self.make(ONE, TWO, confirmed="10.0.0.0/24")
        self.charge(ONE, device=candidate("10.0.0.5", None))
        self.hang(ONE, candidate("10.0.0.5", None))
        self.assertEqual(["two"], self.names(candidate("10.0.0.5", A), 1001.0))

    KILLS = st.lists(
        st.tuples(
            st.sampled_from([1.0, 600.0, WINDOW]), st.integers(0, 2), st.sampled_from(["no", "hang", "kill", "late"])
        ),
        max_size=30,
    )

    @given(KILLS)
    @settings(max_examples=150, deadline=None)
    def test_any_crash(self, steps: list[tuple[float, int, str]]) -> None:
        """Killed at any point, left without an answer, in any order: two failures in half an hour, two of one login."""
        self.saved = {}
        self.budget = self.make(ONE, TWO, THREE)
        now, failures = 10_000.0, list[tuple[float, str]]()
        for wait, which, end in steps:
            now += wait
            allowed = self.budget.allowed_logins(candidate(), now)
            if which < len(allowed):
                one = allowed[which]
                self.assertTrue(self.charge(one, now))
                failures.append((now, one.name))  # the camera counts it, whatever we hear of it
                if end == "hang":
                    self.budget.record_unanswered(candidate(), one)
                elif end in ("no", "late"):
                    self.budget.record_refused(candidate(), one, now, False)
                self.over()
                if end in ("no", "hang"):
                    self.written()
            if end in ("kill", "late"):
                self.restart()
            self.assertLessEqual(sum(now - at < WINDOW for at, _ in failures), MAX_FAILURES)
            for name in ("one", "two", "three"):
                self.assertLessEqual([who for _, who in failures].count(name), 2)


class AtOnceTests(BudgetCase):
    """Any number of attempts side by side."""

    STEPS = st.lists(
        st.tuples(
            st.sampled_from(["begin", "begin", "picture", "end"]),
            st.integers(0, 7),
            st.sampled_from(["yes", "no", "silence", "unsent"]),
        ),
        max_size=40,
    )

    @given(STEPS)
    @settings(max_examples=300, deadline=None)
    def test_in_any_order(self, steps: list[tuple[str, int, str]]) -> None:
        """However many want to send a login at once, and however each ends: no more may fail than two, and each waits
        only as long as another is under way.
        """
        self.saved = {}
        budget = self.budget = self.make(ONE, TWO)
        budget.record_accepted(candidate(), ONE, 1000.0)
        failed, waiting, running = 0, list[tuple[str, Login, Deferred[Any]]](), list[tuple[str, Login, Any]]()

        def admit() -> None:
            for purpose, one, charging in [each for each in waiting if each[2].called]:
                waiting.remove((purpose, one, charging))
                over = self.successResultOf(charging)
                end = budget.begin(candidate(), one, 1000.0, purpose) if over is not None else None
                if over is not None and end is not None:
                    running.append((purpose, one, (end, over)))
                elif over is not None:
                    finish(purpose, one, "unsent", (over,))

        def finish(purpose: str, one: Login, how: str, ends: Any) -> None:
            if purpose:
                budget.record_purpose(
                    candidate(), one, 1000.0, purpose, accepted=how == "yes", refused=how == "no", sent=how != "unsent"
                )
            elif how == "yes":
                budget.record_accepted(candidate(), one, 1000.0)
            elif how == "no":
                budget.record_refused(candidate(), one, 1000.0, False)
            elif how == "silence":
                budget.record_unanswered(candidate(), one)
            else:
                budget.refund(candidate(), one)
            for end in ends:
                end()

        for deed, which, how in steps:
            if deed == "end" and running:
                purpose, one, ends = running.pop(which % len(running))
                failed += how == "no"
                finish(purpose, one, how, ends)
            elif deed != "end":
                one, purpose = (ONE, TWO)[which % 2], "snapshot" if deed == "picture" else ""
                charging = (
                    budget.charge_purpose(candidate(), one, 1000.0, purpose)
                    if purpose
                    else budget.charge(candidate(), one, 1000.0)
                )
                waiting.append((purpose, one, Deferred.fromCoroutine(charging)))
            admit()
            self.assertLessEqual(failed + len(running), MAX_FAILURES)
            self.assertTrue(running or not waiting)


class OlderStateTests(BudgetCase):
    def test_one_stamp_for_each(self) -> None:
        """What an earlier version kept, one stamp for each refused login, is taken over."""
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        [(key, text)] = self.saved.items()
        kept = json.loads(text)
        kept["failures"] = {mark: stamps[-1] for mark, stamps in kept["failures"].items()}
        self.saved[key] = json.dumps(kept)
        self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual(["two"], self.names(now=1001.0))


class ChangeTests(BudgetCase):
    """What gives a refused login another chance."""

    def setUp(self) -> None:
        super().setUp()
        self.record("V1", reference="r")
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.record("V1", reference="r")

    def record(self, firmware: str = "", now: float = 1000.0, *, reference: str = "", **service: Any) -> None:
        self.budget.record_fingerprint(candidate(reference=reference), now, firmware=firmware, **service)

    def test_the_same_is_no_change(self) -> None:
        """A device that shows what it showed, or nothing, has not changed."""
        self.record("V1", reference="r")
        self.record()
        self.assertEqual(["two"], self.names(now=1001.0))

    def test_other_firmware(self) -> None:
        """Another firmware: what was refused is tried once more, within the window's count, after a restart too."""
        self.record("V2")
        self.assertEqual(["one"], self.names(now=1001.0))
        self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual(["one"], self.names(now=1001.0))
        self.budget.record_refused(candidate(), ONE, 1002.0, False)
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["two"], self.names(now=1000.0 + WINDOW))
        self.assertEqual(["two", "three"], self.names(now=1002.0 + WINDOW))

    def test_both_failures_of_one_login_count(self) -> None:
        """A login that is refused again after a change makes two, after a restart and a clock set back too."""
        self.record("V2", now=1001.0)
        self.budget.record_refused(candidate(), ONE, 1002.0, False)
        self.budget = self.make(ONE, TWO, THREE)
        for now in (1003.0, 500.0, 500.0 + WINDOW - 1):
            self.assertEqual([], self.names(now=now))
        self.assertEqual(["two", "three"], self.names(now=500.0 + WINDOW))

    def test_other_reference(self) -> None:
        """Another EndpointReference behind the same MAC, as after a factory reset."""
        self.record(reference="other")
        self.assertEqual(["one"], self.names(now=1001.0))

    def test_an_open_service(self) -> None:
        """A service that wanted a login and is open now: a reset. Another one that was always open means nothing."""
        self.record(service="rtsp", wants_login=True)
        self.record(service="onvif", wants_login=False)
        self.assertEqual(["two"], self.names(now=1001.0))
        self.record(service="rtsp", wants_login=False)
        self.assertEqual(["one"], self.names(now=1001.0))

    def test_another_mac(self) -> None:
        """Another MAC at the address is another device."""
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.5", B)))

    def test_a_device_that_changes_all_the_time(self) -> None:
        """A device with a new face at every look has one more chance a day."""
        refusals = 0
        for turn in range(2000):
            now = 1000.0 + 60.0 * turn
            self.record(f"V{turn}", now)
            for one in self.budget.allowed_logins(candidate(), now):
                self.budget.record_refused(candidate(), one, now, False)
                refusals += 1
        days = 2000 * 60 / 86_400
        self.assertLessEqual(refusals, 3 * (days + 1))

    def test_a_lock_stays(self) -> None:
        """A change does not open a lock."""
        self.budget.record_lockout(candidate(), 1000.0)
        self.record("V2")
        self.assertEqual([], self.names(now=1001.0))

    def test_a_stranger_has_no_history(self) -> None:
        """What devices show that were never given a login is not kept."""
        self.budget.record_fingerprint(
            candidate("10.0.0.6", B), 1000.0, firmware="V1", service="onvif", wants_login=True
        )
        self.assertEqual(["mac 02000000000a"], list(self.saved))


class OutlookTests(BudgetCase):
    def outlook(self, device: Candidate | None = None, now: float = 1000.0) -> str:
        return self.budget.explain_wait(device or candidate(), now)

    def test_what_to_do(self) -> None:
        """It says which setting is missing, which login was refused and when the next attempt is allowed."""
        self.assertEqual("", self.outlook())
        beyond = "it is given none, for its MAC is not seen from here; name its network in SCAN_NETWORKS"
        self.assertEqual(beyond, self.outlook(candidate("10.0.0.5", None)))
        self.budget.record_refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(
            "not retried until the password or the device changes: one (camdetect login, CAMERA_CREDENTIALS)",
            self.outlook(now=1001.0),
        )
        self.budget.record_refused(candidate(), TWO, 1060.0, False)
        self.assertEqual(
            "not retried until the password or the device changes: one, two (camdetect login, CAMERA_CREDENTIALS);"
            " no login is tried before 1970-01-01T00:46:40.000Z",
            self.outlook(now=1061.0),
        )
        self.budget.record_lockout(candidate(), 1100.0)
        self.assertIn("before 1970-01-01T00:48:20.000Z", self.outlook(now=1101.0))
        self.budget = self.make()
        self.assertEqual("no login is set for this camera (camdetect login, CAMERA_CREDENTIALS)", self.outlook())

    def test_no_password(self) -> None:
        """It names logins, never a password."""
        for one in (ONE, TWO):
            self.budget.record_refused(candidate(), one, 1000.0, False)
        self.assertNotIn("canary", self.outlook())


class RetryTests(BudgetCase):
    """A right login that was refused is not lost for ever."""

    def refuse_twice(self) -> float:
        """It was right, and is refused twice, half an hour apart; when the second time was."""
        self.budget.record_accepted(candidate(), ONE, 1000.0)
        self.budget.record_refused(candidate(), ONE, 2000.0, False)
        self.budget.record_refused(candidate(), ONE, 2000.0 + WINDOW, False)
        return 2000.0 + WINDOW

    def test_once_a_day(self) -> None:
        """One that was right once is tried once a day by itself, over restarts; one that never was is not."""
        self.budget.record_refused(candidate(), TWO, 0.0, False)
        at = self.refuse_twice()
        for _ in range(3):
            self.budget = self.make(ONE, TWO)
            self.assertEqual([], self.names(now=at + DAY - 1))
            self.assertEqual(["one"], self.names(now=at + DAY))
            at += DAY
            self.budget.record_refused(candidate(), ONE, at, False)
        self.budget.record_accepted(candidate(), ONE, at + DAY)
        self.assertEqual(["one"], self.names(now=at + DAY + WINDOW))

    def test_never_answered(self) -> None:
        """The same where it was not answered any more."""
        self.budget = self.make(ONE)
        self.budget.record_accepted(candidate(), ONE, 0.0)
        self.budget.record_accepted(candidate(), TWO, 0.0)
        for at in (1000.0, 1000.0 + WINDOW):
            over = self.successResultOf(Deferred.fromCoroutine(self.budget.charge(candidate(), ONE, at)))
            assert over is not None
            self.budget.record_unanswered(candidate(), ONE)
            over()
        self.assertEqual([], self.names(now=1000.0 + WINDOW + DAY - 1))
        self.assertEqual(["one"], self.names(now=1000.0 + WINDOW + DAY))

    def test_at_once(self) -> None:
        """A person may have all that was refused tried again at once, once for each word of his."""
        self.budget.record_refused(candidate(), TWO, 0.0, False)
        at = self.refuse_twice() + WINDOW
        self.assertEqual(["three"], self.names(now=at))
        self.assertEqual([ONE, TWO], list(self.budget.retry(candidate(), at)))
        self.budget = self.make(ONE, TWO)
        self.assertEqual(["one", "two"], self.names(now=at))
        self.budget.record_refused(candidate(), ONE, at, False)
        self.assertEqual(["two"], self.names(now=at))
        self.assertEqual([ONE], list(self.budget.retry(candidate(), at)))
        self.assertEqual(["one"], self.names(now=at))

    def test_never_more_than_two(self) -> None:
        """However often he says so: not before the window has room, nor before the end of a lock."""
        sent = 0
        for _ in range(20):
            self.budget.retry(candidate(), 1000.0)
            for each in self.budget.allowed_logins(candidate(), 1000.0):
                self.budget.record_refused(candidate(), each, 1000.0, False)
                sent += 1
        self.assertEqual(2, sent)
        self.budget.record_lockout(candidate(), 1000.0 + WINDOW)
        self.budget.retry(candidate(), 1000.0 + WINDOW)
        self.assertEqual([], self.names(now=1000.0 + WINDOW))

    def test_what_is_told(self) -> None:
        """Of one that was right once the reason says that it is tried again, and how at once."""
        at = self.refuse_twice()
        told = "one that was right once is tried once a day, and at once by `camdetect login retry`"
        self.assertIn(told, self.budget.explain_wait(candidate(), at + WINDOW))
        self.budget = self.make(TWO)
        self.budget.record_refused(candidate(), TWO, at + WINDOW, False)
        self.assertNotIn("retry", self.budget.explain_wait(candidate(), at + 3 * WINDOW))


class SuccessTests(BudgetCase):
    """A success takes nothing back of what the device has counted."""

    def test_failures_count_on(self) -> None:
        """Refused, accepted, refused, accepted: two failures in the window, and no third."""
        for at in (1000.0, 1060.0):
            self.budget.record_refused(candidate(), ONE, at, False)
            self.budget.record_accepted(candidate(), ONE, at + 1)
            self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["one"], self.names(now=1000.0 + WINDOW))
        self.assertEqual(["one", "two"], self.names(now=1060.0 + WINDOW))

    def test_never_refused_first(self) -> None:
        """The one that is right comes first, then what was never refused here, then the rest."""
        self.budget.record_refused(candidate(), ONE, 0.0, False)
        self.budget.record_accepted(candidate(), ONE, WINDOW)
        self.budget.record_accepted(candidate(), THREE, WINDOW)
        self.budget.record_refused(candidate(), ONE, 2 * WINDOW, False)
        self.assertEqual(["three", "two"], self.names(now=4 * WINDOW + DAY))
        self.budget.record_refused(candidate(), THREE, 4 * WINDOW + DAY, False)
        self.budget = self.make(ONE, TWO)
        self.assertEqual(["two", "one"], self.names(now=6 * WINDOW + DAY))


class FingerprintTests(BudgetCase):
    """Fingerprints: slow to guess, and the fast ones of earlier versions replaced without a new chance."""

    OLD = Fingerprints("salt", work=2).old

    def old_state(self, *, purpose: str = "") -> None:
        """As an earlier version saved it: ONE right, TWO refused, and one that is not configured any more refused."""
        gone = self.OLD(login("gone", "canary-9"))
        self.saved["mac 02000000000a"] = json.dumps(
            {
                "failures": {self.OLD(TWO): [1000.0], gone: [1001.0]},
                "spent": {self.OLD(ONE, "snapshot"): [500.0]},
                "good": self.OLD(ONE),
            }
        )

    def test_replaced(self) -> None:
        """What was right is right, what was refused stays refused, the count is the same; no fast one is left."""
        self.old_state()
        for _ in range(2):
            self.budget = self.make(ONE, TWO, THREE)
            self.assertEqual([], self.names(now=1002.0))
            self.assertEqual(["one", "three"], self.names(now=1001.0 + WINDOW))
            self.assertEqual(ONE, self.budget.known_good(candidate()))
            text = "".join(self.saved.values())
            for each, purpose in ((ONE, ""), (ONE, "snapshot"), (TWO, ""), (login("gone", "canary-9"), "")):
                self.assertNotIn(self.OLD(each, purpose), text)

    def test_purposes(self) -> None:
        """What was sent for a picture a moment ago is not sent again."""
        self.old_state()
        self.budget = self.make(ONE, TWO, THREE)
        charging = self.budget.charge_purpose(candidate(), ONE, 1001.0 + WINDOW, "snapshot")
        self.assertTrue(self.successResultOf(Deferred.fromCoroutine(charging)))
        self.saved["mac 02000000000a"] = json.dumps(
            {"spent": {self.OLD(ONE, "snapshot"): [500.0]}, "good": self.OLD(ONE)}
        )
        self.budget = self.make(ONE, TWO, THREE)
        charging = self.budget.charge_purpose(candidate(), ONE, 501.0, "snapshot")
        self.assertFalse(self.successResultOf(Deferred.fromCoroutine(charging)))

    def test_slow(self) -> None:
        """One is made by scrypt with 16 MiB, once for each login, and before it is needed."""
        budget = LoginBudget([ONE, TWO], salt="another", save=self.saved.__setitem__)
        made: list[str] = []

        async def elsewhere(one: Login) -> None:
            made.append(budget.fingerprints.of(one))

        logins = ConfiguredLogins([ONE, TWO], prepare=elsewhere)
        self.successResultOf(Deferred.fromCoroutine(logins.prepare_first()))
        stretched = hashlib.scrypt(b"one\0canary-1", salt=b"camdetect\0another", n=2**14, r=8, p=1, dklen=32)
        self.assertEqual("s" + hashlib.blake2b(b"", key=stretched, digest_size=12).hexdigest(), made[0])
        self.assertEqual(2, len(set(made)))
        before = _stretch.cache_info().misses
        budget.record_refused(candidate(), ONE, 1000.0, False)
        budget.record_accepted(candidate(), TWO, 1000.0)
        self.assertEqual(before, _stretch.cache_info().misses)
