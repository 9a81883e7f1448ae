"""One kept message with its place and its bounds: the record that the outbox's parts hand to one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.outbox.receipt import Receipt


@dataclass(slots=True, eq=False)
class Entry:
    """One message that is kept.

    :ivar queued: monotonic seconds of its ``put``; ``deadline``: when it expires.
    :ivar order: place in its class.
    :ivar id: of its record in the journal, 0 when it has none.
    :ivar token: its name in flight, 0 when it waits.
    :ivar republished: a remembered document that is sent once more; it counts against no bound.
    :ivar superseded: in flight, but a newer state of its topic is kept: it is not sent again.
    :ivar replaces: the superseded entry that this one replaces.
    :ivar postponed: how often the broker did not take it for now, each time after other messages;
        ``acks_when_postponed``: how many were acknowledged by then.
    """

    message: Message
    priority: Priority
    queued: float
    deadline: float = inf
    order: int = 0
    id: int = 0
    token: int = 0
    republished: bool = False
    superseded: bool = False
    replaces: Entry | None = None
    postponed: int = 0
    acks_when_postponed: int = -1
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def octets(self) -> int:
        """What it counts against :attr:`.queue.Limits.octets`."""
        return len(self.message.topic) + len(self.message.payload)

    @property
    def key(self) -> Key:
        """Identity over several sendings: of a state the topic, whatever its payload is by then."""
        return self.message.topic if self.message.retain else self


#: A topic of retained messages, or one message that is not retained.
Key = str | Entry
