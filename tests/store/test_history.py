"""The recorder of changes of state: what is a row, what survives a restart, what is not kept, and what is counted."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred

from tests.store.case import CAMERA, StoreCase
from twisted_detector.events import CameraChanged, CameraForgotten, CameraOffline, CameraRestored, PictureTaken
from twisted_detector.model import Camera, Status, Stream
from twisted_detector.model.cameras import Picture
from twisted_detector.model.history import UNSTEADY, WEEK, ForeignPast, Segment, StateChange
from twisted_detector.store import history, history_rows
from twisted_detector.store.history import ALIVE_INTERVAL, BURST, KEPT, REFILL_SECONDS, CameraHistory

DAY = 86_400.0
ONLINE = replace(CAMERA, address="192.0.2.7", reason="")
OFFLINE = replace(ONLINE, status=Status.OFFLINE, reason="no answer to three checks in a row")
TROUBLE = replace(
    ONLINE, status=Status.STREAM_ERROR, reason="x" * 500, streams=(Stream("rtsp://192.0.2.7/1", code="no_rtp"),)
)


class HistoryCase(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.begin(1.7e9)

    def begin(self, now: float) -> CameraHistory:
        """A run of the daemon begins at ``now``."""
        self.reactor.rightNow = now
        self.history = CameraHistory(self.reactor, self.store)
        self.run_now(self.history.start())
        return self.history

    def restart(self, after: float, *, clean: bool = True) -> CameraHistory:
        """The daemon ends and another begins; its store is closed in order, or the process was killed."""
        now = self.reactor.seconds()
        if clean:
            self.run_now(self.history.stop())
            self.run_now(self.store.close())
            self.store = self.life()
            self.run_now(self.store.open())
        else:
            self.next_life()
        return self.begin(now + after)

    def told(self, camera: Camera, after: float = 1.0) -> None:
        self.reactor.advance(after)
        self.history.handle(CameraChanged(0.0, camera))

    def rows(self) -> list[tuple[object, ...]]:
        """(camera, status, reason, code, address) of each row on the disk."""
        self.reactor.advance(0.1)
        return [row[1:2] + row[3:] for row in self.disk.rows("history")]

    def segments(self, days: float = 1.0) -> list[Segment]:
        now = self.reactor.seconds()
        reading = Deferred.fromCoroutine(self.history.segments(ONLINE.id, now - days * DAY, now))
        self.read_after = self.disk.batches
        found: list[Segment] = self.run_now(reading)
        return found


class Rows(HistoryCase):
    def test_one_a_change(self) -> None:
        """A row for each change of status or address; a reason in bounds; none for other facts and for pictures."""
        self.told(ONLINE)
        self.told(replace(ONLINE, name="Another"))
        self.told(OFFLINE)
        self.history.handle(CameraOffline(0.0, OFFLINE, OFFLINE.reason))
        self.told(TROUBLE)
        self.told(replace(TROUBLE, address="192.0.2.8", reason="y"))
        self.history.handle(PictureTaken(0.0, OFFLINE, Picture(CAMERA.id, b"x", "image/jpeg", 1.0, "snapshot")))
        self.assertEqual(
            [
                (CAMERA.id, "online", "", "", ""),
                (CAMERA.id, "offline", "no answer to three checks in a row", "", ""),
                (CAMERA.id, "stream_error", "x" * 200, "no_rtp", ""),
                (CAMERA.id, "stream_error", "y", "no_rtp", "192.0.2.8"),
            ],
            self.rows(),
        )

    def test_own_word(self) -> None:
        """What the camera says of itself is the code, before that of a stream."""
        self.told(replace(TROUBLE, code="not-activated"))
        self.assertEqual(["not-activated"], [row[3] for row in self.rows()])

    def test_with_the_group_commit(self) -> None:
        """A hundred cameras that change at once are one transaction, not before its time."""
        before = self.disk.batches
        for number in range(100):
            self.history.handle(CameraChanged(0.0, replace(ONLINE, id=f"cam{number}")))
        self.assertEqual(before, self.disk.batches)
        self.assertEqual(100, len(self.rows()))
        self.assertEqual(before + 1, self.disk.batches)

    def test_read_what_is_not_written(self) -> None:
        """A change is seen before it is on the disk."""
        self.told(ONLINE)
        self.told(OFFLINE, 60.0)
        self.assertEqual(60.0, self.history.week(ONLINE.id).online)  # type: ignore[union-attr]
        self.rows()
        before = self.disk.batches
        self.told(ONLINE, 5.0)
        self.reactor.advance(0.005)
        self.assertEqual(["online", "offline", "online"], [one.status for one in self.segments()][1:])
        self.assertEqual(before, self.read_after)

    def test_forgotten(self) -> None:
        """The rows of a camera that is forgotten go, written or not; of one that is found again, only the new ones
        are told."""
        self.told(ONLINE)
        self.rows()
        self.told(OFFLINE)
        self.reactor.advance(60.0)
        self.history.handle(CameraForgotten(0.0, OFFLINE))
        self.assertIsNone(self.history.week(ONLINE.id))
        self.history.handle(CameraChanged(0.0, ONLINE))
        self.reactor.advance(0.005)  # nothing of it is written yet
        self.assertEqual(["unobserved", "online"], [one.status for one in self.segments()])
        self.reactor.advance(1.0)
        self.told(replace(ONLINE, id="other"))
        self.assertEqual([(CAMERA.id, "online"), ("other", "online")], [row[:2] for row in self.rows()])
        self.assertEqual(["unobserved", "online"], [one.status for one in self.segments()])


class Restarts(HistoryCase):
    def test_not_observed(self) -> None:
        """While no daemon ran a camera was not observed; the state that it had goes on, and its row is not repeated."""
        self.told(ONLINE)
        self.reactor.advance(ALIVE_INTERVAL - 10)  # nothing is noted meanwhile but the end
        self.restart(3600.0)
        self.history.handle(CameraRestored(0.0, ONLINE))
        self.reactor.advance(100.0)
        found = self.segments()
        self.assertEqual(["unobserved", "online", "unobserved", "online"], [one.status for one in found])
        self.assertApproximates(3600.0, found[2].end - found[2].begin, 3)
        self.assertApproximates(ALIVE_INTERVAL + 90, self.history.week(ONLINE.id).observed, 5)  # type: ignore[union-attr]
        self.assertEqual(1, len(self.rows()))

    def test_killed(self) -> None:
        """After a kill, what was not noted any more is not observed: five minutes at most."""
        self.told(ONLINE)
        self.reactor.pump([1.0] * int(3 * ALIVE_INTERVAL + 100))
        self.restart(50.0, clean=False)
        away = [one for one in self.segments() if one.status == "unobserved"][1]
        self.assertApproximates(150.0, away.end - away.begin, 5)

    def test_what_changed_meanwhile(self) -> None:
        """A camera that is restored in another state than its last row has a row more."""
        self.told(ONLINE)
        self.restart(300.0)
        self.history.handle(CameraRestored(0.0, OFFLINE))
        self.assertEqual(["online", "offline"], [row[1] for row in self.rows()])
        self.assertEqual(1, self.history.week(ONLINE.id).failures)  # type: ignore[union-attr]

    def test_the_week_is_as_before(self) -> None:
        """What is summed up in the course of a week is what is read of it at the next start."""
        for number in range(60):
            self.told((ONLINE, OFFLINE, TROUBLE)[number % 3], 17_000.0)
            self.reactor.advance(0.1)
        before = self.history.week(ONLINE.id)
        self.restart(0.0)
        after = self.history.week(ONLINE.id)
        assert before is not None
        assert after is not None
        self.assertApproximates(before.online, after.online, 5)
        self.assertApproximates(before.observed, after.observed, 5)
        self.assertEqual((before.failures, before.cells), (after.failures, after.cells))
        self.assertGreater(before.failures, 5)

    def test_a_clock_that_was_wrong(self) -> None:
        """Rows of a clock that ran ahead do not shadow what comes after it was set right."""
        self.told(ONLINE)
        self.rows()
        self.reactor.rightNow += 400 * DAY
        self.told(OFFLINE)
        self.rows()
        self.reactor.rightNow -= 400 * DAY
        self.told(ONLINE, 60.0)
        self.reactor.advance(40.0)
        self.assertEqual(["unobserved", "online"], [one.status for one in self.segments()])
        self.restart(10.0)
        self.assertEqual(["unobserved", "online"], [one.status for one in self.segments()])
        self.assertEqual("online", self.history._known[ONLINE.id].week.condition)


class Quotas(HistoryCase):
    def flap(self, times: int, seconds: float = 1.0) -> None:
        for number in range(times):
            self.told((ONLINE, OFFLINE)[number % 2], seconds)

    def test_a_flapping_camera(self) -> None:
        """It gets so many rows, of which the last says that there are no more; others keep theirs."""
        self.flap(1000)
        self.told(replace(ONLINE, id="calm"))
        found = self.rows()
        self.assertEqual(BURST, len([row for row in found if row[0] == ONLINE.id]))
        self.assertEqual((UNSTEADY, "calm"), (found[-2][1], found[-1][0]))
        self.assertEqual(1000 - BURST + 1, self.history.dropped["camera"])
        self.assertEqual("trouble", self.segments()[-1].condition)

    def test_it_becomes_steady(self) -> None:
        """When it has room again its state is told, though it has not changed any more."""
        self.flap(1001)
        for _ in range(int(3 * REFILL_SECONDS / ALIVE_INTERVAL)):
            self.reactor.advance(ALIVE_INTERVAL)
        self.assertEqual("online", self.rows()[-1][1])
        self.assertEqual("online", self.segments()[-1].status)

    def test_over_a_restart(self) -> None:
        """A restart gives no new quota."""
        self.flap(500)
        self.restart(10.0)
        self.flap(500)
        self.assertEqual(BURST, len(self.rows()))

    def test_in_400_days(self) -> None:
        """The number that the docs tell."""
        self.assertLess(BURST + KEPT / REFILL_SECONDS, 10_000)

    def test_old_rows(self) -> None:
        """After 400 days a row goes, in slices; younger ones stay."""
        self.patch(history_rows, "TRIM_SLICE", 3)
        for number in range(10):
            self.history.handle(CameraChanged(0.0, replace(ONLINE, id=f"cam{number}")))
        self.rows()
        self.reactor.rightNow += KEPT - 10
        self.told(OFFLINE)
        self.assertEqual(11, len(self.rows()))
        self.reactor.advance(ALIVE_INTERVAL)
        self.assertEqual(5, len(self.rows()))  # two slices
        self.reactor.pump([0.2] * 5)
        self.assertEqual([ONLINE.id], [row[0] for row in self.rows()])
        self.assertEqual(0, self.history.dropped["rows"])

    def test_of_all(self) -> None:
        """Beyond the quota of all the oldest rows go, and are counted."""
        self.patch(history, "MAX_ROWS", 4)
        for number in range(10):
            self.history.handle(CameraChanged(0.0, replace(ONLINE, id=f"cam{number}")))
        self.rows()
        self.reactor.advance(ALIVE_INTERVAL)
        self.assertEqual([f"cam{number}" for number in range(6, 10)], [row[0] for row in self.rows()])
        self.assertEqual(6, self.history.dropped["rows"])


class Clocks(HistoryCase):
    """A board without a battery; the clock is set by NTP some minutes after the start."""

    BOOT = 40.0

    def set_clock(self, to: float) -> None:
        by = to - self.reactor.seconds()
        calls = {call: call.getTime() - self.reactor.seconds() for call in self.reactor.getDelayedCalls()}
        self.reactor.rightNow = to
        for call, left in calls.items():  # timers go by a clock that never jumps
            call.reset(left)
        self.history.clock_set(by)

    def test_set_from_1970(self) -> None:
        """What was told before is of minutes ago, not of 1970: observed for so long, and shown."""
        self.begin(self.BOOT)
        self.told(ONLINE)
        self.reactor.advance(300.0)
        self.told(OFFLINE)
        self.reactor.advance(60.0)
        self.set_clock(1.8e9)
        self.reactor.advance(10.0)
        self.assertEqual(["unobserved", "online", "offline"], [one.status for one in self.segments()])
        week = self.history.week(ONLINE.id)
        assert week is not None
        self.assertApproximates(371.0, week.observed, 2)
        self.assertApproximates(301.0, week.online, 2)
        self.assertEqual(1, week.failures)

    def test_the_week_before(self) -> None:
        """A restart with the clock of 1970 leaves the last week as it was, with a gap; old rows are not removed."""
        self.told(ONLINE)
        self.reactor.advance(3600.0)
        ended = self.reactor.seconds()
        self.restart(self.BOOT - ended)
        self.told(OFFLINE)
        self.reactor.advance(2 * ALIVE_INTERVAL)
        self.set_clock(ended + DAY)
        self.reactor.advance(10.0)
        self.assertEqual(
            ["unobserved", "online", "unobserved", "online", "offline"], [one.status for one in self.segments(days=2)]
        )
        week = self.history.week(ONLINE.id)
        assert week is not None
        self.assertApproximates(3600.0, week.online, 5)
        self.assertApproximates(3600.0 + 2 * ALIVE_INTERVAL, week.observed, 20)

    def test_set_back(self) -> None:
        """Of a clock that was years ahead nothing stays in the future."""
        self.begin(2.5e9)
        self.told(ONLINE)
        self.reactor.advance(100.0)
        self.set_clock(1.8e9)
        self.reactor.advance(10.0)
        self.assertEqual(["unobserved", "online"], [one.status for one in self.segments()])
        self.assertApproximates(110.0, self.history.week(ONLINE.id).online, 2)  # type: ignore[union-attr]

    def test_stays_elsewhere(self) -> None:
        """When a camera was at another node moves with all else that this run has told."""
        now = self.reactor.seconds()
        self.history.take_past(ForeignPast(ONLINE.id, "north", now - DAY, now - 60.0))
        self.assertEqual(now - DAY, self.history.stays(ONLINE.id)[0].begin)
        self.set_clock(now + 3600.0)
        self.reactor.advance(10.0)
        (stay,) = self.history.stays(ONLINE.id)
        self.assertEqual((now + 3600.0 - DAY, now + 3540.0), (stay.begin, stay.until))

    def test_followed(self) -> None:
        """Who waits for right stamps is told when they are: then it shows for how long a camera was not seen here."""
        self.told(ONLINE)
        self.reactor.advance(3600.0)
        ended = self.reactor.seconds()
        self.restart(self.BOOT - ended)
        self.told(OFFLINE)
        missing: list[tuple[float, float] | None] = []
        self.history.restamped.add(lambda: missing.append(self.history.unrecorded(ONLINE.id)))
        self.set_clock(ended + 4 * 3600.0)
        self.reactor.advance(10.0)
        ((begin, until),) = filter(None, missing)
        self.assertApproximates(ended, begin, 10)
        self.assertApproximates(ended + 4 * 3600.0, until, 10)

    def test_what_is_told_meanwhile(self) -> None:
        """A change that comes while the week is read again is kept, and one that is not on the disk yet is moved."""
        self.begin(self.BOOT)
        self.told(ONLINE)
        self.reactor.advance(0.005)
        self.set_clock(1.8e9)
        self.history.handle(CameraChanged(0.0, OFFLINE))
        self.reactor.advance(10.0)
        self.assertEqual(["unobserved", "online", "offline"], [one.status for one in self.segments()][:3])
        self.assertTrue(all(row[2] > 1.7e9 for row in self.disk.rows("history")))


class Disks(HistoryCase):
    def test_full(self) -> None:
        """While the disk takes nothing the week is known all the same; what waits is written later."""
        self.told(ONLINE)
        self.rows()
        self.disk.broken = "database or disk is full"
        self.told(OFFLINE, 60.0)
        self.reactor.advance(0.1)
        self.assertIn("disk is full", self.store.degraded)
        self.assertEqual(1, self.history.week(ONLINE.id).failures)  # type: ignore[union-attr]
        self.disk.broken = ""
        self.reactor.pump([1.0] * 60)
        self.assertEqual(["online", "offline"], [row[1] for row in self.rows()])

    def test_full_for_long(self) -> None:
        """What waits is bounded; the oldest is lost, and counted."""
        self.patch(history_rows, "MAX_UNWRITTEN", 5)
        self.disk.broken = "database or disk is full"
        self.reactor.advance(0.1)
        for number in range(12):
            self.history.handle(CameraChanged(0.0, replace(ONLINE, id=f"cam{number}")))
            self.reactor.advance(60.0)
        self.assertLessEqual(len(self.store.unwritten_history().changes), 5)
        self.assertEqual(7, self.history.dropped["disk"])

    def test_unreadable_at_the_start(self) -> None:
        """A disk that cannot be read at the start: the past is empty, the daemon goes on, and no row is overwritten."""
        self.told(ONLINE)
        self.told(OFFLINE)
        self.rows()
        self.run_now(self.history.stop())
        self.run_now(self.store.close())
        self.store = self.life()
        self.disk.broken = "input/output error"
        self.run_now(self.store.open())
        self.begin(1.7e9 + 300)
        self.assertIsNone(self.run_now(self.history.segments(ONLINE.id, 0.0, 1.7e9)))
        self.disk.broken = ""
        self.told(ONLINE)
        self.reactor.pump([1.0] * 60)
        self.assertEqual(["online", "offline", "online"], [row[1] for row in self.rows()])

    def test_hostile_rows(self) -> None:
        """Rows that are none are passed over."""
        self.told(ONLINE)
        self.rows()
        for statement in (
            "INSERT INTO history VALUES (900, '0011223344aa', 'soon', 'online', '', '', '')",
            "INSERT INTO history VALUES (901, '0011223344aa', 1.7e9, 'online', x'00', '', '')",
            "INSERT INTO lives VALUES (900, 'then', 0)",
        ):
            self.disk.with_history(lambda execute, statement=statement: execute(statement))  # type: ignore[misc]
        self.restart(10.0)
        self.assertEqual("online", self.segments()[-1].status)

    def test_corrupt(self) -> None:
        """The rows of a file that is damaged are saved with the others, as far as they can be read."""
        self.told(ONLINE)
        self.rows()
        self.run_now(self.history.stop())
        self.run_now(self.store.close())
        data = bytearray(self.store.path.read_bytes())
        data[0:16] = b"SQLite format 4\0"
        self.store.path.write_bytes(data)
        self.store = self.life()
        self.run_now(self.store.open())
        self.begin(1.7e9 + 3600)
        self.told(OFFLINE)
        self.assertEqual("offline", self.rows()[-1][1])
        self.assertEqual("", self.store.degraded)


class Bounds(HistoryCase):
    def test_only_the_week_in_memory(self) -> None:
        """A restart reads the state in which the week began, and the week's rows: no older ones."""
        for number in range(50):
            self.told((ONLINE, OFFLINE)[number % 2], DAY)
            self.reactor.advance(0.1)
        self.restart(0.0)
        self.assertLessEqual(len(self.history._known[ONLINE.id].week._at), WEEK / DAY + 2)
        self.assertEqual(50, len(self.segments(60)) - 1)


