"""What happened and the time go in; when to look next, and how thoroughly, comes out. Pure.

The phases are those of the predecessor: a few sweeps in quick succession, some more at growing distances until nothing
new turns up, then a rare sweep with quick looks between. Whatever changes the network begins it anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Look(StrEnum):
    """How thoroughly to look."""

    SWEEP = "sweep"  #: everything, by every method
    QUICK = "quick"  #: for what is known, with few packets


class Pace(StrEnum):
    """How often sweeps follow one another now."""

    AGGRESSIVE = "aggressive"
    STABILISING = "stabilising"
    STEADY = "steady"
    FIXED = "fixed"  #: SMART_DISCOVERY_ENABLED is off


@dataclass(frozen=True, slots=True)
class Intervals:
    """The numbers of a schedule; all in seconds but the count.

    :ivar steady: between sweeps in the end, or always when not ``smart``.
    :ivar quick: between quick looks.
    :ivar initial_count: that many sweeps (>= 1) follow one another at ``initial_pause``.
    :ivar smart: whether there are phases and quick looks at all.
    """

    steady: float
    quick: float
    initial_count: int = 3
    initial_pause: float = 10.0
    smart: bool = True


class Schedule:
    """When to look next. ``now`` is monotonic seconds given by the caller; the first sweep is due at once.

    Sweeps that nobody asked for are never closer together than ``initial_pause``, whatever changes how often.
    """

    def __init__(self, intervals: Intervals) -> None:
        self._intervals = intervals
        self.pace = Pace.AGGRESSIVE if intervals.smart else Pace.FIXED
        self._left = intervals.initial_count
        self._pause = intervals.initial_pause
        self._sweep_at = float("-inf")
        self._quick_at = float("inf")
        self._not_before = float("-inf")
        self._cameras = 0

    def next(self, now: float) -> tuple[Look, float]:
        """What to do next, and in how many seconds (>= 0)."""
        if self._quick_at < self._sweep_at:
            return Look.QUICK, max(0.0, self._quick_at - now)
        return Look.SWEEP, max(0.0, self._sweep_at - now)

    def looked_quickly(self, now: float) -> None:
        """A quick look has ended."""
        self._quick_at = now + self._intervals.quick

    def swept(self, cameras: int, now: float) -> None:
        """A sweep has ended, and ``cameras`` are known now."""
        changed, self._cameras = cameras != self._cameras, cameras
        if self.pace is Pace.AGGRESSIVE:
            self._left -= 1
            if self._left <= 0:
                self.pace = Pace.STABILISING
                self._pause *= 2
        elif self.pace is not Pace.FIXED and changed:
            self._begin_anew()
        elif self.pace is Pace.STABILISING:
            self._pause *= 2
            if self._pause > min(self._intervals.quick, self._intervals.steady):
                self.pace = Pace.STEADY
        steady = self.pace in (Pace.STEADY, Pace.FIXED)
        self._sweep_at = now + (self._intervals.steady if steady else self._pause)
        self._not_before = now + self._intervals.initial_pause
        if self._intervals.smart:
            self._quick_at = now + self._intervals.quick

    def cameras_changed(self, cameras: int, now: float) -> None:
        """So many cameras are known now, found or forgotten between sweeps."""
        if cameras != self._cameras:
            self._cameras = cameras
            self.disturbed(now)

    def disturbed(self, now: float) -> None:
        """The network is not what it was (an interface, an address): sweep as at the start, beginning soon."""
        if self.pace is Pace.FIXED:
            return
        if self.pace is not Pace.AGGRESSIVE:
            self._begin_anew()
        self._left = max(self._left, 1)
        self.hasten(now)

    def asked(self, now: float) -> None:
        """Somebody wants a sweep: now, and then as at the start."""
        if self.pace is not Pace.FIXED:
            self._begin_anew()
        self._sweep_at = now

    def hasten(self, now: float) -> None:
        """The next sweep is wanted as soon as may be, for a camera is missed; all else stays."""
        self._sweep_at = min(self._sweep_at, max(now, self._not_before))

    def _begin_anew(self) -> None:
        self.pace = Pace.AGGRESSIVE
        self._left = self._intervals.initial_count
        self._pause = self._intervals.initial_pause
