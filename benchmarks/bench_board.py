"""A small board and some cameras go in; how soon they are on MQTT, memory, and what it writes to its card, come out.

    make bench-board           4, 16 and 64 cameras; the table goes into docs/benchmarks.md (as root, three hours)

The daemon alone is limited, by control groups: one core of which it gets a quarter, and 256 MiB, beyond which the
kernel would end it. Broker and cameras run beside it on the rest of the machine. Octets written are those that it
caused to be written to the disk (``/proc/PID/io``, ``write_bytes``) in the steady state, between two stamps, with the
settings that nobody changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.lan.meters import HEALTH, cpu_of, memory_of, online
from benchmarks.page import write_section
from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, Site, cid
from tests.processes import wait_until
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.inspection.logins.window_clock import SAVE_EVERY

TITLE = "## A small board"
#: A quarter of one core, and the memory of a small board's container.
QUOTA, PERIOD, MEMORY = 25_000, 100_000, 256 * 1024 * 1024
GROUPS = Path("/sys/fs/cgroup")
_DAY = 86_400
#: Seconds after the round of sweeps until nothing is written any more because a login was given: see WindowClock.
SETTLE = WINDOW + SAVE_EVERY + 120


@dataclass(frozen=True)
class Board:
    """One run. Seconds from the start of the process; MB; octets a camera and day; percent of a core."""

    cameras: int
    first: float
    last: float
    memory: float
    written: float
    cpu: float
    stall: float


@contextmanager
def limits() -> Iterator[Callable[[int], None]]:
    """Control groups (version 1 or 2) with the limits; what puts a process into them."""
    name = "camdetect-board"
    if (GROUPS / "cgroup.controllers").exists():
        joined = "cgroup.procs"
        settings = {GROUPS / name: {"cpu.max": f"{QUOTA} {PERIOD}", "memory.max": str(MEMORY), "cpuset.cpus": "0"}}
    else:
        joined = "tasks"
        settings = {
            GROUPS / "cpu" / name: {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(QUOTA)},
            GROUPS / "memory" / name: {"memory.limit_in_bytes": str(MEMORY)},
            GROUPS / "cpuset" / name: {"cpuset.mems": "0", "cpuset.cpus": "0"},
        }
    folders = [*settings]
    for folder, values in settings.items():
        folder.mkdir(exist_ok=True)
        for setting, value in values.items():
            (folder / setting).write_text(value)

    def join(pid: int) -> None:
        for folder in folders:
            (folder / joined).write_text(str(pid))

    try:
        yield join
    finally:
        for folder in folders:
            wait_until(partial(_removed, folder), 5, f"{folder} without a process")


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # its processes are just ending
        return False
    return True


def written_by(pid: int) -> int:
    """Octets that a process has caused to be written to a disk (proc(5), io)."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def run(count: int, calm: float, settle: float) -> Board:
    """One board with so many cameras, each with a login."""
    with tempfile.TemporaryDirectory() as folder, limits() as limit, Lab(Path(folder)) as lab:
        farm = plant(lab, "farm", "10.77.0.0/24", count)
        farm.cameras = [replace(camera, auth="digest") for camera in farm.cameras]
        farm.start(login=LOGIN)
        site = Site(lab)
        daemon = site.daemon(CAMERA_CREDENTIALS=LOGIN, INITIAL_DISCOVERY_COUNT="1")
        limit(daemon.pid)  # a few milliseconds after its start: the namespace that it is started in has no groups
        wanted = {cid(camera.mac) for camera in farm.cameras}
        wait_until(
            lambda: len(online(site)) >= len(wanted), 180, lambda: f"{count}: {len(online(site))} online", interval=0.5
        )
        times = sorted(at - site.started_at for at in online(site).values())

        def settled() -> bool:
            discovery = site.listener.on(HEALTH)[-1].json["discovery"]
            return discovery["phase"] == "steady" and not discovery["sweeping"]

        wait_until(settled, 600, "the steady state", interval=1)
        time.sleep(settle)
        written, cpu, began = written_by(daemon.pid), cpu_of(daemon.pid), time.monotonic()
        time.sleep(calm)
        passed = time.monotonic() - began
        return Board(
            count,
            times[0],
            times[-1],
            memory_of(daemon.pid),
            (written_by(daemon.pid) - written) / passed * _DAY / count,
            100 * (cpu_of(daemon.pid) - cpu) / passed,
            site.listener.on(HEALTH)[-1].json["reactor"]["lag_ms"]["max"],
        )


def table(boards: list[Board], calm: float) -> str:
    """The section of docs/benchmarks.md."""
    rows = "".join(
        f"| {one.cameras} | {one.first:.1f} s | {one.last:.1f} s | {one.memory / 1.048576:.0f} MiB "
        f"| {one.cpu:.1f} % | {one.written / 1e6:.2f} MB | {one.stall:.0f} ms |\n"
        for one in boards
    )
    return (
        "The daemon on one core of which it gets a quarter, within 256 MiB (control groups); cameras with Digest, a"
        " broker without a limit; default settings. `make bench-board`; steady state over"
        f" {calm / 60:.0f} minutes; what is written is told a camera and day.\n\n"
        "| cameras | first on MQTT | all on MQTT | most memory | of a core, steady | written | longest turn |\n"
        "|---|---|---|---|---|---|---|\n"
        f"{rows}"
    ).rstrip("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cameras", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--calm", type=float, default=900, help="seconds of the steady state")
    parser.add_argument("--settle", type=float, default=SETTLE, help="seconds until then")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    if REASON:
        sys.exit(REASON)
    boards = []
    for count in options.cameras:
        boards.append(run(count, options.calm, options.settle))
        print(boards[-1], flush=True)
    text = table(boards, options.calm)
    print(text)
    if options.write:
        write_section(TITLE, text)


if __name__ == "__main__":
    main()
