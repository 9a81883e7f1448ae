"""Changes of a camera's state, and what a stretch of time looks like that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from twisted_detector.model.cameras import Status

#: Characters of a reason in the history: two lines on the page.
MAX_REASON = 200
#: What stands in the place of a status while changes come too often to keep each.
UNSTEADY = "unsteady"
WEEK = 7 * 86_400.0
#: The week of a card: 84 cells of two hours, each begins at a whole even hour UTC.
CELL = 7_200.0
CELLS = 84


class Condition(StrEnum):
    """What a camera was, as a bar shows it; the worse comes later."""

    UNOBSERVED = "unobserved"  #: the daemon did not run, or did not know the camera, or its battery slept
    ONLINE = "online"
    TROUBLE = "trouble"  #: it answers, but its streams do not play, or it changes too often
    OFFLINE = "offline"

    @classmethod
    def of(cls, status: str) -> Condition:
        """The condition of a status, or of what stands in its place."""
        match status:
            case Status.ONLINE:
                return cls.ONLINE
            case Status.OFFLINE:
                return cls.OFFLINE
            case cls.UNOBSERVED | Status.SLEEPS:
                return cls.UNOBSERVED
        return cls.TROUBLE


CONDITIONS = tuple(Condition)


class StateChange(NamedTuple):
    """One row of the history, in the order of its columns. A tuple: ten thousand are made for one answer.

    :ivar id: rows are ordered by it; the clock may have been set back between two of them.
    :ivar at: wall seconds. :ivar status: a :class:`Status` or UNSTEADY.
    :ivar code: a :class:`ReasonCode` or ``frozen``, "" for none.
    :ivar address: the new address when it moved, else "".
    """

    id: int
    camera_id: str
    at: float
    status: str
    reason: str = ""
    code: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class DaemonLife:
    """One run of the daemon: cameras were observed from ``began`` to ``ended`` (wall seconds)."""

    id: int
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class ForeignPast:
    """What another node recorded of a camera that it published: it holds from ``begin`` to ``until`` (wall seconds).

    :ivar changes: ordered by their stamps; what is before the first was not observed. None: not told yet.
    :ivar reason: why it is not told, for people; "" when it is.
    """

    camera_id: str
    node_id: str
    begin: float
    until: float
    changes: tuple[StateChange, ...] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in one condition, or several short ones as one.

    :ivar condition: of several the worst.
    :ivar merged: how many stretches it stands for, 1 for itself.
    :ivar seconds: in each condition, in the order of CONDITIONS.
    """

    begin: float
    end: float
    condition: Condition
    status: str
    reason: str = ""
    code: str = ""
    address: str = ""
    merged: int = 1
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class WeekSummary:
    """The last seven days of one camera.

    :ivar observed: seconds in which it was observed; ``online``: of these.
    :ivar failures: how often it went from online to anything else.
    :ivar last_offline: when it went offline last, 0 for not in this week; ``last_offline_for``: seconds.
    :ivar first_cell: number of the first cell since 1970; ``cells``: a letter each (``u o t f``).
    """

    observed: float
    online: float
    failures: int
    last_offline: float
    last_offline_for: float
    first_cell: int
    cells: str

    @property
    def availability(self) -> float | None:
        """Share of the observed time in which it was online; None before it was observed at all."""
        return min(1.0, self.online / self.observed) if self.observed > 0 else None

    @property
    def between_failures(self) -> float | None:
        """Mean seconds of being online for each failure; None without one."""
        return self.online / self.failures if self.failures else None
