"""The present program starts on the states that earlier ones left behind (``record_state.py``), and knows all of it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Lab, python
from tests.lan.record_state import NAME, STATES, camera_id, plant_farms, rows, start_farms, unpack
from tests.lan.site import HEALTH, LOGIN, Site
from tests.processes import Process, wait_until
from twisted_detector.model.reasons import NOT_RETRIED
from twisted_detector.store.schema import VERSION

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

ARCHIVES = sorted(STATES.glob("*.tar.gz"))


def listed(site: Site) -> dict[str, Any]:
    """The cameras of the running daemon, by id, as its command line tells them."""
    text = site.host.run(*("env", f"STATE_DIR={site.state}"), *python("-m", "twisted_detector.cli", "list", "--json"))
    return {one["id"]: one for one in json.loads(text)}


def waiting(state: Path) -> set[tuple[str, str]]:
    """Messages that wait for the broker and are not retained; as though the power had gone a minute ago."""
    with closing(sqlite3.connect(state / "state.db")) as database, database:
        database.execute("UPDATE outbox SET queued_at = ?", (time.time() - 60,))
        found = database.execute("SELECT topic, payload FROM outbox WHERE retain = 0").fetchall()
    return {(topic, payload.decode()) for topic, payload in found}


def test_there_are_states() -> None:
    """One of each shape that the file has had: before there were quotas, before decisions, and with both."""
    assert len(ARCHIVES) >= 3
    assert sum(path.stat().st_size for path in ARCHIVES) < 100_000, "they are kept for good"


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def test_upgrade(archive: Path, lab: Lab) -> None:
    """It starts without a complaint; no camera is found as new, no refused login is sent again, what was decided is
    still so, what waited for the broker arrives, and the next start is as good.
    """
    right, wrong, late = farms = plant_farms(lab)
    start_farms(*farms)
    site = Site(lab)
    unpack(archive, site.state)
    ids = {str(one) for (one,) in rows(site.state, "SELECT id FROM cameras")}
    assert ids == {camera_id(farm) for farm in farms}
    messages = waiting(site.state)
    assert sum(topic.startswith("camera/event/") for topic, _ in messages) == 3
    named = (site.state / "overrides").exists()
    knew_adoption = rows(site.state, "SELECT count(*) FROM pairs WHERE kind = 'adoption'") != [(0,)]
    # before there was adoption, who had let a login in is adopted by the upgrade, and nobody else
    withheld = NOT_RETRIED if knew_adoption else "adopt it"

    def swept() -> bool:
        (told,) = [heard.json["discovery"] for heard in site.listener.on(HEALTH)[-1:]] or [{"sweeps": 0}]
        return bool(told["sweeps"] >= 1 and not told["sweeping"])

    def started(daemon: Process) -> None:
        daemon.wait_for("connected to 127.0.0.1:1883", 30)
        wait_until(lambda: not swept(), 30, "its own health, not that of the run before", interval=0.1)
        wait_until(swept, 60, daemon.text, interval=0.5)
        reason = lambda: listed(site)[camera_id(wrong)]["reason"]  # noqa: E731
        wait_until(lambda: withheld in reason(), 20, reason, interval=0.5)
        cameras = listed(site)
        assert cameras.keys() == ids
        assert {cameras[camera_id(farm)]["status"] for farm in (right, late)} == {"online"}
        assert cameras[camera_id(right)]["given_name"] == (NAME if named else "")
        said = daemon.text()
        assert [line for line in said.splitlines() if " error " in line or " critical " in line] == []
        assert "Found " not in said, "as new"
        assert "refused the login" not in said, "it was sent again"

    settings = {"CAMERA_CREDENTIALS": LOGIN, "INITIAL_DISCOVERY_COUNT": "1", "HEALTH_REPORT_INTERVAL": "1"}
    daemon = site.daemon(**settings)
    started(daemon)
    heard = [(one.topic, one.payload) for one in site.listener.heard()]
    assert messages <= set(heard)
    assert [one for one in messages if one[1] and heard.count(one) != 1] == [], "some message came twice"
    daemon.end()
    with closing(sqlite3.connect(site.state / "state.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    started(site.daemon(**settings))


@pytest.mark.parametrize("archive", ARCHIVES[-1:], ids=lambda path: path.name.partition(".")[0])
def test_downgrade(archive: Path, lab: Lab, tmp_path: Path) -> None:
    """A program that is older than the file refuses it in one sentence, with status 2, and changes nothing."""
    site = Site(lab)
    unpack(archive, site.state)
    with closing(sqlite3.connect(site.state / "state.db")) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = (site.state / "state.db").read_bytes()
    shutil.copytree(site.state, tmp_path / "copy")
    done = subprocess.run(
        [*python("-m", "twisted_detector.cli", "run")],
        env={"STATE_DIR": str(site.state), "PATH": "/usr/bin", "MQTT_BROKER": "127.0.0.1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "newer camdetect" in line]
    assert (done.returncode, len(lines)) == (2, 1), done.stdout + done.stderr
    assert f"version {VERSION + 1} of the file, this one knows {VERSION}" in lines[0]
    assert "restore" in lines[0]
    assert (site.state / "state.db").read_bytes() == before