class OtherNodes(HistoryCase):
    """A camera that another node published before."""

    def came(self) -> tuple[float, float]:
        """It was there for a day, and came here an hour ago."""
        self.reactor.advance(DAY)
        now = self.reactor.seconds()
        self.told(ONLINE)
        self.reactor.advance(3600.0)
        return now - DAY, now + 1.0

    def test_from_there(self) -> None:
        """What is told is in the bar and in the segments, before what was recorded here, and after a restart, too."""
        begin, until = self.came()
        now = self.reactor.seconds()
        self.assertEqual((now - WEEK, until), self.history.unrecorded(ONLINE.id))
        offline = StateChange(0, ONLINE.id, begin + 3600.0, "offline", "no answer")
        self.history.take_past(
            ForeignPast(ONLINE.id, "north", now - WEEK, until, (StateChange(0, ONLINE.id, begin, "online"), offline))
        )
        for _ in range(2):
            self.assertEqual(["unobserved", "online", "offline", "online"], [one.status for one in self.segments(2.0)])
            week = self.history.week(ONLINE.id)
            assert week is not None
            self.assertApproximates(DAY + 3600.0, week.observed, 30.0)
            self.assertApproximates(begin + 3600.0, week.last_offline, 0.01)
            self.assertEqual(1, week.failures)
            self.restart(5.0)
            self.history.handle(CameraRestored(0.0, ONLINE))

    def test_away(self) -> None:
        """As long as the other one is away nothing is shown, and why; that survives a restart."""
        _, until = self.came()
        begin = self.reactor.seconds() - WEEK
        self.history.take_past(ForeignPast(ONLINE.id, "north", begin, until, None, "node north is away"))
        self.restart(5.0)
        self.assertEqual(["node north is away"], [one.reason for one in self.history.untold])
        found = self.segments(2.0)
        self.assertEqual(
            [("unobserved", "node north is away"), ("online", "")], [one[3:5] for one in map(_tuple, found)]
        )

    def test_passed_on(self) -> None:
        """A third node is told what the first one recorded, too."""
        begin, until = self.came()
        self.history.take_past(
            ForeignPast(ONLINE.id, "north", begin, until, (StateChange(0, ONLINE.id, begin, "busy", "full"),))
        )
        asked = Deferred.fromCoroutine(self.history.changes(ONLINE.id, begin - 10.0, self.reactor.seconds()))
        self.reactor.advance(0.1)
        told = self.run_now(asked)
        self.assertEqual(
            [("unobserved", begin - 10.0), ("busy", begin), ("online", until)], [(one.status, one.at) for one in told]
        )

    def test_forgotten(self) -> None:
        """With the camera it is gone."""
        begin, until = self.came()
        self.history.take_past(ForeignPast(ONLINE.id, "north", begin, until))
        self.history.handle(CameraForgotten(0.0, ONLINE))
        self.restart(5.0)
        self.assertEqual(([], None), (self.history.untold, self.history.week(ONLINE.id)))


def _tuple(one: Segment) -> tuple[object, ...]:
    return (one.begin, one.end, one.condition, one.status, one.reason)
