"""Twelve cameras lose their power, the daemon is killed, and they come back: one notice, one end, by every way."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Lab, python
from tests.lan.site import Site
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]
TOPIC = "camera/notice"
TWELVE = 12
SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "1",
    "OFFLINE_THRESHOLD": "3",
    "NOTICE_OFFLINE_MINUTES": "1",
    "NOTICE_KINDS": "offline,back",  # new cameras are told of after a minute, too
}
#: A web hook that writes down what it gets, one line for each.
HOOK = """
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 9999), Hook).serve_forever()
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[Site, Farm, Process]]:
    with Lab(tmp_path) as lab:
        farm = plant(lab, "farm", "10.77.0.0/24", TWELVE)
        farm.start()
        site = Site(lab)
        hook = site.host.start(*python("-c", HOOK), environment={"PATH": os.environ["PATH"]})
        yield site, farm, hook


def told(site: Site) -> list[dict[str, Any]]:
    return [heard.json for heard in site.listener.on(TOPIC)]


def events(site: Site) -> list[str]:
    return [one["event"] for one in told(site)]


def ask(site: Site, *words: str) -> str:
    """What the command line says."""
    environment = (f"PYTHONPATH={ROOT}", f"STATE_DIR={site.state}", "NODE_ID=node1")
    return site.host.run("env", *environment, *python("-m", "twisted_detector.cli", *words))


def test_a_power_cut(scene: tuple[Site, Farm, Process]) -> None:
    """Gone: one notice of twelve, told once over two falls of the daemon. Back: one end. All ways agree."""
    site, farm, hook = scene
    settings = {**SETTINGS, "NOTICE_WEBHOOK_URL": "http://127.0.0.1:9999/hook"}
    daemon = site.daemon(**settings)
    for camera in farm.cameras:
        site.online(camera.mac, 40)

    farm.alter(lambda camera: replace(camera, present=False))
    wait_until(lambda: events(site) == ["offline"], 120, lambda: f"one notice of them: {told(site)}")
    offline = told(site)[0]
    assert (offline["count"], offline["ended"], offline["network"]) == (TWELVE, None, "10.77.0.0/24")
    time.sleep(1)  # what is acknowledged in the very moment of a kill is sent again, under the same id
    for _ in range(2):
        daemon.kill_group()
        daemon.wait()
        daemon = site.daemon(**settings)
        daemon.wait_for("connected to 127.0.0.1:1883")
        time.sleep(5)
    assert events(site) == ["offline"]

    farm.alter(lambda camera: replace(camera, present=True))
    wait_until(lambda: len(told(site)) == 2, 60, lambda: f"one end: {told(site)}")
    back = told(site)[1]
    assert (back["event"], back["id"], back["count"]) == ("back", offline["id"], TWELVE)
    assert back["ended"] > back["since"] == offline["since"]
    assert back["title"].startswith("12 cameras on 10.77.0.0/24 are back after ")

    wait_until(lambda: len(hook.lines()) == 2, 10, lambda: f"two posts: {hook.text()}")
    assert [json.loads(line)["event"] for line in hook.lines()] == ["offline", "back"]
    listed = json.loads(ask(site, "notices", "--json"))
    assert [one["kind"] for one in listed["notices"]] == ["offline"]
    assert all(one["until"] for one in listed["notices"])
    assert "the web hook accepted a test notice" in ask(site, "notices", "test", "webhook")
    site.command("notices", action="test", way="mqtt")
    site.listener.wait("system/camera_detector/node1/command/result", lambda said: said.json.get("sent") is True)
    assert events(site)[-1] == "test"
