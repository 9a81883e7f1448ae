"""Sampler of a process: what it holds, how late it is, and what its broker hears of it, every few seconds.

What the process alone knows (delayed calls, objects, long turns) is read from the files of its launcher; the rest from
/proc and from the state directory. Nothing is asked of the process itself, so a sample costs it nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Tail

#: Seconds between two samples.
INTERVAL = 3.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """One look.

    :ivar at: seconds from the start of the scenario.
    :ivar rss: resident kB; ``heap`` those that are no file's (smaps_rollup: Anonymous).
    :ivar threads: without those of the reactor's pool, which keeps each worker that was needed once; ``workers`` these.
    :ivar timers: delayed calls of the reactor; ``objects`` that the collector knows.
    :ivar lag: ms of the longest turn of the reactor since the sample before, without what other processes took of it;
        ``wait`` the same with that.
    :ivar queued: messages of the outbox that wait; ``flying`` those that are sent and not acknowledged.
    :ivar database: kB of state.db; ``log`` of its write-ahead log.
    :ivar lost: connections to the broker that broke, since the start.
    :ivar cpu: processor seconds since the start. :ivar load: of the machine, one minute's average.
    """

    at: float
    rss: int
    heap: int
    fds: int
    threads: int
    workers: int
    timers: int
    objects: int
    lag: float
    wait: float
    queued: int
    flying: int
    database: int
    log: int
    lost: int
    cpu: float
    load: float


@dataclass(frozen=True)
class Disconnection:
    """A line of the daemon's log about a connection that broke; ``at`` is when it was read, since the epoch."""

    at: float
    line: str


class Sampler:
    """Takes samples in a thread of its own until :meth:`stop`.

    :param inside: the folder of the launcher. :param output: what the daemon says.
    :param mqtt: the ``mqtt`` block of the latest health document, None before the first.
    :ivar types: counts of objects by type, with their times. :ivar faults: what went wrong in the sampler itself.
    """

    def __init__(
        self, pid: int, *, inside: Path, state: Path, output: Path, mqtt: Callable[[], Any], interval: float = INTERVAL
    ) -> None:
        self._pid = pid
        self._state = state
        self._mqtt = mqtt
        self._interval = interval
        self._turns, self._inside, self._said = (Tail(file) for file in (inside / "turns", inside / "inside", output))
        self._began = time.monotonic()
        self._timers = self._objects = self._workers = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.samples: list[Sample] = []
        self.types: list[tuple[float, dict[str, int]]] = []
        self.disconnections: list[Disconnection] = []
        self.faults: list[str] = []

    def start(self) -> None:
        """From now on; what was before is not looked at."""
        self._turns.lines()
        self._said.lines()
        self._look_inside()
        self.types.clear()
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(30)

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def _run(self) -> None:
        next_sample = 0.0
        while not self._end.wait(0.5):
            try:
                self._listen()
                if self.now >= next_sample:
                    self.samples.append(self._sample())
                    next_sample = self.now + self._interval
            except Exception as error:  # the run goes on, and the judge is told
                self.faults.append(f"{type(error).__name__}: {error}")

    def _listen(self) -> None:
        self.disconnections += [
            Disconnection(time.time(), line) for line in self._said.lines() if "disconnected from " in line
        ]

    def _look_inside(self) -> None:
        for line in self._inside.lines():
            told = json.loads(line)
            self._timers, self._workers = told["timers"], told["workers"]
            if "objects" in told:
                self._objects = told["objects"]
                self.types.append((self.now, told["types"]))

    def _sample(self) -> Sample:
        self._look_inside()
        turns = [one for one in map(json.loads, self._turns.lines()) if not one["loading"]]
        proc = Path(f"/proc/{self._pid}")
        memory, status = _numbers(proc / "smaps_rollup"), _numbers(proc / "status")
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        mqtt = self._mqtt() or {"queue_depth": {}, "in_flight": 0, "disconnects": 0}
        return Sample(
            at=self.now,
            rss=memory["Rss"],
            heap=memory["Anonymous"],
            fds=len(list((proc / "fd").iterdir())),
            threads=status["Threads"] - self._workers,
            workers=self._workers,
            timers=self._timers,
            objects=self._objects,
            lag=1000 * max((max(one["cpu"], one["turn"] - one["waited"]) for one in turns), default=0.0),
            wait=1000 * max((one["turn"] for one in turns), default=0.0),
            queued=sum(mqtt["queue_depth"].values()),
            flying=mqtt["in_flight"],
            database=_kilobytes(self._state / "state.db"),
            log=_kilobytes(self._state / "state.db-wal"),
            lost=mqtt["disconnects"],
            cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
            load=os.getloadavg()[0],
        )


def _numbers(file: Path) -> dict[str, int]:
    """The lines of a file of proc(5) that are a name and a number."""
    found = {}
    for line in file.read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.split()[:1] and rest.split()[0].isdigit():
            found[name] = int(rest.split()[0])
    return found


def _kilobytes(file: Path) -> int:
    return file.stat().st_size // 1024 if file.exists() else 0
