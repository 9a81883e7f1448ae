"""Quota of reports: a burst, and a rate after it."""

from __future__ import annotations

#: Reports of an eye at once, and per second after that: three methods hear each of 300 cameras in one sweep.
EYE_BURST, EYE_RATE = 1_000.0, 25.0
#: The node takes somewhat more, so that an honest eye is never refused whatever the network holds up.
NODE_BURST, NODE_RATE = 2 * EYE_BURST, 2 * EYE_RATE


class Quota:
    """Token bucket. ``now`` is monotonic seconds."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst = self._level = burst
        self._rate = rate
        self._at = now

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True
