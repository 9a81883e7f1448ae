"""Changes of state go in and rows of the history's tables come out, and back; what is not written yet. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.model.history import DaemonLife, StateChange
from twisted_detector.store.schema import Row, Statement, insert

#: Changes that wait for the disk at most: a thousand cameras that go and come five times while it is full. Some 3 MB;
#: of more, the oldest are lost.
MAX_UNWRITTEN = 10_000
#: Rows that are read at a time at the start.
PAGE = 2000
#: Rows of one camera in one answer: twice what the quota lets one have.
MAX_OF_ONE = 20_000
#: Rows that are removed at a time: some 20 ms of the store's thread, in which no message is committed.
TRIM_SLICE = 2000
#: Runs of the daemon that are kept: three a day for 400 days, and a day of one that ends every three minutes.
MAX_LIVES = 1680

#: As ``sqlite3.Connection.execute``.
Execute = Callable[..., Any]

_TYPES = (int, str, float, str, str, str, str)
_COLUMNS = "id, camera, at, status, reason, code, address"


@dataclass(slots=True)
class HistoryWrites:
    """Part of a batch: the history's.

    :ivar changes: by id. :ivar forgotten: cameras, each with the id of the last row that goes.
    :ivar lives: runs of the daemon by id.
    """

    changes: dict[int, StateChange] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    lives: dict[int, DaemonLife] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.changes) + len(self.forgotten) + len(self.lives)

    def of_camera(self, camera_id: str, written: Sequence[StateChange]) -> list[StateChange]:
        """The changes of a camera: those that were written, without what is to go, and those of this batch."""
        changes = {change.id: change for change in written}  # one may just have been written
        changes.update((one.id, one) for one in self.changes.values() if one.camera_id == camera_id)
        gone = self.forgotten.get(camera_id, -1)
        return [changes[number] for number in sorted(changes) if number > gone]

    def restamp(self, after: int, by: float) -> None:
        """As :func:`restamp`."""
        self.changes = {
            number: change._replace(at=change.at + by) if number > after else change
            for number, change in self.changes.items()
        }

    def on_top_of(self, earlier: HistoryWrites) -> HistoryWrites:
        """These writes together with earlier ones that were not written."""
        return HistoryWrites(
            {**earlier.changes, **self.changes},
            {**earlier.forgotten, **self.forgotten},
            {**earlier.lives, **self.lives},
        )

    def statements(self) -> Iterator[Statement]:
        """All of it; a camera is forgotten up to a row, so what came after it is kept."""
        yield from insert("history", [change_row(one) for one in self.changes.values()])
        yield from insert("lives", [(one.id, one.began, one.ended) for one in self.lives.values()])
        for camera_id, up_to in self.forgotten.items():
            yield "DELETE FROM history WHERE camera = ? AND id <= ?", (camera_id, up_to)


def change_row(change: StateChange) -> Row:
    """A row of ``history``."""
    reason = change.reason.encode("utf-8", "replace").decode()
    return (change.id, change.camera_id, change.at, change.status, reason, change.code, change.address)


def read_change(row: Row) -> StateChange | None:
    """The change of a row; None when the row has none: another program has written the file."""
    return StateChange._make(row) if tuple(map(type, row)) == _TYPES else None


def read_life(row: Row) -> DaemonLife | None:
    """The run of the daemon of a row of ``lives``, likewise."""
    number, began, ended = row
    if isinstance(number, int) and isinstance(began, int | float) and isinstance(ended, int | float):
        return DaemonLife(number, float(began), float(ended))
    return None


# --- queries, each for Database.with_history -----------------------------------------------------------------------


def last_id(execute: Execute) -> int:
    """The highest id, 0 without a row."""
    return int(execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0])


def last_before(execute: Execute, since: float) -> list[Row]:
    """Of each camera the last row before ``since``: the state in which that time began."""
    ids = "SELECT max(id) FROM history WHERE at < ? GROUP BY camera"
    rows: list[Row] = execute(f"SELECT {_COLUMNS} FROM history WHERE id IN ({ids}) ORDER BY id", (since,)).fetchall()  # noqa: S608 names of ours
    return rows


def page_since(execute: Execute, since: float, after: int) -> list[Row]:
    """Rows of all cameras since ``since``, the first PAGE after the id ``after``."""
    query = f"SELECT {_COLUMNS} FROM history WHERE id > ? AND at >= ? ORDER BY id LIMIT {PAGE}"  # noqa: S608 names of ours
    rows: list[Row] = execute(query, (after, since)).fetchall()
    return rows


def of_camera(execute: Execute, camera_id: str, since: float) -> list[Row]:
    """Rows of one camera since ``since``, and the one before: the latest MAX_OF_ONE."""
    before = execute(
        "SELECT id FROM history WHERE camera = ? AND at < ? ORDER BY id DESC LIMIT 1", (camera_id, since)
    ).fetchone()
    query = f"SELECT {_COLUMNS} FROM history WHERE camera = ? AND id >= ? ORDER BY id DESC LIMIT {MAX_OF_ONE}"  # noqa: S608 names of ours
    rows: list[Row] = execute(query, (camera_id, before[0] if before else 0)).fetchall()
    return rows[::-1]


def lives(execute: Execute) -> list[Row]:
    """The runs of the daemon in their order, the latest MAX_LIVES."""
    rows: list[Row] = execute(f"SELECT id, began, ended FROM lives ORDER BY id DESC LIMIT {MAX_LIVES}").fetchall()  # noqa: S608 a number of ours
    return rows[::-1]


def trim(execute: Execute, before: float, most: int) -> tuple[int, int]:
    """Remove the oldest rows, a slice: those of before ``before``, and those beyond ``most``; how many of each."""
    execute("BEGIN IMMEDIATE")
    oldest = "SELECT id FROM history ORDER BY id LIMIT ?"
    expired = execute(
        f"DELETE FROM history WHERE at < ? AND id IN ({oldest})",  # noqa: S608 texts of ours
        (before, TRIM_SLICE),
    ).rowcount
    beyond = execute("SELECT count(*) FROM history").fetchone()[0] - most
    over = 0
    if beyond > 0:
        over = execute(f"DELETE FROM history WHERE id IN ({oldest})", (min(beyond, TRIM_SLICE),)).rowcount  # noqa: S608 texts of ours
    kept = f"SELECT id FROM lives ORDER BY id DESC LIMIT {MAX_LIVES}"  # noqa: S608 a number of ours
    execute(f"DELETE FROM lives WHERE id NOT IN ({kept})")  # noqa: S608 texts of ours
    execute("COMMIT")
    return expired, over


def restamp(execute: Execute, after: int, by: float) -> None:
    """Move the stamps of the rows after the id ``after``: the clock was set."""
    execute("UPDATE history SET at = at + ? WHERE id > ?", (by, after))


def readable(rows: Sequence[Row]) -> list[StateChange]:
    """The changes of those rows that have one."""
    return [change for row in rows if (change := read_change(row)) is not None]
