"""Times in the local zone of this machine (TZ), for quiet hours and for texts."""

from __future__ import annotations

import time


def minute_of_day(at: float) -> int:
    """Minutes since midnight, of wall seconds."""
    local = time.localtime(at)
    return local.tm_hour * 60 + local.tm_min


def time_of_day(at: float, now: float) -> str:
    """``23:10``; of another day than ``now``: ``2026-11-29 23:10``."""
    local, today = time.localtime(at), time.localtime(now)
    return time.strftime("%H:%M" if local[:3] == today[:3] else "%Y-%m-%d %H:%M", local)
