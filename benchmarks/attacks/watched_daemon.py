"""``twistd`` with a watch on the reactor: every turn that takes longer than a moment is written to a file.

    watched_daemon.py FILE TWISTD-ARGUMENTS…

The daemon's own meter (``reactor.lag_ms``) starts late and looks twice a second; this one sees every turn from the
first. A turn is the time between the poller's answer and the next question to it. From it the time is taken that the
thread was ready to run and another process had the processor (proc(5), schedstat), so that a busy machine does not look
like a busy reactor; what other threads of the daemon took of it stays in, for they hold the interpreter's lock. Of a
turn that takes longer than :data:`LONG` the line tells where it was then, and whether it was loading modules.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from twisted.internet import epollreactor

#: Seconds; shorter turns are counted only.
MOMENT = 0.015
#: Seconds after which the stack of a turn is noted, and between two looks at the clock.
LONG, LOOK = 0.04, 0.01
#: Frames that are looked at, and of those that are not the import system's and Twisted's, how many are noted.
FRAMES, NOTED = 60, 12


def _is_machinery(filename: str) -> bool:
    return "importlib" in filename or "/twisted/internet/" in filename


class Watch:
    """Poller that measures the time between two questions to it."""

    def __init__(self, poller: Any, file: TextIO) -> None:
        self._poller = poller
        self._file = file
        self._began = 0.0
        self._cpu = 0.0
        self._waited = 0.0
        self._where = ""
        self._loading = False
        self._reactor_thread = threading.get_ident()
        threading.Thread(target=self._look, name="watch", daemon=True).start()
        self._schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)

    def _waiting(self) -> float:
        return int(os.pread(self._schedstat, 64, 0).split()[1]) / 1e9

    def _look(self) -> None:
        """In a thread of its own: note where a turn is that takes long."""
        while True:
            time.sleep(LOOK)
            began = self._began
            if not began or self._where or time.monotonic() - began < LONG:
                continue
            # Without the text of the lines: to read it would hold up the reactor, and be measured.
            frame = sys._current_frames().get(self._reactor_thread)
            whole: list[tuple[str, int, str]] = []
            while frame is not None and len(whole) < FRAMES:
                whole.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
                frame = frame.f_back
            stack = [one for one in whole if not _is_machinery(one[0])][:NOTED]
            loading = any("importlib" in one[0] for one in whole)
            # Not Path(file).name: that interns each part anew, and the interpreter's table of them grows by a megabyte.
            where = " > ".join(f"{file.rpartition('/')[2]}:{line} {name}" for file, line, name in reversed(stack))
            if self._began == began:
                self._where, self._loading = where, loading

    def poll(self, *arguments: Any) -> Any:
        now = time.monotonic()
        if self._began and now - self._began > MOMENT:
            turn = now - self._began
            waited = self._waiting() - self._waited
            cpu = time.thread_time() - self._cpu
            line: dict[str, object] = {"at": time.time(), "turn": turn, "waited": waited, "cpu": cpu}
            line |= {"loading": self._loading, "where": self._where}
            self._file.write(json.dumps(line) + "\n")
        self._began, self._where, self._loading = 0.0, "", False
        try:
            return self._poller.poll(*arguments)
        finally:
            self._began, self._cpu, self._waited = time.monotonic(), time.thread_time(), self._waiting()


def main() -> None:
    file = Path(sys.argv[1]).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115  as long as the process
    epollreactor.epoll = lambda size: Watch(select.epoll(size), file)
    # twistd does so itself when it is started as a program
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["twistd", *sys.argv[2:]]
    from twisted.scripts.twistd import run

    run()


if __name__ == "__main__":
    main()
