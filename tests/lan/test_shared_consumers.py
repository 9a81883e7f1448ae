"""Two nodes, one Frigate and one go2rtc: who writes there, how often, and what stands there meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Lab, python
from tests.lan.site import LOGIN, PORT, cid, listen, run_broker, simulated
from tests.outputs.frigate_rules import load
from tests.peers.frigate import RECORDED
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

BROKER, NVR = "10.77.0.1", "10.77.0.5"
MACS = {f"10.77.0.{number}": f"02:00:00:00:00:{number}" for number in (21, 22, 23)}
CAMERAS = {cid(mac) for mac in MACS.values()}
TOPIC = "frigate/config/cameras"
#: Generous: nothing here is measured in seconds.
LONG = 120.0


class Stage:
    """A broker, cameras with a login, a machine with Frigate and go2rtc, and the nodes that tell those."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        host = lab.host("broker", BROKER, "02:00:00:00:00:01")
        run_broker(host)
        self.listener = listen(host)
        for address, mac in MACS.items():
            simulated(lab, f"sim{mac[-2:]}", address, mac, "--auth", "digest").processes[0].wait_for("camera", 20)
        self.hosts = {
            name: lab.host(name, f"10.77.0.{number}", f"02:00:00:00:01:{number:02d}")
            for number, name in enumerate(("north", "south"), 2)
        }
        self.daemons: dict[str, Process] = {}
        self.secrets = lab.directory / "secrets"
        self.secrets.mkdir()
        self.config = lab.directory / "config.yml"
        self.config.write_text("# mine\nmqtt:\n  host: broker\n")
        nvr = lab.host("nvr", NVR, "02:00:00:00:00:05")
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self.peers: dict[str, Process] = {}
        for module, *options in (
            ("frigate", "5000", str(self.config), f"version={RECORDED[1]}", f"env={self.secrets}", "live=1"),
            ("go2rtc", "1984"),
        ):
            more = (f"interface={NVR}", f"log={lab.directory / module}")
            peer = nvr.start(*python("-m", f"tests.peers.{module}", *options, *more), environment=environment)
            peer.wait_for("ready", 20)
            self.peers[module] = peer

    def start(self, name: str) -> None:
        """Start a node, with the state that it left."""
        home = self.lab.directory / f"home-{name}"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "STATE_DIR": str(home / "state"),
            "MQTT_BROKER": BROKER,
            "MQTT_PORT": str(PORT),
            "NODE_ID": name,
            "NODES_ENABLED": "true",
            "SNAPSHOT_INTERVAL": "0",
            "HEALTH_REPORT_INTERVAL": "5",
            "CAMERA_CREDENTIALS": LOGIN,
            "FRIGATE_URL": f"http://{NVR}:5000",
            "FRIGATE_ENV_PATH": str(self.secrets),
            "GO2RTC_URL": f"http://{NVR}:1984",
        }
        twistd = str(Path(sys.executable).with_name("twistd"))
        self.daemons[name] = self.hosts[name].start(
            twistd, "-n", "--pidfile=", "-y", "camdetect.tac", environment=environment
        )

    def said(self) -> str:
        return "\n".join(f"--- {name}\n{one.text()[-6000:]}" for name, one in self.daemons.items())

    def wait(self, what: str, accept: Callable[[], bool]) -> None:
        wait_until(accept, LONG, lambda: f"{what}\n{self.said()}", interval=0.3)

    # --- what stands where

    def writes(self, program: str) -> list[tuple[str, Any]]:
        """Each request that changed something, and what the program held after it."""
        log = self.lab.directory / program
        text = log.read_text() if log.exists() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [(f"{method} {path}", holds) for method, path, status, holds in lines if status == 200]

    def frigate(self) -> dict[str, Any]:
        """By camera, its block in Frigate's file."""
        writes = self.writes("frigate")
        return cameras_in(writes[-1][1]) if writes else {}

    def variables(self) -> set[str]:
        """The variables that Frigate finds: each node has its own, for no two installations call them the same."""
        return {one.name for one in self.secrets.iterdir()}

    def kept_by(self, name: str, place: str) -> dict[str, int]:
        """What a node says last of who else keeps cameras in a place."""
        documents = self.listener.on(f"system/camera_detector_health/{name}")
        found = documents[-1].json["consumers"].get(place, {}) if documents else {}
        return dict(found.get("kept_by", {}))

    def topic(self) -> list[dict[str, Any]]:
        """Each version of Frigate's configuration on the broker."""
        return [dict(one.json["cameras"]) for one in self.listener.on(TOPIC)]

    def counts(self) -> dict[str, int]:
        """How often each of the three was written."""
        return {
            "frigate": len(self.writes("frigate")),
            "go2rtc": len(self.writes("go2rtc")),
            "topic": len(self.topic()),
        }


