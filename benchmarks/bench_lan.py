"""A LAN of cameras goes in; how soon all of them are on MQTT, and what that and the calm after it cost, comes out.

    make bench-lan             100 cameras: measures, prints the tables, and puts them into docs/benchmarks.md
    make bench-lan-1000        the same with 1 000 and 2 000, their restart, and a sweep of cameras that are well

The cameras live in a namespace of their own, each with its own MAC and address (``tests/lan/farm.py``). Their
work takes place on the same machine: the daemon's processor time is told by itself (``/proc/PID/stat``), and what the
cameras took in the same time beside it. Times are those of an independent client at the broker (``mosquitto_sub``),
from the start of the process.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.lan import fleet, stalls
from benchmarks.lan.meters import HEALTH, cpu_of, cpu_of_all, online, packets_of
from benchmarks.page import percentile, write_section
from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, Site, cid
from tests.processes import Process, wait_until
from twisted_detector.detector.pictures.scheduler import FIRST_SPREAD

TITLE, FLEET_TITLE = "## A LAN of cameras", "## A LAN of a thousand cameras"


@dataclass(frozen=True)
class Outcome:
    """One run. Seconds from the start of the process; processor seconds until the last camera was there."""

    first: float
    half: float
    last: float
    daemon_cpu: float
    cameras_cpu: float
    stall: float
    packets: int


@dataclass(frozen=True)
class Calm:
    """One stretch of the steady state."""

    cpu_percent: float
    packets_per_minute: float
    looking_per_minute: float
    stall: float


def prefer(processes: Sequence[Process]) -> None:
    """Give these the processor before whatever else runs here (sched(7), autogroup; nothing where there is none)."""
    for process in processes:
        group = Path(f"/proc/{process.pid}/autogroup")
        if group.exists():
            group.write_text("-19")


def run(count: int, auth: str, calm_seconds: float, first: bool = False) -> tuple[Outcome, Calm | None]:
    """Start everything, wait for every camera, and for the calm afterwards when ``calm_seconds`` is not 0."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        farm = plant(lab, "farm", "10.77.0.0/24" if count < 200 else "10.77.0.0/23", count)
        farm.cameras = [replace(camera, auth=auth) for camera in farm.cameras]
        farm.start(login=LOGIN)
        site = Site(lab, prefix_length=24 if count < 200 else 23)
        cameras_before = cpu_of_all(farm.processes)
        daemon = site.daemon(CAMERA_CREDENTIALS=LOGIN, HEALTH_REPORT_INTERVAL="1", **_steady(calm_seconds))
        if first:
            prefer((*site.host.processes, *farm.host.processes))
        wanted = {cid(camera.mac) for camera in farm.cameras}
        # Reading what was heard costs processor time that the daemon and the cameras want.
        wait_until(
            lambda: len(online(site)) >= len(wanted), 90, lambda: f"{count} cameras: {len(online(site))}", interval=0.5
        )
        when = online(site)
        assert set(when) == wanted
        daemon_cpu, cameras_cpu = cpu_of(daemon.pid), cpu_of_all(farm.processes) - cameras_before
        packets = packets_of(site.host)
        time.sleep(1.5)
        stall = site.listener.on(HEALTH)[-1].json["reactor"]["lag_ms"]["max"]
        times = sorted(at - site.started_at for at in when.values())
        outcome = Outcome(times[0], times[len(times) // 2], times[-1], daemon_cpu, cameras_cpu, stall, packets)
        return outcome, _calm(site, daemon.pid, calm_seconds) if calm_seconds else None


def _steady(calm_seconds: float) -> dict[str, str]:
    """Settings that bring the steady state at once."""
    return {"INITIAL_DISCOVERY_COUNT": "1"} if calm_seconds else {}


#: Seconds in which the first picture of every camera is taken; the next come an hour later.
FIRST_PICTURES = FIRST_SPREAD + 10.0


def _calm(site: Site, pid: int, seconds: float) -> Calm:
    """What the steady state costs, once the first sweeps have ended and the last camera has been asked."""

    def settled() -> bool:
        health = site.listener.on(HEALTH)[-1].json
        discovery = health["discovery"]
        calm = discovery["phase"] == "steady" and not discovery["sweeping"]
        return calm and not health["stats"]["inspections_waiting"]

    wait_until(settled, 180, "the steady state", interval=0.5)
    time.sleep(FIRST_PICTURES)
    cpu, packets, looked, began = cpu_of(pid), packets_of(site.host), _looked(site), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    lag = site.listener.on(HEALTH)[-1].json["reactor"]["lag_ms"]["max"]
    return Calm(
        100 * (cpu_of(pid) - cpu) / passed,
        60 * (packets_of(site.host) - packets) / passed,
        60 * (_looked(site) - looked) / passed,
        lag,
    )


def _looked(site: Site) -> int:
    """Packets that the daemon has sent to look for cameras."""
    return int(site.listener.on(HEALTH)[-1].json["discovery"]["looking"]["total"])


def table(count: int, outcomes: Sequence[Outcome], calm: Calm | None) -> str:
    """The figures as Markdown."""
    cells = [
        ("first camera on MQTT", "s", [one.first for one in outcomes]),
        ("half of them", "s", [one.half for one in outcomes]),
        ("all of them", "s", [one.last for one in outcomes]),
        ("longest reactor stall", "ms", [one.stall for one in outcomes]),
        ("processor time of the daemon until then", "s", [one.daemon_cpu for one in outcomes]),
        ("processor time of the simulated cameras meanwhile", "s", [one.cameras_cpu for one in outcomes]),
        ("packets sent until then", "", [float(one.packets) for one in outcomes]),
    ]
    lines = [f"| {count} cameras, {len(outcomes)} runs | | least | median | 95 % | most |", "|---|---|---|---|---|---|"]
    for what, unit, values in cells:
        shown = [f"{value:.0f}" if unit != "s" else f"{value:.2f}" for value in _spread(values)]
        lines.append(f"| {what} | {unit} | {' | '.join(shown)} |")
    if calm is not None:
        lines += [
            "",
            "| steady state | |",
            "|---|---|",
            f"| processor time of the daemon, of one core | {calm.cpu_percent:.1f} % |",
            f"| packets sent per minute | {calm.packets_per_minute:.0f} |",
            f"| of them to look for cameras (quick looks; no sweep falls into it) | {calm.looking_per_minute:.0f} |",
            f"| longest reactor stall since the start | {calm.stall:.0f} ms |",
        ]
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> tuple[float, ...]:
    return min(values), median(values), percentile(values, 0.95), max(values)


def main() -> None:
    if REASON:
        sys.exit(REASON)
    parser = argparse.ArgumentParser(description="How soon a LAN of cameras is on MQTT.")
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--few", type=int, default=20, help="cameras of a smaller LAN before it; 0: none")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--auth", default="none")
    parser.add_argument("--calm", type=float, default=120.0, help="seconds of steady state after the last run; 0: none")
    parser.add_argument("--stalls", type=int, default=2, help="rounds on a /20, where stalls are looked for; 0: none")
    parser.add_argument("--fleet", type=int, nargs="+", metavar="COUNT", help="a run for each, instead of all this")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--first", action="store_true", help="before whatever else runs on this machine")
    options = parser.parse_args()
    chosen = prefer if options.first else lambda processes: None
    if options.fleet:
        text = fleet.table([fleet.measure(count, options.calm, chosen) for count in options.fleet])
        _show(FLEET_TITLE, text, options, "make bench-lan-1000")
        return
    tables = []
    for count in filter(None, (options.few, options.cameras)):
        outcomes, calm = [], None
        for number in range(options.runs):
            last = number == options.runs - 1 and count == options.cameras
            outcome, calm = run(count, options.auth, options.calm if last else 0.0, options.first)
            print(outcome, calm or "", file=sys.stderr, flush=True)
            outcomes.append(outcome)
        tables.append(table(count, outcomes, calm))
    text = "\n\n".join(tables)
    if options.stalls:
        found: dict[str, list[stalls.Stalled]] = {}
        for _ in range(options.stalls):
            for name, privileged in (("CAP_NET_RAW", True), ("unprivileged", False)):
                found.setdefault(name, []).append(stalls.measure(chosen, privileged=privileged))
                print(name, found[name][-1], file=sys.stderr, flush=True)
        text += "\n\n" + "\n".join(stalls.table(found))
    _show(TITLE, text, options, "make bench-lan")


def _show(title: str, text: str, options: argparse.Namespace, command: str) -> None:
    print(text)
    if options.write:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
        load = f"load average at the end {os.getloadavg()[0]:.1f}"
        where = "cameras and daemon on the same machine" + (", before other work on it" if options.first else "")
        write_section(title, f"{text}\n\n{machine}, {where}, {load}; `{command}`.")


main()
