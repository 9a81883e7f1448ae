"""What operators get of the connection's changes: the figures of the health document, and the lines of the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from txaio.tx import make_logger

from twisted_detector.mqtt.advice import advice
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.settings import MqttSettings

#: The quantiles are those of the latest acknowledgements: enough for a p99, small enough to sort for every document.
LATENCIES_KEPT = 2048


@dataclass
class MqttMetrics:
    """Counters since the start, written by :class:`MqttClient` and its :class:`OutboxSender` on the reactor's thread.

    :ivar connected_since: wall seconds, None while not connected.
    :ivar failures: attempts that failed.
    :ivar reconnect_last: seconds that the latest loss lasted; ``reconnect_max`` the longest; None: none yet.
    :ivar published: messages sent to the broker, repetitions included; ``acknowledged``, ``refused``: its answers.
    :ivar received: messages from the broker; ``malformed``: of these without a valid topic. ``too_large``: messages
        that were passed over for their size, and not received.
    :ivar handler_failures: handlers of subscriptions that raised or took too long.
    :ivar threads_lost: network threads that did not return and were replaced.
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
    too_large: int = 0
    handler_failures: int = 0
    subscriptions_refused: int = 0
    wills_healed: int = 0
    threads_lost: int = 0
    protocol: str = ""
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT), repr=False)

    def changed(self, change: ConnectionChange, wall: float) -> None:
        """Count ``change``, of ``wall`` seconds since the epoch."""
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

    def count_published(self, messages: int) -> None:
        """So many messages were handed to the broker."""
        self.published += messages

    def count_acknowledged(self, messages: int) -> None:
        """The broker acknowledged so many."""
        self.acknowledged += messages

    def count_refused(self) -> None:
        """The broker refused one."""
        self.refused += 1

    def record_latencies(self, latencies: Iterable[float]) -> None:
        """Record the latencies of acknowledgements, in seconds."""
        self._latencies.extend(latencies)

    def quantile(self, share: float) -> float | None:
        """Latency in seconds that ``share`` (0 … 1) of the latest acknowledgements did not exceed; None: none yet."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def snapshot(self) -> dict[str, Any]:
        """The ``mqtt`` block as JSON types; what the outbox knows is added by its owner."""
        p50, p99 = self.quantile(0.5), self.quantile(0.99)
        block = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NESTED}
        return block | {
            "state": self.state.value,
            "reconnect_seconds": {"last": _rounded(self.reconnect_last), "max": _rounded(self.reconnect_max)},
            "ack_latency_ms": {
                "p50": _rounded(None if p50 is None else p50 * 1000),
                "p99": _rounded(None if p99 is None else p99 * 1000),
            },
        }


#: Fields that the snapshot has within others; all the rest stand in it under their own names.
_NESTED = {"reconnect_last", "reconnect_max", "_latencies"}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


_WORDS = {
    "connecting": "connecting to",
    "connected": "connected to",
    "disconnected": "disconnected from",
    "refused": "cannot connect to",
    "failed": "again and again cannot connect to",
    "degraded": "still not connected to",
    "stopped": "stopped, without a connection to",
}
_ALARMING = ("disconnected", "failed", "degraded", "refused")
#: A next attempt that is sooner, in seconds, is one of those in the hope that a refusal passes.
_SOON = 60.0


class ConnectionLog:
    """Log of the changes of the connection with one broker: few lines, however long an outage lasts."""

    log = make_logger()

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._refusal = self._reason = self._failure = ""
        self._told = False

    def record(self, change: ConnectionChange, *, stopping: bool) -> None:
        """Log ``change``; a refusal that repeats every few seconds of an outage is logged once, and as one event.

        :param stopping: nothing is alarming any more.
        """
        repeated = change.event == "refused" and change.reason == self._refusal
        if change.event == "refused":
            self._refusal = change.reason
            self._told = not repeated
        elif change.event == "failed":
            # It ends the outage's many attempts, or it is the end of the one that was logged just now.
            is_soon = change.delay is not None and change.delay < _SOON
            repeated = self._told or (is_soon and change.reason == self._failure)
            self._refusal = self._failure = change.reason if is_soon else ""
        elif change.event == "degraded":
            repeated = change.reason == self._reason
        elif change.event != "connecting":
            self._refusal = self._failure = ""
        self._reason = change.reason or self._reason
        if repeated or change.event == "stopped" or (change.event == "connecting" and self._refusal):
            write = self.log.debug
        else:
            write = self.log.warn if change.event in _ALARMING and not stopping else self.log.info
        what = advice(change.reason, self._settings) if write == self.log.warn else ""
        write(
            "{event} {broker}{reason}{advice}{again}",
            event=_WORDS.get(change.event, change.event),
            broker=f"{self._settings.host}:{self._settings.port}",
            reason=f": {change.reason}" if change.reason else "",
            advice=f"; {what}" if what else "",
            again=f"; next attempt in {change.delay:.1f} s" if change.delay is not None else "",
        )
