"""History of the MQTT connection for the charts: an hour of samples, and its changes."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from math import isnan, nan
from typing import Any

from zope.interface import implementer

from twisted_detector.events import ConnectionEvent, Event
from twisted_detector.interfaces import IEventListener
from twisted_detector.model.encoding import rfc3339

#: Seconds between samples, and how many: one hour.
INTERVAL = 5.0
SAMPLES = 720
#: Changes of the connection that are kept, and different reasons that are counted; more of them are "other reasons".
MAX_CHANGES, MAX_REASONS = 200, 32
OTHER = "other reasons"

PRIORITIES = ("critical", "state", "event", "telemetry")
#: What each row of the series has, in this order.
COLUMNS = (
    "at",
    "state",
    *(f"queue_{name}" for name in PRIORITIES),
    "oldest_s",
    "p50_ms",
    "p99_ms",
    "acknowledged",
    "lost",
    "success_rate",
)

#: Columns that count something, by number.
_COUNTS = frozenset(
    number for number, name in enumerate(COLUMNS) if name.startswith("queue_") or name in ("acknowledged", "lost")
)

Row = tuple[Any, ...]


class _Ring:
    """Ring of the latest rows as numbers, 70 kB from the start: as tuples they would be three times that in an hour."""

    def __init__(self) -> None:
        self._cells = array("d", bytes(8 * SAMPLES * len(COLUMNS)))
        self._states: dict[str, int] = {}  # the few that a connection has
        self._taken = 0

    def append(self, row: Row) -> None:
        """Keep one, in the place of the oldest."""
        at, state, *numbers = row
        cells = (at, self._states.setdefault(state, len(self._states)), *(nan if n is None else n for n in numbers))
        start = self._taken % SAMPLES * len(COLUMNS)
        self._cells[start : start + len(COLUMNS)] = array("d", cells)
        self._taken += 1

    def __iter__(self) -> Iterator[list[Any]]:
        states = tuple(self._states)
        for number in range(max(0, self._taken - SAMPLES), self._taken):
            start = number % SAMPLES * len(COLUMNS)
            row: list[Any] = [
                None if isnan(cell) else int(cell) if column in _COUNTS else cell
                for column, cell in enumerate(self._cells[start : start + len(COLUMNS)])
            ]
            row[1] = states[int(row[1])]
            yield row


@implementer(IEventListener)
class MqttHistory:
    """Ring of samples, and of changes of the connection.

    :param mqtt: the ``mqtt`` block of the health document.
    """

    def __init__(self, wall: Callable[[], float], mqtt: Callable[[], Mapping[str, Any]]) -> None:
        self._wall = wall
        self._mqtt = mqtt
        self._rows = _Ring()
        self._changes: deque[ConnectionEvent] = deque(maxlen=MAX_CHANGES)
        self._reasons: Counter[str] = Counter()

    def sample(self) -> Row:
        """Take a sample now, keep it, and return it."""
        block = self._mqtt()
        depth = block.get("queue_depth", {})
        latency = block.get("ack_latency_ms", {})
        dropped = block.get("dropped", {})
        row = (
            round(self._wall(), 1),
            str(block.get("state", "")),
            *(int(depth.get(name, 0)) for name in PRIORITIES),
            block.get("oldest_queued_s"),
            latency.get("p50"),
            latency.get("p99"),
            block.get("acknowledged", 0),
            sum(count for reason, count in dropped.items() if reason != "replaced"),
            block.get("success_rate"),
        )
        self._rows.append(row)
        return row

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if not isinstance(event, ConnectionEvent):
            return
        self._changes.append(event)
        if event.event in ("disconnected", "failed"):
            reason = event.reason or "no reason given"
            known = reason in self._reasons or len(self._reasons) < MAX_REASONS
            self._reasons[reason if known else OTHER] += 1

    def document(self) -> dict[str, Any]:
        """Now, the hour behind it, and why it was away."""
        return {
            "now": dict(self._mqtt()),
            "interval_s": INTERVAL,
            "columns": list(COLUMNS),
            "rows": list(self._rows),
            "connections": [change_document(one) for one in self._changes],
            "reasons": [{"reason": reason, "count": count} for reason, count in self._reasons.most_common()],
        }


def change_document(event: ConnectionEvent) -> dict[str, Any]:
    """One change of the connection."""
    return {
        "at": rfc3339(event.at),
        "event": event.event,
        "state": event.state,
        "reason": event.reason,
        "duration_s": round(event.duration, 3),
        "attempts": event.attempts,
        "session": event.session,
    }
