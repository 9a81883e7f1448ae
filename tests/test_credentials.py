"""Who may try which login, and when: no camera may be locked by us."""

from __future__ import annotations

import json
from ipaddress import ip_network

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, candidate, login
from twisted_detector.inspection import credentials
from twisted_detector.inspection.credentials import DAY, MAX_FAILURES, WINDOW, LoginBudget
from twisted_detector.model import Candidate, Login

ONE, TWO, THREE = login("one", "canary-1"), login("two", "canary-2"), login("three", "canary-3")


class BudgetCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.saved: dict[str, str] = {}
        self.budget = self.make(ONE, TWO, THREE)

    def make(self, *logins: Login, confirmed: str = "") -> LoginBudget:
        budget = LoginBudget(
            logins,
            confirmed=[ip_network(confirmed)] if confirmed else (),
            salt="salt",
            save=self.saved.__setitem__,
        )
        budget.restore(self.saved)
        return budget

    def names(self, one: Candidate | None = None, now: float = 1000.0) -> list[str]:
        return [each.name for each in self.budget.allowed(one or candidate(), now)]


class SpendingTests(BudgetCase):
    def test_at_most_two(self) -> None:
        """Of three logins two may be tried, in the order of the configuration."""
        self.assertEqual(["one", "two"], self.names())

    def test_one_failure_per_login_and_two_per_window(self) -> None:
        """A refused login is never tried again; after two refusals nothing is, for half an hour."""
        self.budget.refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(["two"], self.names(now=1001.0))
        self.budget.refused(candidate(), TWO, 1010.0, False)
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["three"], self.names(now=1010.0 + WINDOW))
        self.budget.refused(candidate(), THREE, 1010.0 + WINDOW, False)
        self.assertEqual([], self.names(now=1e9))

    def test_devices_are_apart(self) -> None:
        """What one device refused may be tried on another."""
        self.budget.refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.6", B)))

    def test_a_move_is_no_new_chance(self) -> None:
        """A device keeps its sheet at its next address; who comes to the old one has a clean one."""
        self.budget.refused(candidate("10.0.0.5", A), ONE, 1000.0, False)
        self.assertEqual(["two"], self.names(candidate("10.0.0.99", A)))
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.5", B)))

    def test_learning_the_mac_is_no_new_chance(self) -> None:
        """What was refused before the MAC was known stays refused after."""
        self.budget = self.make(ONE, TWO, confirmed="10.0.0.0/24")
        for reference in ("", "r"):
            self.budget.refused(candidate("10.0.0.5", None, reference), ONE, 1000.0, False)
            self.assertEqual(["two"], self.names(candidate("10.0.0.5", A, reference)))
        self.assertEqual(["two"], self.names(candidate("10.0.0.77", A, "r")))

    def test_a_forged_reference_spends_its_own(self) -> None:
        """A device that lies about its EndpointReference bars no login from the one whose it is."""
        self.budget.refused(candidate("10.0.0.66", B, "r"), ONE, 1000.0, True)
        self.assertEqual(["one", "two"], self.names(candidate("10.0.0.5", A, "r")))

    def test_lock_word(self) -> None:
        """When the device says that it locks, nothing is tried for half an hour, of any login."""
        self.budget.refused(candidate(), ONE, 1000.0, True)
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["two", "three"], self.names(now=1000.0 + WINDOW))

    def test_last_success_first(self) -> None:
        """The login that worked comes first, and success clears its own failure only."""
        self.budget.accepted(candidate(), THREE, 1000.0)
        self.assertEqual(["three", "one"], self.names())
        self.budget.refused(candidate(), ONE, 1000.0, False)
        self.assertEqual(["three"], self.names())

    def test_second_chance(self) -> None:
        """One that had worked is tried once more when the window is over; refused again, it is barred."""
        self.budget.accepted(candidate(), ONE, 1000.0)
        self.budget.refused(candidate(), ONE, 2000.0, False)
        self.assertEqual(["two"], self.names(now=2000.0 + WINDOW - 1))
        self.assertIn("one", self.names(now=2000.0 + WINDOW))
        self.budget.refused(candidate(), ONE, 2000.0 + WINDOW, False)
        self.assertNotIn("one", self.names(now=1e9))
        self.budget.accepted(candidate(), TWO, 1e9)
        self.assertNotIn("one", self.names(now=2e9))

    def test_changed_password(self) -> None:
        """A login with another password is another one."""
        self.budget.refused(candidate(), ONE, 1000.0, False)
        self.budget = self.make(login("one", "new"))
        self.assertEqual(["one"], self.names(now=1001.0))

    def test_clock_that_jumps(self) -> None:
        """A stamp from the future counts half an hour from now, not for years; the login stays barred."""
        self.budget.refused(candidate(), ONE, 1e9, True)
        self.assertEqual([], self.names(now=1000.0))
        self.assertEqual([], self.names(now=1000.0 + WINDOW - 1))
        self.assertEqual(["two", "three"], self.names(now=1000.0 + WINDOW))


