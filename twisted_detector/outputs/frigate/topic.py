"""Destination that is Frigate's configuration on the broker, where several nodes write it together.

The topic is one retained document. Each node reads it, merges its own cameras into it, and publishes the whole. Two
that do so at once overwrite each other: the broker has the later document then, both receive that, and who misses
something of its own in it merges once more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_detector.errors import PublishError
from twisted_detector.model import Message, Priority
from twisted_detector.model.consumers import Consumer
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.outputs.frigate.document import FrigateTopics
from twisted_detector.outputs.sync.merging import merge_section
from twisted_detector.outputs.sync.seams import (
    ALONE,
    DeliveryResult,
    Entries,
    InThread,
    ISharedDestination,
    IWatchedDestination,
    MergeResult,
    Sharing,
    TargetRefused,
    TargetUnavailable,
)

#: Seconds, after a connection and once more after a question, until a topic of which nothing came is taken for empty.
SETTLE = 2.0
#: Bytes of the document: a node passes over messages of more than a mebibyte.
MAX_DOCUMENT = 1_000_000
_SECTION = "cameras"


@implementer(ISharedDestination, IWatchedDestination)
class TopicDestination:
    """Frigate's configuration on the broker, with the cameras of other nodes beside ours.

    :param forget: has the publisher not say again what we published there: it may be another node's by now.
    :param ask: has the broker say once more what stands there.
    """

    refresh = 0.0

    def __init__(
        self,
        clock: IReactorTime,
        consumer: Consumer,
        topics: FrigateTopics,
        *,
        publish: Callable[[Message], Deferred[None]],
        forget: Callable[[], None],
        ask: Callable[[], None],
        in_thread: InThread,
    ) -> None:
        self.name = consumer.destination("topic")
        self.where = topics.configuration
        self._clock = clock
        self._topics = topics
        self._publish = publish
        self._forget = forget
        self._ask = ask
        self._in_thread = in_thread
        self._changed: Callable[[], None] = lambda: None
        self._sharing = ALONE
        #: What stands there, or will when our message is there, None as long as that is not known; and what the broker
        #: said last of it.
        self._standing: bytes | None = None
        self._heard: bytes | None = None
        #: Since when the broker may say it, None without a connection; and whether it was asked once more.
        self._asked_at: float | None = None
        self._is_asked_again = False

    def watch(self, changed: Callable[[], None]) -> None:
        """See :class:`IWatchedDestination`."""
        self._changed = changed

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self._sharing = sharing

    def set_connected(self, is_connected: bool) -> None:
        """The connection to the broker has begun, or has ended: what stands there comes anew with the next."""
        self._standing = self._heard = None
        self._asked_at = self._clock.seconds() if is_connected else None
        self._is_asked_again = False
        self._forget()
        self._changed()

    def receive(self, _: str, payload: bytes) -> None:
        """That stands there now, whoever published it."""
        self._heard = payload
        if payload != self._standing:
            self._standing = payload
            self._forget()
            self._changed()

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISharedDestination`."""
        if self._asked_at is None:
            return DeliveryResult(base, waits_for="there is no connection to the broker")
        if self._standing is None and not self._is_empty():
            return DeliveryResult(base, again=SETTLE, waits_for="the broker has not said yet what stands there")
        standing = self._standing
        work = partial(_merged, standing or b"", wanted, base, self._sharing)
        merged, payload, diff = await self._in_thread(work)
        if self._standing is not standing:
            return DeliveryResult(base, again=SETTLE)  # another node wrote meanwhile
        if diff and not dry:
            self._say(payload)
        return DeliveryResult(
            merged.written, bool(diff), diff=diff if dry else (), left=merged.left, waiting=merged.waiting
        )

    def _is_empty(self) -> bool:
        """Whether nothing stands there: nothing came, neither among all that a new connection brings, of which a broker
        drops what is too much, nor alone."""
        now = self._clock.seconds()
        if self._asked_at is None or 0 <= now - self._asked_at < SETTLE:
            return False
        if not self._is_asked_again:
            self._is_asked_again, self._asked_at = True, now
            self._ask()
            return False
        return True

    def _say(self, payload: bytes) -> None:
        if len(payload) > MAX_DOCUMENT:
            raise TargetRefused(
                "all nodes together have more cameras than one message may hold; FRIGATE_CAMERAS and FRIGATE_NETWORK"
                " say which are in it"
            )
        configuration = Message(
            self._topics.configuration, payload, retain=True, priority=Priority.STATE, durable=False
        )
        before, self._standing = self._standing, payload
        try:
            # What happens to it on its way shows in what stands there.
            self._publish(configuration).addErrback(self._not_said, payload)
            self._publish(Message(self._topics.reload, b"", priority=Priority.STATE)).addErrback(_ignore)
        except PublishError as error:
            self._standing = before
            raise TargetUnavailable(str(error)) from None

    def _not_said(self, failure: Failure, payload: bytes) -> None:
        """What we published was dropped before the broker had it: what stood there stands there still."""
        failure.trap(PublishError)
        if self._standing is payload and self._asked_at is not None:
            self._standing = self._heard
            self._changed()


def _ignore(failure: Failure) -> None:
    failure.trap(PublishError)


def _merged(
    standing: bytes, wanted: Entries, base: Entries, sharing: Sharing
) -> tuple[MergeResult, bytes, tuple[str, ...]]:
    """What stands there with ``wanted`` in it: as values, as bytes, and which cameras are different."""
    found = (parse_object(standing) or {}).get(_SECTION)
    there: dict[str, Any] = found if isinstance(found, dict) else {}
    # Nobody changes it by hand: of our own cameras all is as we say, whatever a document of another node had.
    ours = {name: there[name] for name in wanted if name in there and name not in sharing.others}
    merged = merge_section(_SECTION, {_SECTION: there}, {**base, **ours}, wanted, sharing=sharing)
    after = merged.document[_SECTION]
    changed = sorted(name for name in there.keys() | after.keys() if there.get(name) != after.get(name))
    return merged, encode(merged.document), tuple(f"~ {name}" for name in changed)
