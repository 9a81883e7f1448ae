"""Acknowledged retained messages go in; what the broker was last told, by topic, comes out, within a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from twisted_detector.model import Message


class Retained:
    """The latest acknowledged retained message of each topic.

    It serves two ends: an unchanged document is not published again, and after a reconnect everything is (a broker
    that crashed may have lost what it acknowledged).
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
        """What the broker was last told on ``topic``; None when nothing is known."""
        return self._by_topic.get(topic)

    def says(self, message: Message) -> bool:
        """Whether the broker was told exactly this."""
        known = self._by_topic.get(message.topic)
        return known is not None and known.payload == message.payload and known.qos == message.qos

    def set(self, message: Message) -> list[str]:
        """Note that ``message`` was acknowledged.

        :returns: the topics that had to be forgotten for it, longest unchanged first; perhaps its own.
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
    """Which known documents are still to be said again.

    :param superfluous: whether a topic needs no repetition now: something newer is kept for it, or it is held back.
    """

    def __init__(self, known: Retained, superfluous: Callable[[str], bool]) -> None:
        self._known = known
        self._superfluous = superfluous
        self._topics: deque[str] = deque()
        self.in_flight = 0

    def __len__(self) -> int:
        return len(self._topics) + self.in_flight

    def begin(self, topics: Iterable[str] | None = None) -> None:
        """All of them, from the first on; or those of ``topics`` that are known, after what is to be said already."""
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
        """The next one, or that of ``topic`` before its turn; it is in flight now."""
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

    def back(self, topic: str) -> None:
        """It was in flight and is to be said once more, first."""
        self._topics.appendleft(topic)
