"""How long, with how many packets and how completely a LAN is swept: camdetect, nmap, masscan, arp-scan, a thread pool.

All on one bed of namespaces, in turn within each round; as root. masscan sends everything to one router's MAC and asks
nobody on a link for theirs: on this bed it is told that of the cable, behind which all hosts are, and that is a help no
real LAN gives it. ``--write`` puts the tables into docs/benchmarks.md.

    python benchmarks/bench_discovery.py [--runs 5] [--write] [--only /24,six,/20,loss] [--first]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.lan.bed import OPEN, RARE, REASON, Bed, dwellers
from tests.processes import ROOT
from twisted_detector.discovery.sweep.ports import CAMERA_PORTS

PEERS = ROOT / "benchmarks" / "discovery_peers"
SIX = (554, 8554, 80, 8000, 2020, 8899)
#: The kernel goes on asking for dead addresses so long after an unprivileged sweep: that belongs to its packets.
AFTERWARDS = 3.3


@dataclass
class Run:
    """What one run of one program gave. ``seconds`` is what the program needed, ``process`` the whole process."""

    found: int
    expected: int
    seconds: float
    process: float
    cpu: float
    packets: int
    remark: str = ""


Expected = dict[str, tuple[str, list[int]]]
Reader = Callable[[str, Expected], tuple[int, int]]


def open_ports(found: dict[str, set[int]], expected: Expected) -> tuple[int, int]:
    """Cameras with exactly their open ports, of all."""
    cameras = {address: set(ports) for address, (_, ports) in expected.items() if ports}
    return sum(found.get(address) == ports for address, ports in cameras.items()), len(cameras)


def read_nmap(text: str, expected: Expected) -> tuple[int, int]:
    found = {}
    for address, ports in re.findall(r"^Host: (\S+) .*Ports: (.*)$", text, re.M):
        found[address] = {int(port) for port in re.findall(r"(\d+)/open/", ports)}
    return open_ports(found, expected)


def read_masscan(text: str, expected: Expected) -> tuple[int, int]:
    found = defaultdict(set)
    for address, port in re.findall(r"Host: (\S+) .*Ports: (\d+)/open/", text):
        found[address].add(int(port))
    return open_ports(found, expected)


def read_pool(text: str, expected: Expected) -> tuple[int, int]:
    found = defaultdict(set)
    for line in text.splitlines():
        address, port = line.split()
        found[address].add(int(port))
    return open_ports(found, expected)


def read_arp_scan(text: str, expected: Expected) -> tuple[int, int]:
    found = dict(re.findall(r"^(\d+\.\S+)\t(\S+)", text, re.M))
    return sum(found.get(address) == mac for address, (mac, _) in expected.items()), len(expected)


def right(answer: dict[str, object], expected: Expected) -> int:
    """Hosts with their MAC and exactly their open ports."""
    found = answer["found"]
    assert isinstance(found, dict)
    return sum(found.get(address) == [mac, ports] for address, (mac, ports) in expected.items())


def execute(bed: Bed, privileged: bool, *arguments: str) -> tuple[str, float, float]:
    """Output, wall time and CPU time (user and system, start of the program included)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(
        bed.command(*arguments, privileged=privileged),
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}")
    return done.stdout, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(bed: Bed, ports: tuple[int, ...], *, privileged: bool, sweeps: int = 1) -> list[Run]:
    """One run for each sweep; the packets are of all."""
    bed.forget()
    words = ",".join(map(str, ports))
    script = str(PEERS / "sweep_once.py")
    text, wall, cpu = execute(bed, privileged, sys.executable, script, words, str(sweeps))
    at_once = sum(bed.sent().values())
    time.sleep(0 if privileged else AFTERWARDS)
    sent = bed.sent()
    if sent["never"]:
        raise RuntimeError("something was sent to a forbidden port")
    expected = bed.expected(ports)
    runs = []
    for answer in json.loads(text):
        counts = answer["counts"]
        remark = (
            f"{at_once} packets until then; CPU of the sweep {answer['cpu']:.2f} s; longest stall"
            f" {answer['stall'] * 1000:.0f} ms (own CPU {answer['stall_cpu'] * 1000:.0f}); most half-open"
            f" {counts['most_half_open']}"
        )
        found = right(answer, expected)
        runs.append(Run(found, len(expected), answer["seconds"], wall, cpu, sent["arp"] + sent["ip"], remark))
    return runs


def peer(bed: Bed, ports: tuple[int, ...], reader: Reader, *arguments: str, privileged: bool) -> Run:
    bed.forget()
    text, wall, cpu = execute(bed, privileged, *arguments)
    time.sleep(0 if privileged else AFTERWARDS)
    sent = bed.sent()
    found, expected = reader(text, bed.expected(ports))
    return Run(found, expected, wall, wall, cpu, sent["arp"] + sent["ip"])


