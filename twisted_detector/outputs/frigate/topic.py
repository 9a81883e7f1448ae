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

#: Seconds after a connection until a topic of which nothing came is believed to be empty.
SETTLE = 2.0
#: Bytes of the document: a node passes over messages of more than a mebibyte.
MAX_DOCUMENT = 1_000_000
_SECTION = "cameras"


@implementer(ISharedDestination, IWatchedDestination)
class TopicDestination:
    """Frigate's configuration on the broker, with the cameras of other nodes beside ours.

    :param forget: has the publisher not say again what we published there: it may be another node's by now.
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
        in_thread: InThread,
    ) -> None:
        self.name = consumer.destination("topic")
        self.where = topics.configuration
        self._clock = clock
        self._topics = topics
        self._publish = publish
        self._forget = forget
        self._in_thread = in_thread
        self._changed: Callable[[], None] = lambda: None
        self._sharing = ALONE
        #: What stands there, None as long as that is not known; and since when there is a connection.
        self._standing: bytes | None = None
        self._connected_at: float | None = None

    def watch(self, changed: Callable[[], None]) -> None:
        """See :class:`IWatchedDestination`."""
        self._changed = changed

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self._sharing = sharing

    def set_connected(self, is_connected: bool) -> None:
        """The connection to the broker has begun, or has ended: what stands there comes anew with the next."""
        self._standing = None
        self._connected_at = self._clock.seconds() if is_connected else None
        self._forget()
        if is_connected:
            self._changed()

    def receive(self, _: str, payload: bytes) -> None:
        """That stands there now, whoever published it."""
        if payload != self._standing:
            self._standing = payload
            self._forget()
            self._changed()

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISharedDestination`."""
        if self._connected_at is None:
            return DeliveryResult(base)  # that the broker is away is told elsewhere
        if self._standing is None and 0 <= self._clock.seconds() - self._connected_at < SETTLE:
            return DeliveryResult(base, again=SETTLE)
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

    def _say(self, payload: bytes) -> None:
        if len(payload) > MAX_DOCUMENT:
            raise TargetRefused(
                "all nodes together have more cameras than one message may hold; FRIGATE_CAMERAS and FRIGATE_NETWORK"
                " say which are in it"
            )
        configuration = Message(
            self._topics.configuration, payload, retain=True, priority=Priority.STATE, durable=False
        )
        try:
            for message in (configuration, Message(self._topics.reload, b"", priority=Priority.STATE)):
                # What happens to it later shows in what stands there.
                self._publish(message).addErrback(lambda failure: failure.trap(PublishError) and None)
        except PublishError as error:
            raise TargetUnavailable(str(error)) from None
        self._standing = payload


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
