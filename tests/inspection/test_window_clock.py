"""The clock of the login budget: what no step of the wall clock, and no restart, can make go faster."""

from __future__ import annotations

import json
from ipaddress import ip_network
from itertools import pairwise
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import candidate, login
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.inspection.logins.window_clock import SAVE_EVERY, SAVE_SELDOM, WindowClock

LOGINS = tuple(login(f"user{number}", "canary") for number in range(8))
WALL = 1_700_000_000.0


class Machine(SynchronousTestCase):
    """A machine with a wall clock that can be set, and an uptime that cannot."""

    def setUp(self) -> None:
        self.wall, self.uptime, self.boot = WALL, 5000.0, "first"
        self.saved: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        self.budget = LoginBudget(
            LOGINS,
            confirmed=lambda: [ip_network("10.0.0.0/8")],
            salt="s",
            save=self.saved.__setitem__,
            uptime=lambda: self.uptime,
            boot=self.boot,
            work=2,
        )
        self.budget.restore(self.saved)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds

    def reboot(self, *, wall: float, **more: Any) -> None:
        self.wall, self.uptime, self.boot = wall, 20.0, more.get("boot", "second")
        self.start()

    def spend(self) -> int:
        """Every login that may be sent now is refused; how many were."""
        sent = 0
        while allowed := self.budget.allowed_logins(candidate(), self.wall):
            self.budget.record_refused(candidate(), allowed[0], self.wall, False)
            sent += 1
        return sent

    def test_steps_of_the_wall_clock(self) -> None:
        """Two hours forward at a time, and back, in one minute: two logins, not six; restarts in it change nothing."""
        for restarts in (False, True):
            self.setUp()
            sent = 0
            for step in (7200.0, 7200.0, -86_400.0, 31_536_000.0):
                sent += self.spend()
                self.wall += step
                self.passes(10)
                if restarts:
                    self.start()
            self.assertEqual(2, sent)
            self.passes(WINDOW)
            self.assertEqual(2, self.spend())

    def test_the_wait_is_told_by_the_wall_clock(self) -> None:
        """When a login is tried again is told as people will read it on the clock that is right now."""
        self.spend()
        self.wall += 7200.0
        self.assertIn("2023-11-15T00:43:20", self.budget.explain_wait(candidate(), self.wall))

    def test_restart_of_the_machine(self) -> None:
        """What was just before counts as now, however late the wall clock says it is, until it has run half an hour."""
        for wall in (WALL + 86_400.0, 0.0, WALL + 5.0):
            self.setUp()
            self.assertEqual(2, self.spend())
            self.reboot(wall=wall)
            self.assertEqual(0, self.spend())
            self.passes(WINDOW - 40)
            self.assertEqual(0, self.spend(), wall)
            self.passes(40)
            self.assertEqual(2, self.spend(), wall)

    def test_what_is_long_ago(self) -> None:
        """Refusals of a day before the restart of the machine do not count again."""
        self.spend()
        for _ in range(24):
            self.passes(3600.0)
            self.budget.explain_wait(candidate(), self.wall)
        self.assertEqual(2, len(self.budget.allowed_logins(candidate(), self.wall)))
        self.reboot(wall=self.wall + 60.0)
        self.assertEqual(2, len(self.budget.allowed_logins(candidate(), self.wall)))

    def test_restart_of_the_program(self) -> None:
        """While the machine runs on it is known how long the program was away."""
        self.spend()
        self.passes(WINDOW)
        self.start()
        self.assertEqual(2, self.spend())

    def test_a_machine_without_a_name_for_its_start(self) -> None:
        """Where nobody knows whether the machine was restarted, the time away counts for nothing."""
        self.boot = ""
        self.start()
        self.spend()
        self.passes(10 * WINDOW)
        self.start()
        self.assertEqual(0, self.spend())
        self.passes(WINDOW)
        self.assertEqual(2, self.spend())

    def test_the_first_start_with_it(self) -> None:
        """What an earlier version saved by the wall clock is taken over."""
        self.spend()
        del self.saved["clock"]
        self.start()
        self.assertEqual(0, self.spend())
        self.passes(WINDOW)
        self.assertEqual(2, self.spend())

    def writes(self, seconds: float) -> list[float]:
        """The budget is asked every ten seconds; the clock of each time at which it was saved."""
        before, times = self.saved.get("clock"), []
        for _ in range(int(seconds / 10)):
            self.passes(10)
            self.budget.explain_wait(candidate(), self.wall)
            if self.saved["clock"] != before:
                before = self.saved["clock"]
                times.append(json.loads(before)["time"])
        return times

    def test_a_quiet_day(self) -> None:
        """While nothing counts it is saved twelve times a day: each time costs a board's card a commit."""
        self.writes(2 * WINDOW)
        self.assertEqual(12, len(self.writes(86_400)))

    def test_while_something_counts(self) -> None:
        """After a refusal it is saved every ten minutes until the window is over, and once more."""
        self.writes(86_400)
        began = self.wall
        self.spend()
        times = self.writes(SAVE_SELDOM - 100)
        self.assertLess(times[0], began + SAVE_EVERY + 20)
        self.assertEqual([SAVE_EVERY] * (len(times) - 1), [after - before for before, after in pairwise(times)])
        self.assertGreaterEqual(times[-1], began + WINDOW)
        self.assertLess(times[-1], began + WINDOW + SAVE_EVERY + 20)

    def test_restart_of_the_machine_at_any_time(self) -> None:
        """What was refused counts for its window and for no more than it was saved apart, whenever the machine
        restarts; what has ceased to count never does again.
        """
        for before in range(0, 3 * 3600, 370):
            self.setUp()
            self.writes(2 * SAVE_SELDOM - 100)
            self.spend()
            self.writes(before)
            self.reboot(wall=0.0)
            waited = self.uptime  # the machine's start took so long
            while not self.budget.allowed_logins(candidate(), self.wall):
                self.passes(10)
                waited += 10
            self.assertGreaterEqual(before + waited, WINDOW)
            most = max(20.0, WINDOW + SAVE_EVERY + 40 - before)
            self.assertLessEqual(waited, most, f"restarted after {before} s")

    def test_saved_now_and_then(self) -> None:
        """It is written every ten minutes, not at each question; what cannot be read is forgotten."""
        self.budget.explain_wait(candidate(), self.wall)
        before = self.saved["clock"]
        self.passes(SAVE_EVERY - 1)
        self.budget.explain_wait(candidate(), self.wall)
        self.assertEqual(before, self.saved["clock"])
        self.passes(1)
        self.budget.explain_wait(candidate(), self.wall)
        self.assertNotEqual(before, self.saved["clock"])
        for text in (
            "",
            "[",
            "[]",
            "{}",
            '{"time": "x", "boot": "", "uptime": 1}',
            '{"time": NaN, "boot": 1, "uptime": 1}',
        ):
            clock = WindowClock(WINDOW, lambda: 10.0, "first")
            clock.restore(text)
            self.assertEqual(WALL, clock.time(WALL), text)
