"""Watchdog of the reactor's thread: names the plugin that blocks it, with the stack, while it does.

Theory of operation: each call into a plugin, and each step of a coroutine of one, is noted with its beginning
(:meth:`StallWatchdog.enter`) and its end. A thread of ours looks at the note five times a second, and only while one is
under way: otherwise it sleeps. When a call is older than :data:`SAMPLE_SECONDS` the thread keeps the stack of the
reactor's thread; when it is older than :data:`STALL_SECONDS`, the stall is reported, from that thread if the call has
not returned by then: a call that never returns is named as well. Time in another plugin's call within counts for that
one alone.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from twisted_detector.service.extensions.record import PluginRecord, Stall

#: Seconds for which a call may hold the reactor: whatever else it serves waits so long.
STALL_SECONDS = 1.0
#: Seconds after which the stack is kept, so that the one of a call of a bit more than a second is known.
SAMPLE_SECONDS = 0.6
#: Seconds between two looks of the thread: two fit between the sample and the report.
LOOK_SECONDS = 0.2
#: Frames and characters of a stack that are kept: the plugin's own stand at its end.
_MAX_FRAMES, _MAX_STACK = 20, 4_000
#: The file whose frames stand before the plugin's.
_GUARD = "extensions/guard.py"


class _Call(NamedTuple):
    record: PluginRecord
    began: float


class StallWatchdog:
    """Watch over the calls into plugins, on the reactor's thread; ``enter`` and ``leave`` cost less than a microsecond.

    :param monotonic: seconds that never jump.
    :param report: is called once for each stall, on either thread.
    """

    def __init__(self, monotonic: Callable[[], float], report: Callable[[PluginRecord, Stall], None]) -> None:
        self._monotonic = monotonic
        self._report = report
        self._call: _Call | None = None
        self._sample: tuple[_Call, str] | None = None
        self._told: _Call | None = None
        self._telling = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watched = threading.get_ident()
        self._sleeps = False
        self._wake = threading.Event()
        self._ending = threading.Event()

    # --- on the reactor's thread -----------------------------------------------------------------------------------

    def enter(self, record: PluginRecord) -> _Call | None:
        """A call into the plugin begins; what is returned is handed to :meth:`leave`."""
        before = self._call
        self._call = _Call(record, self._monotonic())
        if self._sleeps or self._thread is None:
            self._wake_up()
        return before

    def leave(self, before: _Call | None) -> None:
        """The call that was entered last has returned."""
        call = self._call
        if call is None:
            return
        took = self._monotonic() - call.began
        self._call = before if before is None else _Call(before.record, before.began + took)
        if took >= STALL_SECONDS:
            self._tell(call, took)

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
        self._wake.set()

    def _wake_up(self) -> None:
        if self._thread is None:
            self._watched = threading.get_ident()
            self._thread = threading.Thread(target=self._watch, name="plugin watchdog", daemon=True)
            self._thread.start()
        self._sleeps = False
        self._wake.set()

    def _tell(self, call: _Call, took: float) -> None:
        with self._telling:
            if self._told is call:
                return
            self._told = call
        sample = self._sample
        stack = sample[1] if sample is not None and sample[0] is call else ""
        self._report(call.record, Stall(round(took, 1), stack))

    # --- on the thread ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        seen: _Call | None = None
        while not self._ending.wait(LOOK_SECONDS):
            call = self._call
            if call is None and seen is None:
                self._sleep()
            elif call is not None:
                self._look(call)
            seen = call

    def _sleep(self) -> None:
        """Wait until a plugin is called. Who entered before he could see that we sleep is seen here."""
        self._wake.clear()
        self._sleeps = True
        if self._call is None and not self._ending.is_set():
            self._wake.wait()
        self._sleeps = False

    def _look(self, call: _Call) -> None:
        age = self._monotonic() - call.began
        if age >= SAMPLE_SECONDS and (self._sample is None or self._sample[0] is not call):
            frame = sys._current_frames().get(self._watched)
            stack = _written(frame)
            if self._call is call:
                self._sample = call, stack
        if age >= STALL_SECONDS and self._call is call:
            self._tell(call, age)


def _written(frame: FrameType | None) -> str:
    """The frames from where the guard called the plugin."""
    summary = traceback.extract_stack(frame) if frame is not None else []
    guards = [number for number, one in enumerate(summary) if one.filename.endswith(_GUARD)]
    own = summary[guards[-1] + 1 :] if guards else summary
    return "".join(traceback.format_list(own[-_MAX_FRAMES:]))[-_MAX_STACK:]
