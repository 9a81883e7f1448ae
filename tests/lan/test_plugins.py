"""Plugins in the running daemon: one that works is used, and those that do not are named, and harm nobody."""

from __future__ import annotations

import json
import re
import shutil
import signal
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import Site, simulated
from tests.lan.test_scan import camdetect, environment
from tests.processes import ROOT, wait_until
from twisted_detector.service.extensions.quota import BURST

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto"),
]

#: A device that answers in the protocol of the worked plugin of docs/plugins.md, and in nothing else.
DEVICE = """
import socket
answer = bytes.fromhex("48414c4f01810000 01024d37 020434373131 0306020000000031 0402022a 050100")
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("", 46100))
print("ready", flush=True)
while True:
    data, sender = line.recvfrom(2048)
    if data.startswith(b"HALO"):
        line.sendto(answer, sender)
"""
#: A service that does what ``{does}`` says, ten times a second.
SERVICE = """
import time
from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.plugin import IPlugin
from zope.interface import implementer
from twisted_detector.interfaces import IServiceExtension
from twisted_detector.model import Message

class Mine(Service):
    def __init__(self, context):
        self.context, self.number = context, 0

    def startService(self):
        super().startService()
        self.context.clock.callLater(0.1, self.tick)

    def stopService(self):
        super().stopService()
        print("{name} was stopped", flush=True)

    def tick(self):
        if self.running:
            self.context.clock.callLater(0.1, self.tick)
            self.number += 1
            self.work()

    def work(self):
        {does}

    def hold_the_thread(self):
        end = time.monotonic() + 1.6
        while time.monotonic() < end:
            pass

    def flood(self):
        for number in range(1000):
            self.context.publish(Message("flood/x", b""))

@implementer(IPlugin, IServiceExtension)
class Maker:
    name = "{name}"

    def make(self, context):
        return Mine(context)

maker = Maker()
"""
DOES = {
    "raising": 'raise ValueError("canary")',
    "slow": "self.hold_the_thread() if self.number == 5 else None",
    "flooding": "self.flood() if self.number <= 10 else None",
}


def worked_plugin() -> str:
    page = (ROOT / "docs" / "plugins.md").read_text()
    (source,) = re.findall(r"cat > plugins/halo\.py <<'END'\n(.*?)\nEND\n", page, re.DOTALL)
    return str(source)


def listed(host: Host, settings: dict[str, str]) -> dict[str, Any]:
    """``camdetect plugins --json`` beside the daemon, by name."""
    done = camdetect(host, "plugins", "--json", settings={**environment(host), **settings})
    return {one["name"]: one for one in json.loads(done.stdout) if not one["is_builtin"]}


def test_plugins(lab: Lab) -> None:
    site = Site(lab)
    halo = lab.host("halo", "10.77.0.31", "02:00:00:00:00:31")
    halo.start(*python("-c", DEVICE)).wait_for("ready")
    simulated(lab, "door", "10.77.0.20", "02:00:00:00:00:20")
    folder = lab.directory / "plugins"
    folder.mkdir()
    (folder / "halo.py").write_text(worked_plugin())
    for name, does in DOES.items():
        (folder / f"{name}.py").write_text(SERVICE.format(name=name, does=does))
    (folder / "empty.py").write_text("x = 1\n")
    settings = {"PLUGIN_PATH": str(folder), "STATE_DIR": str(site.state), "HEALTH_REPORT_INTERVAL": "1"}
    daemon = site.daemon(**settings)

    site.online("02:00:00:00:00:20", 40)  # whatever they do, the camera is found
    health = site.health(lambda one: one["plugins"]["disabled"] == 1 and one["plugins"]["left_out"] == 1, 30)
    named = health["plugins"]["named"]
    assert re.fullmatch(
        r"it raised 10 errors within a day, the last one: ValueError in raising.py, line \d+", named["raising"]["why"]
    )
    assert "canary" not in json.dumps(health)

    sightings = lambda: listed(site.host, settings)["halo"]["counts"].get("sightings")  # noqa: E731
    wait_until(sightings, 40, "the worked plugin finds it", interval=0.5)
    found = listed(site.host, settings)
    states = {name: one["state"] for name, one in found.items() if one["file"].startswith(str(folder))}
    assert states == {"halo": "loaded", "raising": "disabled", "slow": "loaded", "flooding": "loaded",
                      "empty": "left out"}  # fmt: skip
    assert found["raising"]["faults"] == 10
    assert found["slow"]["stalls"] == 1
    assert "in hold_the_thread" in found["slow"]["last_stall"]["stack"]
    assert "reactor" not in found["slow"]["last_stall"]["stack"], "only the plugin's own frames"
    counts = found["flooding"]["counts"]
    assert counts["published"] >= BURST
    assert counts["limited"] > 0
    assert counts["published"] + counts["limited"] == 10_000
    assert len(site.listener.on("flood/x")) <= counts["published"]

    said = daemon.text()
    for words in (
        "Plugin raising is disabled until the next start", "raising was stopped",
        "Plugin slow held everything up for", "in hold_the_thread",
        "Plugin flooding publishes more than it may", f"{folder}/empty.py is left out: no maker is in it",
    ):  # fmt: skip
        assert words in said, words
    assert said.count("Plugin raising failed in a timer") == 9
    assert said.count("raising was stopped") == 1
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
