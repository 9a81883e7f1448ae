"""A LAN of a thousand cameras goes in; what it takes to bring it to MQTT, to restart, and to be calm, comes out.

Used by ``bench_lan.py``. One run is four phases of one bed: a daemon that knows nobody, until all are on MQTT; the calm
after it; the daemon ended and started anew, until all are told of again; and one sweep of cameras that are all well.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.lan.meters import (
    Connects,
    Lateness,
    Machine,
    Spent,
    cpu_of,
    cpu_of_all,
    lateness,
    memory_of,
    packets_of,
)
from tests.lan.farm import Farm, plant
from tests.lan.lab import Lab
from tests.lan.site import LOGIN, Site, cid
from tests.listener import Heard
from tests.processes import Process, wait_until
from twisted_detector.operations.control_client import NotRunning, send_request

METERED = str(Path(__file__).with_name("metered_daemon.py"))
#: Seconds until all are on MQTT, on a machine that has other guests; and until the first sweeps have become rare.
LONGEST, LONGEST_UNREST = 300.0, 900.0
#: What the roll call and the first pictures leave to be done.
BREATH = 15.0
#: Results of checks, of which the first asks the device nothing.
CHECKS = ("seen", "glanced", "checked", "missed")
NEVER = str(7 * 86_400)
_Phase = TypeVar("_Phase")


@dataclass(frozen=True)
class Start:
    """From the start of the process until the last camera is told to be online.

    :ivar others: ids that are not the MAC of a camera.
    :ivar inspections: of all cameras, until none waits; likewise ``connects``.
    """

    first: float
    half: float
    last: float
    cpu: float
    cameras_cpu: float
    late: Lateness
    memory: float
    others: int
    inspections: int
    connects: int
    packets: int
    spent: Spent


@dataclass(frozen=True)
class Calm:
    """A stretch in which nothing happens; ``told``: messages at the broker."""

    seconds: float
    cpu: float
    packets: int
    told: int
    connects: int
    late: Lateness
    memory: float
    spent: Spent


@dataclass(frozen=True)
class Restart:
    """From the second start until each camera was told of again.

    :ivar inspections: in full, until none waits; likewise ``connects``.
    """

    last: float
    cpu: float
    late: Lateness
    memory: float
    inspections: int
    connects: int
    spent: Spent


@dataclass(frozen=True)
class Sweep:
    """One sweep of cameras that are known and well."""

    seconds: float
    cpu: float
    packets: int
    connects: int
    late: Lateness
    spent: Spent


@dataclass(frozen=True)
class Run:
    """One bed's figures."""

    count: int
    start: Start
    calm: Calm | None
    restart: Restart
    sweep: Sweep


def network(count: int) -> tuple[str, int]:
    """The smallest network that leaves as many addresses free as are taken."""
    length = 24
    while 2 ** (32 - length) < 2 * count:
        length -= 1
    return f"10.77.0.0/{length}", length


class _Bed:
    def __init__(self, lab: Lab, count: int, prefer: Callable[[Sequence[Process]], None]) -> None:
        self.count = count
        self._prefer = prefer
        name, length = network(count)
        self.farm: Farm = plant(lab, "farm", name, count)
        self.farm.start(login=LOGIN)
        self.site = Site(lab, prefix_length=length)
        self.connects = Connects(self.site.host)
        self.wanted = {cid(camera.mac) for camera in self.farm.cameras}
        self._lives = 0

    def daemon(self, **settings: str) -> tuple[Process, Path]:
        """Start it; the file is what the meter writes."""
        self._lives += 1
        file = self.site.lab.directory / f"late-{self._lives}"
        command = (sys.executable, METERED, str(file))
        daemon = self.site.run_daemon(command, {"CAMERA_CREDENTIALS": LOGIN, **settings})
        self._prefer((*self.site.host.processes, *self.farm.host.processes))
        return daemon, file

    def status(self) -> Any:
        """The health document's blocks, by the control socket; once it is there."""
        found: list[Any] = []

        def answered() -> bool:
            try:
                found.append(send_request(self.site.state, {"command": "status"}, timeout=30))
            except NotRunning:
                return False
            return True

        wait_until(answered, LONGEST, "a daemon", interval=0.5)
        return found[0]

    def first_of_each(self, accept: Callable[[Heard], bool]) -> dict[str, float]:
        """id → when it was first told of by an accepted message since the last start; once all were."""
        when: dict[str, float] = {}
        looked = 0

        def all_told() -> bool:
            nonlocal looked
            heard = self.site.listener.heard()
            for one in heard[looked:]:
                kind, _, camera = one.topic.removeprefix("camera/").partition("/")
                if kind == "status" and one.at >= self.site.started_at and not one.retained and accept(one):
                    when.setdefault(camera, one.at)
            looked = len(heard)
            return when.keys() >= self.wanted

        # Reading what was heard costs processor time that the daemon and the cameras want.
        wait_until(all_told, LONGEST, lambda: f"{self.count} cameras: {len(when)}", interval=0.5)
        return when

    def idle(self) -> Any:
        """The status, once nobody waits to be inspected."""
        last: list[Any] = []

        def none_waits() -> bool:
            last[:] = [self.status()]
            return not last[0]["stats"]["inspections_waiting"]

        wait_until(none_waits, LONGEST, "an empty queue of inspections", interval=1.0)
        return last[0]


