"""The history of the daemon itself: a camera's changes survive a kill, and the API and the metrics tell of them."""

from __future__ import annotations

import json
import shutil
import signal
from typing import Any

import pytest

from tests.lan.lab import REASON, Lab, python
from tests.lan.site import Site, cid, simulated
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

_FETCH = "import sys, urllib.request as w; print(w.urlopen(sys.argv[1], timeout=20).read().decode())"


def test_over_a_kill(lab: Lab) -> None:
    """What was seen before the daemon was killed is there after its next start, once, with what came since."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)

    def fetch(path: str) -> str:
        return site.host.run(*python("-c", _FETCH, f"http://127.0.0.1:8787/{path}"))

    def states() -> list[Any]:
        segments = json.loads(fetch(f"api/v1/cameras/{cid(camera.mac)}/history?days=1"))["segments"]
        return [(one["state"], one["from"]) for one in segments]

    def is_online() -> bool:
        return bool(states()[-1][0] == "online")

    settings = {"HEALTH_CHECK_INTERVAL": "2", "OFFLINE_THRESHOLD": "6", "SNAPSHOT_INTERVAL": "0"}
    daemon = site.daemon(**settings)
    site.online(camera.mac)
    wait_until(is_online, 10, "online", interval=0.3)
    before = states()
    assert before[0][0] == "unobserved"
    daemon.signal(signal.SIGKILL)
    daemon.wait(10)
    daemon = site.daemon(**settings)
    daemon.wait_for("The web page is at")
    wait_until(is_online, 20, "online again", interval=0.3)
    assert states()[1:] == before[1:]
    camera.processes[0].signal(signal.SIGKILL)
    wait_until(lambda: states()[-1][0] == "offline", 40, "offline", interval=0.3)
    assert states()[1 : len(before)] == before[1:]
    name = f'{{camera="{cid(camera.mac)}"}}'
    told = dict(line.rsplit(" ", 1) for line in fetch("metrics").splitlines() if line and line[0] != "#")
    assert float(told[f"camdetect_camera_failures{name}"]) == 1.0
    assert 0 < float(told[f"camdetect_camera_availability_ratio{name}"]) < 1
    week = json.loads(fetch("api/v1/cameras?fields=brief"))["cameras"][0]["week"]
    assert (week["failures"], week["cells"][-1]) == (1, "f")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert "Traceback" not in daemon.text()
