"""A restart asks little of cameras that were well a moment ago."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.lan.lab import REASON, Lab
from tests.lan.site import HEALTH, LOGIN, Site, simulated

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

MACS = {f"10.77.0.{number}": f"02:00:00:00:00:{number}" for number in (21, 22, 23)}


def test_checked_and_not_inspected(lab: Lab) -> None:
    """Three cameras that play for a login: after the restart each is proved once and none is inspected."""
    for address, mac in MACS.items():
        simulated(lab, f"sim{mac[-2:]}", address, mac).processes[0].wait_for("camera", 20)
    site = Site(lab)
    settings = {
        "CAMERA_CREDENTIALS": LOGIN,
        "HEALTH_REPORT_INTERVAL": "1",
        "HEALTH_CHECK_INTERVAL": "600",
        "OFFLINE_THRESHOLD": "1200",
        "SNAPSHOT_INTERVAL": "0",
    }
    daemon = site.daemon(**settings)
    for mac in MACS.values():
        site.online(mac)
    first = site.health(lambda health: health["stats"]["inspections"].get("online", 0) >= 3)
    assert not first["discovery"]["counts"].get("spared_inspections")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    site.daemon(**settings)
    health = site.health(lambda health: health["discovery"]["counts"].get("spared_inspections", 0) == 3, 30)
    health = site.health(lambda later: later["discovery"]["sweeps"] >= 2, 60)
    done = {result: count for result, count in health["stats"]["inspections"].items() if count}
    assert done == {"checked": 3}, "a camera was inspected again after the restart"
    assert health["stats"]["online_cameras"] == 3


def test_ready_to_read(lab: Lab) -> None:
    """A daemon that knows a camera has loaded the XML parser before any answers: here none is left that could."""
    camera = simulated(lab, "sim21", *next(iter(MACS.items()))).processes[0]
    camera.wait_for("camera", 20)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS=LOGIN, HEALTH_REPORT_INTERVAL="1")
    site.online(next(iter(MACS.values())))
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    camera.end()
    daemon = site.daemon(HEALTH_REPORT_INTERVAL="1")
    swept = lambda heard: heard.at >= site.started_at and heard.json["discovery"]["sweeps"] >= 1  # noqa: E731
    site.listener.wait(HEALTH, swept, 30)
    assert "lxml" in Path(f"/proc/{daemon.pid}/maps").read_text(encoding="utf-8")
