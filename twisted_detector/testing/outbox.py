"""Outbox in memory, a double for tests of what sends: it records what became of each message."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from zope.interface import implementer

from twisted_detector.model import Message
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.seams import IOutbox, OutboxItem


@implementer(IOutbox)
class MemoryOutbox:
    """First in, first out; no priorities, no bounds, no disk.

    :ivar delivered: acknowledged messages, in the order of acknowledgement.
    :ivar refusals: ``(message, reason)`` of refused ones.
    :ivar republished: how often :meth:`republish` was called; ``losses``: how often the connection was lost.
    """

    def __init__(self) -> None:
        self.ready: Observers[[]] = Observers("a message in the outbox")
        self.delivered: list[Message] = []
        self.refusals: list[tuple[Message, str]] = []
        self.republished = 0
        self.losses = 0
        self.retained: dict[str, Message] = {}
        self._waiting: deque[OutboxItem] = deque()
        self._in_flight: OrderedDict[int, OutboxItem] = OrderedDict()
        self._token = 0

    def put(self, message: Message) -> None:
        """Queue ``message``."""
        if message.retain:
            self.retained[message.topic] = message
        self._append(message)
        self.ready.notify()

    def _append(self, message: Message) -> None:
        self._token += 1
        self._waiting.append(OutboxItem(self._token, message))

    def take(self, limit: int) -> Sequence[OutboxItem]:
        """See IOutbox."""
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        for item in taken:
            self._in_flight[item.token] = item
        return taken

    def acknowledged(self, tokens: Sequence[int]) -> None:
        """See IOutbox."""
        for token in tokens:
            self.delivered.append(self._in_flight.pop(token).message)

    def refused(self, token: int, reason: str) -> None:
        """See IOutbox."""
        self.refusals.append((self._in_flight.pop(token).message, reason))

    def postponed(self, tokens: Sequence[int], reason: str) -> None:
        """See IOutbox."""
        self._waiting.extendleft(self._in_flight.pop(token) for token in reversed(tokens))

    def connection_lost(self) -> None:
        """See IOutbox."""
        self.losses += 1
        self._waiting.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()

    def next_due(self) -> float | None:
        """See IOutbox; here nothing is ever held back."""
        return None

    def depth(self) -> int:
        """See IOutbox."""
        return len(self._waiting) + len(self._in_flight)

    def republish(self, topics: Iterable[str] | None = None) -> None:
        """See IOutbox."""
        self.republished += 1
        queued = {item.message.topic for item in self._waiting}
        wanted = None if topics is None else set(topics)
        for topic, message in self.retained.items():
            if topic not in queued and (wanted is None or topic in wanted):
                self._append(message)
