"""A commit goes in; the state that its daemon leaves behind when the power goes comes out: what an upgrade begins with.

    python -m tests.lan.record_state COMMIT [COMMIT…]        as root; writes tests/lan/states/<date>-<commit>.tar.gz

All of it is simulated (a network of namespaces, cameras of ours, made-up logins). Two cameras are found, one of which
refuses the login; where that program has the command, the other is given a name. Then the broker is killed, a third
camera comes, so that messages wait in the journal, and the daemon is killed with ``kill -9``. At last that program is
shown its own database with a version of the file that is one higher; what it does then is printed. ``test_upgrades.py``
starts the present program on each state.

When a release is made, the state of the one before is recorded, and kept for good.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, PORT, Site, cid
from tests.processes import ROOT, Process, wait_until

STATES = ROOT / "tests" / "lan" / "states"
NAME = "Back yard"
COMMANDS = "system/camera_detector/node1/command"
#: What is no part of a state: made again at each start, or large.
_LEFT_OUT = {"lock", "control.sock", "pictures", "broker"}
NETWORK = "10.77.0.0/24"


def plant_farms(lab: Lab) -> tuple[Farm, Farm, Farm]:
    """One camera that takes the login, one that refuses it, and the late one; not yet running."""
    right, wrong, late = (
        plant(lab, name, NETWORK, 1, first=first, mac=f"02:{first}")
        for name, first in (("right", 10), ("wrong", 20), ("late", 30))
    )
    for farm in (right, wrong, late):
        farm.cameras = [replace(camera, auth="digest") for camera in farm.cameras]
    return right, wrong, late


def camera_id(farm: Farm) -> str:
    return cid(farm.cameras[0].mac)


def start_farms(*farms: Farm) -> None:
    """Each with the login that it takes."""
    for farm in farms:
        farm.start(login="viewer:an0ther-canary" if farm.cameras[0].mac.startswith("02:20") else LOGIN)


def _daemon(site: Site, tree: Path) -> Process:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tree),
        "PYTHONUNBUFFERED": "1",
        "HOME": str(site.lab.directory),
        "XDG_RUNTIME_DIR": str(site.lab.directory),
        "STATE_DIR": str(site.state),
        "MQTT_BROKER": "127.0.0.1",
        "MQTT_PORT": str(PORT),
        "NODE_ID": "node1",
        "CAMERA_CREDENTIALS": LOGIN,
        "WEB_ENABLED": "false",
    }
    twistd = str(Path(sys.executable).with_name("twistd"))
    return site.host.start(twistd, "-n", "--pidfile=", "-y", str(tree / "camdetect.tac"), environment=environment)


def rows(state: Path, query: str) -> list[tuple[object, ...]]:
    """Of its database, which no daemon uses."""
    with closing(sqlite3.connect(state / "state.db")) as database:
        return database.execute(query).fetchall()


def record(commit: str, folder: Path) -> Path:
    """Record one state; the path of its archive."""
    date, name = subprocess.run(
        ["git", "log", "-1", "--format=%cs %h", commit], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    tree = folder / "tree"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tree, filter="data")
    (folder / "lab").mkdir()
    with Lab(folder / "lab") as lab:
        right, wrong, late = plant_farms(lab)
        start_farms(right, wrong)
        site = Site(lab)
        daemon = _daemon(site, tree)
        site.online(right.cameras[0].mac, 60.0)
        said = lambda: daemon.text()  # noqa: E731
        wait_until(lambda: "refused the login" in said() or camera_id(wrong) in said(), 60, said)
        time.sleep(5)  # the refusals, as many as it allows itself
        asked = json.dumps({"id": 1, "command": "name", "camera_id": camera_id(right), "name": NAME})
        site.host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", COMMANDS, "-m", asked)
        time.sleep(2)
        site.broker.kill_group()
        start_farms(late)
        # it hears the Hello, and asks the newcomer
        wait_until(lambda: (camera_id(late),) in rows(site.state, "SELECT id FROM cameras"), 120, said, interval=1)
        time.sleep(2)
        daemon.kill_group()
        daemon.wait()
        target = STATES / f"{date}-{name}.tar.gz"
        _pack(site.state, target)
        with closing(sqlite3.connect(site.state / "state.db")) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.execute(f"PRAGMA user_version = {version + 1}")
        again = _daemon(site, tree)
        print(f"{target.name}: {target.stat().st_size} octets; version {version}; {summary(target)}")
        wait_until(lambda: again.process.poll() is not None or "newer" in again.text(), 20, again.text)
        sentence = next((line for line in again.text().splitlines() if "newer" in line), "")
        status = again.process.poll()
        print(f"  with version {version + 1}: {'it runs on' if status is None else f'status {status}'}: {sentence}")
        return target


def _pack(state: Path, target: Path) -> None:
    """Archive it, the database packed tightly, with what its log has; nobody's, and without times."""
    copy = state.with_name("packed")
    shutil.copytree(state, copy, ignore=lambda _, names: _LEFT_OUT.intersection(names))
    with closing(sqlite3.connect(copy / "state.db", isolation_level=None)) as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path in sorted(copy.rglob("*")):
            if path.is_file() and not path.name.endswith(("-wal", "-shm")):
                member = tarfile.TarInfo(str(path.relative_to(copy)))
                member.size, member.mode = path.stat().st_size, 0o600
                tar.addfile(member, io.BytesIO(path.read_bytes()))
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(gzip.compress(raw.getvalue(), 9, mtime=0))


def unpack(archive: Path, state: Path) -> None:
    """Lay a recorded state where a daemon is to find it."""
    state.mkdir(mode=0o700)
    with tarfile.open(archive) as tar:
        # Debian 12 has Python 3.11.2, which knows no filter. The archives are ours.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(state)


def summary(archive: Path) -> Mapping[str, object]:
    """What is in a state."""
    with tempfile.TemporaryDirectory() as name:
        state = Path(name, "state")
        unpack(archive, state)
        tables = [name for (name,) in rows(state, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts: dict[str, object] = {one: rows(state, f"SELECT count(*) FROM {one}")[0][0] for one in tables}
        return {**counts, "files": sorted(path.name for path in state.rglob("*") if path.is_file())}


if __name__ == "__main__":
    if REASON:
        sys.exit(REASON)
    for one in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as place:
            record(one, Path(place))
