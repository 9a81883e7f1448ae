"""100 simulated cameras in another process go in; how long their inspections take, all at once, comes out.

    make bench-onvif           measures, prints the table, and puts it into docs/benchmarks.md

Each camera is visited as the detector does it: asked without a login, then with the right one where one is wanted. The
cameras are one process on the same machine; its work is in the time, and its processor time is told beside ours.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from benchmarks.page import write_section
from tests.processes import Process
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.inspection.http.client import HttpClient, HttpResponse
from twisted_detector.inspection.onvif.inspector import LoginPolicy, OnvifInspector, Scheduling
from twisted_detector.model import Candidate, Inspection, Login, Secret, Status

reactor: Any = _reactor
TITLE = "## ONVIF inspections"
LOGIN = Login("viewer", Secret("not-a-secret"))
SCHEMES = ("none", "digest", "digest-sha256", "wsse")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """Seconds, but for the counts."""

    wall: float
    longest: float
    ours: float
    theirs: float
    stall: float
    turn: float
    requests: int


class Counting(HttpClient):
    """Counts what is sent."""

    requests = 0

    async def post(self, url: str, body: bytes, headers: Any) -> HttpResponse:
        Counting.requests += 1
        return await super().post(url, body, headers)


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def visit(inspector: OnvifInspector, candidate: Candidate) -> float:
    """Seconds of one visit; it must have come to everything."""
    began = time.monotonic()
    outcome = await inspector.inspect(candidate, None)
    if outcome is not None and outcome.status is Status.AUTH_REQUIRED:
        outcome = await inspector.inspect(candidate, LOGIN)
    assert isinstance(outcome, Inspection)
    assert (len(outcome.streams), outcome.status, outcome.serial_number[:3]) == (2, Status.ONLINE, "SIM")
    return time.monotonic() - began


class Stalls:
    """The longest time for which the reactor did nothing else, and the most processor time that it took meanwhile.

    Where the cameras and others share the processors, the first is mostly waiting for one.
    """

    def __init__(self) -> None:
        self.most = self.most_cpu = 0.0
        self._due = time.monotonic()
        self._cpu = time.thread_time()
        self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        self.most = max(self.most, now - self._due)
        cpu = time.thread_time()
        self.most_cpu, self._cpu = max(self.most_cpu, cpu - self._cpu), cpu
        self._due = now + 0.005
        self._call = reactor.callLater(0.005, self._tick)

    def stop(self) -> None:
        self._call.cancel()


async def measure(candidates: Sequence[Candidate], pid: int) -> Run:
    queue = CooperativeQueue(reactor, monotonic=time.monotonic)
    inspector = OnvifInspector(
        reactor,
        lambda: Counting(reactor, timeout=10.0, queue=queue),
        random=os.urandom,
        monotonic=time.monotonic,
        logins=LoginPolicy(login_follows=lambda candidate: True),
        scheduling=Scheduling(queue=queue),
    )
    Counting.requests = 0
    ours, theirs, began, stalls = own_cpu(), cpu_of(pid), time.monotonic(), Stalls()
    each = await gatherResults([Deferred.fromCoroutine(visit(inspector, one)) for one in candidates])
    wall = time.monotonic() - began
    stalls.stop()
    return Run(wall, max(each), own_cpu() - ours, cpu_of(pid) - theirs, stalls.most, stalls.most_cpu, Counting.requests)


async def runs_of(auth: str, count: int, runs: int) -> list[Run]:
    """So many runs against one process of cameras; one more before them, uncounted, loads the XML library."""
    # Each has an address of its own, as on a network: one device is asked by one inspection at a time.
    addresses = [f"127.0.0.{number}" for number in range(1, count + 1)]
    words = ("--count", str(count), "--auth", auth, "--http-port", "21000", "--rtsp-port", "22000")
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "twisted_detector.cli", "simulate", *words, "--bind", *addresses)
        environment = {**os.environ, "SIMULATOR_LOGIN": f"{LOGIN.name}:{LOGIN.password.reveal()}"}
        cameras = Process(command, Path(folder) / "cameras.log", environment)
        try:
            cameras.wait_for("Ctrl-C", 30)
            model = Candidate("", "", scopes=("onvif://www.onvif.org/name/Simulated%20camera",))
            candidates = [
                replace(model, device_id=one, address=one, xaddrs=(f"http://{one}:21000/onvif/device_service",))
                for one in addresses
            ]
            await measure(candidates[:1], cameras.pid)
            gc.freeze()  # as the daemon does when it has started
            gc.set_threshold(*gc.get_threshold()[:2], 100)
            return [await measure(candidates, cameras.pid) for _ in range(runs)]
        finally:
            cameras.end()


def table(count: int, results: dict[str, list[Run]]) -> str:
    lines = [
        f"| {count} at once | all ended, s (most) | one visit, s (longest) | processor time, ours, s | the cameras', s "
        "| longest reactor stall, ms | of that its own work, ms | requests per camera |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for auth, runs in results.items():
        cells = (
            f"{median(run.wall for run in runs):.2f} ({max(run.wall for run in runs):.2f})",
            f"{max(run.longest for run in runs):.2f}",
            f"{median(run.ours for run in runs):.2f}",
            f"{median(run.theirs for run in runs):.2f}",
            f"{1000 * max(run.stall for run in runs):.0f}",
            f"{1000 * max(run.turn for run in runs):.0f}",
            f"{runs[-1].requests / count:.1f}",
        )
        lines.append(f"| {auth} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def run(options: argparse.Namespace) -> None:
    results = {auth: await runs_of(auth, options.cameras, options.runs) for auth in SCHEMES}
    text = table(options.cameras, results)
    print(text)
    if options.write:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
        load = f"load average at the end {os.getloadavg()[0]:.1f}"
        where = "cameras in one other process on the same machine"
        write_section(TITLE, f"{text}\n\n{options.runs} runs each; {machine}, {where}, {load}; `make bench-onvif`.")


def main() -> None:
    parser = argparse.ArgumentParser(description="How long 100 inspections at once take.")
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    react(lambda _: Deferred.fromCoroutine(run(options)))


main()
