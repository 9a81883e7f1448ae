"""Schedule of sweeps and quick sweeps, pure: what happened and the time in, the next sweep and its delay out.

The phases are those of the predecessor: a few sweeps in quick succession, some more at growing distances until nothing
new turns up, then a rare sweep with quick sweeps between. A change of the network begins them anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SweepKind(StrEnum):
    """How thorough a sweep is."""

    FULL = "sweep"  #: for everything, by every method
    QUICK = "quick"  #: for what is known, with few packets


class SchedulePhase(StrEnum):
    """How often sweeps follow one another."""

    AGGRESSIVE = "aggressive"
    STABILISING = "stabilising"
    STEADY = "steady"
    FIXED = "fixed"  #: SMART_DISCOVERY_ENABLED is off


@dataclass(frozen=True, slots=True)
class Intervals:
    """Numbers of a schedule; all in seconds but the count.

    :ivar steady: between sweeps in the end, or always when not ``smart``.
    :ivar quick: between quick sweeps.
    :ivar initial_count: that many sweeps (>= 1) follow one another at ``initial_pause``.
    :ivar smart: whether there are phases and quick sweeps at all.
    """

    steady: float
    quick: float
    initial_count: int = 3
    initial_pause: float = 10.0
    smart: bool = True


class Schedule:
    """State machine of the phases. ``now`` is monotonic seconds given by the caller; the first sweep is due at once.

    Sweeps that were not requested are never closer together than ``initial_pause``, whatever changes how often.
    """

    def __init__(self, intervals: Intervals) -> None:
        self._intervals = intervals
        self.phase = SchedulePhase.AGGRESSIVE if intervals.smart else SchedulePhase.FIXED
        self._left = intervals.initial_count
        self._pause = intervals.initial_pause
        self._sweep_at = float("-inf")
        self._quick_at = float("inf")
        self._not_before = float("-inf")
        self._cameras = 0

    def next(self, now: float) -> tuple[SweepKind, float]:
        """The next sweep, and in how many seconds (>= 0) it is due."""
        if self._quick_at < self._sweep_at:
            return SweepKind.QUICK, max(0.0, self._quick_at - now)
        return SweepKind.FULL, max(0.0, self._sweep_at - now)

    def quick_sweep_ended(self, now: float) -> None:
        """A quick sweep has ended."""
        self._quick_at = now + self._intervals.quick

    def sweep_ended(self, cameras: int, now: float) -> None:
        """A sweep has ended, and ``cameras`` are known now."""
        changed, self._cameras = cameras != self._cameras, cameras
        if self.phase is SchedulePhase.AGGRESSIVE:
            self._left -= 1
            if self._left <= 0:
                self.phase = SchedulePhase.STABILISING
                self._pause *= 2
        elif self.phase is not SchedulePhase.FIXED and changed:
            self._restart()
        elif self.phase is SchedulePhase.STABILISING:
            self._pause *= 2
            if self._pause > min(self._intervals.quick, self._intervals.steady):
                self.phase = SchedulePhase.STEADY
        steady = self.phase in (SchedulePhase.STEADY, SchedulePhase.FIXED)
        self._sweep_at = now + (self._intervals.steady if steady else self._pause)
        self._not_before = now + self._intervals.initial_pause
        if self._intervals.smart:
            self._quick_at = now + self._intervals.quick

    def cameras_changed(self, cameras: int, now: float) -> None:
        """Cameras were found or forgotten between sweeps; ``cameras`` are known now."""
        if cameras != self._cameras:
            self._cameras = cameras
            self.network_changed(now)

    def network_changed(self, now: float) -> None:
        """An interface or an address changed, or the number of cameras: sweep as at the start, beginning soon."""
        if self.phase is SchedulePhase.FIXED:
            return
        if self.phase is not SchedulePhase.AGGRESSIVE:
            self._restart()
        self._left = max(self._left, 1)
        self.hasten(now)

    def sweep_requested(self, now: float) -> None:
        """A command requests a sweep: now, and then as at the start."""
        if self.phase is not SchedulePhase.FIXED:
            self._restart()
        self._sweep_at = now

    def hasten(self, now: float) -> None:
        """A camera is missed: the next sweep is due as soon as the initial pause allows; the phase stays."""
        self._sweep_at = min(self._sweep_at, max(now, self._not_before))

    def _restart(self) -> None:
        self.phase = SchedulePhase.AGGRESSIVE
        self._left = self._intervals.initial_count
        self._pause = self._intervals.initial_pause
