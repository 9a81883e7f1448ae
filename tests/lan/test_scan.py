"""``camdetect scan``, ``show`` and ``status`` in a namespace with cameras: without a daemon, then beside one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import cid, simulated
from tests.processes import ROOT, run_to_end

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

MACS = ("02:00:00:00:00:21", "02:00:00:00:00:22")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def environment(host: Host) -> dict[str, str]:
    runtime = str(host.lab.directory)
    state = str(host.lab.directory / "state")
    own = {"XDG_RUNTIME_DIR": runtime, "STATE_DIR": state, "LOG_LEVEL": "warn"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **own}


def camdetect(host: Host, *words: str, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["ip", "netns", "exec", host.namespace, *python("-m", "twisted_detector.cli", *words)]
    return run_to_end(command, dict(settings or environment(host)), seconds=90)


def test_scan_and_show_and_status(lab: Lab) -> None:
    """A scan needs neither broker nor daemon and keeps what it found; beside a daemon it is the daemon that sweeps."""
    for number, mac in enumerate(MACS):
        simulated(lab, f"sim{number}", f"10.77.0.{21 + number}", mac).processes[0].wait_for("camera", 20)
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")

    alone = camdetect(host, "scan", "--json")
    assert alone.returncode == 0, alone.stderr
    found: list[dict[str, Any]] = json.loads(alone.stdout)
    assert [(one["id"], one["status"]) for one in found] == [(cid(mac), "online") for mac in MACS]
    shown = camdetect(host, "show", MACS[1])
    assert shown.returncode == 0, shown.stderr
    assert "10.77.0.22" in shown.stdout
    assert "rtsp://10.77.0.22:554/stream1" in shown.stdout
    assert "10.77.0.21" not in shown.stdout
    assert camdetect(host, "show", "nobody").returncode == 1
    assert camdetect(host, "status", "--quiet").returncode == 1

    daemon = host.start(
        *python("-m", "twisted_detector.cli", "run"), environment=environment(host) | {"LOG_LEVEL": "info"}
    )
    daemon.wait_for("connected to ", 20)
    simulated(lab, "late", "10.77.0.31", "02:00:00:00:00:31").processes[0].wait_for("camera", 20)
    beside = camdetect(host, "scan")
    assert beside.returncode == 0, beside.stderr
    assert [line.split()[:3] for line in beside.stdout.splitlines()[1:]] == [
        [cid(mac), "online", address]
        for mac, address in ((MACS[0], "10.77.0.21"), (MACS[1], "10.77.0.22"), ("02:00:00:00:00:31", "10.77.0.31"))
    ]
    assert camdetect(host, "status", "--quiet").returncode == 0
    told = camdetect(host, "status").stdout
    assert "connected" in told
    assert "neighboursweep" in told
