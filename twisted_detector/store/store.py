"""What must survive a restart goes in; it is on the disk some milliseconds later, and comes out at the next start.

The disk has a thread of its own; the reactor's thread never touches it.

What ``synchronous`` means in SQLite's write-ahead mode: with ``NORMAL`` everything committed survives the end of the
process by any means, ``kill -9`` too; a power cut may take the last commits (never the file). ``FULL`` survives the
power cut as well and pays for it with one flush to the medium for each commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import LocalError, RemoteError, StoreError
from twisted_detector.model import Camera, JournalRecord, Message
from twisted_detector.seams import IStateStore
from twisted_detector.store.batch import Batch
from twisted_detector.store.cameras import dump_camera, load_camera
from twisted_detector.store.database import Database
from twisted_detector.store.schema import read_message, read_record

T = TypeVar("T")

#: Group commit: this many seconds after the first write of a group, or at this many new messages. What only takes
#: messages back waits for the time: a removal that is lost with the process costs a duplicate, never a message.
COMMIT_INTERVAL = 0.015
COMMIT_SIZE = 100
#: Records of one transaction at most: telling the outbox that they are written takes the reactor's thread some 3 ms.
TRANSACTION_SIZE = 5_000
#: Seconds between attempts while the disk takes no writes: doubling from the first to the second.
RETRY_FIRST, RETRY_MOST = 1.0, 30.0


@implementer(IStateStore)
class Store:
    """Cameras, small values and the outbox's journal (:class:`journal.Journal`) in one SQLite file.

    Nothing that goes wrong with the disk raises here: the store goes on in memory, says so (``degraded``,
    ``on_degraded``), tries again, and then writes what has gathered. What gathers is bounded by its owners: one text
    for each camera and value, and never more messages than the outbox keeps.

    :ivar degraded: in plain words why nothing reaches the disk, "" when all is well.
    :ivar on_degraded: called with that text at every change.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        *,
        synchronous: str = "NORMAL",
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
        self.on_degraded: Callable[[str], None] = lambda _text: None
        self.on_committed: Callable[[Sequence[int]], None] = lambda _ids: None
        self.on_renewed: Callable[[], None] = lambda: None
        self._pending = Batch()
        self._writing: Batch | None = None
        self._written_waits: list[Deferred[None]] = []
        self._waits: list[Deferred[None]] = []
        self._idle_waits: list[Deferred[None]] = []
        self._call: Any = None
        self._retry_delay = RETRY_FIRST
        self._state = "new"
        self._join: Any = None

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    async def open(self) -> None:
        """Open the file, or make it. Never fails: see :attr:`degraded`."""
        if self._state != "new":
            raise LocalError("a store is opened once")
        self._state = "open"
        self._pool.start()
        # A reactor that ends without close() must not wait for our thread for ever.
        self._join = self._reactor.addSystemEventTrigger("after", "shutdown", self._pool.stop)
        try:
            await self._in_thread(self._database.open)
        except StoreError as error:
            self._degrade(str(error))

    async def close(self) -> None:
        """Write what is pending, close the file, end the thread. May be called more than once."""
        if self._state != "open":
            return
        self._state = "closing"
        self._cancel()
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
        self._changed()

    def remove(self, ids: Sequence[int]) -> None:
        self._pending.remove(ids)
        self._changed()

    def retain(self, message: Message) -> None:
        self._pending.retained[message.topic] = message
        self._changed()

    def forget(self, topic: str) -> None:
        self._pending.retained[topic] = None
        self._changed()

    async def load_outbox(self) -> tuple[list[JournalRecord], list[Message]]:
        """What an earlier life left behind, for :meth:`outbox.Outbox.restore`: its messages, and what is retained.

        Call it before anything is appended; what cannot be read any more is left out, and counted in the log.
        """
        try:
            rows, retained_rows = await self._in_thread(self._database.outbox)
        except StoreError as error:
            self._degrade(str(error))
            return [], []
        records = [record for row in rows if (record := read_record(row)) is not None]
        retained = [message for row in retained_rows if (message := read_message(row)) is not None]
        unreadable = {row[0] for row in rows} - {record.id for record in records}
        if unreadable:
            self.log.error("{count} saved messages cannot be read and are lost", count=len(unreadable))
            self.remove(sorted(unreadable))
        return records, retained

    # --- IStateStore

    def load_cameras(self) -> Deferred[Sequence[Camera]]:
        return Deferred.fromCoroutine(self._load_cameras())

    async def _load_cameras(self) -> Sequence[Camera]:
        rows = await self._rows("cameras")
        documents: dict[str, str | None] = dict(rows)
        documents |= self._unwritten().cameras
        cameras = []
        for camera_id, text in documents.items():
            if text is None:
                continue
            try:
                cameras.append(load_camera(text))
            except RemoteError as error:
                self.log.error("The saved camera {id} cannot be read: {error}", id=camera_id, error=str(error))
        return cameras

    def save_camera(self, camera: Camera) -> Deferred[None]:
        self._pending.cameras[camera.id] = dump_camera(camera)
        return self._saved()

    def delete_camera(self, camera_id: str) -> Deferred[None]:
        self._pending.cameras[camera_id] = None
        return self._saved()

    def load_values(self, table: str) -> Deferred[Mapping[str, str]]:
        return Deferred.fromCoroutine(self._load_values(table))

    async def _load_values(self, table: str) -> Mapping[str, str]:
        values = {(kind, key): value for kind, key, value in await self._rows("pairs")}
        values |= self._unwritten().values
        return {key: value for (kind, key), value in values.items() if kind == table}

    def save_value(self, table: str, key: str, value: str) -> Deferred[None]:
        try:
            "".join((table, key, value)).encode()
        except UnicodeEncodeError:
            raise LocalError("a value must be valid Unicode", shown=ascii(key)) from None
        self._pending.values[table, key] = value
        return self._saved()

    # --- Reading and writing

    def _in_thread(self, work: Callable[..., T], *args: object) -> Deferred[T]:
        done: Deferred[T] = deferToThreadPool(self._reactor, self._pool, work, *args)
        return done.addBoth(self._said)

    def _said(self, result: T) -> T:
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
        return self._pending.after(self._writing or Batch())

    def _saved(self) -> Deferred[None]:
        """Fires when what was put into the batch is committed, or at once while memory is all there is."""
        self._changed()
        if self.degraded:
            return succeed(None)
        saved: Deferred[None] = Deferred()
        self._waits.append(saved)
        return saved

    def _changed(self) -> None:
        if self._writing is not None or self.degraded or self._state != "open":
            return
        if len(self._pending.appends) >= COMMIT_SIZE:
            self._write()
        elif self._call is None:
            self._call = self._reactor.callLater(COMMIT_INTERVAL, self._due)

    def _due(self) -> None:
        self._call = None
        if self._writing is None and (len(self._pending) or self.degraded):
            self._write()

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _write(self) -> None:
        self._cancel()
        batch, self._pending = self._pending.split(TRANSACTION_SIZE)
        self._writing = batch
        self._written_waits, self._waits = self._waits, []
        writing = self._in_thread(self._database.write, batch)
        writing.addCallbacks(self._written, self._not_written)
        writing.addErrback(lambda failure: self.log.failure("A listener of the store failed", failure=failure))

    def _written(self, new: bool) -> None:
        batch, waits = self._end_of_writing()
        if self.degraded:
            self.log.info("The store writes to {path} again", path=str(self.path))
            self._retry_delay = RETRY_FIRST
            self._tell_degraded("")
        try:
            if new:
                self.on_renewed()
            self.on_committed(tuple(batch.appends))
        finally:
            if len(self._pending):
                self._changed()
        for wait in waits:
            wait.callback(None)

    def _not_written(self, failure: Failure) -> None:
        batch, waits = self._end_of_writing()
        self._pending = self._pending.after(batch)
        if not failure.check(StoreError):
            self.log.failure("The store has a fault of its own", failure=failure)
        self._degrade(failure.getErrorMessage())
        for wait in waits:
            wait.callback(None)

    def _end_of_writing(self) -> tuple[Batch, list[Deferred[None]]]:
        batch, self._writing = self._writing or Batch(), None
        waits, self._written_waits = self._written_waits, []
        idle, self._idle_waits = self._idle_waits, []
        for wait in idle:
            self._reactor.callLater(0, wait.callback, None)
        return batch, waits

    def _degrade(self, why: str) -> None:
        if why != self.degraded:
            self.log.error("Nothing is kept on disk: {why}. The store goes on in memory", why=why)
            self._tell_degraded(why)
        waits, self._waits = self._waits, []
        if self._state == "open":
            self._cancel()
            self._call = self._reactor.callLater(self._retry_delay, self._due)
            self._retry_delay = min(RETRY_MOST, self._retry_delay * 2)
        for wait in waits:
            wait.callback(None)

    def _tell_degraded(self, text: str) -> None:
        self.degraded = text
        self.on_degraded(text)
