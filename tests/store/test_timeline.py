"""What a stretch of time looks like: no hole, nothing backwards, few segments that tell of many; the week's sums."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.history import CELL, CELLS, WEEK, Condition, DaemonLife, Segment, StateChange
from twisted_detector.store.timeline import MAX_SEGMENTS, Week, gaps, in_segments, pieces

UNOBSERVED, ONLINE, TROUBLE, OFFLINE = Condition
DAY = 86_400.0


def change(number: int, at: float, status: str, address: str = "") -> StateChange:
    return StateChange(number, "cam", at, status, "", "", address)


def segments(
    changes: list[StateChange], away: list[tuple[float, float]], begin: float, end: float, *, most: int = MAX_SEGMENTS
) -> list[Segment]:
    return in_segments(pieces(changes, away, begin, end), most=most)


def told(found: list[Segment]) -> list[tuple[float, float, str]]:
    return [(one.begin, one.end, one.status) for one in found]


class Segments(SynchronousTestCase):
    def test_without_a_hole(self) -> None:
        """Each state lasts to the next change; before the first change it was not observed."""
        changes = [change(1, 10.0, "online"), change(2, 30.0, "auth_required"), change(3, 60.0, "offline")]
        found = segments(changes, [], 0.0, 100.0)
        self.assertEqual(
            [
                (0.0, 10.0, "unobserved"),
                (10.0, 30.0, "online"),
                (30.0, 60.0, "auth_required"),
                (60.0, 100.0, "offline"),
            ],
            told(found),
        )
        self.assertEqual([UNOBSERVED, ONLINE, TROUBLE, OFFLINE], [one.condition for one in found])

    def test_asleep(self) -> None:
        """While a battery camera sleeps it is not observed: neither well nor in trouble."""
        found = segments([change(1, 0.0, "online"), change(2, 30.0, "sleeps")], [], 0.0, 100.0)
        self.assertEqual([ONLINE, UNOBSERVED], [one.condition for one in found])
        self.assertEqual("sleeps", found[1].status)

    def test_nothing_known(self) -> None:
        """Without any change it was not observed at all."""
        self.assertEqual([(5.0, 9.0, "unobserved")], told(segments([], [], 5.0, 9.0)))

    def test_the_daemon_was_away(self) -> None:
        """Between two runs it was not observed, not offline; the state that it had goes on with the next run."""
        lives = [DaemonLife(1, 0.0, 400.0), DaemonLife(2, 1000.0, 1000.0)]
        found = segments([change(1, 100.0, "online")], gaps(lives, 2000.0), 50.0, 2000.0)
        self.assertEqual(
            [(50.0, 100.0, "unobserved"), (100.0, 400.0, "online"), (400.0, 1000.0, "unobserved"),
             (1000.0, 2000.0, "online")], told(found),
        )  # fmt: skip

    def test_a_restart(self) -> None:
        """A gap of less than a minute is none."""
        lives = [DaemonLife(1, 0.0, 400.0), DaemonLife(2, 459.0, 500.0)]
        found = segments([change(1, 0.0, "online")], gaps(lives, 600.0), 0.0, 600.0)
        self.assertEqual([(0.0, 600.0, "online")], told(found))

    def test_the_clock_was_set_back(self) -> None:
        """A stamp that is later than that of a later change counts as that one: no segment goes backwards."""
        changes = [change(1, 10.0, "online"), change(2, 900.0, "offline"), change(3, 50.0, "online")]
        self.assertEqual([(0.0, 10.0, "unobserved"), (10.0, 100.0, "online")], told(segments(changes, [], 0.0, 100.0)))
        changes[2] = change(3, 50.0, "busy")
        self.assertEqual([(10.0, 50.0, "online"), (50.0, 100.0, "busy")], told(segments(changes, [], 10.0, 100.0)))
        lives = [DaemonLife(1, 0.0, 9000.0), DaemonLife(2, 300.0, 300.0)]
        self.assertEqual([(-float("inf"), 0.0)], gaps(lives, 400.0))

    def test_a_move_begins_a_segment(self) -> None:
        """What goes on is one segment, until the camera moves."""
        changes = [change(1, 10.0, "online"), change(2, 20.0, "online"), change(3, 30.0, "online", "192.0.2.9")]
        found = segments(changes, [], 10.0, 50.0)
        self.assertEqual([(10.0, 30.0, "online"), (30.0, 50.0, "online")], told(found))
        self.assertEqual("192.0.2.9", found[1].address)

    def test_coalesced(self) -> None:
        """Of ten thousand changes at most 500 segments, which have all the seconds and the worst state of what they
        stand for, and say of how many."""
        dice = random.Random(5)
        at, changes = 0.0, []
        for number in range(10_000):
            at += dice.choice((1.0, 30.0, 600.0))
            changes.append(change(number, at, ("online", "offline", "stream_error")[number % 3]))
        whole = segments(changes, [], 0.0, at + 100, most=20_000)
        found = segments(changes, [], 0.0, at + 100)
        self.assertLessEqual(len(found), MAX_SEGMENTS)
        self.assertEqual(len(whole), sum(one.merged for one in found))
        for number in range(4):
            self.assertAlmostEqual(sum(one.seconds[number] for one in whole), sum(one.seconds[number] for one in found))
        self.assertEqual([one.end for one in found[:-1]], [one.begin for one in found[1:]])
        self.assertTrue(all(one.condition is OFFLINE for one in found if one.seconds[3]))

    def test_long_ones_stay(self) -> None:
        """A flapping hour does not blur the calm days beside it."""
        changes = [change(0, 0.0, "online")]
        changes += [change(n, 3 * DAY + 3.0 * n, ("online", "offline")[n % 2]) for n in range(1, 1201)]
        found = segments(changes, [], 0.0, WEEK)
        self.assertLessEqual(len(found), MAX_SEGMENTS)
        self.assertEqual((0.0, 3 * DAY + 3.0, "online", 1), (*told(found)[0], found[0].merged))


class Weeks(SynchronousTestCase):
    def test_sums(self) -> None:
        """Observed and online seconds, and failures: each end of being online by anything but our own absence."""
        week = Week()
        for at, condition in (
            (0.0, ONLINE), (100.0, OFFLINE), (110.0, ONLINE), (200.0, UNOBSERVED), (300.0, TROUBLE), (310.0, ONLINE),
        ):  # fmt: skip
            week.add(at, condition)
        self.assertEqual(((300.0, 280.0), 2), (week.seconds(400.0), week.failures))
        found = week.summary(400.0)
        self.assertEqual((100.0, 10.0), (found.last_offline, found.last_offline_for))
        self.assertAlmostEqual(280 / 300, found.availability or 0)
        self.assertAlmostEqual(140.0, found.between_failures or 0)

    def test_nothing_known(self) -> None:
        """A ratio of nothing is none."""
        found = Week().summary(1e9)
        self.assertEqual((None, None, "u" * CELLS), (found.availability, found.between_failures, found.cells))

    def test_slides(self) -> None:
        """The sums are those of the last seven days, counted anew or not, whatever came before."""
        dice = random.Random(3)
        week, at, changes = Week(), 1e9, []
        for number in range(3000):
            at += dice.expovariate(1 / 2000)
            condition = dice.choice(list(Condition))
            changes.append(StateChange(number, "cam", at, "stream_error" if condition is TROUBLE else condition.value))
            week.add(at, condition)
            week.advance(at)
        now = at + 50
        whole = segments(changes, [], now - WEEK, now, most=20_000)
        seconds = [sum(one.seconds[number] for one in whole) for number in range(4)]
        observed, online = week.seconds(now)
        self.assertAlmostEqual(sum(seconds[1:]), observed, 3)
        self.assertAlmostEqual(seconds[1], online, 3)
        self.assertAlmostEqual(
            0.0, week.seconds(now + 2 * WEEK)[0] - (WEEK if week.condition is not UNOBSERVED else 0), 3
        )
        self.assertEqual(0, week.failures)

    def test_the_clock_was_set_back(self) -> None:
        """What was said to be later did not last; no sum is negative or longer than the time."""
        week = Week()
        week.add(100.0, ONLINE)
        week.add(900.0, OFFLINE)
        week.add(200.0, TROUBLE)
        self.assertEqual(((150.0, 100.0), 1), (week.seconds(250.0), week.failures))
        self.assertEqual((100.0, 100.0), week.seconds(50.0))

    def test_cells(self) -> None:
        """A cell is as bad as the worst that was observed in it; absence counts only for more than half of it."""
        week, now = Week(), 500_000 * CELL + 1
        for at, condition in (
            (now - 4 * CELL, ONLINE), (now - 3 * CELL + 60, OFFLINE), (now - 3 * CELL + 90, ONLINE),
            (now - 2 * CELL, UNOBSERVED), (now - 0.9 * CELL, TROUBLE), (now - 0.5 * CELL, ONLINE),
        ):  # fmt: skip
            week.add(at, condition)
        found = week.summary(now)
        self.assertEqual(500_000, found.first_cell + CELLS - 1)
        self.assertEqual("u" * (CELLS - 5) + "ofuto", found.cells)
