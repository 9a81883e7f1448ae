"""Bounded memory of the retained documents that the broker has acknowledged, and the queue of those to be repeated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from twisted_detector.model import Message


class Retained:
    """The latest acknowledged retained message of each topic.

    It serves two ends: an unchanged document is not published again, and after a reconnect every document is (a broker
    that crashed may have lost what it acknowledged). When a bound is exceeded, the longest unchanged is forgotten.
    """

    def __init__(self, *, messages: int, octets: int) -> None:
        self._max_messages = messages
        self._max_octets = octets
        self._octets = 0
        self._by_topic: dict[str, Message] = {}

    def __len__(self) -> int:
        return len(self._by_topic)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._by_topic.values())

    def get(self, topic: str) -> Message | None:
        """The latest acknowledged document of ``topic``; None when there is none."""
        return self._by_topic.get(topic)

    def matches(self, message: Message) -> bool:
        """Whether the latest acknowledged document of its topic equals ``message``."""
        known = self._by_topic.get(message.topic)
        return known is not None and known.payload == message.payload and known.qos == message.qos

    def set(self, message: Message) -> list[str]:
        """Remember the acknowledged ``message``.

        :returns: the topics that were forgotten for it, longest unchanged first; perhaps its own.
        """
        self.remove(message.topic)
        self._by_topic[message.topic] = message
        self._octets += len(message.topic) + len(message.payload)
        evicted = []
        while len(self._by_topic) > self._max_messages or self._octets > self._max_octets:
            topic = next(iter(self._by_topic))
            self.remove(topic)
            evicted.append(topic)
        return evicted

    def remove(self, topic: str) -> None:
        """Forget ``topic``."""
        known = self._by_topic.pop(topic, None)
        if known is not None:
            self._octets -= len(topic) + len(known.payload)


class Republish:
    """Queue of remembered documents that are still to be published again.

    :param superfluous: whether a topic needs no repetition now: something newer is kept for it, or it is held back.
    :ivar in_flight: how many are being published.
    """

    def __init__(self, known: Retained, superfluous: Callable[[str], bool]) -> None:
        self._known = known
        self._superfluous = superfluous
        self._topics: deque[str] = deque()
        self.in_flight = 0

    def __len__(self) -> int:
        return len(self._topics) + self.in_flight

    def begin(self, topics: Iterable[str] | None = None) -> None:
        """Queue all of them anew; or those of ``topics`` that are remembered, after what is queued already."""
        if topics is None:
            self._topics = deque(message.topic for message in self._known if not self._superfluous(message.topic))
            return
        waiting = set(self._topics)
        self._topics.extend(
            topic
            for topic in dict.fromkeys(topics)
            if topic not in waiting and self._known.get(topic) is not None and not self._superfluous(topic)
        )

    def next(self, topic: str | None = None) -> Message | None:
        """The next document, or that of ``topic`` before its turn; it counts as in flight from now on."""
        if topic is not None:
            if self._known.get(topic) is None:
                return None
            self._topics = deque([topic, *(other for other in self._topics if other != topic)])
        while self._topics:
            known = self._known.get(self._topics.popleft())
            if known is not None and not self._superfluous(known.topic):
                self.in_flight += 1
                return known
        return None

    def put_back(self, topic: str) -> None:
        """Queue ``topic``, which was in flight, again, and first."""
        self._topics.appendleft(topic)
