"""``twistd`` with a wall clock that can be set, a watch on the reactor, and a book of what the outbox took.

    launcher.py FOLDER TWISTD-ARGUMENTS…

In FOLDER: ``clock``, eight bytes with the seconds (a double) by which the wall clock of this process is off, read at
every look at it; ``turns`` as of ``benchmarks/attacks/watched_daemon.py``; ``accepted``, a line for each message that
the outbox took; ``inside``, every few seconds the delayed calls, and less often the objects by type.

The clock is the process's, not the machine's: ``time.time`` is another function before anything is imported. Other
processes on this machine keep the right time, and nothing has to be preloaded; SQLite and OpenSSL see the true time.
"""

from __future__ import annotations

import gc
import hashlib
import json
import mmap
import os
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

#: Seconds between two looks inside, and how many of them go by between two counts of objects: a count holds the
#: interpreter's lock for some milliseconds.
LOOK, COUNTS = 2.0, 15
#: Types that are counted beside ours.
ALWAYS = ("Deferred", "DelayedCall", "coroutine", "Failure", "frame")
#: Names of the workers of the reactor's own pool begin so. Twisted keeps each that was needed once, ten at most.
_POOL = "PoolThread-twisted.internet.reactor"


class Wall:
    """The wall clock of this process, as far off as a file says."""

    def __init__(self, file: Path, true: Callable[[], float]) -> None:
        file.write_bytes(struct.pack("d", 0.0))
        self._true = true
        with file.open("rb") as opened:
            self._offset = mmap.mmap(opened.fileno(), 8, prot=mmap.PROT_READ)

    def __call__(self) -> float:
        offset: float = struct.unpack_from("d", self._offset)[0]
        return self._true() + offset


def set_wall(folder: Path, offset: float) -> None:
    """Set the clock of the process that runs in ``folder``; for the one that started it."""
    descriptor = os.open(folder / "clock", os.O_WRONLY)
    try:
        os.pwrite(descriptor, struct.pack("d", offset), 0)
    finally:
        os.close(descriptor)


def keep_book(file: TextIO) -> None:
    """Write down each message of QoS 1 that the outbox takes from now on."""
    from twisted_detector.mqtt.outbox.outbox import Outbox

    put = Outbox.put

    def noted(self: Outbox, message: Any, receipt: Any = None) -> Any:
        taken = put(self, message, receipt)
        if message.qos:
            digest = hashlib.sha1(message.payload, usedforsecurity=False).hexdigest()
            file.write(json.dumps([message.topic, digest if message.payload else "", message.retain]) + "\n")
        return taken

    Outbox.put = noted  # type: ignore[method-assign]


def look_inside(file: TextIO) -> None:
    """In a thread of its own: count what only the process itself can."""
    number = 0
    while True:
        time.sleep(LOOK)
        from twisted.internet import reactor  # not before twistd has chosen one

        number += 1
        reactor.callFromThread(_write, file, number % COUNTS == 0, reactor)


def _write(file: TextIO, counts: bool, reactor: Any) -> None:
    """On the reactor's thread: what ``gc.get_objects`` holds in another one is seen half made, and CPython then fails
    to make it (``tuple(generator)``: SystemError, bad argument to internal function)."""
    line: dict[str, Any] = {}
    if counts:
        line["objects"], line["types"] = count_objects()
    workers = sum(thread.name.startswith(_POOL) for thread in threading.enumerate())
    file.write(json.dumps(line | {"timers": len(reactor.getDelayedCalls()), "workers": workers}) + "\n")


def count_objects() -> tuple[int, dict[str, int]]:
    """Objects that the collector knows and that came after the start, all and by type.

    What it froze (``service/garbage.py``) it gives no more: the counts begin anew then, and ``frozen`` has risen.
    """
    counted = Counter(map(type, gc.get_objects()))
    named = Counter(frozen=gc.get_freeze_count())
    ours: Counter[str] = Counter()
    for kind, count in counted.items():
        if kind.__name__ in ALWAYS:
            named[kind.__name__] += count
        elif str(kind.__module__).startswith("twisted_detector"):
            ours[kind.__qualname__] += count
    return counted.total(), {**named, **ours}


def main() -> None:
    folder = Path(sys.argv[1])
    time.time = Wall(folder / "clock", time.time)
    # Only now: whoever imports the function is to have ours.
    sys.path.insert(0, str(Path.cwd()))
    from benchmarks.attacks import watched_daemon

    accepted = (folder / "accepted").open("w", buffering=1, encoding="utf-8")
    inside = (folder / "inside").open("w", buffering=1, encoding="utf-8")
    keep_book(accepted)
    threading.Thread(target=look_inside, args=(inside,), name="soak", daemon=True).start()
    sys.argv = [sys.argv[0], str(folder / "turns"), *sys.argv[2:]]
    watched_daemon.main()


if __name__ == "__main__":
    main()
