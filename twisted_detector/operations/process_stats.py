"""Measurement of this process: processor time, memory, descriptors, reactor lag."""

from __future__ import annotations

import os
import resource
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Ten minutes of half-second samples: enough for a 99th percentile, 10 kB.
_SAMPLES = 1200
#: Made once: Python keeps the parts of each new Path in a table of its own, which does not shrink.
_STATM = Path("/proc/self/statm")


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` (0..1) of a sorted list lies; 0.0 for an empty one."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class ReactorLag:
    """Probe of the reactor's lateness: one call every half second, compared with the time at which it was due.

    :param monotonic: seconds that never jump.
    """

    INTERVAL = 0.5

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._max = 0.0
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """Start to measure."""
        if self._next is None:
            self._wait()

    def stop(self) -> None:
        """Stop to measure."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self) -> None:
        # Not a LoopingCall: after a late call it calls again before an interval is over, and hides the next delay.
        self._next = self._clock.callLater(self.INTERVAL, self._sample, self._monotonic() + self.INTERVAL)

    def _sample(self, due: float) -> None:
        lag = max(0.0, self._monotonic() - due)
        self._samples.append(lag)
        self._max = max(self._max, lag)
        self._wait()

    def document(self) -> dict[str, float]:
        """``lag_ms`` of the health document; ``max`` is since the start."""
        ordered = sorted(self._samples)
        return {
            "p50": round(percentile(ordered, 0.5) * 1000, 3),
            "p99": round(percentile(ordered, 0.99) * 1000, 3),
            "max": round(self._max * 1000, 3),
        }


class ProcessStats:
    """Meter of what the process uses. ``cpu_percent`` is of one core, since the last :meth:`document`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last = (monotonic(), self._cpu())

    @staticmethod
    def _cpu() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def document(self) -> dict[str, Any]:
        """``resources`` of the health document."""
        now, cpu = self._monotonic(), self._cpu()
        elapsed = now - self._last[0]
        percent = 100.0 * (cpu - self._last[1]) / elapsed if elapsed > 0 else 0.0
        self._last = (now, cpu)
        return {"cpu_percent": round(percent, 2), "rss_mb": round(_rss_bytes() / 1e6, 1), "fds": _open_fds()}


def _rss_bytes() -> int:
    """Resident set size (proc(5), statm, second field, in pages); the peak where there is no /proc."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_fds() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a Path for each would cost more than the answer is worth)
    except OSError:
        return 0
