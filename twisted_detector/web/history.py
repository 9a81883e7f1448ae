"""History of the MQTT connection for the charts: an hour of samples, and its changes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
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

Row = tuple[Any, ...]


@implementer(IEventListener)
class MqttHistory:
    """Ring of samples, and of changes of the connection.

    :param mqtt: the ``mqtt`` block of the health document.
    """

    def __init__(self, wall: Callable[[], float], mqtt: Callable[[], Mapping[str, Any]]) -> None:
        self._wall = wall
        self._mqtt = mqtt
        self._rows: deque[Row] = deque(maxlen=SAMPLES)
        self._changes: deque[dict[str, Any]] = deque(maxlen=MAX_CHANGES)
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
        self._changes.append(change_document(event))
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
            "rows": [list(row) for row in self._rows],
            "connections": list(self._changes),
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
