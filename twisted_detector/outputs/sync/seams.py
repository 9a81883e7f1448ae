"""Seam between what a program beside the daemon (Frigate, go2rtc) should hold and the file or API that holds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zope.interface import Attribute, Interface

from twisted_detector.errors import CamdetectError
from twisted_detector.model import Secret
from twisted_detector.model.consumers import Consumer

#: Entries of ours by name, as plain JSON values: a camera's block of Frigate, a stream's sources of go2rtc.
Entries = Mapping[str, Any]


class TargetUnavailable(CamdetectError):
    """The program that is kept in step does not answer; the delivery is retried later."""


class TargetStarting(TargetUnavailable):
    """The program that is kept in step is just starting."""


class TargetRefused(CamdetectError):
    """The program that is kept in step refused the entries."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Entries of one place that other nodes may keep there too: whether they do shows only in what stands there.

    :ivar met: of cameras that other nodes know, or knew when they went.
    :ivar others: of cameras for which this node does not speak now. Such an entry is changed only where it is as we
        left it, and added only when it is in ``due``: it has been missing for long, so nobody else keeps it there.
    :ivar staying: those of ``others`` of which the camera is not known here any more: others know it, and they stay.
    """

    met: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    due: frozenset[str] = frozenset()
    staying: frozenset[str] = frozenset()


#: Nobody else keeps anything there.
ALONE = Sharing()


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A document of somebody else with our entries merged into it.

    :ivar document: all of it.
    :ivar written: our entries as they were merged: the base of the next merge.
    :ivar foreign: names that we wanted and somebody else has: left alone.
    :ivar kept: places (dotted) in our entries that somebody changed by hand: left as they are.
    :ivar left: names of entries that another node keeps there; ``waiting``: of those that another node may be about to
        add or to remove.
    """

    document: Mapping[str, Any]
    written: Entries
    foreign: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


#: Runs a function that may wait for a disk, or compute for seconds, in a thread.
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class Merge(Protocol):
    """(document as it stands, our entries as we left them, entries that we want) → the document as it should be."""

    def __call__(
        self, document: Mapping[str, Any], base: Entries, wanted: Entries, *, sharing: Sharing = ALONE
    ) -> MergeResult: ...


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Outcome of a delivery that was neither refused nor left without an answer.

    :ivar written: our entries as they stand there now; the base of the next delivery.
    :ivar changed: whether anything had to be changed.
    :ivar remark: what a person should know (a name that is taken, a value that was changed by hand), or "".
    :ivar diff: lines of what would change, where nothing was to be changed.
    :ivar refused: entries that the program did not take, each with the reason; the others are there.
    :ivar again: seconds after which there is more to do, 0.0 for nothing.
    :ivar waits_for: what has to come before anything is looked at there, "" where that was done.
    :ivar left: entries that another node keeps there; ``waiting``: those that another node may be about to add or to
        remove.
    """

    written: Entries = field(default_factory=dict)
    changed: bool = False
    remark: str = ""
    diff: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    again: float = 0.0
    waits_for: str = ""
    left: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


class ISyncDestination(Interface):
    """One place that holds entries of ours: a file, or the API of a program."""

    name: str = Attribute("Short name, as in logs: ``frigate-file``, ``frigate-api``, ``go2rtc-file``, ``go2rtc-api``.")
    where: str = Attribute("The path or the URL, without any login.")
    refresh: float = Attribute("Seconds after which entries are delivered again though nothing changed; 0: never.")

    async def deliver(wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """Write ``wanted`` there; only what is in ``wanted`` or was in ``base`` is touched.

        :param base: what the last delivery left there, as it reported.
        :param dry: change nothing, only report what would change.
        :raises TargetUnavailable: no answer, or one that is none: worth a retry.
        :raises TargetRefused: all was refused; what stood there before stands there still.
        """


class ISharedDestination(ISyncDestination):
    """A destination in which other nodes may keep entries of the same cameras."""

    def share(sharing: Sharing) -> None:
        """Treat entries so from the next delivery on."""


class IWatchedDestination(ISyncDestination):
    """A destination that tells when something else stands there."""

    def watch(changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever that is so."""


class IVariablesDestination(ISyncDestination):
    """A destination that must say secrets as they are, where its entries only refer to them."""

    def set_variables(variables: Mapping[str, Secret]) -> None:
        """Take the values of the variables that the entries refer to."""


class TargetPhase:
    """States of one target, as people read them."""

    IDLE = "idle"
    DONE = "done"
    DRY = "dry run"
    AWAY = "away"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """State of one target, for people.

    :ivar phase: one of :class:`TargetPhase`; ``reason``: why it is not done, or what was left alone.
    :ivar tries: failures in a row.
    :ivar consumer: whose it is, None while nobody said; ``cameras``: how many that one is to hold; ``unknown``: names
        in its list of cameras that no camera has.
    :ivar left: entries there that other nodes keep; ``keepers``: of how many cameras each of those nodes does.
    """

    name: str
    where: str
    phase: str = TargetPhase.IDLE
    reason: str = ""
    tries: int = 0
    consumer: Consumer | None = None
    cameras: int = 0
    unknown: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    keepers: Mapping[str, int] = field(default_factory=dict)


class ISyncStatus(Interface):
    """State of all targets."""

    def statuses() -> tuple[TargetStatus, ...]:
        """One for each target."""
