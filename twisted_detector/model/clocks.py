"""Stamps of the wall's clock, which may not have been set yet when they were made."""

from __future__ import annotations

#: Wall seconds before this (July 2017) come from a clock that had not been set: no age follows from them.
CLOCK_WAS_SET = 1.5e9


def restamped(at: float, by: float, now: float) -> float:
    """A stamp after the clock was set by ``by`` seconds, to ``now``: one that is seen to be wrong by that is moved too.

    It is when it is of a clock that had not been set, and this one is; or when it lies in the future. 0 is no stamp.
    """
    wrong = 0.0 < at < CLOCK_WAS_SET <= now or at > now
    return at + by if wrong else at