def inspections_of(status: Any) -> int:
    """Inspections in full so far; the count of all results has checks too (``RoutineCheck``)."""
    counts = status["stats"]["inspections"]
    return int(sum(counts.values()) - sum(counts.get(name, 0) for name in CHECKS))


def measure(count: int, calm_seconds: float, prefer: Callable[[Sequence[Process]], None]) -> Run:
    """One run.

    :param calm_seconds: of the calm, 0 for none.
    :param prefer: gives processes the processor before whatever else runs here; or does not.
    """
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        bed = _Bed(lab, count, prefer)
        daemon, file = bed.daemon()
        start = _note(_start(bed, daemon, file))
        calm = _note(_calm(bed, daemon, file, calm_seconds)) if calm_seconds else None
        daemon.end()
        connects = bed.connects.total()
        # Nothing else that connects to a camera may fall into the sweep: no full proof, no picture.
        daemon, file = bed.daemon(FULL_PROOF_INTERVAL=NEVER, SNAPSHOT_INTERVAL="0")
        restart = _note(_restart(bed, daemon, file, connects))
        sweep = _note(_sweep(bed, daemon, file))
        return Run(count, start, calm, restart, sweep)


def _note(phase: _Phase) -> _Phase:
    """Tell a phase at once: the whole takes a quarter of an hour."""
    print(phase, file=sys.stderr, flush=True)
    return phase


