"""The daemon's page, in a browser on the daemon's own host, over simulated cameras."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from tests.browser import REASON as NO_BROWSER
from tests.lan.lab import REASON, Lab, python
from tests.lan.site import LOGIN, Site, cid, simulated
from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(bool(REASON or NO_BROWSER), reason=REASON or NO_BROWSER),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

_FETCH = "import sys, urllib.request as w; [print(w.urlopen(url, timeout=20).read().decode()) for url in sys.argv[1:]]"


def test_the_page_of_the_daemon(lab: Lab) -> None:
    """The page shows the cameras that were found, tells why, and forgets; no password is in what it or the API says."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    closed = simulated(lab, "sim2", "10.77.0.22", "02:00:00:00:00:22", "--auth", "digest")
    for host in (camera, closed):
        host.processes[0].wait_for("camera", 20)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS="admin:n0t-the-canary")
    daemon.wait_for("The web page is at http://127.0.0.1:8787/")
    for host, status in ((camera, "online"), (closed, "auth_required")):
        site.listener.wait(f"camera/status/{cid(host.mac)}", lambda h, s=status: h.json["status"] == s, 20)
    environment = (f"PATH={os.environ['PATH']}", f"PYTHONPATH={ROOT}", f"HOME={lab.directory}")
    url = "http://127.0.0.1:8787/"
    visit = python("-m", "tests.lan.web_visit", url, cid(camera.mac), closed.address)
    saw = json.loads(site.host.run("env", "-C", str(ROOT), *environment, *visit))
    assert "2 cameras, 1 online" in saw["seen"]
    assert "Needs a login" in saw["seen"]
    assert "rtsp://10.77.0.21:554/" in saw["detail"]
    assert "640×360" in saw["detail"]
    assert "login" in saw["why"]
    assert saw["complaints"] == []
    site.listener.wait(f"camera/discovery/{cid(camera.mac)}", lambda heard: heard.payload == "")
    paths = ("cameras", "status", "mqtt", "activity", "doctor", f"why?address={closed.address}", "discovery")
    told = site.host.run(*python("-c", _FETCH, *(f"{url}api/v1/{path}" for path in paths)))
    assert told.count("\n") == len(paths)
    formats = ("frigate", "go2rtc", "json", "csv")
    exports = site.host.run(*python("-c", _FETCH, *(f"{url}api/v1/export/{name}" for name in formats)))
    assert "Frigate" in exports
    assert closed.address in exports
    told += exports
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert "Traceback" not in daemon.text()
    for password in ("n0t-the-canary", LOGIN.partition(":")[2]):
        assert password not in told + json.dumps(saw) + daemon.text()
