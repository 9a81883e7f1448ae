"""Bounded memory of the retained documents that the broker has acknowledged, and the queue of those to be repeated."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from twisted_detector.model import Message, Priority

#: Octets of a digest: that two payloads of one topic have the same by chance happens once in 2^64 changes.
_DIGEST = 16
#: Raw deflate with a window of 16 kB and half of zlib's memory, at the level that packs well and looks back a little:
#: 10 µs for a document of 2 kB, 15 µs for one of 7 kB.
_LEVEL, _WINDOW, _MEMORY = 3, -14, 7
#: Shorter payloads are kept as they are.
_MIN_PACKED = 64
#: Octets of a pattern at most: with a document as long as itself it fills the window.
_MAX_PATTERN = 8192
#: Families that get a pattern, and how often one gets another: some 2 MB in all, whatever plugins publish.
_MAX_FAMILIES, _MAX_PATTERNS = 64, 4
#: A level of a topic that names one of many: a camera, a node.
_NAME_OF_ONE = re.compile(r"[^/]*\d[^/]*")


@dataclass(frozen=True, slots=True)
class _Document:
    """A message without its topic: the digest of its payload, and the payload, packed with a pattern.

    :ivar pattern: None: the payload is not packed.
    """

    digest: bytes
    packed: bytes
    pattern: bytes | None
    qos: int
    priority: Priority
    expires_after: float | None

    def message(self, topic: str) -> Message:
        payload = self.packed
        if self.pattern is not None:
            payload = zlib.decompressobj(_WINDOW, self.pattern).decompress(payload)
        return Message(topic, payload, self.qos, True, self.priority, self.expires_after)


class _Packer:
    """Packer of payloads, each with the first of its family as its pattern.

    Documents of one family (one topic of many cameras) differ in a few names and stamps: packed with one another as
    pattern they take a tenth of themselves and less, packed alone a quarter to a third.
    """

    def __init__(self) -> None:
        self._patterns: dict[str, bytes] = {}
        self._changes: dict[str, int] = {}

    def pack(self, topic: str, payload: bytes) -> tuple[bytes, bytes | None]:
        """The packed payload, and its pattern; None when it is not packed, for that would save nothing."""
        if len(payload) < _MIN_PACKED:
            return payload, None
        family = _NAME_OF_ONE.sub("", topic)
        pattern = self._patterns.get(family, b"")
        packed = _deflate(payload, pattern)
        if not pattern or len(packed) > len(payload) // 5:
            # There is none yet, or it was of a document that was not like the others.
            self._change(family, payload)
        return (packed, pattern) if len(packed) < len(payload) else (payload, None)

    def _change(self, family: str, payload: bytes) -> None:
        changes = self._changes.get(family, 0)
        if changes < _MAX_PATTERNS and (changes or len(self._changes) < _MAX_FAMILIES):
            self._changes[family] = changes + 1
            self._patterns[family] = payload[:_MAX_PATTERN]


def _deflate(payload: bytes, pattern: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, pattern)
    return packer.compress(payload) + packer.flush()


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_DIGEST).digest()


class Retained:
    """The latest acknowledged retained message of each topic.

    It serves two ends: an unchanged document is not published again, and after a reconnect every document is (a broker
    that crashed may have lost what it acknowledged). For the first a digest of the payload is kept; for the second the
    payload, packed: whoever published it, a plugin too, need not be asked again, and no disk has to be read for it.
    When a bound is exceeded, the longest unchanged is forgotten.
    """

    def __init__(self, *, messages: int, octets: int) -> None:
        self._max_messages = messages
        self._max_octets = octets
        self._packer = _Packer()
        self._by_topic: dict[str, _Document] = {}
        self.octets = 0

    def __len__(self) -> int:
        return len(self._by_topic)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_topic)

    def __contains__(self, topic: object) -> bool:
        return topic in self._by_topic

    def get(self, topic: str) -> Message | None:
        """The latest acknowledged document of ``topic``; None when there is none."""
        known = self._by_topic.get(topic)
        return None if known is None else known.message(topic)

    def matches(self, message: Message) -> bool:
        """Whether the latest acknowledged document of its topic equals ``message``."""
        known = self._by_topic.get(message.topic)
        return known is not None and known.qos == message.qos and known.digest == _digest(message.payload)

    def set(self, message: Message) -> list[str]:
        """Remember the acknowledged ``message``.

        :returns: the topics that were forgotten for it, longest unchanged first; perhaps its own.
        """
        topic, payload = message.topic, message.payload
        self.remove(topic)
        packed, pattern = self._packer.pack(topic, payload)
        self._by_topic[topic] = _Document(
            _digest(payload), packed, pattern, message.qos, message.priority, message.expires_after
        )
        self.octets += len(topic) + len(packed)
        evicted = []
        while len(self._by_topic) > self._max_messages or self.octets > self._max_octets:
            oldest = next(iter(self._by_topic))
            self.remove(oldest)
            evicted.append(oldest)
        return evicted

    def remove(self, topic: str) -> None:
        """Forget ``topic``."""
        known = self._by_topic.pop(topic, None)
        if known is not None:
            self.octets -= len(topic) + len(known.packed)


class Republish:
    """Queue of remembered documents that are still to be published again.

    :param superfluous: whether a topic needs no repetition now: something newer is kept for it, or it is held back.
    :ivar in_flight: how many are being published.
    """

    def __init__(self, known: Retained, superfluous: Callable[[str], bool]) -> None:
        self._known = known
        self._superfluous = superfluous
        self._topics: deque[str] = deque()
        #: The same as a set: one document that is asked for must not look through all that wait.
        self._waiting: set[str] = set()
        self.in_flight = 0

    def __len__(self) -> int:
        return len(self._waiting) + self.in_flight

    def begin(self, topics: Iterable[str] | None = None) -> None:
        """Queue all of them anew; or those of ``topics`` that are remembered, after what is queued already."""
        if topics is None:
            self._topics = deque(topic for topic in self._known if not self._superfluous(topic))
            self._waiting = set(self._topics)
            return
        for topic in topics:
            if topic not in self._waiting and topic in self._known and not self._superfluous(topic):
                self._topics.append(topic)
                self._waiting.add(topic)

    def next(self, topic: str | None = None) -> Message | None:
        """The next document, or that of ``topic`` before its turn; it counts as in flight from now on."""
        if topic is not None:
            if topic not in self._known:
                return None
            self.put_back(topic)
        while self._topics:
            topic = self._topics.popleft()
            if topic not in self._waiting:
                continue  # it had its turn before, in another place of the queue
            self._waiting.remove(topic)
            if not self._superfluous(topic) and (known := self._known.get(topic)) is not None:
                self.in_flight += 1
                return known
        return None

    def put_back(self, topic: str) -> None:
        """Queue ``topic``, which was in flight, again, and first."""
        self._topics.appendleft(topic)
        self._waiting.add(topic)