def cameras_in(text: str) -> dict[str, Any]:
    """The cameras of a configuration of Frigate."""
    return dict(load(text).get("cameras") or {})


def says(blocks: dict[str, Any], variables: set[str]) -> bool:
    """Whether each camera stands there once, as the node says it that has these variables."""
    return set(blocks) == CAMERAS and all(
        any(one in json.dumps(block) for one in variables) for block in blocks.values()
    )


def test_a_takeover(lab: Lab) -> None:
    """Killed, back, and stopped: each camera stands everywhere all the time, once; who speaks for it writes it once."""
    stage = Stage(lab)
    stage.start("north")

    def first() -> bool:
        streams = stage.writes("go2rtc")
        return set(stage.frigate()) == CAMERAS and bool(streams) and set(streams[-1][1]) >= CAMERAS

    stage.wait("all cameras in Frigate and go2rtc", first)
    stage.wait("all cameras on the topic", lambda: bool(stage.topic()) and says(stage.topic()[-1], stage.variables()))
    north = stage.variables()

    stage.start("south")
    for place in ("frigate-api", "go2rtc-api", "frigate-topic"):
        stage.wait(f"south leaves {place} to north", lambda place=place: stage.kept_by("south", place) == {"north": 3})
    stage.wait("variables of south", lambda: len(stage.variables()) == 2 * len(north))
    south = stage.variables() - north
    assert says(stage.frigate(), north)
    begun = stage.counts()

    def taken(variables: set[str]) -> Callable[[], bool]:
        return lambda: says(stage.frigate(), variables) and says(stage.topic()[-1], variables)

    stage.daemons["north"].kill_group()
    stage.wait("takeover by south", taken(south))
    killed = stage.counts()
    stage.start("north")
    for place in ("frigate-api", "frigate-topic"):  # in go2rtc both say the same: whose it is does not show
        stage.wait(f"north leaves {place} to south", lambda place=place: stage.kept_by("north", place) == {"south": 3})
    looks = stage.peers["go2rtc"].text().count("GET /api/streams")
    stage.wait("both have looked at go2rtc", lambda: stage.peers["go2rtc"].text().count("GET /api/streams") > looks + 3)
    assert says(stage.frigate(), south)
    assert stage.counts() == killed, "who watches writes nothing"

    stage.daemons["south"].end()
    stage.wait("takeover by north", taken(north))
    stopped = stage.counts()
    print(f"writes: begun {begun}, after the kill {killed}, after the stop {stopped}")
    for before, after in ((begun, killed), (killed, stopped)):
        # Cameras that change hands one after the other may be written one after the other.
        assert 1 <= after["frigate"] - before["frigate"] <= len(CAMERAS), (before, after)
        assert 1 <= after["topic"] - before["topic"] <= len(CAMERAS), (before, after)
        assert after["go2rtc"] == before["go2rtc"], "both say the same there"
    versions = {
        "frigate": [set(cameras_in(held)) for _, held in stage.writes("frigate")[begun["frigate"] :]],
        "go2rtc": [set(held) for _, held in stage.writes("go2rtc")[begun["go2rtc"] :]],
        "topic": [set(held) for held in stage.topic()[begun["topic"] :]],
    }
    for program, held in versions.items():
        assert all(one >= CAMERAS for one in held), program
    assert stage.config.read_text().startswith("# mine\n")
