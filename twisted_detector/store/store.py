"""Store of what must survive a restart: cameras, small values, the outbox's journal.

Rules:

1. The reactor's thread never touches the disk; the one thread of the pool does, and nothing else.
2. A write goes into the pending batch at once, and is committed with the batch; one batch is written at a time.
3. A read of cameras or values sees every write before it, committed or not.
4. No fault of the disk raises: the store goes on in memory and is *degraded* until a later commit succeeds.
5. A directory that somebody else may write is refused, before anything in it is read.

Theory of operation. The first write into an empty batch starts a timer of :data:`COMMIT_INTERVAL`; at its end, or at
:data:`COMMIT_SIZE` new messages, the batch is handed to the thread, and a new one gathers. When the commit fails, the
new batch is put on top of the failed one, and both are tried again after a delay that doubles up to
:data:`RETRY_MOST`; meanwhile every Deferred fires at once, for memory is all there is.

What ``synchronous`` means in SQLite's write-ahead mode: with ``FULL`` everything committed survives ``kill -9`` and a
power cut, for one flush to the medium for each commit, in the store's thread. With ``NORMAL`` it survives ``kill -9``;
a power cut takes what was committed since the last checkpoint, which of a calm daemon are days.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import LocalError, RemoteError, StateRefused, StoreError
from twisted_detector.model import Camera, JournalRecord, Message
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.observers import Observers
from twisted_detector.seams import IStateStore
from twisted_detector.store.batch import Batch
from twisted_detector.store.cameras import dump_camera, load_camera
from twisted_detector.store.database import Database
from twisted_detector.store.history_rows import Execute, HistoryWrites
from twisted_detector.store.schema import read_message, read_record

T = TypeVar("T")

#: What an earlier run left is read 10 ms at a time: a thousand cameras take a fifth of a second, in which MQTT must not
#: stand still.
LOAD_SLICE = TurnBudget(1000, 0.01, time.monotonic)

#: Group commit: this many seconds after the first write of a group, or at this many new messages. A batch that only
#: removes messages waits for the timer: a removal that is lost with the process costs a duplicate, never a message.
COMMIT_INTERVAL = 0.015
COMMIT_SIZE = 100
#: Retained documents of one page: some 2 MB.
RETAINED_PAGE = 1000
#: Records of one transaction at most: the outbox takes the reactor's thread some 3 ms for so many that are committed.
TRANSACTION_SIZE = 5_000
#: Seconds between attempts while the disk takes no writes: doubling from the first to the second.
RETRY_FIRST, RETRY_MOST = 1.0, 30.0


@implementer(IStateStore)
class Store:
    """Cameras, small values and the outbox's journal (:class:`mqtt.seams.Journal`) in one SQLite file.

    What gathers in memory is bounded by its writers: one text for each camera and value, and never more messages than
    the outbox keeps.

    :ivar degraded: in plain words why nothing reaches the disk, "" when all is well.
    :ivar degraded_changed: observers of that text.
    :ivar committed: observers of each commit; they get the ids of its records.
    :ivar renewed: observers of a new file: all that was written before is gone.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        *,
        synchronous: str = "FULL",
        pool: ThreadPool | None = None,
        make_database: Callable[[Path, str], Database] = Database,
    ) -> None:
        """:param directory: made with mode 0700 when missing; the files in it have 0600.

        :raises LocalError: ``synchronous`` is neither NORMAL nor FULL.
        """
        self._reactor = reactor
        self._pool = pool or ThreadPool(1, 1, "store")
        self._database = make_database(directory, synchronous)
        self.degraded = ""
        self.degraded_changed: Observers[[str]] = Observers("a change of the store's state")
        self.committed: Observers[[Sequence[int]]] = Observers("a commit")
        self.renewed: Observers[[]] = Observers("a new file of the store")
        self._pending = Batch()
        self._writing: Batch | None = None
        self._idle_waits: list[Deferred[None]] = []
        self._timer: Any = None
        self._retry_delay = RETRY_FIRST
        self._state = "new"
        self._join: Any = None

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    async def open(self) -> None:
        """Open the file, or make it. A disk that fails is no fault: see ``degraded``.

        :raises StateRefused: as :meth:`Database.open`. The store is closed.
        """
        if self._state != "new":
            raise LocalError("a store is opened once")
        self._state = "open"
        self._pool.start()
        # A reactor that ends without close() must not wait for our thread for ever.
        self._join = self._reactor.addSystemEventTrigger("after", "shutdown", self._pool.stop)
        try:
            await self._in_thread(self._database.open)
        except StateRefused:
            self._state = "closed"
            self._reactor.removeSystemEventTrigger(self._join)
            self._pool.stop()
            raise
        except StoreError as error:
            self._degrade(str(error))

    async def close(self) -> None:
        """Write what is pending, close the file, end the thread. May be called more than once."""
        if self._state != "open":
            return
        self._state = "closing"
        self._cancel_timer()
        for _ in range(2):  # what is being written, then what came meanwhile
            if self._writing is None and len(self._pending):
                self._write()
            if self._writing is not None:
                idle: Deferred[None] = Deferred()
                self._idle_waits.append(idle)
                await idle
        if len(self._pending):
            self.log.error("{count} writes never reached the disk: {why}", count=len(self._pending), why=self.degraded)
        self._state = "closed"
        await self._in_thread(self._database.close)
        self._reactor.removeSystemEventTrigger(self._join)
        self._pool.stop()

    # --- The outbox's journal

    def append(self, record: JournalRecord) -> None:
        self._pending.appends[record.id] = record
        self._schedule_write()

    def remove(self, ids: Sequence[int]) -> None:
        self._pending.remove(ids)
        self._schedule_write()

    def retain(self, message: Message) -> None:
        self._pending.retained[message.topic] = message
        self._schedule_write()

    def forget(self, topic: str) -> None:
        self._pending.retained[topic] = None
        self._schedule_write()

    async def load_outbox(self) -> list[JournalRecord]:
        """The messages in the outbox of an earlier run.

        Call it before anything is appended; records that cannot be read are left out, and counted in the log.
        """
        try:
            rows = await self._in_thread(self._database.outbox)
        except StoreError as error:
            self._degrade(str(error))
            return []
        records: list[JournalRecord] = []
        unreadable: list[int] = []

        def read() -> Iterator[None]:
            for row in rows:
                record = read_record(row)
                if record is None:
                    unreadable.append(row[0])
                else:
                    records.append(record)
                yield

        await self.in_slices(read())
        if unreadable:
            self.log.error("{count} saved messages cannot be read and are lost", count=len(unreadable))
            self.remove(unreadable)
        return records

    async def load_retained(self, take: Callable[[Message], object]) -> None:
        """Give ``take`` each document that the broker had acknowledged in an earlier run, before any is retained anew.

        Some at a time: ten thousand cameras have 100 MB of them.
        """

        def read(rows: Sequence[tuple[Any, ...]]) -> Iterator[None]:
            for row in rows:
                if (message := read_message(row)) is not None:
                    take(message)
                yield

        topic = ""
        while True:
            try:
                rows = await self._in_thread(self._database.retained, topic, RETAINED_PAGE)
            except StoreError as error:
                self._degrade(str(error))
                return
            await self.in_slices(read(rows))
            if len(rows) < RETAINED_PAGE or not isinstance(rows[-1][0], str):
                return
            topic = rows[-1][0]

    async def in_slices(self, steps: Iterator[None]) -> None:
        """Go through ``steps``, so many in a turn that others have theirs."""
        while LOAD_SLICE.advance(steps):
            await deferLater(self._reactor, 0)

    # --- IStateStore

    async def load_cameras(self) -> Sequence[Camera]:
        rows = await self._rows("cameras")
        documents: dict[str, str | None] = dict(rows)
        documents |= self._unwritten().cameras
        cameras: list[Camera] = []
        await self.in_slices(self._load(documents, cameras))
        return cameras

    def _load(self, documents: Mapping[str, str | None], into: list[Camera]) -> Iterator[None]:
        for camera_id, text in documents.items():
            if text is None:
                continue
            try:
                into.append(load_camera(text))
            except RemoteError as error:
                self.log.error("The saved camera {id} cannot be read: {error}", id=camera_id, error=str(error))
            yield

    def save_camera(self, camera: Camera) -> Deferred[None]:
        self._pending.cameras[camera.id] = dump_camera(camera)
        return self._when_committed()

    def delete_camera(self, camera_id: str) -> Deferred[None]:
        self._pending.cameras[camera_id] = None
        return self._when_committed()

    async def load_values(self, table: str) -> Mapping[str, str]:
        values = {(kind, key): value for kind, key, value in await self._rows("pairs")}
        values |= self._unwritten().values
        return {key: value for (kind, key), value in values.items() if kind == table}

    def save_value(self, table: str, key: str, value: str) -> Deferred[None]:
        try:
            "".join((table, key, value)).encode()
        except UnicodeEncodeError:
            raise LocalError("a value must be valid Unicode", shown=ascii(key)) from None
        self._pending.values[table, key] = value
        return self._when_committed()

    # --- The history (history.py)

    def write_history(self, add: Callable[[HistoryWrites], None]) -> None:
        """Let ``add`` add to what is written next of the history."""
        add(self._pending.history)
        self._schedule_write()

    def unwritten_history(self) -> HistoryWrites:
        """What the disk does not have yet of it."""
        return self._pending.history.on_top_of(self._writing.history if self._writing else HistoryWrites())

    async def ask_history(self, work: Callable[[Execute], T]) -> T | None:
        """The result of ``work`` in the store's thread; None while the disk gives none."""
        if self._state != "open":
            return None
        try:
            return await self._in_thread(self._database.with_history, work)
        except StoreError as error:
            self._degrade(str(error))
            return None

    # --- Reading and writing

    def _in_thread(self, work: Callable[..., T], *args: object) -> Deferred[T]:
        done: Deferred[T] = deferToThreadPool(self._reactor, self._pool, work, *args)
        return done.addBoth(self._log_notes)

    def _log_notes(self, result: T) -> T:
        notes, self._database.notes = self._database.notes, []
        for note in notes:
            self.log.error("{note}", note=note)
        return result

    async def _rows(self, table: str) -> list[tuple[Any, ...]]:
        if self._state != "open":
            raise StoreError("the store is not open")
        try:
            return await self._in_thread(self._database.rows, table)
        except StoreError as error:
            self._degrade(str(error))
            return []

    def _unwritten(self) -> Batch:
        return self._pending.on_top_of(self._writing or Batch())

    def _when_committed(self) -> Deferred[None]:
        """A Deferred that fires when the batch is committed, or at once while memory is all there is."""
        self._schedule_write()
        if self.degraded:
            return succeed(None)
        saved: Deferred[None] = Deferred()
        self._pending.waits.append(saved)
        return saved

    def _schedule_write(self) -> None:
        if self._writing is not None or self.degraded or self._state != "open":
            return
        if len(self._pending.appends) >= COMMIT_SIZE:
            self._write()
        elif self._timer is None:
            self._timer = self._reactor.callLater(COMMIT_INTERVAL, self._timer_ended)

    def _timer_ended(self) -> None:
        self._timer = None
        if self._writing is None and (len(self._pending) or self.degraded):
            self._write()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self) -> None:
        self._cancel_timer()
        batch, self._pending = self._pending.split(TRANSACTION_SIZE)
        self._writing = batch
        writing = self._in_thread(self._database.write, batch)
        writing.addCallbacks(self._written, self._not_written)
        writing.addErrback(lambda failure: self.log.failure("A listener of the store failed", failure=failure))

    def _written(self, new: bool) -> None:
        batch = self._finish_writing()
        if self.degraded:
            self.log.info("The store writes to {path} again", path=str(self.path))
            self._retry_delay = RETRY_FIRST
            self._set_degraded("")
        if new:
            self.renewed.notify()
        self.committed.notify(tuple(batch.appends))
        if len(self._pending):
            self._schedule_write()
        batch.fire_waits()

    def _not_written(self, failure: Failure) -> None:
        batch = self._finish_writing()
        self._pending = self._pending.on_top_of(batch)
        if not failure.check(StoreError):
            self.log.failure("The store has a fault of its own", failure=failure)
        self._degrade(failure.getErrorMessage())
        batch.fire_waits()

    def _finish_writing(self) -> Batch:
        batch, self._writing = self._writing or Batch(), None
        idle, self._idle_waits = self._idle_waits, []
        for wait in idle:
            self._reactor.callLater(0, wait.callback, None)
        return batch

    def _degrade(self, why: str) -> None:
        if why != self.degraded:
            self.log.error(
                "Nothing is saved in the state directory (STATE_DIR): {why}."
                " All goes on in memory until it can be written",
                why=why,
            )
            self._set_degraded(why)
        if self._state == "open":
            self._cancel_timer()
            self._timer = self._reactor.callLater(self._retry_delay, self._timer_ended)
            self._retry_delay = min(RETRY_MOST, self._retry_delay * 2)
        self._pending.fire_waits()

    def _set_degraded(self, text: str) -> None:
        self.degraded = text
        self.degraded_changed.notify(text)