def nmap(bed: Bed, ports: tuple[int, ...], *options: str, privileged: bool) -> Run:
    words = ("-n", "-oG", "-", "-p", ",".join(map(str, ports)), *options, str(bed.network))
    return peer(bed, ports, read_nmap, "nmap", *words, privileged=privileged)


#: Its receiving thread waits for a packet before it looks whether the time is over; where none comes, it never ends.
MASSCAN_SECONDS = 60
HANGS = f"did not end by itself within {MASSCAN_SECONDS} s"


def masscan(bed: Bed, ports: tuple[int, ...]) -> Run:
    """With an address of its own, for else the kernel resets what it opens; a file, for with a pipe it does not end."""
    links = json.loads(subprocess.check_output(["ip", "-n", bed.farm, "-j", "link", "show", "eth0"]))
    file = bed.directory / "masscan"
    words = (
        f"timeout {MASSCAN_SECONDS} masscan {bed.network} -p {','.join(map(str, ports))} --rate 10000 --wait 1 -e eth0"
        f" --source-ip {bed.network[-2]} --source-port 40000 --router-mac {links[0]['address']} -oG {file}"
        f" >/dev/null 2>&1 </dev/null; cat {file}"
    )
    run = peer(bed, ports, read_masscan, "sh", "-c", words, privileged=True)
    return replace(run, remark=HANGS) if run.seconds >= MASSCAN_SECONDS else run


def arp_scan(bed: Bed) -> Run:
    return peer(bed, (), read_arp_scan, "arp-scan", "-q", "-x", "-I", "eth0", str(bed.network), privileged=True)


def pool(bed: Bed, port: int) -> Run:
    command = (sys.executable, str(PEERS / "pool.py"), str(bed.network), str(port))
    return peer(bed, (port,), read_pool, *command, privileged=False)


FASTEST = ("-sS", "-T5", "--min-rate", "5000", "--max-retries", "1")
Plan = dict[str, Callable[[Bed], Run]]
MASSCAN = "masscan --rate 10000 --wait 1, told the MAC"
UNPRIVILEGED, PRIVILEGED = "**camdetect, unprivileged**", "**camdetect, CAP_NET_RAW**"

SMALL: Plan = {
    UNPRIVILEGED: lambda bed: ours(bed, CAMERA_PORTS, privileged=False)[0],
    PRIVILEGED: lambda bed: ours(bed, CAMERA_PORTS, privileged=True)[0],
    "nmap -sT -T4, unprivileged": lambda bed: nmap(bed, CAMERA_PORTS, "-sT", "-T4", privileged=False),
    "nmap -sS -T4": lambda bed: nmap(bed, CAMERA_PORTS, "-sS", "-T4", privileged=True),
    "nmap -sS -T5 --min-rate 5000 --max-retries 1": lambda bed: nmap(bed, CAMERA_PORTS, *FASTEST, privileged=True),
    MASSCAN: lambda bed: masscan(bed, CAMERA_PORTS),
    "arp-scan (hosts only)": arp_scan,
    "8 threads, 0.2 s, port 554 only": lambda bed: pool(bed, 554),
}
SIX_PORTS: Plan = {
    UNPRIVILEGED: lambda bed: ours(bed, SIX, privileged=False)[0],
    PRIVILEGED: lambda bed: ours(bed, SIX, privileged=True)[0],
    "nmap -sT -T4, unprivileged": lambda bed: nmap(bed, SIX, "-sT", "-T4", privileged=False),
    "nmap -sS -T4": lambda bed: nmap(bed, SIX, "-sS", "-T4", privileged=True),
    "nmap -sS -T5 --min-rate 5000 --max-retries 1": lambda bed: nmap(bed, SIX, *FASTEST, privileged=True),
    MASSCAN: lambda bed: masscan(bed, SIX),
}
LARGE: Plan = {key: SMALL[key] for key in SMALL if "threads" not in key and "arp-scan" not in key}


def measure(bed: Bed, plan: Plan, runs: int) -> dict[str, list[Run]]:
    found = defaultdict(list)
    for number in range(runs):
        for name, run in plan.items():
            found[name].append(run(bed))
            print(number + 1, name, found[name][-1], file=sys.stderr, flush=True)
    return found


def table(found: dict[str, list[Run]]) -> list[str]:
    lines = [
        "| | found, least of the runs | s | least … most | process s | CPU s | packets sent | remark |",
        "|---|---:|---:|---|---:|---:|---:|---|",
    ]
    for name, runs in found.items():
        seconds = sorted(run.seconds for run in runs)
        lines.append(
            f"| {name} | {min(run.found for run in runs)} of {runs[0].expected} | {median(seconds):.2f} |"
            f" {seconds[0]:.2f} … {seconds[-1]:.2f} | {median(run.process for run in runs):.2f} |"
            f" {median(run.cpu for run in runs):.2f} | {median(run.packets for run in runs):.0f} |"
            f" {sorted(runs, key=lambda run: run.seconds)[len(runs) // 2].remark} |"
        )
    return [*lines, ""]


