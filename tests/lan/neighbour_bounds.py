"""A number of hosts goes in; the kernel's table of neighbours has room for them until the last bed that needs it ends.

``net.ipv4.neigh.default.gc_thresh*`` are one for all namespaces and all who run tests here. A bed that needs room
writes its number and the pid of its process into a file; the bounds are for all of them together, and the last one to
leave puts back what stood there before the first. What a run that was killed left behind is put back by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

_SETTINGS = Path("/proc/sys/net/ipv4/neigh/default")
_LEDGER = Path(tempfile.gettempdir()) / f"camdetect-neighbour-bounds-{os.geteuid()}.json"
#: Nothing is thrown away below the first; above the second, what is older than five seconds; the third is the wall.
_NAMES = ("gc_thresh1", "gc_thresh2", "gc_thresh3")
#: Entries for which the kernel's own bounds (1 024 entries) are enough.
FEW = 500


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class NeighbourBounds:
    """The room that one bed has asked for."""

    def __init__(
        self, settings: Path = _SETTINGS, ledger: Path = _LEDGER, *, alive: Callable[[int], bool] = _alive
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._alive = alive
        self._own = uuid4().hex
        self._entries = 0

    def expect(self, entries: int) -> None:
        """Room for so many entries more; nothing happens while the kernel's own bounds are enough."""
        self._entries += entries
        if self._entries > FEW:
            self._change(self._entries)

    def put_back(self) -> None:
        """No room is needed any more."""
        if self._entries > FEW:
            self._change(0)
        self._entries = 0

    def _change(self, entries: int) -> None:
        with self._ledger.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known: dict[str, Any] = json.loads(file.read() or '{"before": [], "needed": {}}')
            needed = {bed: one for bed, one in known["needed"].items() if bed != self._own and self._alive(one["pid"])}
            if entries:
                needed[self._own] = {"pid": os.getpid(), "entries": entries}
            before = known["before"] or [int((self._settings / name).read_text("ascii")) for name in _NAMES]
            # Two beds at one time take from one table.
            most = sum(one["entries"] for one in needed.values())
            for name, own, times in zip(_NAMES, before, (1, 2, 4), strict=True):
                (self._settings / name).write_text(f"{max(own, times * most)}\n", "ascii")
            file.truncate(0)
            json.dump({"before": before, "needed": needed} if needed else {"before": [], "needed": {}}, file)
