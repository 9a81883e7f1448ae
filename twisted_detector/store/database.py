"""SQLite file of the store: writes batches and reads rows. No other module uses SQLite.

Everything here blocks, and is called in the store's thread only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3  # noqa: TID251  the one place
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from twisted_detector.errors import LocalError, StateRefused, StoreError
from twisted_detector.store.batch import Batch
from twisted_detector.store.ownership import why_untrusted
from twisted_detector.store.schema import COLUMNS, TABLES, VERSION, Row, delete, insert, message_row, record_row

T = TypeVar("T")

#: Seconds that a statement waits for another process's lock; the thread waits, not the reactor.
BUSY_TIMEOUT = 2.0
#: The write-ahead log is cut back to this after a burst.
_LOG_OCTETS = 16 * 1024 * 1024
#: Pages of the file that SQLite keeps in this process: those that every commit changes. The kernel has the others too;
#: SQLite's own 2 MB are a twentieth of the daemon, and fill for days.
_CACHE_KILOBYTES = 512
#: Compiled statements that the connection keeps, each with the values that it was given last: those of calm, and the
#: few of a burst until then. With Python's 128 the documents of each largest burst stay for good (1.4 MB in a soak).
_STATEMENTS = 16

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _Corrupt(StoreError):
    """The file is not a database any more."""


def _translated(error: sqlite3.Error | OSError) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    corrupt = code is not None and code & 0xFF in _CORRUPT  # the low byte is the primary result code
    return _Corrupt(str(error)) if corrupt else StoreError(str(error))


class Database:
    """One SQLite file, in write-ahead mode, that no other process uses.

    :ivar notes: lines for the log, which the reactor's side writes.
    """

    def __init__(self, directory: Path, synchronous: str) -> None:
        if synchronous not in ("NORMAL", "FULL"):
            raise LocalError("synchronous is NORMAL or FULL", shown=synchronous)
        self._directory = directory
        self.path = directory / "state.db"
        self._synchronous = synchronous
        self._connection: sqlite3.Connection | None = None
        self._lock = -1
        #: Added to the ids of the outbox: not 0 when the outbox began without having read the file.
        self._base: int | None = None
        self.notes: list[str] = []

    def open(self) -> bool:
        """Open or make the file; returns whether it is new. A corrupt file is set aside, its readable rows are kept.

        :raises StateRefused: somebody else may write there, a file was planted, another process has the directory, or
            a newer camdetect wrote the file.
        :raises StoreError: the directory or the file cannot be used (now).
        """
        try:
            self._lock_directory()
            new = not self.path.exists()
            try:
                self._connection = self._connect(self.path)
            except sqlite3.DatabaseError as error:
                if not isinstance(_translated(error), _Corrupt):
                    raise
                self._set_aside(str(error))
                new = True
            if self._base is None:
                self._base = self._connected().execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()[0]
        except StateRefused:
            self.close()
            raise
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise _translated(error) from None
        return new

    def _lock_directory(self) -> None:
        """Lock the directory: two processes with one outbox would publish everything twice.

        A link to the directory is followed (systemd makes one for ``DynamicUser=``); what counts is what is there.
        """
        if not self._directory.exists():
            self._directory.mkdir(mode=0o700, parents=True)
        found = self._directory.stat()
        if reason := why_untrusted(found, owners={os.geteuid()}):
            raise StateRefused(
                f"{self._directory} {reason}: what camdetect believes and whom it gives a login is kept there. Run it"
                " as the owner of that folder, or name another in STATE_DIR; nobody else may write it (chmod go-w)"
            )
        if self._lock < 0:
            lock = _open_own(self._directory / "lock")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
                os.close(lock)
                raise StateRefused(
                    f"camdetect already runs with STATE_DIR={self._directory}"
                    + (f" (pid {holder})" if holder.isdigit() else "")
                    + ": stop that one, or give this one another STATE_DIR"
                ) from None
            self._lock = lock
            with suppress(OSError):  # a full disk: who comes second is told no pid then
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def _connect(self, path: Path) -> sqlite3.Connection:
        os.close(_open_own(path))  # -wal and -shm get the same mode
        for suffix in ("-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if os.path.lexists(part):
                os.close(_open_own(part))
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StateRefused(
                    f"{path} was written by a newer camdetect (version {version} of the file, this one knows {VERSION}"
                    "): install that one again, or restore a backup of before (camdetect restore)"
                )
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_OCTETS}")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KILOBYTES}")
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                corrupt = sqlite3.DatabaseError(found)
                corrupt.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise corrupt
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            connection.execute("PRAGMA incremental_vacuum").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self.open()
        assert self._connection is not None  # noqa: S101  open() gives one or raises
        return self._connection

    def close(self) -> None:
        """Close the file and let another process have the directory."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                self.notes.append(f"closing {self.path}: {error}")
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _set_aside(self, why: str) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.corrupt-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self._connection = self._connect(self.path)
        saved = self._salvage(aside)
        self.notes.append(f"{self.path} was corrupt ({why}); it is now {aside.name}, {saved} rows were saved from it")

    def _salvage(self, aside: Path) -> int:
        """Copy the rows that can still be read, of each table up to the first that cannot."""
        saved = 0
        try:
            source = sqlite3.connect(f"{aside.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            source.execute("PRAGMA writable_schema = ON")  # or SQLite refuses a file that was cut off
        except sqlite3.Error:
            return 0
        target = self._connected()
        target.execute("BEGIN IMMEDIATE")
        for table in COLUMNS:
            for row in _readable(source, table):
                for statement in insert(table, [row]):
                    try:
                        target.execute(*statement)
                    except sqlite3.IntegrityError:  # not what the table may hold: corrupt as well
                        continue
                    saved += 1
        target.execute("COMMIT")
        source.close()
        return saved

    def write(self, batch: Batch) -> bool:
        """Commit ``batch`` as a whole; returns whether the file is new, so that all its earlier content is gone.

        :raises StoreError: nothing of it was written, as far as can be known.
        """
        new = self._connection is None and self.open()
        try:
            _, renewed = self._repaired(lambda: self._transact(batch))
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            raise _translated(error) from None
        return new or renewed

    def _repaired(self, work: Callable[[], T]) -> tuple[T, bool]:
        """The result of ``work``, and whether it took a new file, for the old one turned out to be corrupt."""
        try:
            return work(), False
        except sqlite3.DatabaseError as error:
            if not isinstance(_translated(error), _Corrupt):
                raise
            self._set_aside(str(error))
            return work(), True

    def _transact(self, batch: Batch) -> None:
        execute = self._connected().execute
        base = self._base or 0
        retained = [message_row(message) for message in batch.retained.values() if message is not None]
        cameras = [(key, text) for key, text in batch.cameras.items() if text is not None]
        execute("BEGIN IMMEDIATE")
        for statements in (
            insert("outbox", [record_row(record, base) for record in batch.appends.values()]),
            delete("outbox", [record_id + base for record_id in batch.removes]),
            insert("retained", retained),
            delete("retained", [topic for topic, message in batch.retained.items() if message is None]),
            insert("cameras", cameras),
            delete("cameras", [key for key, text in batch.cameras.items() if text is None]),
            insert("pairs", [(kind, key, value) for (kind, key), value in batch.values.items()]),
            batch.history.statements(),
        ):
            for statement in statements:
                execute(*statement)
        execute("COMMIT")

    def _roll_back(self) -> None:
        """Roll back and close the connection; a file that was moved or remounted is found by opening it anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.close()
            except sqlite3.Error as error:
                self.notes.append(f"giving up a transaction on {self.path}: {error}")

    def rows(self, table: str) -> list[Row]:
        """All rows of ``table`` in the order of their keys.

        :raises StoreError: it cannot be read (now).
        """
        query = f"SELECT {','.join(COLUMNS[table])} FROM {table} ORDER BY 1"  # noqa: S608 names of ours
        try:
            found, _ = self._repaired(lambda: self._connected().execute(query).fetchall())
        except (sqlite3.Error, OSError) as error:
            raise _translated(error) from None
        return found

    def outbox(self) -> list[Row]:
        """Rows of ``outbox``. The caller knows from now on which ids are taken."""
        found = self.rows("outbox")
        self._base = 0
        return found

    def with_history(self, work: Callable[[Callable[..., sqlite3.Cursor]], T]) -> T:
        """The result of ``work``, which is given what carries a statement out.

        :raises StoreError: the file cannot be used (now); nothing was changed.
        """
        try:
            found, _ = self._repaired(lambda: work(self._connected().execute))
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            raise _translated(error) from None
        return found

    def retained(self, after: str, limit: int) -> list[Row]:
        """Rows of ``retained`` in the order of their topics, from the first after ``after`` on.

        :raises StoreError: they cannot be read (now).
        """
        query = f"SELECT {','.join(COLUMNS['retained'])} FROM retained WHERE topic > ? ORDER BY 1 LIMIT ?"  # noqa: S608 names of ours
        try:
            found, _ = self._repaired(lambda: self._connected().execute(query, (after, limit)).fetchall())
        except (sqlite3.Error, OSError) as error:
            raise _translated(error) from None
        return found


def copy_database(source: Path, target: Path, *, without_logins: bool) -> None:
    """Copy a database while its daemon runs, as it is between two commits, but for the messages that wait for a broker.

    What they say would be untrue when the copy is used.

    :param target: made anew, mode 0600.
    :param without_logins: leave out whatever a password could be guessed from, or stands in.
    :raises StoreError: it cannot be read, or the copy cannot be written.
    """
    try:
        os.close(_open_own(target))
        reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)
        writing = sqlite3.connect(target, isolation_level=None)
        try:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")
            writing.execute("DELETE FROM outbox")
            if without_logins:
                # Frigate's topic may have logins in it (PUBLISH_CREDENTIALS).
                writing.execute("DELETE FROM retained")
                writing.execute("DELETE FROM pairs WHERE kind IN ('login_budget', 'salt')")
            writing.execute("VACUUM")
        finally:
            writing.close()
            reading.close()
    except (sqlite3.Error, OSError) as error:
        raise _translated(error) from None


def check_database(path: Path) -> int:
    """Number of the cameras in a database that this version can use.

    :raises StoreError: it cannot: it is none, damaged, or of a newer version.
    """
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StoreError(
                    f"it is of a newer camdetect (version {version} of the file, this one knows {VERSION})"
                )
            if database.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                raise StoreError("its database is damaged")
            count: int = database.execute("SELECT count(*) FROM cameras").fetchone()[0]
            return count
        finally:
            database.close()
    except (sqlite3.Error, OSError) as error:
        raise _translated(error) from None


def _open_own(path: Path) -> int:
    """A descriptor of a file of ours, made when missing, readable to nobody else whatever its mode was.

    :raises StateRefused: a link stands there, no regular file, or a file of somebody else.
    """
    try:
        # Nothing behind a link is touched; a FIFO that is opened for both directions does not block (fifo(7)).
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StateRefused(f"{path} is a symbolic link, which camdetect never makes: remove it") from None
        raise
    found = os.fstat(handle)
    reason = why_untrusted(found, owners={os.geteuid()}) if found.st_uid != os.geteuid() else ""
    if not stat.S_ISREG(found.st_mode):
        reason = "is no file"
    if reason:
        os.close(handle)
        raise StateRefused(f"{path} {reason}: somebody put it there; look at it, and remove it")
    os.fchmod(handle, 0o600)
    return handle


def _readable(source: sqlite3.Connection, table: str) -> list[Row]:
    """The rows of a table in a corrupt file, up to the first that cannot be read."""
    rows: list[Row] = []
    try:
        for row in source.execute(f"SELECT {','.join(COLUMNS[table])} FROM {table}"):  # noqa: S608 names of ours
            rows.append(row)  # what was read before an error is kept
    except (sqlite3.Error, OverflowError):
        return rows
    return rows
