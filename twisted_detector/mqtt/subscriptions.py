"""Messages from the broker go in; each handler whose topic filter matches gets them, one after the other.

A handler that raises, or that does not end, is counted and hurts no other. How many messages wait is visible, so that
the network thread can leave the socket unread meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import LocalError

Handler = Callable[[str, bytes], Awaitable[None] | None]

#: A handler that needs longer, in seconds, is cancelled: those behind it wait.
HANDLER_TIMEOUT = 60.0


def check_filter(topic_filter: str) -> None:
    """Whether a topic filter is one (MQTT 3.1.1, 4.7).

    :raises LocalError: it is not.
    """
    levels = topic_filter.split("/")
    wrong = (
        not topic_filter
        or "\0" in topic_filter
        or len(topic_filter.encode("utf-8", "replace")) > 65535
        or any("+" in level and level != "+" for level in levels)
        or any("#" in level and (level != "#" or position != len(levels) - 1) for position, level in enumerate(levels))
    )
    if wrong:
        raise LocalError("not a topic filter", shown=repr(topic_filter[:80]))


def matches(topic_filter: str, topic: str) -> bool:
    """Whether ``topic_filter`` takes in ``topic`` (MQTT 3.1.1, 4.7; ``$…`` is not for wildcards)."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted = topic_filter.split("/")
    given = topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(given) or level not in ("+", given[position]):
            return False
    return len(wanted) == len(given)


class _Subscription:
    def __init__(self, topic_filter: str, handler: Handler) -> None:
        self.topic_filter = topic_filter
        self.handler = handler
        self.queue: deque[tuple[str, bytes]] = deque()
        self.busy = False
        self.ended = False


class Subscriptions:
    """Topic filters with their handlers.

    :param changed: called with (added, removed) filters, when the broker has to know.
    :param progressed: called when messages that waited have been handled.
    :ivar pending: messages that wait or are being handled.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        changed: Callable[[list[str], list[str]], None],
        progressed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._progressed = progressed
        self._all: list[_Subscription] = []
        self.pending = 0
        self.failures = 0

    @property
    def filters(self) -> list[str]:
        """All filters, each once."""
        return list(dict.fromkeys(each.topic_filter for each in self._all))

    def add(self, topic_filter: str, handler: Handler) -> Callable[[], None]:
        """Call ``handler`` for what matches; the returned function ends that.

        :raises LocalError: not a topic filter.
        """
        check_filter(topic_filter)
        subscription = _Subscription(topic_filter, handler)
        known = topic_filter in self.filters
        self._all.append(subscription)
        if not known:
            self._changed([topic_filter], [])

        def remove() -> None:
            if subscription.ended:
                return
            subscription.ended = True
            self._all.remove(subscription)
            self.pending -= len(subscription.queue)
            subscription.queue.clear()
            if topic_filter not in self.filters:
                self._changed([], [topic_filter])

        return remove

    def dispatch(self, topic: str, payload: bytes) -> None:
        """A message came."""
        for subscription in tuple(self._all):
            if matches(subscription.topic_filter, topic):
                subscription.queue.append((topic, payload))
                self.pending += 1
                self._work(subscription)

    def _work(self, subscription: _Subscription) -> None:
        if subscription.busy:
            return
        subscription.busy = True
        while subscription.queue:
            topic, payload = subscription.queue.popleft()
            try:
                result = subscription.handler(topic, payload)
            except Exception:
                self._failed(subscription)
                self.pending -= 1
                continue
            if result is None:
                self.pending -= 1
                continue
            waiting = result if isinstance(result, Deferred) else Deferred.fromCoroutine(_awaiting(result))
            waiting.addTimeout(HANDLER_TIMEOUT, self._clock)
            waiting.addErrback(self._failed_later, subscription)
            if not waiting.called or waiting.paused:
                waiting.addCallback(self._resume, subscription)
                return
            self.pending -= 1
        subscription.busy = False

    def _resume(self, _: object, subscription: _Subscription) -> None:
        self.pending -= 1
        subscription.busy = False
        self._work(subscription)
        self._progressed()

    def _failed_later(self, failure: Any, subscription: _Subscription) -> None:
        if failure.check(DeferredTimeout, CancelledError):
            self.failures += 1
            self.log.warn(
                "The handler for {topic_filter} did not end within {seconds} s and was cancelled",
                topic_filter=subscription.topic_filter,
                seconds=HANDLER_TIMEOUT,
            )
            return
        self._failed(subscription, failure)

    def _failed(self, subscription: _Subscription, failure: Any = None) -> None:
        self.failures += 1
        self.log.failure(
            "The handler for {topic_filter} failed", failure=failure, topic_filter=subscription.topic_filter
        )


async def _awaiting(awaitable: Awaitable[None]) -> None:
    await awaitable
