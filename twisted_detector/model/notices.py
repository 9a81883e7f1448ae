"""Notices: what a person should hear of, once, and of its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """Kind of a notice. Documents and the store carry the value; it never changes its meaning."""

    OFFLINE = "offline"  #: a camera does not answer
    STREAM = "stream"  #: it answers, and no stream of it plays
    FROZEN = "frozen"  #: its picture stands still
    LOGIN = "login"  #: it refuses its login
    CLOCK = "clock"  #: its clock is wrong
    NETWORK = "network"  #: it is outside the network that it is expected on
    MOVED = "moved"  #: it answers at another address
    NEW = "new"  #: it was found for the first time
    BROKER = "broker"  #: the MQTT broker is away
    DISK = "disk"  #: nothing can be saved
    SUMMARY = "summary"  #: several notices held back
    TEST = "test"  #: a person tries a way

    @property
    def is_moment(self) -> bool:
        """Whether it happens, and has no end that could be told."""
        return self in (NoticeKind.MOVED, NoticeKind.NEW, NoticeKind.SUMMARY, NoticeKind.TEST)


#: Kinds that a person may choose (NOTICE_KINDS).
CHOSEN_KINDS = tuple(kind for kind in NoticeKind if kind not in (NoticeKind.SUMMARY, NoticeKind.TEST))
#: The word by which the end of ``offline`` is chosen, and called where it is told.
BACK = "back"


@dataclass(frozen=True, slots=True)
class NoticeSubject:
    """A camera as it was when a notice began; ``name`` and ``address`` are whatever the camera says of itself."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, as it is told at its beginning, at its end, and in lists.

    :ivar id: stays the same from the beginning to the end.
    :ivar since: wall seconds; ``until``: of its end, None while it lasts.
    :ivar cameras: those it is about; none for the daemon's own.
    :ivar remaining: at the end of those above: others of the same notice that are still in that state; their end comes
        under an id of its own.
    :ivar network: the network that they have in common; "" for several, and for the daemon's own.
    :ivar reason: in plain words, of the first of them.
    :ivar removed: it ended because nobody knows the camera any more.
    :ivar parts: of a summary, the notices; ``more``: how many there was no room for.
    """

    id: str
    kind: NoticeKind
    since: float
    until: float | None = None
    cameras: tuple[NoticeSubject, ...] = ()
    remaining: tuple[NoticeSubject, ...] = ()
    network: str = ""
    reason: str = ""
    removed: bool = False
    parts: tuple[Notice, ...] = ()
    more: int = 0

    @property
    def event(self) -> str:
        """One word for what is told: the kind at the beginning; at the end ``back``, or the kind with ``_over``."""
        if self.until is None or self.kind.is_moment:
            return self.kind.value
        return BACK if self.kind is NoticeKind.OFFLINE else f"{self.kind.value}_over"


#: Every word that :attr:`Notice.event` may be, for consumers that want to know them beforehand.
EVENTS = tuple(dict.fromkeys(Notice("", kind, 0.0, until).event for until in (None, 0.0) for kind in NoticeKind))
