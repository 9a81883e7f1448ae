"""The store: group commits, the outbox, a broken disk, and what is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twisted.internet.defer import Deferred

from tests.store.case import CAMERA, StoreCase, record
from twisted_detector.errors import LocalError, StoreError
from twisted_detector.model import JournalRecord, Message, Priority
from twisted_detector.seams import IStateStore
from twisted_detector.store import store
from twisted_detector.store.database import Database
from twisted_detector.store.schema import read_message, read_record


class GroupCommit(StoreCase):
    def test_interface(self) -> None:
        """It is the state store that the others expect."""
        self.assertTrue(IStateStore.providedBy(self.store))

    def test_after_some_milliseconds(self) -> None:
        """Writes are committed together, at most 20 ms after the first, and told."""
        self.store.append(record(1))
        self.reactor.advance(0.005)
        self.store.append(record(2))
        self.assertEqual((self.disk.batches, self.committed), (0, []))
        self.reactor.advance(0.015)
        self.assertEqual((self.disk.batches, self.committed), (1, [1, 2]))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_after_a_hundred(self) -> None:
        """A hundred writes are committed without waiting."""
        for number in range(100):
            self.store.append(record(number + 1))
        self.assertEqual(len(self.committed), 100)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_removed_before_written(self) -> None:
        """What is removed before it was written costs no write at all."""
        self.store.append(record(1))
        self.store.remove([1])
        self.reactor.advance(1)
        self.assertEqual((self.disk.batches, self.committed), (0, []))

    def test_removed_while_written(self) -> None:
        """What is removed while it is being written is gone after the next commit."""
        self.pool.held = True
        self.store.append(record(1))
        self.reactor.advance(0.02)
        self.store.remove([1])
        self.pool.held = False
        self.pool.release()
        self.reactor.advance(0.02)
        self.next_life()
        self.assertEqual(self.saved(), [])

    def test_one_write_at_a_time(self) -> None:
        """While a group is being written the next one gathers."""
        self.pool.held = True
        for number in range(1, 351):
            self.store.append(record(number))
        self.assertEqual(len(self.pool.waiting), 1)
        self.pool.held = False
        self.pool.release()
        self.assertEqual((self.disk.batches, len(self.committed)), (2, 350))

    def test_large_backlog_in_slices(self) -> None:
        """A backlog is written in transactions of at most 5 000, in order."""
        self.pool.held = True
        for number in range(1, 12_102):
            self.store.append(record(number))
        self.pool.held = False
        self.pool.release()
        self.reactor.advance(0.1)
        self.assertEqual(self.disk.batches, 4)
        self.assertTrue(self.committed == list(range(1, 12_102)), self.committed[:10])

    def test_close_writes(self) -> None:
        """Closing writes what is pending and ends the thread; closing twice is no fault."""
        self.store.append(record(1))
        self.run_now(self.store.close())
        self.run_now(self.store.close())
        self.assertFalse(self.pool.started)
        self.next_life()
        self.assertEqual(self.saved(), [1])

    def test_close_while_writing(self) -> None:
        """Closing waits for the group that is being written, then writes what came meanwhile."""
        self.pool.held = True
        self.store.append(record(1))
        self.reactor.advance(0.02)
        self.store.append(record(2))
        closing = Deferred.fromCoroutine(self.store.close())
        self.assertNoResult(closing)
        self.pool.held = False
        self.pool.release()
        self.reactor.pump([0.01] * 10)
        self.successResultOf(closing)
        self.next_life()
        self.assertEqual(self.saved(), [1, 2])

    def test_synchronous(self) -> None:
        """FULL is the other choice; a third is an error of ours."""
        full = Database(Path(self.mktemp()), "FULL")
        full.open()
        self.addCleanup(full.close)
        with self.assertRaises(LocalError):
            Database(self.directory, "OFF")


class Outbox(StoreCase):
    def test_everything_of_a_message(self) -> None:
        """A message comes back as it was, whatever its fields; so does what is retained."""
        messages = [
            Message("a/ä", bytes(range(256)), 1, False, Priority.CRITICAL, 2.5),
            Message("b", b"", 1, True, Priority.STATE),
            Message("c", b"\0", 0, False, Priority.TELEMETRY, 0.0),
        ]
        for number, message in enumerate(messages, 1):
            self.store.append(JournalRecord(number, message, 1.7e9 + number))
        self.store.retain(messages[1])
        self.reactor.advance(0.1)
        self.next_life()
        records = self.run_now(self.store.load_outbox())
        self.assertEqual([item.message for item in records], messages)
        self.assertEqual([item.queued_at for item in records], [1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3])
        self.assertEqual(self.retained(), [messages[1]])

    def test_retained_by_pages(self) -> None:
        """All that is retained comes back, in the order of its topics, though it is read some at a time."""
        self.patch(store, "RETAINED_PAGE", 7)
        for count in (0, 7, 20):
            for number in range(count):
                self.store.retain(Message(f"a/{number:02}", b"1", retain=True))
            self.reactor.advance(0.1)
            self.next_life()
            self.assertEqual([f"a/{number:02}" for number in range(count)], [item.topic for item in self.retained()])

    def test_retained_is_newest_and_forgotten(self) -> None:
        """Of each topic the newest retained is kept, and none once it is forgotten."""
        for payload in (b"1", b"2"):
            self.store.retain(Message("a", payload, retain=True))
            self.reactor.advance(0.1)
        self.store.retain(Message("b", b"1", retain=True))
        self.store.forget("b")
        self.reactor.advance(0.1)
        self.next_life()
        self.assertEqual([(item.topic, item.payload) for item in self.retained()], [("a", b"2")])

    def test_rows_that_are_none(self) -> None:
        """A row that holds no message is left out, said once, and removed."""
        self.store.append(record(1))
        self.store.append(record(2))
        self.reactor.advance(0.1)
        self.disk._connected().execute("UPDATE outbox SET topic = 'a/#' WHERE id = 1")
        self.next_life()
        self.assertEqual(self.saved(), [2])
        self.reactor.advance(0.1)
        self.next_life()
        self.assertEqual(len(self.disk.rows("outbox")), 1)

    def test_hostile_rows(self) -> None:
        """Rows of wrong types give no message and no exception."""
        good = (1, "t", b"x", 1, 0, 2, None, 1.0)
        self.assertIsNotNone(read_record(good))
        for column in range(len(good)):
            for value in (None, "text", b"bytes", 99, -1.5):
                row = (*good[:column], value, *good[column + 1 :])
                found = read_record(row)
                if found is not None:
                    self.assertIsInstance(found.message, Message)
        self.assertIsNone(read_message((b"t", b"x", 1, 0, 2, None)))
        self.assertIsNone(read_message(("t", "x", 1, 0, 2, None)))
        self.assertIsNone(read_message(("t", b"x", 2, 0, 2, None)))
        self.assertIsNone(read_message(("t", b"x", 1, 0, 9, None)))


class Degraded(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[str] = []
        self.store.degraded_changed.add(self.told.append)

    def test_full_disk(self) -> None:
        """A disk that takes no writes is told once, tried again, and given everything when it works again."""
        self.disk.broken = "database or disk is full"
        self.store.append(record(1))
        saving = self.store.save_camera(CAMERA)
        self.reactor.advance(0.02)
        self.assertEqual(self.store.degraded, "database or disk is full")
        self.assertIsNone(self.successResultOf(saving))
        self.store.append(record(2))
        self.reactor.pump([1.0] * 10)
        self.assertEqual((self.told, self.committed), (["database or disk is full"], []))
        self.disk.broken = ""
        self.reactor.pump([1.0] * 31)
        self.assertEqual((self.told[1:], self.store.degraded), ([""], ""))
        self.assertEqual(self.committed, [1, 2])
        self.next_life()
        self.assertEqual(self.saved(), [1, 2])
        self.assertEqual(self.run_now(self.store.load_cameras()), [CAMERA])

    def test_removed_meanwhile(self) -> None:
        """What was acknowledged while the disk was full is not written afterwards."""
        self.store.append(record(1))
        self.reactor.advance(0.02)
        self.disk.broken = "full"
        self.store.append(record(2))
        self.store.append(record(3))
        self.reactor.advance(0.02)
        self.store.remove([1, 2])
        self.disk.broken = ""
        self.reactor.pump([1.0] * 5)
        self.next_life()
        self.assertEqual(self.saved(), [3])

    def test_retries_slow_down(self) -> None:
        """Attempts come after 1, 2, 4 … seconds, at most 30 apart."""
        self.disk.broken = "full"
        self.store.append(record(1))
        gaps = []
        self.reactor.advance(0.02)
        for _ in range(8):
            (call,) = self.reactor.getDelayedCalls()
            gaps.append(round(call.getTime() - self.reactor.seconds()))
            self.reactor.advance(call.getTime() - self.reactor.seconds())
        self.assertEqual(gaps, [1, 2, 4, 8, 16, 30, 30, 30])

    def test_saving_while_degraded(self) -> None:
        """Who saves while memory is all there is is answered at once, and may read it back."""
        self.disk.broken = "full"
        self.store.append(record(1))
        self.reactor.advance(0.02)
        self.assertIsNone(self.successResultOf(self.store.save_value("session", "n", "7")))
        self.assertEqual(self.run_now(self.store.load_values("session")), {"n": "7"})

    def test_close_while_degraded(self) -> None:
        """Closing tries once more and says what is lost."""
        self.disk.broken = "full"
        self.store.append(record(1))
        self.reactor.advance(0.02)
        self.run_now(self.store.close())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_opened_late(self) -> None:
        """A file that could be opened only later loses nothing of what it held: ids of two lives never meet."""
        self.store.append(record(1, b"old"))
        self.reactor.advance(0.02)
        self.disk.close()
        self.store = self.life()
        self.disk.broken = "locked"
        self.run_now(self.store.open())
        self.assertEqual(self.saved(), [])
        self.store.append(record(1, b"new"))
        self.store.append(record(2, b"acknowledged"))
        self.disk.broken = ""
        self.reactor.pump([1.0] * 31)
        self.store.remove([2])
        self.reactor.advance(0.1)
        self.next_life()
        records = self.run_now(self.store.load_outbox())
        self.assertEqual([item.message.payload for item in records], [b"old", b"new"])

    def test_fault_of_ours(self) -> None:
        """A fault of ours while writing is logged with its traceback and degrades as a fault of the disk does."""
        self.store.append(JournalRecord(1, Message("t", b"x"), 10**400))  # type: ignore[arg-type]
        self.reactor.advance(0.02)
        self.assertNotEqual(self.store.degraded, "")
        self.assertEqual(len(self.flushLoggedErrors()), 1)


class State(StoreCase):
    def test_cameras(self) -> None:
        """Cameras come back as they were saved last; deleted ones do not."""
        self.store.save_camera(CAMERA)
        self.run_now(self.store.save_camera(replace(CAMERA, name="later")))
        self.run_now(self.store.save_camera(replace(CAMERA, id="other")))
        self.run_now(self.store.delete_camera("other"))
        self.next_life()
        self.assertEqual(self.run_now(self.store.load_cameras()), [replace(CAMERA, name="later")])

    def test_values(self) -> None:
        """Values come back by table."""
        self.store.save_value("session", "n", "1")
        self.store.save_value("session", "n", "2")
        self.run_now(self.store.save_value("dialects", "n", "3"))
        self.next_life()
        self.assertEqual(self.run_now(self.store.load_values("session")), {"n": "2"})
        self.assertEqual(self.run_now(self.store.load_values("dialects")), {"n": "3"})

    def test_saved_means_committed(self) -> None:
        """The Deferred of a save fires after the commit, not before."""
        saving = self.store.save_value("a", "b", "c")
        self.assertNoResult(saving)
        self.reactor.advance(0.02)
        self.successResultOf(saving)
        self.next_life()
        self.assertEqual(self.run_now(self.store.load_values("a")), {"b": "c"})

    def test_read_what_is_not_written(self) -> None:
        """What was saved a moment ago is read back although it is not on the disk yet."""
        self.store.save_camera(CAMERA)
        loading = self.store.load_cameras()
        self.assertEqual(self.successResultOf(loading), [CAMERA])

    def test_values_that_cannot_be_written(self) -> None:
        """A value that is no Unicode is refused at the call, and harms no other."""
        with self.assertRaises(LocalError):
            self.store.save_value("a", "b", "\ud800")

    def test_camera_that_cannot_be_read(self) -> None:
        """A broken document costs that camera only."""
        self.run_now(self.store.save_camera(CAMERA))
        self.disk._connected().execute("INSERT INTO cameras VALUES ('broken', '{')")
        self.assertEqual(self.run_now(self.store.load_cameras()), [CAMERA])

    def test_not_open(self) -> None:
        """Reading from a closed store fails."""
        self.run_now(self.store.close())
        self.failureResultOf(self.store.load_cameras(), StoreError)
