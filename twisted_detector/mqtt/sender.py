"""Flow control between outbox and connection: as many messages are unacknowledged as the window allows.

The window is small after a connect, since brokers and middle boxes have been seen to give up on a connection that
begins with a flood, then as wide as was configured and the broker allows.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import PublishError
from twisted_detector.model import Message
from twisted_detector.mqtt.metrics import MqttMetrics
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.seams import IOutbox, OutboxItem

#: The first window after a connect.
FIRST_WINDOW = 20

#: Seconds before a message that is held back may be tried again, at least: it is never urgent.
MIN_RETRY_DELAY = 0.1

#: Seconds until that is sent again which a broker did not take for now, first and at most; twice as long each time,
#: until it takes something. It is no longer, for a message behind the only one that it refuses is late by as much.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 5.0
#: The log tells of a broker that does not take messages once, until it has taken all for so many seconds.
_TOLD_FOR = 60.0

#: Acknowledgements are answered with new messages when this share of the window is free: fewer, fuller turns.
REFILL = 4


class OutboxSender:
    """Sends what the outbox has, as far as the window allows. On the reactor's thread only.

    :param window: its greatest width.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, *, outbox: IOutbox, window: int, metrics: MqttMetrics) -> None:
        self._clock = clock
        self._outbox = outbox
        self._widest = window
        self._metrics = metrics
        self._loop: NetworkLoop | None = None
        self._window = self._limit = FIRST_WINDOW
        self._in_flight = 0
        self._own_only = False
        self._pause = 0.0
        self._pausing: Any = None
        #: By token why the broker did not take them for now; they are the outbox's again when the pause ends.
        self._put_off: dict[int, str] = {}
        self._newest_put_off = self._newest_taken = 0
        self._told_until = 0.0
        self._own: deque[OutboxItem] = deque()
        self._own_done: dict[int, Deferred[None]] = {}
        self._last_own = 0
        self._own_topic = ""
        self._call: Any = None
        self._retry: Any = None
        self._drained: Deferred[None] | None = None
        outbox.ready.add(self.schedule)

    def attach(self, loop: NetworkLoop, receive_maximum: int, *, own_only: bool = False) -> None:
        """Send over ``loop`` from now on; ``receive_maximum`` is the broker's own bound (MQTT 5, 3.2.2.3.3).

        :param own_only: nothing of the outbox, until :meth:`release`.
        """
        self._loop = loop
        self._own_only = own_only
        self._limit = max(1, min(self._widest, receive_maximum))
        self._window = min(FIRST_WINDOW, self._limit)
        self._in_flight = 0

    def release(self) -> None:
        """Send what the outbox has, too."""
        self._own_only = False
        self.schedule()

    def detach(self) -> None:
        """The connection is lost: what was in flight goes back to the outbox, messages of our own fail."""
        self._loop = None
        self._in_flight = 0
        self._cancel_retry()
        self._cancel_pause()
        self._pause = 0.0
        self._give_back()
        self._own.clear()
        own, self._own_done = self._own_done, {}
        for done in own.values():
            done.errback(PublishError("the connection broke before the message was acknowledged"))
        self._guard(self._outbox.connection_lost)
        if self._drained is not None:
            self._drained.errback(PublishError("the connection broke before the queue was empty"))
            self._drained = None

    def send_first(self, message: Message) -> Deferred[None]:
        """Send ``message``, one of our own, before what waits in the outbox; it fails when the connection breaks."""
        self._last_own -= 1
        self._own_topic = message.topic
        done = self._own_done[self._last_own] = Deferred()
        # Its failure is not worth a second line in the log: the lost connection has one.
        done.addErrback(lambda failure: failure.trap(PublishError) and None)
        self._own.append(OutboxItem(self._last_own, message))
        self.schedule()
        return done

    def drained(self) -> Deferred[None]:
        """Fires when the outbox is empty and everything is acknowledged."""
        waiting: Deferred[None] = Deferred()
        self._drained = waiting
        self.schedule()
        return waiting

    def schedule(self) -> None:
        """Send in the next turn of the reactor, once for all messages that became sendable in this one."""
        if self._call is None and self._loop is not None:
            self._call = self._clock.callLater(0, self._pump)

    def stop(self) -> None:
        """Cancel the timers; nothing is sent any more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._cancel_retry()
        self._cancel_pause()

    def receive(self, report: LoopReport) -> None:
        """Process the broker's answers."""
        done = report.acknowledged
        own = [token for token in done if token < 0] if self._own_done else []
        for token in own:
            self._own_done.pop(token).callback(None)
        theirs = [token for token in done if token > 0] if own else done
        if done:
            self._in_flight -= len(done)
            self._window = min(self._limit, self._window + len(done))
            self._metrics.record_latencies(report.latencies)
        if theirs:
            self._pause = 0.0
            self._newest_taken = max(self._newest_taken, *theirs)
            self._metrics.count_acknowledged(len(theirs))
            self._guard(self._outbox.acknowledged, theirs)
        if report.postponed:
            self._postpone({token: reason for token, reason in report.postponed if token > 0})
        for token, reason in (*report.refused, *(one for one in report.postponed if one[0] < 0)):
            self._in_flight -= 1
            if token < 0:
                self._own_done.pop(token).errback(PublishError(reason))
                self.log.warn(
                    "The broker refused our birth or goodbye on {topic}: {reason}", topic=self._own_topic, reason=reason
                )
                continue
            self._metrics.count_refused()
            self._guard(self._outbox.refused, token, reason)
        free = self._window - self._in_flight
        if free * REFILL >= self._window or not self._in_flight:
            self._pump()

    def _postpone(self, postponed: dict[int, str]) -> None:
        """Wait with what the broker does not take for now, and let it be for a moment (:attr:`_is_resting`)."""
        if not postponed:
            return
        self._in_flight -= len(postponed)
        self._put_off |= postponed
        self._newest_put_off = max(self._newest_put_off, *postponed)
        if self._pausing is None:
            self._pause = min(LONGEST_PAUSE, 2 * self._pause or FIRST_PAUSE)
            self._pausing = self._clock.callLater(self._pause, self._end_pause)
        if self._is_resting:
            self._window = min(FIRST_WINDOW, self._limit)
        now = self._clock.seconds()
        if now >= self._told_until:
            self.log.warn(
                "The broker does not take every message for now ({reason}); those are sent again, the first in"
                " {seconds:g} s",
                reason=next(iter(postponed.values())),
                seconds=self._pause,
            )
        self._told_until = now + _TOLD_FOR

    @property
    def _is_resting(self) -> bool:
        """Whether the broker is to be left in peace: what it did not take for now is the last that it answered.

        Where it took something that was sent after that, it is those messages, and the others need not wait for them.
        """
        return self._pausing is not None and self._newest_put_off > self._newest_taken

    def _end_pause(self) -> None:
        if self._is_resting:
            # Those behind have to have their turn, too: they may be what the broker takes.
            self._window = min(self._limit, max(self._window, 2 * len(self._put_off)))
        self._pausing = None
        self._give_back()
        self._pump()

    def _give_back(self) -> None:
        """Have the outbox send again what the broker did not take for now."""
        put_off, self._put_off = self._put_off, {}
        by_reason: dict[str, list[int]] = {}
        for token, reason in put_off.items():
            by_reason.setdefault(reason, []).append(token)
        for reason, tokens in by_reason.items():
            self._guard(self._outbox.postponed, tokens, reason)

    def _pump(self) -> None:
        if self._call is not None:
            if self._call.active():
                self._call.cancel()
            self._call = None
        loop = self._loop
        if loop is None:
            return
        free = self._window - self._in_flight
        items: list[OutboxItem] = []
        while self._own and len(items) < free:
            items.append(self._own.popleft())
        theirs = 0
        if len(items) < free and not self._own_only and not self._is_resting:
            taken = self._guard(self._outbox.take, free - len(items))
            if taken:
                theirs = len(taken)
                items.extend(taken)
        if items:
            self._metrics.count_published(theirs)
            self._in_flight += len(items)
            loop.send(items)
        due = self._guard(self._outbox.next_due)
        self._retry_in(due)
        if self._drained is None or self._in_flight:
            return
        only_held = due is not None and self._call is None  # the outbox has not asked for another turn
        if only_held or not self._guard(self._outbox.depth):
            drained, self._drained = self._drained, None
            drained.callback(None)

    def _retry_in(self, delay: float | None) -> None:
        """Take from the outbox again after ``delay`` seconds, when what it holds back is due."""
        if delay is None:
            self._cancel_retry()
        elif self._retry is None:
            self._retry = self._clock.callLater(max(delay, MIN_RETRY_DELAY), self._retry_due)
        else:
            self._retry.reset(max(delay, MIN_RETRY_DELAY))

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _cancel_pause(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None

    def _retry_due(self) -> None:
        self._retry = None
        self._pump()

    def _guard(self, call: Any, *arguments: Any) -> Any:
        # The outbox is another part: its fault is logged and must not end the service of the connection.
        try:
            return call(*arguments)
        except Exception:
            self.log.failure("The outbox failed")
            return None