def _start(bed: _Bed, daemon: Process, file: Path) -> Start:
    machine, cameras_cpu = Machine(), cpu_of_all(bed.farm.processes)
    when = bed.first_of_each(lambda heard: '"status":"online"' in heard.payload)
    cpu, cameras_cpu = cpu_of(daemon.pid), cpu_of_all(bed.farm.processes) - cameras_cpu
    packets, memory, spent = packets_of(bed.site.host), memory_of(daemon.pid), machine.spent()
    times = sorted(at - bed.site.started_at for at in when.values())
    inspections = inspections_of(bed.idle())
    late = lateness(file, bed.site.started_at, max(when.values()))
    return Start(
        first=times[0],
        half=times[len(times) // 2],
        last=times[-1],
        cpu=cpu,
        cameras_cpu=cameras_cpu,
        late=late,
        memory=memory,
        others=len(when.keys() - bed.wanted),
        inspections=inspections,
        connects=bed.connects.total(),
        packets=packets,
        spent=spent,
    )


def _calm(bed: _Bed, daemon: Process, file: Path, seconds: float) -> Calm:
    def settled() -> bool:
        status = bed.status()
        discovery = status["discovery"]
        calm = discovery["phase"] == "steady" and not discovery["sweeping"]
        return calm and not status["stats"]["inspections_waiting"]

    wait_until(settled, LONGEST_UNREST, "the steady state", interval=3.0)
    time.sleep(BREATH)
    machine, since = Machine(), time.time()
    cpu, packets, connects = cpu_of(daemon.pid), packets_of(bed.site.host), bed.connects.total()
    time.sleep(seconds)
    until = time.time()
    told = [heard for heard in bed.site.listener.heard() if since <= heard.at <= until]
    return Calm(
        seconds=until - since,
        cpu=cpu_of(daemon.pid) - cpu,
        packets=packets_of(bed.site.host) - packets,
        told=len(told),
        connects=bed.connects.total() - connects,
        late=lateness(file, since, until),
        memory=memory_of(daemon.pid),
        spent=machine.spent(),
    )


def _restart(bed: _Bed, daemon: Process, file: Path, connects: int) -> Restart:
    machine = Machine()
    when = bed.first_of_each(lambda _: True)
    cpu, memory, spent = cpu_of(daemon.pid), memory_of(daemon.pid), machine.spent()
    inspections = inspections_of(bed.idle())
    # With what follows upon it: the first sweep, and the queue of those who are asked.
    late = lateness(file, bed.site.started_at, time.time())
    last = max(when.values()) - bed.site.started_at
    return Restart(last, cpu, late, memory, inspections, bed.connects.total() - connects, spent)


def _sweep(bed: _Bed, daemon: Process, file: Path) -> Sweep:
    def swept(more_than: int) -> bool:
        status = bed.status()
        discovery = status["discovery"]
        return (
            discovery["sweeps"] > more_than
            and not discovery["sweeping"]
            and not status["stats"]["inspections_waiting"]
            and status["stats"]["online_cameras"] == bed.count
        )

    wait_until(lambda: swept(0), LONGEST, "the first sweep of the second life", interval=1.0)
    time.sleep(BREATH)
    wait_until(lambda: swept(0), LONGEST, "no sweep", interval=1.0)
    machine, since, sweeps = Machine(), time.time(), bed.status()["discovery"]["sweeps"]
    cpu, packets, connects = cpu_of(daemon.pid), packets_of(bed.site.host), bed.connects.total()
    bed.site.command("rescan")
    wait_until(lambda: swept(sweeps), LONGEST, "a sweep", interval=0.5)
    until = time.time()
    return Sweep(
        seconds=until - since,
        cpu=cpu_of(daemon.pid) - cpu,
        packets=packets_of(bed.site.host) - packets,
        connects=bed.connects.total() - connects,
        late=lateness(file, since, until),
        spent=machine.spent(),
    )


_INTRODUCTION = """The cameras, the broker, the listener and the daemon share one machine, which has other guests:
beside each row stand the load average and for how long a core had nothing to do. *Lateness* is how late the reactor
called, looked at fifty times a second in that phase alone; in brackets, without the time in which the daemon's thread
was ready to run and another process had the processor. *Connections* are counted on the cable, whoever made them. The
restart's inspections are until nobody waits any more; for the sweep, which a command asks for, full proofs and
pictures are off. The first row of each table is the bound, of 1 000 cameras where nothing is said."""


def table(runs: Sequence[Run]) -> str:
    """The figures as Markdown: a row for each run of each phase, below their bounds."""
    lines = [
        _INTRODUCTION,
        "",
        "| cameras | first, half, all on MQTT, s | processor time of the daemon, s | of it a camera, ms"
        " | of the simulated cameras, s | lateness, 99 % / most, ms | memory, MB | ids that are not the MAC"
        " | inspections a camera | connections a camera | machine |",
        "|---:|---|---:|---:|---:|---|---:|---:|---:|---:|---|",
        "| bound | all: 30; 2 000: 60 | | 21 | | 50 / 100 | 150 | 0 | 1.00 | | |",
    ]
    for run in runs:
        one = run.start
        lines.append(
            f"| {run.count} | {one.first:.1f}, {one.half:.1f}, {one.last:.1f} | {one.cpu:.1f}"
            f" | {1000 * one.cpu / run.count:.1f} | {one.cameras_cpu:.1f} | {one.late} | {one.memory:.0f}"
            f" | {one.others} | {one.inspections / run.count:.2f} | {one.connects / run.count:.1f} | {one.spent} |"
        )
    lines += [
        "",
        "| calm, cameras | of one core | packets a minute | connections a minute | MQTT messages a minute"
        " | lateness, 99 % / most, ms | memory, MB | machine |",
        "|---:|---:|---:|---:|---:|---|---:|---|",
        "| bound | 5 % | 8000 | | 40 | | | |",
    ]
    for run in runs:
        if (calm := run.calm) is not None:
            minutes = calm.seconds / 60
            lines.append(
                f"| {run.count} | {100 * calm.cpu / calm.seconds:.1f} % | {calm.packets / minutes:.0f}"
                f" | {calm.connects / minutes:.0f} | {calm.told / minutes:.0f} | {calm.late} | {calm.memory:.0f}"
                f" | {calm.spent} |"
            )
    lines += [
        "",
        "| restart, known cameras | all told of again, s | processor time, s | lateness, 99 % / most, ms | memory, MB"
        " | inspections in full a camera | connections a camera | machine |",
        "|---:|---:|---:|---|---:|---:|---:|---|",
        "| bound | 10 | | most: 50 | | | | |",
    ]
    for run in runs:
        again = run.restart
        lines.append(
            f"| {run.count} | {again.last:.1f} | {again.cpu:.1f} | {again.late} | {again.memory:.0f}"
            f" | {again.inspections / run.count:.2f} | {again.connects / run.count:.1f} | {again.spent} |"
        )
    lines += [
        "",
        "| a sweep, cameras that are well | s | processor time, s | packets | connections"
        " | lateness, 99 % / most, ms | machine |",
        "|---:|---:|---:|---:|---:|---|---|",
        "| bound | | | | 0 | | |",
    ]
    lines += [
        f"| {run.count} | {run.sweep.seconds:.1f} | {run.sweep.cpu:.1f} | {run.sweep.packets} | {run.sweep.connects}"
        f" | {run.sweep.late} | {run.sweep.spent} |"
        for run in runs
    ]
    return "\n".join(lines)
