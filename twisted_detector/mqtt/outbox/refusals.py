"""Record of what the broker refused, with MQTT 5: states to be said again, and messages that it only put off.

A refusal may be true today only: rights are changed, a quota is for a minute. An event that is refused is gone; it says
when it was. But a state holds until the next one, and nobody says it again before that. So it is kept here until the
next connection, as what the broker has is (:mod:`.retained`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from functools import partial

from txaio.tx import make_logger

from twisted_detector.errors import Dropped, NotAuthorized, PublishError
from twisted_detector.model import Message
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.mqtt.outbox.entry import Entry
from twisted_detector.mqtt.outbox.retained import Retained

#: So often a message is sent again that the broker puts off while it takes others; then it is refused.
MAX_POSTPONED = 10
#: Topics of refused messages that the log names, and characters of each.
_MAX_NAMED, _MAX_SHOWN = 16, 200


class Refusals:
    """Record of refused messages.

    :param messages: states that are kept at most; ``octets``: of them together, packed.
    """

    log = make_logger()

    def __init__(self, *, messages: int, octets: int) -> None:
        self._states = Retained(messages=messages, octets=octets)
        self._named: BoundedSet[str] = BoundedSet(_MAX_NAMED)

    def record(self, message: Message, reason: str, *, is_latest: bool) -> Callable[[], PublishError]:
        """The broker refused ``message``; what makes the error of it.

        :param is_latest: it is the latest state of its topic.
        """
        if is_latest:
            self._states.set(message)
        if len(self._named) < _MAX_NAMED and self._named.add(message.topic):
            self.log.warn(
                "The broker refuses a message on {topic!r}: {reason}", topic=message.topic[:_MAX_SHOWN], reason=reason
            )
        kind = NotAuthorized if "authori" in reason.lower() else Dropped
        return partial(kind, "the broker refused the message", shown=reason)

    def forget(self, topic: str) -> None:
        """Something newer was published there."""
        self._states.remove(topic)

    def discard(self, concerns: Callable[[str], bool]) -> None:
        """Forget the states of all topics that ``concerns``."""
        for topic in [one for one in self._states if concerns(one)]:
            self._states.remove(topic)

    def take(self, *, besides: Container[str], fits: Callable[[Message], bool]) -> Iterator[Message]:
        """The refused states, but for those of topics ``besides``; all are forgotten, save what does not fit now."""
        for topic in tuple(self._states):
            message = self._states.get(topic)
            if message is None or topic in besides:
                self._states.remove(topic)
            elif fits(message):
                self._states.remove(topic)
                yield message


def is_hopeless(entry: Entry, acknowledged: int) -> bool:
    """Count that the broker put ``entry`` off once more; whether it is that message, and not the broker.

    Only what is not taken while others are is more than a broker that wants to be left in peace for a while.

    :param acknowledged: messages so far.
    """
    if entry.acks_when_postponed != acknowledged:
        entry.acks_when_postponed = acknowledged
        entry.postponed += 1
    return entry.postponed > MAX_POSTPONED and not entry.republished
