"""Clock by which the budget's window is counted: no step of the wall clock moves it.

It goes with the time since the machine's start (``uptime``), over restarts of the program too. Over a restart of the
machine it stands still but for that uptime: what was just before counts as now, until the machine has run long enough.
A board without a battery, whose wall clock leaps at each start, therefore opens no window.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

#: Seconds between two times at which it is saved while something counts: after a restart of the machine it goes on from
#: there, and so much longer the window is at most.
SAVE_EVERY = 600.0
#: Likewise while nothing does. Each time writes 24 kB to a board's card; what is tried once a day may be so much later.
SAVE_SELDOM = 7200.0


class WindowClock:
    """Clock of the login budget, in seconds that began as those of the wall clock.

    :param window: seconds that a record counts; for what an earlier run recorded they begin anew.
    :param uptime: seconds since the machine's start, which never jump; None: the wall clock is followed.
    :param boot: names the machine's present start, "" where that is not known.
    """

    def __init__(self, window: float, uptime: Callable[[], float] | None = None, boot: str = "") -> None:
        self._window = window
        self._uptime = uptime
        self._boot = boot
        self._base: float | None = None
        self._saved_at = -math.inf
        #: Uptime up to which something counts.
        self._counts_until = -math.inf
        self.record()

    def restore(self, text: str) -> None:
        """Go on from where an earlier run saved it; what cannot be read is forgotten."""
        if self._uptime is None:
            return
        try:
            saved = json.loads(text)
            time, boot, uptime = float(saved["time"]), str(saved["boot"]), float(saved["uptime"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        if not math.isfinite(time) or not math.isfinite(uptime):
            return
        if not self._boot:
            self._base = time - self._uptime()  # nobody knows how long it was away: it may be no time at all
        else:
            self._base = time - uptime if boot == self._boot else time

    def time(self, now: float) -> float:
        """The time of this clock; ``now`` is the wall clock's."""
        if self._uptime is None:
            return now
        if self._base is None:
            self._base = now - self._uptime()
        return self._base + self._uptime()

    def wall(self, at: float, now: float) -> float:
        """What the wall clock is expected to show when this clock shows ``at``."""
        return at + now - self.time(now)

    def record(self) -> None:
        """Note that something was recorded that counts for a window from now on."""
        if self._uptime is not None:
            self._counts_until = self._uptime() + self._window

    def due(self, now: float) -> str:
        """The text to save now, "" while the saved one is good enough.

        One is saved after all has ceased to count too, or it would count again after a restart of the machine.
        """
        if self._uptime is None:
            return ""
        uptime = self._uptime()
        every = SAVE_EVERY if self._saved_at < self._counts_until else SAVE_SELDOM
        if uptime - self._saved_at < every:
            return ""
        self._saved_at = uptime
        return json.dumps({"time": self.time(now), "boot": self._boot, "uptime": uptime})
