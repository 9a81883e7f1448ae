"""A message, its place and its bounds go in; one value comes out that the outbox's parts hand to one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.outbox.receipt import Receipt


@dataclass(slots=True, eq=False)
class Entry:
    """One message that is kept.

    :ivar id: its record in the journal, 0 when it has none.
    :ivar token: its name in flight, 0 when it waits.
    :ivar again: said already and said once more; never counted against the bounds.
    :ivar superseded: in flight, but a newer state of its topic is kept: it is not sent again.
    :ivar replaces: the superseded entry that this one replaces.
    """

    message: Message
    priority: Priority
    queued: float
    deadline: float = inf
    order: int = 0
    id: int = 0
    token: int = 0
    again: bool = False
    superseded: bool = False
    replaces: Entry | None = None
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def octets(self) -> int:
        """What it counts against the bound."""
        return len(self.message.topic) + len(self.message.payload)

    @property
    def key(self) -> Key:
        """What makes it the same one when it is sent again: of a state, whatever it says by then, the topic."""
        return self.message.topic if self.message.retain else self


#: A topic of retained messages, or one message that is not retained.
Key = str | Entry
