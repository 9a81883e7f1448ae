"""What another node recorded takes the place of what was recorded here, in bounds, and only what it can mean."""

from __future__ import annotations

import json
import math
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.history import WEEK, Condition, ForeignPast, StateChange
from twisted_detector.store.foreign_pasts import (
    MAX_ALL_ROWS,
    MAX_PAST_OCTETS,
    MAX_PAST_ROWS,
    MAX_STAYS,
    ForeignPasts,
    overlaid,
    overlaid_week,
    read_rows,
    unrecorded,
    written_rows,
)
from twisted_detector.store.timeline import Week, pieces

DAY = 86_400.0


def change(at: float, status: str, reason: str = "") -> StateChange:
    return StateChange(0, "cam", at, status, reason)


def past(begin: float, until: float, *changes: StateChange, node: str = "north", camera: str = "cam") -> ForeignPast:
    return ForeignPast(camera, node, begin, until, changes)


class Rows(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        """What is written is read as it was, from the beginning that was asked for on."""
        changes = [change(5.0, "online"), change(20.0, "offline", "no answer"), change(30.0, "unobserved")]
        self.assertEqual(tuple(changes), read_rows("cam", written_rows(changes), 0.0, 100.0))
        self.assertEqual(
            (change(25.0, "offline", "no answer"), change(30.0, "unobserved")),
            read_rows("cam", written_rows(changes), 25.0, 100.0),
        )
        self.assertEqual((changes[0],), read_rows("cam", written_rows(changes), 0.0, 20.0), "after it, we know better")

    def test_bounds(self) -> None:
        """The latest rows are told: no more than so many, of no more than so many octets."""
        many = [change(float(number), "online") for number in range(500)]
        self.assertEqual([MAX_PAST_ROWS, 499.0], [len(written_rows(many)), written_rows(many)[-1][0]])
        long = [change(float(number), "busy", "é" * 400) for number in range(200)]
        written = written_rows(long)
        self.assertLessEqual(len(json.dumps(written)), MAX_PAST_OCTETS + 2)
        self.assertEqual(199.0, written[-1][0])
        self.assertIsNotNone(read_rows("cam", written, 0.0, 1000.0))

    def test_hostile(self) -> None:
        """What no daemon writes is refused as a whole."""
        good: list[Any] = [1.0, "online", "", "", ""]
        self.assertIsNotNone(read_rows("cam", [good], 0.0, 9.0))
        wrong: list[Any] = [
            None, {}, "x", [None], [good[:4]], [[*good, ""]], [good] * (MAX_PAST_ROWS + 1), [good, [0.5, *good[1:]]],
            *([[value, *good[1:]]] for value in (True, "1", None, math.nan, math.inf, 10**400, -(10**400))),
            *([[1.0, value, "", "", ""]] for value in ("lovely", "", 3, ["online"])),
            *([[1.0, "online", value, "", ""]] for value in ("x" * 201, "a\x1b[2J", "a\nb", "\ud800", "\u202e", 7)),
            *([[1.0, "online", "", value, ""]] for value in ("<b>", "x" * 65, None)),
            *([[1.0, "online", "", "", value]] for value in ("10.0.0.1 (yours)", "1" * 65, 1)),
        ]  # fmt: skip
        for given in wrong:
            self.assertIsNone(read_rows("cam", given, 0.0, 9.0), given)


class Laid(SynchronousTestCase):
    def test_over_what_was_away_from_here(self) -> None:
        """While it was another node's, what that one recorded counts; before and after, what we did."""
        own = pieces([change(0.0, "online"), change(50.0, "offline"), change(90.0, "online")], [], 0.0, 100.0)
        laid = overlaid(own, [past(50.0, 90.0, change(60.0, "online"), change(80.0, "busy", "full"))], 0.0, 100.0)
        self.assertEqual(
            [(0.0, 50.0, "online"), (50.0, 60.0, None), (60.0, 80.0, "online"), (80.0, 90.0, "busy"),
             (90.0, 100.0, "online")],
            [(begin, end, one.status if one else None) for begin, end, one in laid],
        )  # fmt: skip

    def test_without_a_hole(self) -> None:
        """Whatever part of it is asked for, the pieces follow one another."""
        own = pieces([change(0.0, "online"), change(50.0, "offline")], [], 0.0, 200.0)
        for begin, end in ((0.0, 200.0), (55.0, 60.0), (70.0, 200.0), (0.0, 65.0), (95.0, 99.0), (150.0, 200.0)):
            clipped = pieces([change(0.0, "online"), change(50.0, "offline")], [], begin, end)
            laid = overlaid(clipped, [past(50.0, 90.0, change(60.0, "online"))], begin, end)
            self.assertEqual((begin, end), (laid[0][0], laid[-1][1]))
            self.assertEqual([one[1] for one in laid[:-1]], [one[0] for one in laid[1:]])
        self.assertEqual(200.0, own[-1][1])

    def test_not_told(self) -> None:
        """Where the other one cannot tell, nothing is shown, with the reason: "offline" would be ours, and wrong."""
        own = pieces([change(0.0, "online"), change(50.0, "offline"), change(90.0, "online")], [], 0.0, 100.0)
        untold = ForeignPast("cam", "north", 50.0, 90.0, None, "node north is away")
        (_, missing, _) = overlaid(own, [untold], 0.0, 100.0)
        assert missing[2] is not None
        self.assertEqual((50.0, 90.0, "unobserved", "node north is away"), (*missing[:2], *missing[2][3:5]))

    def test_week(self) -> None:
        """The bar of a card says the same, and counts its time and its failures."""
        week = Week()
        for at, condition in ((DAY, Condition.ONLINE), (2 * DAY, Condition.OFFLINE), (4 * DAY, Condition.ONLINE)):
            week.add(at, condition)
        told = past(2 * DAY, 4 * DAY, change(2 * DAY, "online"), change(3 * DAY, "stream_error"))
        laid = overlaid_week(week, [told], 5 * DAY)
        self.assertEqual(((4 * DAY, 3 * DAY), 1), (laid.seconds(5 * DAY), laid.failures))
        self.assertEqual(0.0, laid.summary(5 * DAY).last_offline)
        untold = overlaid_week(week, [ForeignPast("cam", "north", 2 * DAY, 4 * DAY)], 5 * DAY)
        self.assertEqual(((2 * DAY, 2 * DAY), 0), (untold.seconds(5 * DAY), untold.failures))
        laid.add(5 * DAY, Condition.OFFLINE)
        self.assertEqual((4 * DAY + 60, 3 * DAY), laid.seconds(5 * DAY + 60), "and goes on")


class Unrecorded(SynchronousTestCase):
    """Which time is asked for."""

    def find(self, *steps: tuple[float, Condition], now: float = 1000.0) -> tuple[float, float] | None:
        week = Week()
        for at, condition in steps:
            week.add(at, condition)
        return unrecorded(week, now, since=0.0, recent=500.0, least=60.0)

    def test_which(self) -> None:
        """From when it was seen here last until it came; all before, of one that was never here."""
        online, offline, trouble = Condition.ONLINE, Condition.OFFLINE, Condition.TROUBLE
        self.assertEqual((0.0, 900.0), self.find((900.0, online)))
        self.assertEqual((0.0, 900.0), self.find((900.0, trouble), (950.0, online)))
        self.assertEqual((300.0, 900.0), self.find((100.0, online), (300.0, offline), (900.0, online)))
        self.assertEqual((300.0, 1000.0), self.find((100.0, online), (300.0, offline)))
        self.assertEqual(
            (300.0, 900.0),
            self.find((100.0, online), (300.0, offline), (400.0, Condition.UNOBSERVED), (900.0, online)),
        )
        self.assertEqual((0.0, 1000.0), unrecorded(None, 1000.0, since=0.0, recent=500.0, least=60.0))

    def test_none(self) -> None:
        """It was seen here all the time, but for moments; or its absence is long past."""
        online, offline = Condition.ONLINE, Condition.OFFLINE
        self.assertIsNone(self.find((0.0, online)))
        self.assertIsNone(self.find((0.0, online), (900.0, offline), (930.0, online)))
        self.assertIsNone(self.find((0.0, online), (100.0, offline), (400.0, online)))


class Table(SynchronousTestCase):
    def setUp(self) -> None:
        self.saved: dict[str, str] = {}
        self.table = ForeignPasts(self.saved.__setitem__)

    def restarted(self) -> ForeignPasts:
        again = ForeignPasts(self.saved.__setitem__)
        again.restore({key: text for key, text in self.saved.items() if text})
        return again

    def test_kept(self) -> None:
        """A restart keeps what was told, and what was not; an answer takes the place of the question."""
        untold = ForeignPast("cam", "north", 1.0, 9.0, None, "node north is away")
        self.table.put(untold)
        self.assertEqual([untold], self.restarted().untold)
        told = past(1.0, 9.0, change(2.0, "online"))
        self.table.put(told)
        self.assertEqual(((told,), []), (self.restarted().of("cam"), self.restarted().untold))

    def test_forgotten(self) -> None:
        """With its camera, or when its time is over."""
        self.table.put(past(1.0, 9.0, change(2.0, "online")))
        self.table.put(past(1.0, 9.0, camera="other"))
        self.table.forget("cam")
        self.table.expire(9.5)
        self.assertEqual({"cam": "", "other": ""}, self.saved)
        self.assertEqual((), self.table.cameras)

    def test_bounds(self) -> None:
        """A camera that is carried about has so many stays, and all cameras together so many rows."""
        for number in range(MAX_STAYS + 2):
            self.table.put(past(float(number), number + 1.0))
        self.assertEqual([2.0, 3.0, 4.0, 5.0], [one.begin for one in self.table.of("cam")])
        rows = tuple(change(float(at), "online") for at in range(MAX_PAST_ROWS))
        for number in range(MAX_ALL_ROWS // MAX_PAST_ROWS + 2):
            self.table.put(past(0.0, WEEK, *rows, camera=f"c{number}"))
        self.assertEqual(MAX_ALL_ROWS // MAX_PAST_ROWS, len(self.table.cameras))
        self.assertEqual(((), ""), (self.table.of("c1"), self.saved["c1"]))

    def test_counted(self) -> None:
        """The rows of all are a running sum, true whatever goes: to put one more does not count them all."""

        class Counted(tuple[StateChange, ...]):
            counts = 0

            def __len__(self) -> int:
                Counted.counts += 1
                return super().__len__()

        rows = tuple(change(float(at), "online") for at in range(MAX_PAST_ROWS))
        self.table.put(ForeignPast("first", "north", 0.0, WEEK, Counted(rows)))
        counts = Counted.counts
        most = MAX_ALL_ROWS // MAX_PAST_ROWS
        for number in range(1, most):
            self.table.put(past(0.0, WEEK, *rows, camera=f"c{number}"))
        self.assertEqual((counts, most), (Counted.counts, len(self.table.cameras)))
        self.table.forget("c1")
        self.table.put(past(0.0, WEEK, *rows[:100], camera="c2"))
        self.table.put(past(0.0, 5.0, *rows[:100], camera="c3", node="west"))
        self.table.expire(6.0)
        table = self.restarted()
        for again in (self.table, table):
            again.put(past(0.0, WEEK, *rows, camera="x"))
            self.assertEqual(most, len(again.cameras))
            again.put(past(0.0, WEEK, *rows[:101], camera="y"))
            self.assertEqual((most, False), (len(again.cameras), "first" in again.cameras))

    def test_clock_set(self) -> None:
        """Stays that this run told of move with the clock, those of an earlier run do not, nor what others recorded."""
        self.table.put(past(100.0, 200.0))
        table = self.restarted()
        table.put(past(100.0, 200.0, change(150.0, "online")))
        table.put(past(1000.0, 1100.0, change(1050.0, "online"), node="west"))
        for _ in range(2):
            table.restamp(25.0)
        stays = table.of("cam")
        self.assertEqual([(100.0, 200.0), (1050.0, 1150.0)], [(one.begin, one.until) for one in stays])
        self.assertEqual([150.0, 1050.0], [one.changes[0].at for one in stays if one.changes])
        self.assertEqual(stays, self.restarted().of("cam"))
        self.restarted().restamp(25.0)
        self.assertEqual(stays, self.restarted().of("cam"), "the run is another")
        table.forget("cam")
        self.assertEqual(set(), table._ours, "what is forgotten is not remembered as ours")

    def test_unreadable(self) -> None:
        """What cannot be read was never told."""
        for text in (
            "",
            "{",
            "[1]",
            "{}",
            '[{"node":"x"}]',
            '[{"node":"x","begin":1,"until":"y","rows":null}]',
            '[{"node":"x","begin":1,"until":1' + "0" * 400 + ',"rows":null}]',
            "[[]]",
        ):
            self.saved["cam"] = text
            self.assertEqual((), self.restarted().of("cam"), text)
