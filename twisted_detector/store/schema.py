"""Messages and records go in and rows of the store's tables come out, and back. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from twisted_detector.errors import LocalError
from twisted_detector.model import JournalRecord, Message, Priority

#: Raised when an older version could not work with the tables any more.
VERSION = 1

TABLES = (
    """CREATE TABLE IF NOT EXISTS outbox (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
        retain INTEGER NOT NULL, priority INTEGER NOT NULL, expires_after REAL, queued_at REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS retained (
        topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL,
        priority INTEGER NOT NULL, expires_after REAL)""",
    "CREATE TABLE IF NOT EXISTS cameras (id TEXT PRIMARY KEY, document TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS pairs (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key))""",
    """CREATE TABLE IF NOT EXISTS history (
        id INTEGER PRIMARY KEY, camera TEXT NOT NULL, at REAL NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
        code TEXT NOT NULL, address TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS history_camera ON history (camera)",
    "CREATE TABLE IF NOT EXISTS lives (id INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL NOT NULL)",
)

#: Columns of each table, in the order of the rows below.
COLUMNS = {
    "outbox": ("id", "topic", "payload", "qos", "retain", "priority", "expires_after", "queued_at"),
    "retained": ("topic", "payload", "qos", "retain", "priority", "expires_after"),
    "cameras": ("id", "document"),
    "pairs": ("kind", "key", "value"),
    "history": ("id", "camera", "at", "status", "reason", "code", "address"),
    "lives": ("id", "began", "ended"),
}

#: Columns of the primary key, the first ones, where it is not one.
_KEY_COLUMNS = {"pairs": 2}

#: Rows of one statement, or keys: SQLite before 3.32 takes 999 variables in one. See :func:`_portions`.
_MAX_ROWS = 64

T = TypeVar("T")

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Any]]


def insert(table: str, rows: Sequence[Row]) -> Iterable[Statement]:
    """Statements that write ``rows`` over those with the same key, as few as can be.

    Each step of SQLite gives Python's lock away and has to win it back from a busy reactor: sixty rows in one
    statement take one step, where ``executemany`` takes sixty.
    """
    columns = COLUMNS[table]
    keys = columns[: _KEY_COLUMNS.get(table, 1)]
    one = f"({','.join('?' * len(columns))})"
    changes = ",".join(f"{name}=excluded.{name}" for name in columns[len(keys) :])
    for part in _portions(rows):
        values = ",".join([one] * len(part))
        yield (
            # "OR REPLACE" would move the row to another page and write that of the index too: four times as much.
            f"INSERT INTO {table} ({','.join(columns)}) VALUES {values}"  # noqa: S608 names of ours
            f" ON CONFLICT ({','.join(keys)}) DO UPDATE SET {changes}",
            [value for row in part for value in row],
        )


def delete(table: str, keys: Sequence[Any]) -> Iterable[Statement]:
    """Statements that delete the rows whose first column is one of ``keys``."""
    for part in _portions(keys):
        marks = ",".join("?" * len(part))
        yield f"DELETE FROM {table} WHERE {COLUMNS[table][0]} IN ({marks})", part  # noqa: S608 names of ours


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of ``items``, each filled up to a power of four with its last item, which is written once more.

    The connection keeps each statement that it has compiled, half a kilobyte for each of its rows. One for each number
    of rows there may be were six megabytes, which grew for hours.
    """
    for start in range(0, len(items), _MAX_ROWS):
        part = items[start : start + _MAX_ROWS]
        full = 4 ** (((len(part) - 1).bit_length() + 1) // 2)
        yield [*part, *[part[-1]] * (full - len(part))]


def message_row(message: Message) -> Row:
    """A row of ``retained``."""
    return (
        message.topic,
        message.payload,
        message.qos,
        int(message.retain),
        int(message.priority),
        message.expires_after,
    )


def record_row(record: JournalRecord, base: int) -> Row:
    """A row of ``outbox``; ``base`` is added to the id."""
    return (record.id + base, *message_row(record.message), record.queued_at)


def read_message(row: Row) -> Message | None:
    """The message of a row of ``retained``; None when the row has none: another program has written the file."""
    topic, payload, qos, retain, priority, expires_after = row
    if not isinstance(topic, str) or not isinstance(expires_after, float | int | None):
        return None
    try:
        return Message(topic, payload, qos, bool(retain), Priority(priority), expires_after)
    except (LocalError, ValueError):
        return None


def read_record(row: Row) -> JournalRecord | None:
    """The record of a row of ``outbox``; None when the row has none."""
    record_id, *fields, queued_at = row
    message = read_message(tuple(fields))
    if message is None or not isinstance(record_id, int) or not isinstance(queued_at, float):
        return None
    return JournalRecord(record_id, message, queued_at)
