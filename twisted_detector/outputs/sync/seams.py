"""The seam between what is told to a program that follows (Frigate, go2rtc) and who delivers it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zope.interface import Attribute, Interface

from twisted_detector.errors import CamdetectError

#: Entries of ours by name, as plain JSON values: a camera's block of Frigate, a stream's sources of go2rtc.
Entries = Mapping[str, Any]


class Away(CamdetectError):
    """A program that follows does not answer; it is asked again later."""


class NotTaken(CamdetectError):
    """A program that follows did not take what it was told."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A document of somebody's with our entries put into it.

    :ivar document: all of it.
    :ivar written: our entries as they were put there: what a later merge is compared with.
    :ivar foreign: names that we wanted and somebody else has: left alone.
    :ivar kept: places (dotted) in our entries that somebody changed by hand: left as they are.
    """

    document: Mapping[str, Any]
    written: Entries
    foreign: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


#: (document as it stands, our entries as we wrote them last, entries that we want) → the document as it should be.
Merge = Callable[[Mapping[str, Any], Entries, Entries], Merged]
#: (name of the document, text before, text after) → what differs, without logins, as lines for people.
Differ = Callable[[str, str, str], list[str]]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a delivery came to.

    :ivar written: our entries as they stand there now; to be kept for the next time.
    :ivar changed: whether anything had to be changed.
    :ivar remark: what a person should know (a name that is taken, a value that was changed by hand), or "".
    :ivar diff: lines of what would change, where nothing was to be changed.
    """

    written: Entries = field(default_factory=dict)
    changed: bool = False
    remark: str = ""
    diff: tuple[str, ...] = ()


class IDelivery(Interface):
    """One place that follows: a file, or the API of a program."""

    name: str = Attribute("Short name, as in logs: ``frigate-file``, ``frigate-api``, ``go2rtc-file``, ``go2rtc-api``.")
    where: str = Attribute("The path or the URL, without any login.")
    refresh: float = Attribute("Seconds after which it is looked at again though nothing changed; 0: never.")

    async def deliver(wanted: Entries, base: Entries, dry: bool) -> Delivered:
        """Bring ``wanted`` there; only what is in ``wanted`` or was in ``base`` is touched.

        :param base: what the last delivery left there, as it said.
        :param dry: only tell what would change.
        :raises Away: no answer, or one that is none: worth another try.
        :raises NotTaken: it was refused; what stood there before stands there still.
        """


class TargetPhase:
    """Words for the state of one place that follows."""

    IDLE = "idle"
    DONE = "done"
    DRY = "dry run"
    AWAY = "away"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How one place that follows stands, for people.

    :ivar phase: one of :class:`TargetPhase`; ``reason``: why it is not done, or what was left alone.
    :ivar tries: failures in a row.
    :ivar done_at: wall seconds of the last delivery that succeeded, 0 for never.
    """

    name: str
    where: str
    phase: str = TargetPhase.IDLE
    reason: str = ""
    tries: int = 0
    done_at: float = 0.0


class ISyncStatus(Interface):
    """How all places that follow stand."""

    def statuses() -> tuple[TargetStatus, ...]:
        """One for each place."""
