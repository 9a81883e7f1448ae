"""The command line finds a running daemon without being told its STATE_DIR, and no longer when it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import cid, simulated
from tests.processes import ROOT, Process, run_to_end, wait_until

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

MAC = "02:00:00:00:00:21"
#: Another daemon of this machine, a service or of a test beside this one, is not to be found.
HIDING = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec "$@"',
    "-",
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def environment(host: Host) -> dict[str, str]:
    runtime = host.lab.directory / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(runtime)}


def camdetect(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["ip", "netns", "exec", host.namespace, *HIDING, *python("-m", "twisted_detector.cli", *words)]
    return run_to_end(command, environment(host), seconds=90)


def start(host: Host) -> Process:
    state = {"STATE_DIR": str(host.lab.directory / "state")}
    return host.start(*python("-m", "twisted_detector.cli", "run"), environment=environment(host) | state)


def pointers(host: Host) -> list[Path]:
    return sorted((host.lab.directory / "runtime").glob("*/*"))


def test_found_by_itself(lab: Lab) -> None:
    """list, why and rescan ask the daemon that runs; one that was killed, or ended, is not asked for."""
    simulated(lab, "sim", "10.77.0.21", MAC).processes[0].wait_for("camera", 20)
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")
    quiet = camdetect(host, "status", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, "", "")

    daemon = start(host)
    wait_until(lambda: camdetect(host, "status", "--quiet").returncode == 0, 30, daemon.text, interval=0.5)
    wait_until(lambda: cid(MAC) in camdetect(host, "list").stdout, 30, daemon.text, interval=0.5)
    assert camdetect(host, "rescan").stdout.startswith("A sweep ")
    assert camdetect(host, "why", "10.77.0.21").returncode == 0

    daemon.signal(signal.SIGKILL)
    daemon.wait(10)
    assert len(pointers(host)) == 1
    assert camdetect(host, "status", "--quiet").returncode == 1

    daemon = start(host)
    wait_until(lambda: camdetect(host, "status", "--quiet").returncode == 0, 30, daemon.text, interval=0.5)
    assert len(pointers(host)) == 1
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert pointers(host) == []
