"""A state directory on a disk that is read-only or full: the daemon works from memory, says so, and recovers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk import fill, small_disk
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, PORT, Site, cid, simulated
from tests.processes import wait_until

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

MAC = "02:00:00:00:00:21"
COMMANDS = "system/camera_detector/node1/command"


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(tmp_path / "disk", 4))
        except OSError as error:
            pytest.skip(str(error))
        (disk / "state").mkdir(mode=0o700)
        yield disk


def ask(site: Site, number: int, command: str, **fields: Any) -> dict[str, Any]:
    """The daemon's answer to a command on MQTT."""
    asked = json.dumps({"id": number, "command": command, **fields})
    site.host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", COMMANDS, "-m", asked)
    answer: dict[str, Any] = site.listener.wait(f"{COMMANDS}/result", lambda one: one.json["id"] == number, 15.0).json
    return answer


@pytest.mark.parametrize("fault", ["read-only", "full"])
def test_from_the_start(lab: Lab, disk: Path, fault: str) -> None:
    """It starts, finds its camera, has a page with a token, refuses what it could not keep; then all is kept."""
    simulated(lab, "sim21", "10.77.0.21", MAC).processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.state = disk / "state"
    filler = disk / "filler"
    if fault == "full":
        fill(filler)
    else:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    daemon = site.daemon(
        CAMERA_CREDENTIALS=LOGIN, HEALTH_REPORT_INTERVAL="1", WEB_ENABLED="true", WEB_LISTEN="0.0.0.0:8099"
    )
    site.online(MAC, 40.0)
    health = site.health(lambda one: one["status"] == "degraded")
    assert ("full" if fault == "full" else "Read-only file system") in health["reason"], health["reason"]
    refused = ask(site, 1, "name", camera_id=cid(MAC), name="Door")
    assert not refused["ok"], refused
    if fault == "full":
        filler.unlink()
    else:
        # For us and for the daemon, whose namespace began with a copy of our mounts.
        for inside in ((), ("nsenter", "-t", str(daemon.pid), "-m")):
            subprocess.run([*inside, "mount", "-o", "remount,rw", str(disk)], check=True)
    site.health(lambda one: one["status"] == "online", 60.0)
    assert ask(site, 2, "name", camera_id=cid(MAC), name="Door")["ok"]

    def saved() -> bool:
        with closing(sqlite3.connect(site.state / "state.db")) as database:
            return database.execute("SELECT count(*) FROM cameras").fetchone() == (1,)

    wait_until(saved, 40, "the camera is saved")
    assert "Door" in (site.state / "overrides").read_text("utf-8")
    assert daemon.process.poll() is None
    assert "Traceback" not in daemon.text(), daemon.text()
    wait_until(lambda: (site.state / "control.sock").exists(), 40, "the command line can ask again")
