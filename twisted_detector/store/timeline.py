"""Timeline of a camera: the stretches between its changes of state, and the sum of the last seven days. No I/O."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from twisted_detector.model.history import (
    CELL,
    CELLS,
    CONDITIONS,
    WEEK,
    Condition,
    DaemonLife,
    Segment,
    StateChange,
    WeekSummary,
)

#: Seconds between two runs of the daemon that are told as "not observed"; a shorter gap is a restart.
MIN_GAP = 60.0
#: Segments of one answer: as many as a screen has pixels for.
MAX_SEGMENTS = 500
#: Letters of the cells, in the order of CONDITIONS.
LETTERS = "uotf"

_UNOBSERVED, _ONLINE, _TROUBLE, _OFFLINE = range(4)
_CODES = {condition: code for code, condition in enumerate(CONDITIONS)}
_BY_STATUS = {"unobserved": _UNOBSERVED, "online": _ONLINE, "offline": _OFFLINE, "sleeps": _UNOBSERVED}
#: What a camera was for a while: (begin, end, the change that made it so; None: it was not observed).
Piece = tuple[float, float, StateChange | None]


def gaps(lives: Sequence[DaemonLife], now: float) -> list[tuple[float, float]]:
    """(begin, end) of each stretch in which no daemon observed anything, up to the beginning of the present run."""
    if not lives:
        return []
    edges = [-float("inf"), *(edge for life in lives[:-1] for edge in (life.began, life.ended)), lives[-1].began]
    for number in range(len(edges) - 1, -1, -1):  # the clock was set back: what was said to be later is not
        now = edges[number] = min(edges[number], now)
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(begin, end) for begin, end in pairs if end - begin >= MIN_GAP]


def in_segments(found: Sequence[Piece], *, most: int = MAX_SEGMENTS) -> list[Segment]:
    """What a camera was, without a hole, in at most ``most`` segments."""
    return [_segment(group) for group in _grouped(found, most)]


def pieces(
    changes: Sequence[StateChange], away: Sequence[tuple[float, float]], begin: float, end: float
) -> list[Piece]:
    """What a camera was from ``begin`` to ``end``, without a hole: one for each state, with the gaps cut out; what goes
    on is one, until the camera moves.

    No stretch goes backwards: a stamp that is later than that of a later change is of a clock that was set back, and
    counts as the later one's.

    :param changes: ordered by id. :param away: see :func:`gaps`.
    """
    stamps = [change.at for change in changes]
    latest = end
    for number in range(len(stamps) - 1, -1, -1):
        if stamps[number] > latest:
            stamps[number] = latest
        latest = stamps[number]
    found: list[Piece] = []
    first = 0
    for change, start, stop in zip((None, *changes), (begin, *stamps), (*stamps, end), strict=True):
        at = max(start, begin)
        if stop <= at:
            continue
        while first < len(away) and away[first][1] <= at:
            first += 1
        following = first
        while following < len(away) and away[following][0] < stop:
            gap_begin, gap_end = away[following]
            join(found, at, gap_begin, change)
            join(found, max(at, gap_begin), min(gap_end, stop), None)
            at = min(gap_end, stop)
            following += 1
        join(found, at, stop, change)
    return found


def join(found: list[Piece], begin: float, end: float, change: StateChange | None) -> None:
    """Go on with a stretch of time, which is a new piece where the camera was another thing, or elsewhere."""
    if end <= begin:
        return
    if found:
        last_begin, _, last = found[-1]
        same = change is last or (change is not None and last is not None and change.status == last.status)
        moved = change is not None and change.address and change is not last
        if same and not moved:
            found[-1] = (last_begin, end, last)
            return
    found.append((begin, end, change))


def _grouped(found: Sequence[Piece], most: int) -> list[list[Piece]]:
    """Of more than ``most``, short neighbours together."""
    if len(found) <= most:
        return [[one] for one in found]
    # Of two neighbouring groups the sum is longer than this, or they would be one: there are at most ``most`` of them.
    width = (found[-1][1] - found[0][0]) / (most / 2)
    groups: list[list[Piece]] = []
    for one in found:
        if groups and one[1] - groups[-1][0][0] <= width:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _segment(group: Sequence[Piece]) -> Segment:
    """Of several the worst, with the number of all and the seconds of each state."""
    seconds = [0.0] * len(CONDITIONS)
    worst, shown = -1, None
    for begin, end, change in group:
        code = _UNOBSERVED if change is None else _BY_STATUS.get(change.status, _TROUBLE)
        seconds[code] += end - begin
        if code > worst:
            worst, shown = code, change
    begin, end, merged, summed = group[0][0], group[-1][1], len(group), tuple(seconds)
    if shown is None:
        return Segment(begin, end, Condition.UNOBSERVED, Condition.UNOBSERVED.value, merged=merged, seconds=summed)
    return Segment(begin, end, CONDITIONS[worst], shown.status, shown.reason, shown.code, shown.address, merged, summed)


class Week:
    """Sliding window of one camera's last seven days: what is added and what falls out is summed, nothing is recounted.

    Nine octets a change; the quota of the history bounds how many there are.
    """

    __slots__ = ("_at", "_code", "_failed", "_seconds", "failures")

    def __init__(self) -> None:
        self._at = array("d")
        self._code = bytearray()
        self._failed = bytearray()  #: 1: with this change it stopped to be online
        self._seconds = [0.0] * len(CONDITIONS)  #: of all but the last, which goes on
        self.failures = 0

    @property
    def steps(self) -> list[tuple[float, Condition]]:
        """What it was from when on."""
        return [(at, CONDITIONS[code]) for at, code in zip(self._at, self._code, strict=True)]

    @property
    def condition(self) -> Condition:
        """What it is now."""
        return CONDITIONS[self._code[-1]] if self._code else Condition.UNOBSERVED

    def add(self, at: float, condition: Condition) -> None:
        """From ``at`` on it is so. The clock was set back: what was said to be later did not last."""
        while self._at and self._at[-1] >= at:
            self._drop_last()
        code = _CODES[condition]
        if self._code and self._code[-1] == code:
            return
        if self._at:
            self._seconds[self._code[-1]] += at - self._at[-1]
        failed = code > _ONLINE and self._last_observed() == _ONLINE
        self.failures += failed
        self._at.append(at)
        self._code.append(code)
        self._failed.append(failed)

    def _last_observed(self) -> int:
        return next((code for code in reversed(self._code) if code != _UNOBSERVED), _UNOBSERVED)

    def _drop_last(self) -> None:
        at = self._at.pop()
        self._code.pop()
        self.failures -= self._failed.pop()
        if self._at:
            self._seconds[self._code[-1]] -= at - self._at[-1]

    def advance(self, now: float) -> None:
        """Let fall out what is older than seven days."""
        since = now - WEEK
        while len(self._at) > 1 and self._at[1] <= since:
            self._seconds[self._code[0]] -= self._at[1] - self._at[0]
            self.failures -= self._failed[0]
            del self._at[0], self._code[0], self._failed[0]
        if self._at and self._at[0] < since:
            if len(self._at) > 1:
                self._seconds[self._code[0]] -= since - self._at[0]
            self.failures -= self._failed[0]
            self._at[0], self._failed[0] = since, 0

    def seconds(self, now: float) -> tuple[float, float]:
        """(observed, online) of the last seven days."""
        self.advance(now)
        seconds = list(self._seconds)
        if self._at:
            seconds[self._code[-1]] += max(0.0, now - self._at[-1])
        return max(0.0, sum(seconds[_ONLINE:])), max(0.0, seconds[_ONLINE])

    def summary(self, now: float) -> WeekSummary:
        """For a card."""
        observed, online = self.seconds(now)
        last_offline = last_offline_for = 0.0
        for number in range(len(self._at) - 1, -1, -1):
            if self._code[number] == _OFFLINE:
                last_offline = self._at[number]
                end = self._at[number + 1] if number + 1 < len(self._at) else now
                last_offline_for = max(0.0, end - last_offline)
                break
        first = int(now // CELL) - CELLS + 1
        return WeekSummary(
            observed, online, self.failures, last_offline, last_offline_for, first, self._cells(first, now)
        )

    def _cells(self, first: int, now: float) -> str:
        """The worst of each cell that was observed; one that was not for more than half of its time says so."""
        worst = bytearray(CELLS)
        unobserved = array("d", bytes(8 * CELLS))
        start = first * CELL
        edges = [*self._at, now]
        if edges[0] > start:
            _fill(worst, unobserved, _UNOBSERVED, 0.0, edges[0] - start)
        for code, begin, end in zip(self._code, edges, edges[1:], strict=False):
            _fill(worst, unobserved, code, begin - start, end - start)
        return "".join(
            LETTERS[_UNOBSERVED if code <= _ONLINE and unobserved[number] > CELL / 2 else code]
            for number, code in enumerate(worst)
        )


def _fill(worst: bytearray, unobserved: array[float], code: int, begin: float, end: float) -> None:
    begin, end = max(0.0, begin), min(CELL * CELLS, end)
    if end <= begin:
        return
    for cell in range(int(begin // CELL), min(CELLS, int(-(-end // CELL)))):
        worst[cell] = max(worst[cell], code)
        if code == _UNOBSERVED:
            unobserved[cell] += min(end, (cell + 1) * CELL) - max(begin, cell * CELL)
