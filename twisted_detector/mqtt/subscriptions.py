"""Dispatcher of received messages to the handlers of matching topic filters, with back-pressure.

A handler gets one message after the other. One that raises, or that does not end, is counted and hurts no other. The
number of waiting messages is public, so that the network thread can leave the socket unread meanwhile.

A broker may send one copy of a message for each filter that matches it (MQTT 3.1.1, 3.3.5; mosquitto 2.1 does), and
nothing in a copy says for which. So of our filters the broker gets only those that no other covers; here each message
goes to every handler whose filter matches. Two filters that overlap and of which none covers the other (``a/+/c`` and
``a/b/+``) remain: their handlers may get a message of both twice, which QoS 1 allows at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import LocalError
from twisted_detector.mqtt.single_topics import SubscriptionPacer, TopicSet

Handler = Callable[[str, bytes], Awaitable[None] | None]

#: A handler that needs longer, in seconds, is cancelled: those behind it wait.
HANDLER_TIMEOUT = 60.0


def check_filter(topic_filter: str) -> None:
    """Check the syntax of a topic filter (MQTT 3.1.1, 4.7).

    :raises LocalError: it is none.
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
    """Whether ``topic_filter`` matches ``topic`` (MQTT 3.1.1, 4.7; a wildcard does not match ``$…``)."""
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


def covers(wide: str, narrow: str) -> bool:
    """Whether ``wide`` matches every topic that ``narrow`` matches. Two different filters never cover each other."""
    if narrow.startswith("$") and wide[:1] in ("+", "#"):
        return False
    wanted, given = wide.split("/"), narrow.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(given) or given[position] == "#" or level not in ("+", given[position]):
            return False
    return len(wanted) == len(given)


class _Subscription:
    def __init__(self, topic_filter: str, handler: Handler, retained: Handler | None) -> None:
        self.topic_filter = topic_filter
        self.handler = handler
        self.retained_handler = retained or handler
        self.queue: deque[tuple[Handler, str, bytes]] = deque()
        self.busy = False
        self.ended = False


class Subscriptions:
    """Topic filters with their handlers.

    :param on_filters_changed: called with (added, removed) filters, for SUBSCRIBE and then UNSUBSCRIBE.
    :param standing: filters that are subscribed always, for their owner's own use.
    :param on_progress: called when messages that waited have been handled.
    :ivar pacer: of what is wanted topic by topic.
    :ivar pending: messages that wait or are being handled.
    :ivar failures: how often a handler raised or took too long.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        on_filters_changed: Callable[[list[str], list[str]], None],
        on_progress: Callable[[], None],
        standing: Iterable[str] = (),
    ) -> None:
        self._clock = clock
        self._standing = tuple(standing)
        self._on_filters_changed = on_filters_changed
        self._on_progress = on_progress
        self._all: list[_Subscription] = []
        #: Of these, those whose filter the broker does not get.
        self._single: set[_Subscription] = set()
        self.pacer = SubscriptionPacer()
        self.pending = 0
        self.failures = 0

    @property
    def filters(self) -> list[str]:
        """All filters, each once."""
        return list(dict.fromkeys(each.topic_filter for each in self._all if each not in self._single))

    @property
    def broker_filters(self) -> list[str]:
        """The filters that the broker is to have: all but those that another covers."""
        known = dict.fromkeys([*self._standing, *self.filters])
        return [one for one in known if not any(other != one and covers(other, one) for other in known)]

    def subscribe(
        self,
        topic_filter: str,
        handler: Handler,
        *,
        retained: Handler | None = None,
        only: TopicSet | None = None,
    ) -> Callable[[], None]:
        """Call ``handler`` for what matches; the returned function ends that.

        :param retained: called in its stead with what was retained before the broker got the subscription.
        :param only: where thousands of retained messages may match: of all topics that match, these are wanted. QoS 0.
        :raises LocalError: not a topic filter.
        """
        check_filter(topic_filter)
        subscription = _Subscription(topic_filter, handler, retained)
        if only is not None:
            return self._subscribe_single(subscription, only)
        known = topic_filter in self._standing or topic_filter in self.filters
        before = self.broker_filters
        self._all.append(subscription)
        if not known:
            after = self.broker_filters
            # One that is covered is subscribed all the same, for a moment: else nobody would send what is retained.
            self._on_filters_changed([topic_filter], [one for one in [*before, topic_filter] if one not in after])

        def remove() -> None:
            if subscription.ended:
                return
            before = self.broker_filters
            self._end(subscription)
            after = self.broker_filters
            if after != before:
                self._on_filters_changed(
                    [one for one in after if one not in before], [one for one in before if one not in after]
                )

        return remove

    def _subscribe_single(self, subscription: _Subscription, only: TopicSet) -> Callable[[], None]:
        self._single.add(subscription)
        self._all.append(subscription)
        self.pacer.join(only)

        def remove() -> None:
            if not subscription.ended:
                self._end(subscription)
                self._single.discard(subscription)
                self.pacer.leave(only)

        return remove

    def _end(self, subscription: _Subscription) -> None:
        subscription.ended = True
        self._all.remove(subscription)
        self.pending -= len(subscription.queue)
        subscription.queue.clear()

    def dispatch(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Queue a message for every handler whose filter matches.

        :param retained: the broker had it before it got the subscription (MQTT 3.1.1, 3.3.1.3).
        """
        for subscription in tuple(self._all):
            if matches(subscription.topic_filter, topic):
                handler = subscription.retained_handler if retained else subscription.handler
                subscription.queue.append((handler, topic, payload))
                self.pending += 1
                if not subscription.busy:
                    Deferred.fromCoroutine(self._handle(subscription))

    async def _handle(self, subscription: _Subscription) -> None:
        """Call the handler with each message that waits, one after the other."""
        subscription.busy = True
        while subscription.queue:
            handler, topic, payload = subscription.queue.popleft()
            result = None
            try:
                result = handler(topic, payload)
                if result is not None:
                    await Deferred.fromCoroutine(_wait_for(result)).addTimeout(HANDLER_TIMEOUT, self._clock)
            except (DeferredTimeout, CancelledError):
                self.failures += 1
                self.log.warn(
                    "The handler for {topic_filter} did not end within {seconds} s and was cancelled",
                    topic_filter=subscription.topic_filter,
                    seconds=HANDLER_TIMEOUT,
                )
            except Exception:
                self.failures += 1
                self.log.failure("The handler for {topic_filter} failed", topic_filter=subscription.topic_filter)
            self.pending -= 1
            if result is not None:
                self._on_progress()
        subscription.busy = False


async def _wait_for(awaitable: Awaitable[None]) -> None:
    await awaitable
