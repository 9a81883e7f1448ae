"""Sets of single topics, for who wants some of the thousands that a filter matches, and the pacer that asks for them.

A broker queues so many messages for a client, and drops the rest without a word: mosquitto 1 000 packets. What is
retained below a wildcard comes all at once, so of thousands some would be lost; and from its version 2.0.16 to 2.0.22
mosquitto drops with them whatever else it owes this client, acknowledgements too, until the connection is given up, and
with the next one again. Nobody knows before how many match. So the broker is asked for single topics, some at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from twisted_detector.model.observers import Observers

if TYPE_CHECKING:
    from twisted_detector.mqtt.network.loop import NetworkLoop

#: Topics in one SUBSCRIBE. Their retained messages are under way when its answer comes, and the next one's follow: so
#: twice as many wait at the broker, far below what any queues, and beside all else that waits there.
SLICE = 100
#: Answers in a row after which twice as many are tried again, where a broker that closed the connection made us ask for
#: fewer; as many more each time that it does.
_ENOUGH = 10


class TopicSet:
    """Set of the topics that a subscriber wants of those that his filter matches.

    :ivar changed: called with the topics that were added and those that were removed.
    :ivar unanswered: those that the broker has not answered for in this connection; what it retains of a topic follows
        its answer.
    """

    def __init__(self) -> None:
        self._topics: dict[str, None] = {}
        self.changed: Observers[[list[str], list[str]]] = Observers("a set of topics")
        self.unanswered: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._topics))

    def __contains__(self, topic: object) -> bool:
        return topic in self._topics

    def __len__(self) -> int:
        return len(self._topics)

    def add(self, topics: Iterable[str]) -> list[str]:
        """Want these too; returns those that are new."""
        new = [one for one in dict.fromkeys(topics) if one not in self._topics]
        self._topics.update(dict.fromkeys(new))
        self.unanswered.update(new)
        self.changed.notify(new, [])
        return new

    def remove(self, topics: Iterable[str]) -> None:
        """Want these no longer."""
        old = [one for one in topics if one in self._topics]
        for one in old:
            del self._topics[one]
        self.unanswered.difference_update(old)
        self.changed.notify([], old)


class SubscriptionPacer:
    """Pacer of SUBSCRIBE for the topics of all sets: the next ones when the broker has answered for these. QoS 0."""

    def __init__(self) -> None:
        self._sets: dict[TopicSet, Callable[[], None]] = {}
        self._loop: NetworkLoop | None = None
        #: Topics that the broker has yet to be asked for, in their order; and those of the SUBSCRIBE under way.
        self._waiting: dict[str, None] = {}
        self._asked: set[str] = set()
        #: Topics in one SUBSCRIBE, as this broker takes them (AWS IoT: 8, and closes the connection for more); the
        #: answers in a row in this connection, and those after which there may be more.
        self._slice = SLICE
        self._answers = 0
        self._enough = _ENOUGH

    def join(self, topics: TopicSet) -> None:
        """Ask for the topics of a set, from now on."""
        self._sets[topics] = topics.changed.add(self._changed)
        self._changed(list(topics), [])

    def leave(self, topics: TopicSet) -> None:
        """Ask for them no longer."""
        self._sets.pop(topics)()
        self._changed([], list(topics))

    def attach(self, loop: NetworkLoop) -> None:
        """A connection: the broker knows nothing of what an earlier one had asked for."""
        self._loop = loop
        self._answers = 0
        self._asked.clear()
        self._waiting.clear()
        for one in self._sets:
            self._waiting.update(dict.fromkeys(one))
        self._ask()

    def detach(self, *, closed: bool) -> None:
        """The connection is gone, and with it what the broker has answered; ``closed``: the broker closed it."""
        if closed and self._loop is not None and self._asked and not self._answers:
            self._slice = max(1, self._slice // 2)
            self._enough *= 2
        self._loop = None
        for one in self._sets:
            one.unanswered.update(one)

    def answered(self, topics: Iterable[str]) -> None:
        """The broker has answered SUBSCRIBE for these, whoever asked."""
        for one in self._sets:
            one.unanswered.difference_update(topics)
        was_asked = bool(self._asked)
        self._asked.difference_update(topics)
        if was_asked and not self._asked:
            self._answers += 1
            if self._answers >= self._enough:
                self._answers = 0
                self._slice = min(SLICE, 2 * self._slice)
        self._ask()

    def _changed(self, added: list[str], removed: list[str]) -> None:
        if self._loop is None:
            return
        self._waiting.update(dict.fromkeys(added))
        ended = [one for one in removed if not any(one in other for other in self._sets)]
        known = [one for one in ended if one not in self._waiting]
        for one in ended:
            self._waiting.pop(one, None)
        for start in range(0, len(known), self._slice):
            self._loop.unsubscribe(known[start : start + self._slice])
        self._ask()

    def _ask(self) -> None:
        if self._loop is None or self._asked or not self._waiting:
            return
        asked = list(self._waiting)[: self._slice]
        for one in asked:
            del self._waiting[one]
        self._asked.update(asked)
        self._loop.subscribe(asked, 0)
