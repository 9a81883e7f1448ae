"""What the MQTT connection did goes in; the numbers of the health document's ``mqtt`` block come out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState

#: The quantiles speak of the latest acknowledgements: enough for a p99, small enough to sort for every document.
LATENCIES_KEPT = 2048


@dataclass
class MqttMetrics:
    """Counters since the start, written by :class:`MqttClient`; for the reactor's thread only.

    :ivar connected_since: wall seconds, None while not connected.
    :ivar failures: attempts that failed.
    :ivar reconnect_last: seconds that the latest loss lasted; ``reconnect_max`` the longest; None: none yet.
    :ivar published: messages handed to the broker, repetitions included; ``acknowledged``, ``refused``: its answers.
    :ivar received: messages from the broker; ``malformed``: of these without a valid topic.
    :ivar handler_failures: handlers of subscriptions that raised or took too long.
    :ivar threads_lost: network threads that did not come back and were replaced.
    """

    state: ConnectionState = ConnectionState.DISCONNECTED
    degraded: bool = False
    session: int = 0
    connected_since: float | None = None
    connects: int = 0
    disconnects: int = 0
    failures: int = 0
    last_reason: str = ""
    last_disconnect_reason: str = ""
    reconnect_last: float | None = None
    reconnect_max: float | None = None
    published: int = 0
    acknowledged: int = 0
    refused: int = 0
    received: int = 0
    malformed: int = 0
    handler_failures: int = 0
    subscriptions_refused: int = 0
    wills_healed: int = 0
    threads_lost: int = 0
    protocol: str = ""
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT), repr=False)

    def changed(self, change: ConnectionChange, wall: float) -> None:
        """The connection changed, at ``wall`` seconds."""
        self.state = change.state
        self.last_reason = change.reason
        if change.event == "connected":
            self.degraded = False
            self.session = change.session
            self.connected_since = wall
            self.connects += 1
            if self.disconnects:
                self.reconnect_last = change.duration
                self.reconnect_max = max(change.duration, self.reconnect_max or 0.0)
        elif change.event == "disconnected":
            self.connected_since = None
            self.disconnects += 1
            self.last_disconnect_reason = change.reason
        elif change.event == "refused":
            self.failures += 1
        elif change.event == "degraded":
            self.degraded = True
        elif change.event == "stopped":
            self.degraded = False

    def acknowledgements(self, latencies: Iterable[float]) -> None:
        """Acknowledgements came, each so many seconds after its message."""
        self._latencies.extend(latencies)

    def quantile(self, share: float) -> float | None:
        """Latency in seconds that ``share`` (0 … 1) of the latest acknowledgements did not exceed; None: none yet."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def success_rate(self) -> float:
        """Share of the broker's answers that were acknowledgements; 1.0 while there is none."""
        answers = self.acknowledged + self.refused
        return self.acknowledged / answers if answers else 1.0

    def snapshot(self) -> dict[str, Any]:
        """The ``mqtt`` block as JSON types; what the outbox knows is added by its owner."""
        p50, p99 = self.quantile(0.5), self.quantile(0.99)
        return {
            "state": self.state.value,
            "degraded": self.degraded,
            "session": self.session,
            "connected_since": self.connected_since,
            "connects": self.connects,
            "disconnects": self.disconnects,
            "failures": self.failures,
            "last_reason": self.last_reason,
            "last_disconnect_reason": self.last_disconnect_reason,
            "reconnect_seconds": {"last": _rounded(self.reconnect_last), "max": _rounded(self.reconnect_max)},
            "published": self.published,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "received": self.received,
            "malformed": self.malformed,
            "handler_failures": self.handler_failures,
            "subscriptions_refused": self.subscriptions_refused,
            "wills_healed": self.wills_healed,
            "threads_lost": self.threads_lost,
            "protocol": self.protocol,
            "success_rate": round(self.success_rate, 6),
            "ack_latency_ms": {
                "p50": _rounded(None if p50 is None else p50 * 1000),
                "p99": _rounded(None if p99 is None else p99 * 1000),
            },
        }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
