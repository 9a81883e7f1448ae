"""Settings of Python's garbage collector, and of the heap, for a process that lives long and knows many cameras."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

#: Seconds. What a full collection that took longer has found to be alive is left out of all later ones: it is a fleet
#: that was found, or a queue of an outage. Otherwise each full collection would stall the reactor for longer the more
#: cameras there are (measured: with ten thousand 0.34 s, with this 0.04 s at most). In calm none takes so long, so
#: nothing is frozen then. What is frozen is freed as ever when nothing refers to it any more, but for cycles.
LONG_COLLECTION = 0.01
#: Fewer objects than that are not frozen: then it was the machine that was slow. With each freezing the cycles of that
#: moment stay for good, connections among them; in two hours of a soak with thirty cameras it happened several times.
FEW = 20_000
#: New objects until a collection of the first generation, such collections until one of the second, and of those until
#: a full one: that is after some 23 000 objects, where Python's own 700, 10, 10 let 85 000 gather, and looking through
#: what a thousand cameras leave of them took 26 to 52 ms in one turn (measured; 5 to 22 with this).
THRESHOLDS = (700, 10, 2)
#: Seconds between two looks for empty pages; one takes 0.2 to 0.4 ms with thirty cameras, up to 6 with ten thousand.
#: Most of what hours of changes add to the process is pages that were needed since the last look (measured).
TRIM_INTERVAL = 15.0
#: See mallopt(3).
_M_ARENA_MAX = -8


def _count_survivors() -> int:
    """Objects that a full collection has left, without those that are frozen; takes 2 ms for a hundred thousand."""
    return len(gc.get_objects(generation=2))


class SurvivorFreezer:
    """Callback of the collector that freezes what a long full collection has found to be alive.

    :param count: of what the collection has left.
    :param clock: the processor time of this thread: what other processes take of the time makes no collection long.
        Else a busy machine would have small ones frozen, again and again, and with each the cycles that lived then.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.thread_time,
        count: Callable[[], int] = _count_survivors,
        freeze: Callable[[], None] = gc.freeze,
    ) -> None:
        self._clock = clock
        self._count = count
        self._freeze = freeze
        self._began = 0.0

    def __call__(self, phase: str, info: Mapping[str, Any]) -> None:
        """See :data:`gc.callbacks`."""
        if info["generation"] < 2:
            return
        if phase == "start":
            self._began = self._clock()
        elif self._clock() - self._began > LONG_COLLECTION and self._count() >= FEW:
            self._freeze()


def _call_glibc(name: str, *arguments: int) -> None:
    """Another C library has no such function, and nothing is done there."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except AttributeError:
        return
    function(*arguments)


def share_heap() -> None:
    """Have all threads that are started from now on share one heap.

    By itself glibc gives each its own, and what one has left over is of no use to another. The interpreter's lock lets
    one at a time ask for memory anyway.
    """
    _call_glibc("mallopt", _M_ARENA_MAX, 1)


def trim_heap() -> None:
    """Give the pages of the heap that are empty back to the system (malloc_trim(3)).

    By itself glibc gives back what is free at the heap's end: one small thing that stays, from the middle of a burst,
    keeps all below it for good, and each larger burst adds some.
    """
    _call_glibc("malloc_trim", 0)


class HeapTrimmer:
    """Callback of the collector that trims the heap now and then, while there is something to collect."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, trim: Callable[[], None] = trim_heap
    ) -> None:
        self._monotonic = monotonic
        self._trim = trim
        self._trimmed_at = monotonic()

    def __call__(self, phase: str, info: Mapping[str, Any]) -> None:
        """See :data:`gc.callbacks`."""
        if phase == "stop" and (now := self._monotonic()) - self._trimmed_at >= TRIM_INTERVAL:
            self._trimmed_at = now
            self._trim()


_callbacks = (SurvivorFreezer(), HeapTrimmer())


def collect_frozen() -> None:
    """Collect all that is garbage, what was frozen while it lived too: the parts of the daemon before a restart.

    It takes a tenth of a second and more, in which nobody is served.
    """
    gc.unfreeze()
    gc.collect()


def begin_collecting() -> None:
    """Switch collections on, which the root switched off; what is here now lives as long as the process.

    What importing and building had needed for a moment goes back to the system.
    """
    gc.freeze()
    trim_heap()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks += [one for one in _callbacks if one not in gc.callbacks]
    gc.enable()