class PurposeTests(BudgetCase):
    """A login that is let in, tried for something else."""

    def risked(self, one: Login = ONE, now: float = 1000.0) -> bool:
        return self.budget.may_be_risked(candidate(), one, now, "pictures")

    def test_refused_for_one_purpose(self) -> None:
        """A refusal for a purpose bars the login for that alone, for a day, after a restart too."""
        self.budget.accepted(candidate(), ONE, 1000.0)
        self.assertTrue(self.risked())
        self.budget.refused(candidate(), ONE, 1000.0, False, "pictures")
        self.assertEqual(["one"], self.names())
        self.assertFalse(self.risked(now=1000.0 + DAY - 1))
        self.assertTrue(self.risked(now=1000.0 + DAY))
        saved = dict(self.saved)
        self.budget = self.make(ONE, TWO)
        self.budget.restore(saved)
        self.assertFalse(self.risked(now=2000.0))

    def test_room_is_left(self) -> None:
        """It is not tried while a refusal would use up the room that the device has for other logins."""
        self.budget.refused(candidate(), TWO, 1000.0, False)
        self.budget.accepted(candidate(), ONE, 1000.0)
        self.assertFalse(self.risked())
        self.assertTrue(self.risked(now=1000.0 + WINDOW))

    def test_what_may_not_be_tried_at_all(self) -> None:
        """A login that is barred, or a device that locks, is not tried for a purpose either."""
        self.budget.refused(candidate(), ONE, 1000.0, False)
        self.assertFalse(self.risked(now=1e6))
        self.budget.refused(candidate(), THREE, 1e6, True, "pictures")
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
        self.budget.refused(candidate(), ONE, 1000.0, False)
        self.budget.accepted(candidate(), TWO, 1000.0)
        text = "".join(self.saved.values())
        self.assertNotIn("canary", text)
        self.assertNotIn('"one"', text)
        before = dict(self.saved)
        other = LoginBudget([ONE], salt="other", save=self.saved.__setitem__)
        other.refused(candidate(), ONE, 1000.0, False)
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
            for each in self.budget.allowed(candidate(), 1000.0 + turn):
                self.budget.refused(candidate(), each, 1000.0 + turn, False)
                tried += 1
        self.assertEqual(2, tried)

    def test_success_and_locks_survive(self) -> None:
        """The last success and a lock are known after a restart."""
        self.budget.accepted(candidate(), THREE, 1000.0)
        self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual(["three", "one"], self.names())
        self.budget.refused(candidate(), ONE, 1000.0, True)
        self.budget = self.make(ONE, TWO, THREE)
        self.assertEqual([], self.names(now=1001.0))

    def test_broken_entries(self) -> None:
        """An entry that cannot be read is forgotten; the others stay."""
        self.budget.refused(candidate(), ONE, 1000.0, False)
        for number, text in enumerate(
            ("", "[", "[]", "null", '{"failures":[]}', '{"failures":{"a":"x"}}', '{"failures":{"a":NaN}}',
             '{"locked_until":Infinity}', '{"locked_until":null}', '{"failures":{"a":true}}', "[" * 100_000)
        ):  # fmt: skip
            self.saved[f"mac {number}"] = text
        self.budget = self.make(ONE, TWO)
        self.assertEqual(["two"], self.names(now=1001.0))
        self.assertEqual(1, len(self.budget._sheets))

    def test_bounds(self) -> None:
        """A flood of devices, or of credentials on one, is remembered within bounds; the latest stay."""
        self.patch(credentials, "MAX_REMEMBERED", 100)
        for number in range(1000):
            device = candidate(f"10.{number // 250}.0.{number % 250}", None, f"r{number}")
            self.budget.refused(device, ONE, 1000.0, True)
            self.budget.accepted(device, TWO, 1000.0)
        self.assertEqual(100, len(self.budget._sheets))
        self.budget = self.make(ONE)
        self.assertEqual(100, len(self.budget._sheets))
        for number in range(500):
            self.budget.refused(candidate(), login("n", str(number)), 1000.0 + number, False)
        self.assertLessEqual(len(self.budget._sheets["mac 02000000000a"].failures), credentials.MAX_MARKS)
        self.assertLess(len(self.saved["mac 02000000000a"]), 4096)

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
            for each in budget.allowed(device, now):
                if each.name in right:
                    budget.accepted(device, each, now)
                    worked.add(each.name)
                    break
                refusals.append((steady, each.name))
                budget.refused(device, each, now, locks)
                if locks:
                    break
            for name in ("one", "two", "three"):
                self.assertLessEqual([who for _, who in refusals].count(name), 1)
            recent = [at for at, _ in refusals if steady - at < WINDOW]
            self.assertLessEqual(len(recent), MAX_FAILURES)
