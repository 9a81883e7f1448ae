"""``twistd`` with a meter of how late the reactor calls, from its first turn on.

    metered_daemon.py FILE TWISTD-ARGUMENTS…

The daemon's own meter (``reactor.lag_ms``) looks twice a second, keeps ten minutes, and begins when what was known is
restored; this one writes a line for each fiftieth of a second: when (seconds since the epoch), how late the call came,
and for how much of that time the thread was ready to run while another process had the processor (proc(5), schedstat),
both in milliseconds. Lateness that a busy machine makes can so be told from the daemon's own. It begins when the
plugins are loaded: that takes one long turn, and there is nobody yet who could wait.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

#: Seconds: a stall is seen with all of its length but this.
INTERVAL = 0.02
LOADED = "twisted_detector.plugins.builtin"


class Meter:
    """Meter of the reactor's lateness, into a file."""

    def __init__(self, reactor: Any, file: TextIO) -> None:
        self._reactor = reactor
        self._file = file
        self._schedstat = -1

    def start(self) -> None:
        """Called in the reactor's thread."""
        self._schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
        self._wait_for_plugins()

    def _wait_for_plugins(self) -> None:
        # The module is there from the begin of its loading on, and the call comes when it is over.
        then = self._wait if LOADED in sys.modules else self._wait_for_plugins
        self._reactor.callLater(INTERVAL, then)

    def _waited(self) -> float:
        return int(os.pread(self._schedstat, 64, 0).split()[1]) / 1e6

    def _wait(self) -> None:
        self._reactor.callLater(INTERVAL, self._look, time.monotonic() + INTERVAL, self._waited())

    def _look(self, due: float, waited: float) -> None:
        late = 1000 * max(0.0, time.monotonic() - due)
        self._file.write(f"{time.time():.3f} {late:.2f} {self._waited() - waited:.2f}\n")
        self._wait()


def main() -> None:
    file = Path(sys.argv[1]).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115  as long as the process
    # twistd does so itself when it is started as a program
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["twistd", *sys.argv[2:]]
    from twisted.internet import reactor
    from twisted.scripts.twistd import run

    meter = Meter(reactor, file)
    reactor.callWhenRunning(meter.start)
    run()


if __name__ == "__main__":
    main()
