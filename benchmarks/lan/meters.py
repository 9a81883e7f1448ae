"""Processes, hosts and the machine go in; what they used since, comes out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import percentile
from tests.lan.lab import Host
from tests.lan.site import Site
from tests.processes import Process

_TICKS = os.sysconf("SC_CLK_TCK")


HEALTH = "system/camera_detector_health/node1"


def online(site: Site) -> dict[str, float]:
    """When each camera was first told to be online."""
    when: dict[str, float] = {}
    for heard in site.listener.heard():
        if heard.topic.startswith("camera/status/") and '"status":"online"' in heard.payload:
            when.setdefault(heard.topic.rpartition("/")[2], heard.at)
    return when


def cpu_of(pid: int) -> float:
    """Processor seconds of a process with all its threads (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_of_all(processes: Sequence[Process]) -> float:
    return sum(cpu_of(process.pid) for process in processes)


def memory_of(pid: int) -> float:
    """The most resident memory so far, in MB (proc(5), status, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:"))


def packets_of(host: Host) -> int:
    """Packets that the host sent on its cable."""
    link = json.loads(host.run("ip", "-j", "-s", "link", "show", "eth0"))[0]
    return int(link["stats64"]["tx"]["packets"])


class Connects:
    """Counter of the connections that a host begins on its cable."""

    def __init__(self, host: Host) -> None:
        self._host = host
        rule = "oifname eth0 tcp flags & (syn | ack) == syn counter"
        host.run("nft", f"table inet bench {{ chain out {{ type filter hook output priority 0; {rule}; }}; }}")

    def total(self) -> int:
        told = json.loads(self._host.run("nft", "-j", "list", "table", "inet", "bench"))["nftables"]
        (rule,) = [one["rule"] for one in told if "rule" in one]
        return next(int(part["counter"]["packets"]) for part in rule["expr"] if "counter" in part)


@dataclass(frozen=True)
class Spent:
    """What the machine did in a time: how busy it was with other things than ours shows in it.

    :ivar idle: seconds in which a core had nothing to do, of ``seconds`` times ``cores``.
    """

    seconds: float
    idle: float
    load: float
    cores: int

    def __str__(self) -> str:
        return f"load {self.load:.1f}, idle {self.idle:.0f} of {self.seconds * self.cores:.0f} s"


class Machine:
    """Meter of the whole machine (proc(5), stat), from its making on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._idle = self._idle_seconds()

    @staticmethod
    def _idle_seconds() -> float:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
        return (int(fields[4]) + int(fields[5])) / _TICKS

    def spent(self) -> Spent:
        passed = time.monotonic() - self._began
        return Spent(passed, self._idle_seconds() - self._idle, os.getloadavg()[0], os.cpu_count() or 1)


@dataclass(frozen=True)
class Lateness:
    """How late a reactor called, in milliseconds; ``own`` without what its thread waited for a processor."""

    p99: float
    most: float
    own_p99: float
    own_most: float

    def __str__(self) -> str:
        return f"{self.p99:.0f} / {self.most:.0f} ({self.own_p99:.0f} / {self.own_most:.0f})"


def lateness(file: Path, since: float, until: float) -> Lateness:
    """Of the samples that a metered daemon took in this time (seconds since the epoch)."""
    late, own = [0.0], [0.0]
    for line in file.read_text("ascii").split("\n")[:-1]:
        at, whole, waited = map(float, line.split())
        if since <= at <= until:
            late.append(whole)
            own.append(max(0.0, whole - waited))
    return Lateness(percentile(late, 0.99), max(late), percentile(own, 0.99), max(own))
