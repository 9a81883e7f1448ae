"""Table of what other nodes recorded of cameras that are ours now, and how it is laid over what we recorded.

A camera that comes from another site has its past there. What its former owner tells of it takes the place of what was
recorded here, for the time in which it was the other's: that is nothing, or that it was away from here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from twisted_detector.model.cameras import Status
from twisted_detector.model.history import MAX_REASON, UNSTEADY, Condition, ForeignPast, StateChange
from twisted_detector.store.timeline import Piece, Week, join

#: Stays of one camera at other nodes that are remembered; of more, the oldest are forgotten.
MAX_STAYS = 4
#: Rows of one stay, the latest: a week of a camera that changes once an hour. And their octets as JSON.
MAX_PAST_ROWS, MAX_PAST_OCTETS = 200, 16_384
#: Rows of all: a hundred cameras with as many as they may have, or ten thousand with two; some 6 MB.
MAX_ALL_ROWS = 20_000
_STATUSES = frozenset({*(one.value for one in Status), UNSTEADY, Condition.UNOBSERVED.value})
_CODE = re.compile(r"[a-z0-9_-]{0,64}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.%a-z]{0,64}")
#: Seconds since 1970 that no clock tells; a whole number may have any number of digits, and is no float then.
MAX_SECONDS = 1e12

#: Keeps (camera id, text) for the next run; "" to forget.
Save = Callable[[str, str], object]


class ForeignPasts:
    """Table of what other nodes recorded, by camera.

    :param save: keeps the text of one camera.
    """

    def __init__(self, save: Save) -> None:
        self._save = save
        self._stays: dict[str, tuple[ForeignPast, ...]] = {}  # the one that came last, last
        self._rows = 0  #: of all of them
        #: (camera, node, begin) of the stays that are of this run's clock.
        self._ours: set[tuple[str, str, float]] = set()

    def restore(self, saved: dict[str, str]) -> None:
        """Take over what an earlier run saved; what cannot be read was never told."""
        for camera_id, text in saved.items():
            self._set(camera_id, tuple(_read_stays(camera_id, text)))

    def of(self, camera_id: str) -> tuple[ForeignPast, ...]:
        """The stays of a camera in the order in which they came."""
        return self._stays.get(camera_id, ())

    @property
    def untold(self) -> list[ForeignPast]:
        """The stays of which nothing was told yet."""
        return [one for stays in self._stays.values() for one in stays if one.changes is None]

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras that have stays."""
        return tuple(self._stays)

    def put(self, past: ForeignPast) -> None:
        """A camera was at another node; in the place of an earlier word about the same time."""
        before = self.of(past.camera_id)
        others = [one for one in before if _key(one) != _key(past)]
        if len(others) == len(before):
            self._ours.add(_key(past))
        # The table is ordered by the last word: whose camera moved long ago is forgotten first.
        self._stays[past.camera_id] = self._stays.pop(past.camera_id, ())
        self._set(past.camera_id, (*others, past)[-MAX_STAYS:])
        self._write(past.camera_id)
        self._trim(past.camera_id)

    def forget(self, camera_id: str) -> None:
        """A camera is forgotten."""
        if camera_id in self._stays:
            self._set(camera_id, ())
            self._save(camera_id, "")

    def expire(self, before: float) -> None:
        """Forget the stays that ended before ``before``."""
        for camera_id, stays in tuple(self._stays.items()):
            left = tuple(one for one in stays if one.until >= before)
            if not left:
                self.forget(camera_id)
            elif left != stays:
                self._set(camera_id, left)
                self._write(camera_id)

    def restamp(self, by: float) -> None:
        """Move the stays that this run has told of: the clock was set. What is told of them has another's stamps."""
        ours, self._ours = self._ours, set()
        for camera_id in {key[0] for key in ours} & self._stays.keys():
            moved = []
            for one in self._stays[camera_id]:
                if _key(one) in ours:
                    one = replace(one, begin=one.begin + by, until=one.until + by)
                    self._ours.add(_key(one))
                moved.append(one)
            self._set(camera_id, tuple(moved))
            self._write(camera_id)

    def _set(self, camera_id: str, stays: tuple[ForeignPast, ...]) -> None:
        before = self.of(camera_id)
        self._rows += _row_count(stays) - _row_count(before)
        self._ours -= set(map(_key, before)) - set(map(_key, stays))
        if stays:
            self._stays[camera_id] = stays
        else:
            self._stays.pop(camera_id, None)

    def _trim(self, newest: str) -> None:
        while self._rows > MAX_ALL_ROWS and (oldest := next(iter(self._stays))) != newest:
            self.forget(oldest)

    def _write(self, camera_id: str) -> None:
        stays = [
            {
                "node": one.node_id,
                "begin": one.begin,
                "until": one.until,
                "reason": one.reason,
                "rows": None if one.changes is None else written_rows(one.changes),
            }
            for one in self._stays[camera_id]
        ]
        # What another node wrote may hold half a surrogate pair; escaped it is valid Unicode.
        self._save(camera_id, json.dumps(stays, separators=(",", ":")))


def _key(past: ForeignPast) -> tuple[str, str, float]:
    return past.camera_id, past.node_id, past.begin


def _row_count(stays: Sequence[ForeignPast]) -> int:
    return sum(len(one.changes or ()) for one in stays)


