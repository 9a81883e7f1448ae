"""The store, on a thread that is no thread: every write happens when the clock is advanced."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError, StoreError
from twisted_detector.model import Camera, Evidence, JournalRecord, Mac, Message, Priority, Proof, Status, Stream
from twisted_detector.seams import IStateStore
from twisted_detector.store.batch import Batch
from twisted_detector.store.cameras import dump_camera, load_camera
from twisted_detector.store.database import Database
from twisted_detector.store.schema import read_message, read_record
from twisted_detector.store.store import Store

CAMERA = Camera(
    id="0011223344aa",
    device_id="dev-1",
    address="192.0.2.7",
    mac=Mac("00:11:22:33:44:aa"),
    name="Türkamera \ud800",
    streams=(Stream("rtsp://192.0.2.7/1", codec="H264", width=1920, fps=12.5, proof=Proof.KEYFRAME, validated=True),),
    capabilities=("ptz",),
    status=Status.ONLINE,
    since=1.5,
    ip_history=(("192.0.2.6", 1.0), ("192.0.2.7", 2.0)),
    methods=("wsdiscovery",),
    evidence=(Evidence("serial", "S1", "onvif", 3.0),),
)


class Reactor(Clock):
    """A clock that has the few other things that a store wants of a reactor."""

    def callFromThread(self, f: Callable[..., object], *args: object, **kwargs: object) -> None:
        f(*args, **kwargs)

    def addSystemEventTrigger(self, phase: str, kind: str, f: Callable[[], object]) -> object:
        return (phase, kind, f)

    def removeSystemEventTrigger(self, trigger: object) -> None:
        pass


class Pool:
    """Does the work at once, or when it is told to."""

    def __init__(self) -> None:
        self.started = self.held = False
        self.waiting: list[Callable[[], None]] = []

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def callInThreadWithCallback(
        self, done: Callable[[bool, Any], None], f: Callable[..., object], *args: object
    ) -> None:
        assert self.started

        def work() -> None:
            try:
                result = f(*args)
            except Exception:
                done(False, Failure())
            else:
                done(True, result)

        if self.held:
            self.waiting.append(work)
        else:
            work()

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


class Disk(Database):
    """A database whose disk can be broken."""

    broken = ""
    batches = 0

    def open(self) -> bool:
        if self.broken:
            raise StoreError(self.broken)
        return super().open()

    def write(self, batch: Batch) -> bool:
        if self.broken:
            raise StoreError(self.broken)
        self.batches += 1
        return super().write(batch)


def record(number: int, payload: bytes = b"x", **more: object) -> JournalRecord:
    return JournalRecord(number, Message("t", payload, **more), 1.7e9)  # type: ignore[arg-type]


class StoreTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "state"
        self.store = self.life()
        self.committed: list[int] = []
        self.store.on_committed = self.committed.extend
        self.run_now(self.store.open())

    def life(self) -> Store:
        self.reactor = Reactor()
        self.pool = Pool()

        def make(directory: Path, synchronous: str) -> Disk:
            self.disk = Disk(directory, synchronous)
            self.addCleanup(self.disk.close)
            return self.disk

        return Store(self.reactor, self.directory, pool=self.pool, make_database=make)  # type: ignore[arg-type]

    def run_now(self, coroutine: Any) -> Any:
        """The result of a coroutine, or Deferred, within a second of the clock."""
        done = coroutine if isinstance(coroutine, Deferred) else Deferred.fromCoroutine(coroutine)
        self.reactor.pump([0.01] * 100)
        return self.successResultOf(done)

    def next_life(self) -> Store:
        """The process was killed: nothing is closed in order, the lock goes with it."""
        self.disk.close()
        self.store = self.life()
        self.run_now(self.store.open())
        return self.store

    def saved(self) -> list[int]:
        records, _ = self.run_now(self.store.load_outbox())
        return [item.id for item in records]


class GroupCommit(StoreTestCase):
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


class Outbox(StoreTestCase):
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
        records, retained = self.run_now(self.store.load_outbox())
        self.assertEqual([item.message for item in records], messages)
        self.assertEqual([item.queued_at for item in records], [1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3])
        self.assertEqual(retained, [messages[1]])

    def test_retained_is_newest_and_forgotten(self) -> None:
        """Of each topic the newest retained is kept, and none once it is forgotten."""
        for payload in (b"1", b"2"):
            self.store.retain(Message("a", payload, retain=True))
            self.reactor.advance(0.1)
        self.store.retain(Message("b", b"1", retain=True))
        self.store.forget("b")
        self.reactor.advance(0.1)
        self.next_life()
        _, retained = self.run_now(self.store.load_outbox())
        self.assertEqual([(item.topic, item.payload) for item in retained], [("a", b"2")])

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


class Degraded(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[str] = []
        self.store.on_degraded = self.told.append

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
        records, _ = self.run_now(self.store.load_outbox())
        self.assertEqual([item.message.payload for item in records], [b"old", b"new"])

    def test_fault_of_ours(self) -> None:
        """A fault of ours while writing is logged with its traceback and degrades as a fault of the disk does."""
        self.store.append(JournalRecord(1, Message("t", b"x"), 10**400))  # type: ignore[arg-type]
        self.reactor.advance(0.02)
        self.assertNotEqual(self.store.degraded, "")
        self.assertEqual(len(self.flushLoggedErrors()), 1)


class Files(StoreTestCase):
    def test_modes(self) -> None:
        """The directory is for us alone, and so is every file in it."""
        self.store.append(record(1))
        self.reactor.advance(0.1)
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.directory.iterdir()}
        self.assertEqual(set(modes), {"state.db", "state.db-wal", "state.db-shm", "lock"})
        self.assertEqual(set(modes.values()), {0o600})

    def test_second_process(self) -> None:
        """A second store on the same directory keeps nothing on disk, and says who is in the way."""
        first = self.store
        self.store = self.life()
        self.run_now(self.store.open())
        self.assertIn("another process", self.store.degraded)
        self.run_now(first.close())
        self.store.append(record(1))
        self.reactor.pump([1.0] * 3)
        self.assertEqual(self.store.degraded, "")

    def test_newer_schema(self) -> None:
        """A file of a newer version is left alone."""
        self.disk._connected().execute("PRAGMA user_version = 99")
        self.next_life()
        self.assertIn("newer", self.store.degraded)
        self.assertEqual([path.name for path in self.directory.glob("*.corrupt*")], [])

    def test_no_database(self) -> None:
        """A file that is no database is set aside and a new one begun."""
        self.run_now(self.store.close())
        (self.directory / "state.db").write_bytes(b"this is no database, " * 500)
        self.next_life()
        self.assertEqual(self.store.degraded, "")
        self.assertTrue((self.directory / "state.db.corrupt-1").exists())
        self.store.append(record(1))
        self.reactor.advance(0.1)
        self.next_life()
        self.assertEqual(self.saved(), [1])

    def test_truncated(self) -> None:
        """A file cut off in the middle is set aside; what can be read of it is kept."""
        self.run_now(self.store.save_camera(CAMERA))
        for number in range(1, 3001):
            self.store.append(record(number, b"x" * 100))
        self.reactor.advance(0.1)
        self.run_now(self.store.close())
        path = self.directory / "state.db"
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        self.next_life()
        self.assertEqual(self.store.degraded, "")
        self.assertTrue((self.directory / "state.db.corrupt-1").exists())
        self.assertEqual(self.run_now(self.store.load_cameras()), [CAMERA])

    def test_corrupt_while_running(self) -> None:
        """Damage that is found while writing gives a new file, and everybody is asked to say everything again."""
        renewed: list[bool] = []
        self.store.on_renewed = lambda: renewed.append(True)
        for number in range(1, 3001):
            self.store.append(record(number, b"x" * 100))
        self.reactor.advance(0.1)
        self.disk._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.disk._connected().execute("PRAGMA shrink_memory")
        path = self.directory / "state.db"
        content = bytearray(path.read_bytes())
        content[8192:] = b"\xff" * (len(content) - 8192)
        path.write_bytes(content)
        self.store.remove(list(range(1, 2000)))
        self.reactor.advance(0.1)
        self.assertEqual((renewed, self.store.degraded), ([True], ""))
        self.store.append(record(4000))
        self.reactor.advance(0.1)
        self.next_life()
        self.assertIn(4000, self.saved())


class State(StoreTestCase):
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


class Documents(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """A camera comes back equal, with every field."""
        default = Camera(id="a", device_id="b", address="c")
        self.assertEqual(load_camera(dump_camera(CAMERA)), CAMERA)
        self.assertEqual(load_camera(dump_camera(default)), default)

    def test_other_versions(self) -> None:
        """Unknown fields are passed over, missing and unreadable ones get their default."""
        document = json.loads(dump_camera(CAMERA))
        document["colour"] = "red"
        document["streams"][0]["bitrate"] = 5
        document["streams"].append({"name": "no url"})
        document["streams"][0]["proof"] = "unheard of"
        document["status"] = "asleep"
        document["mac"] = "nonsense"
        document["channel"] = "one"
        del document["name"]
        camera = load_camera(json.dumps(document))
        stream = replace(CAMERA.streams[0], proof=Proof.UNREACHABLE)
        self.assertEqual(camera, replace(CAMERA, name="", mac=None, status=Status.OFFLINE, streams=(stream,)))

    def test_refused(self) -> None:
        """What is no camera, or one of an unknown version, is refused."""
        for text in ("", "[]", "{}", '{"version":1}', dump_camera(CAMERA).replace('"version":1', '"version":2')):
            with self.subTest(text), self.assertRaises(RemoteError):
                load_camera(text)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """Any damage gives a camera or a RemoteError."""
        document = json.loads(dump_camera(CAMERA))
        key = data.draw(st.sampled_from(sorted(document)))
        document[key] = data.draw(
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            )
        )
        try:
            camera = load_camera(json.dumps(document))
        except RemoteError:
            return
        dump_camera(camera)