def loss(bed: Bed, runs: int) -> list[str]:
    lines = [
        "| 5 % lost each way | after the first sweep, of 60 hosts | after the second | s, median |",
        "|---|---|---|---|",
    ]
    bed.lose(5)
    for name, privileged in ((UNPRIVILEGED, False), (PRIVILEGED, True)):
        first, second, seconds = [], [], []
        for _ in range(runs):
            answers = ours(bed, CAMERA_PORTS, privileged=privileged, sweeps=2)
            print(name, answers, file=sys.stderr, flush=True)
            first.append(answers[0].found)
            second.append(answers[1].found)
            seconds += [answer.seconds for answer in answers]
        words = (", ".join(map(str, sorted(found))) for found in (first, second))
        lines.append(f"| {name} | {' | '.join(words)} | {median(seconds):.2f} |")
    bed.lose(0)
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large-runs", type=int, default=5, help="rounds on the /20")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="/24,six,/20,loss")
    parser.add_argument("--prefix", default="", help="of the namespaces' names")
    parser.add_argument("--first", action="store_true", help="before whatever else runs on this machine (sched(7))")
    options = parser.parse_args()
    autogroup = Path("/proc/self/autogroup")
    if options.first and autogroup.exists():
        with contextlib.suppress(PermissionError):  # it leads a session already
            os.setsid()
        autogroup.write_text("-19")
    missing = [tool for tool in ("nmap", "arp-scan", "masscan", "setpriv") if shutil.which(tool) is None]
    if REASON or missing:
        sys.exit(REASON or f"needs {', '.join(missing)}: apt-get install nmap arp-scan masscan util-linux")
    only = options.only.split(",")
    lines = [
        "## Discovery",
        "",
        "`make bench-discovery` (as root): one bed of namespaces, every host with its own MAC, nothing lost; medians of"
        f" {options.runs} rounds in turn. *Found*: hosts with MAC and exactly their open ports (camdetect), cameras"
        " with exactly their open ports (the others), hosts with MAC (arp-scan). *s*: until the sweep says that it is"
        " done, in a daemon that runs; for the others the process. *Packets*: all frames that the scanner sent, ARP and"
        f" what the kernel repeats within {AFTERWARDS} s after an unprivileged run included, counted by nftables. The"
        " hosts' work is done in the time of the sender, as a veth pair does it: CPU and stalls hold it too.",
        "",
        f"Measured on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, load"
        f" average at the start {os.getloadavg()[0]:.1f}{', before other work on it' if options.first else ''}.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        small = dwellers("10.78.0.0/24", 60, 20, ports=RARE)
        with Bed(Path(folder), "10.78.0.0/24", small, prefix=options.prefix) as bed:
            if "/24" in only:
                lines += ["A /24 with 60 hosts, of which 20 cameras; fourteen ports:", ""]
                found = measure(bed, SMALL, options.runs)
                lines += table(found)
                mine = median(run.seconds for run in found[UNPRIVILEGED])
                nmaps = median(run.seconds for run in found["nmap -sT -T4, unprivileged"])
                pools = median(run.seconds for run in found["8 threads, 0.2 s, port 554 only"])
                lines += [
                    f"Unprivileged: {nmaps / mine:.1f} times as fast as `nmap -sT -T4`, {pools / mine:.1f} times as"
                    " fast as the threads, which try one port.",
                    "",
                ]
            if "loss" in only:
                lines += loss(bed, options.runs)
        if "six" in only:
            with Bed(
                Path(folder), "10.78.0.0/24", dwellers("10.78.0.0/24", 60, 20, ports=OPEN), prefix=options.prefix
            ) as bed:
                lines += ["The same with six ports:", ""]
                lines += table(measure(bed, SIX_PORTS, options.runs))
        if "/20" in only:
            large = dwellers("10.78.0.0/20", 100, 100, ports=RARE)
            with Bed(Path(folder), "10.78.0.0/20", large, prefix=options.prefix) as bed:
                lines += [f"A /20 with 100 cameras; fourteen ports; medians of {options.large_runs}:", ""]
                lines += table(measure(bed, LARGE, options.large_runs))
    print("\n".join(lines))
    if options.write:
        write(lines)


def write(lines: list[str]) -> None:
    """Put the section into the page, in the place of its former self."""
    page = ROOT / "docs" / "benchmarks.md"
    sections = re.split(r"^(?=## )", page.read_text(encoding="utf-8"), flags=re.M)
    kept = [section.rstrip("\n") + "\n\n" for section in sections if not section.startswith(lines[0] + "\n")]
    at = next((n for n, section in enumerate(kept) if section.startswith("## Faults")), len(kept))
    kept.insert(at, "\n".join(lines).rstrip("\n") + "\n\n")
    page.write_text("".join(kept).rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