# --- rows as JSON -----------------------------------------------------------------------------------------------------


def written_rows(changes: Sequence[StateChange]) -> list[list[float | str]]:
    """The latest changes as JSON has them, as many as one answer may hold: ``[at, status, reason, code, address]``."""
    rows: list[list[float | str]] = []
    octets = 0
    for one in reversed(changes[-MAX_PAST_ROWS:]):
        row: list[float | str] = [round(one.at, 3), one.status, one.reason[:MAX_REASON], one.code, one.address]
        octets += len(json.dumps(row)) + 1
        if octets > MAX_PAST_OCTETS:
            break
        rows.append(row)
    return rows[::-1]


def read_rows(camera_id: str, given: object, begin: float, until: float) -> tuple[StateChange, ...] | None:
    """The changes that another node tells; None for what it can not mean.

    :param begin: what is before it counts as from then on. :param until: what is after it is not told by that node.
    """
    if not isinstance(given, list) or len(given) > MAX_PAST_ROWS:
        return None
    changes: list[StateChange] = []
    last = -math.inf
    for row in given:
        change = _read_row(camera_id, row)
        if change is None or change.at < last:
            return None
        last = change.at
        if change.at < until:
            while changes and changes[-1].at <= begin and change.at <= begin:
                changes.pop()
            changes.append(change._replace(at=max(change.at, begin)))
    return tuple(changes)


def _read_row(camera_id: str, row: object) -> StateChange | None:
    if not isinstance(row, list) or len(row) != 5:
        return None
    at, status, reason, code, address = row
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < MAX_SECONDS:
        return None
    if not all(isinstance(one, str) for one in row[1:]) or status not in _STATUSES:
        return None
    if len(reason) > MAX_REASON or not reason.isprintable() or not _CODE.fullmatch(code):
        return None
    if not _ADDRESS.fullmatch(address):
        return None
    return StateChange(0, camera_id, float(at), status, reason, code, address)


def _read_stays(camera_id: str, text: str) -> Iterator[ForeignPast]:
    try:
        stays = json.loads(text) if text else []
        for one in stays[-MAX_STAYS:]:
            begin, until, rows = float(one["begin"]), float(one["until"]), one["rows"]
            changes = None if rows is None else read_rows(camera_id, rows, begin, until)
            if rows is None or changes is not None:
                yield ForeignPast(camera_id, str(one["node"]), begin, until, changes, str(one["reason"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return


# --- laid over what was recorded here ---------------------------------------------------------------------------------


def overlaid(found: Sequence[Piece], stays: Sequence[ForeignPast], begin: float, end: float) -> list[Piece]:
    """What a camera was from ``begin`` to ``end``: where it was another node's, what that one tells.

    :param found: what was recorded here, without a hole.
    """
    pieces = list(found)
    for past in stays:
        first, last = max(begin, past.begin), min(end, past.until)
        if first < last:
            laid: list[Piece] = []
            for piece in (*_clipped(pieces, begin, first), *_told(past, first, last), *_clipped(pieces, last, end)):
                join(laid, *piece)
            pieces = laid
    return pieces


def _clipped(pieces: Sequence[Piece], begin: float, end: float) -> Iterator[Piece]:
    for start, stop, change in pieces:
        if max(start, begin) < min(stop, end):
            yield max(start, begin), min(stop, end), change


def _told(past: ForeignPast, begin: float, end: float) -> Iterator[Piece]:
    if past.changes is None:
        yield begin, end, StateChange(0, past.camera_id, begin, Condition.UNOBSERVED, past.reason)
        return
    stamps = [one.at for one in past.changes]
    pieces = zip((begin, *stamps), (*stamps, past.until), (None, *past.changes), strict=True)
    yield from _clipped(tuple(pieces), begin, end)


def overlaid_week(week: Week, stays: Sequence[ForeignPast], now: float) -> Week:
    """The same for a card's week: a new one."""
    steps = week.steps
    for past in stays:
        own = [(at, condition) for at, condition in steps if at < past.begin]
        told = [
            (start, Condition.of(one.status if one is not None else "unobserved"))
            for start, _, one in _told(past, past.begin, past.until)
        ]
        before = [condition for at, condition in steps if at <= past.until]
        resumed = before[-1] if before else Condition.UNOBSERVED
        later = [(at, condition) for at, condition in steps if at > past.until]
        steps = [*own, *told, (past.until, resumed), *later]
    made = Week()
    for at, condition in steps:
        made.add(at, condition)
    made.advance(now)
    return made


def unrecorded(
    week: Week | None, now: float, *, since: float, recent: float, least: float
) -> tuple[float, float] | None:
    """The stretch before the present observation in which a camera was not seen here; None where it was.

    :param since: nothing before it is asked for. :param recent: seconds for which an observation is the present one.
    :param least: seconds; what is shorter is nothing.
    """
    steps = week.steps if week is not None else []
    number, begin = len(steps), now
    while number and steps[number - 1][1] in (Condition.ONLINE, Condition.TROUBLE):
        number -= 1
        begin = steps[number][0]
    until = begin
    while number and steps[number - 1][1] in (Condition.OFFLINE, Condition.UNOBSERVED):
        number -= 1
        begin = steps[number][0]
    if not number:
        begin = since
    return (max(begin, since), until) if until - max(begin, since) >= least and now - until <= recent else None
