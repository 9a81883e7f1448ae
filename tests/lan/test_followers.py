"""A move in the lab, and who follows it: Frigate's topic, file and API, go2rtc's API, the command line."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from itertools import cycle

import pytest

from tests.lan.farm import plant
from tests.lan.lab import Lab, python
from tests.lan.site import LOGIN, Site, cid
from tests.outputs.frigate_rules import faults, load, substituted
from tests.peers.frigate import RECORDED
from tests.peers.go2rtc import VERSIONS as GO2RTC_VERSIONS
from tests.processes import ROOT, wait_until

TOPIC = "frigate/config/cameras"


@pytest.mark.parametrize(
    ("frigate", "rtc"), list(zip(RECORDED, cycle(GO2RTC_VERSIONS))), ids=lambda version: version.partition("-")[0]
)
def test_frigate_and_go2rtc_follow_a_move(lab: Lab, frigate: str, rtc: str) -> None:
    """A camera with a login moves: topic, file, Frigate and go2rtc have the new address, nobody else the login."""
    minor = int(frigate.split(".")[1])
    farm = plant(lab, "farm", "10.77.0.0/24", 2)
    farm.cameras = [replace(camera, auth="digest") for camera in farm.cameras]
    farm.start(login=LOGIN)
    site = Site(lab)
    own, running, streams = (lab.directory / name for name in ("cameras.yml", "config.yml", "go2rtc.yaml"))
    running.write_text("# mine\nmqtt:\n  host: broker\n")
    streams.write_text("streams:\n  garden: rtsp://10.0.0.5/x\n")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    secrets = site.state / "frigate.env"
    for module, port, *options in (
        ("frigate", "5000", str(running), f"version={frigate}", f"env={secrets}", "live=1"),
        ("go2rtc", "1984", f"version={rtc}", f"path={streams}"),
    ):
        peer = site.host.start(*python("-m", f"tests.peers.{module}", port, *options), environment=environment)
        peer.wait_for("ready", 20)
    daemon = site.daemon(
        CAMERA_CREDENTIALS=LOGIN,
        FRIGATE_CONFIG_PATH=str(own),
        FRIGATE_URL="http://127.0.0.1:5000",
        GO2RTC_URL="http://127.0.0.1:1984",
    )
    mover, other = farm.cameras
    name = cid(mover.mac)

    def everywhere(address: str) -> bool:
        said = [heard.payload for heard in site.listener.on(TOPIC)[-1:]]
        texts = [*said, own.read_text() if own.exists() else "", running.read_text()]
        holds = lambda text: f"{address}:" in text and cid(other.mac) in text  # noqa: E731
        # What takes a process to ask is asked when the others have it.
        return all(map(holds, texts)) and holds(asked())

    def asked() -> str:
        command = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:1984/api/streams').read().decode())"
        return site.host.run(*python("-c", command))

    wait_until(lambda: everywhere(mover.address), 40, lambda: f"both cameras everywhere\n{daemon.text()}", interval=0.3)
    before = running.read_text()
    farm.alter(lambda camera: replace(camera, address="10.77.0.200"), [0])
    wait_until(lambda: everywhere("10.77.0.200"), 40, lambda: f"the move everywhere\n{daemon.text()}", interval=0.3)
    assert running.read_text() == before.replace(f"{mover.address}:", "10.77.0.200:")

    # The variables that it refers to are in a file of their owner, and with them Frigate has what it needs.
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in secrets.read_text().splitlines())
    document = json.loads(site.listener.on(TOPIC)[-1].payload)
    for configuration, takes in ((document, 17), (load(own.read_text()), 17), (load(running.read_text()), minor)):
        assert faults(configuration, minor=takes, environment=values) == []
    path = document["cameras"][name]["ffmpeg"]["inputs"][0]["path"]
    assert f"//{LOGIN}@10.77.0.200:" in substituted(path, values)

    # And nobody else has the password.
    password = LOGIN.partition(":")[2]
    told = [daemon.text(), own.read_text(), running.read_text(), streams.read_text()]
    assert all(password not in text for text in [*told, *(heard.payload for heard in site.listener.heard())])
    assert "garden" in streams.read_text()

    def camdetect(*words: str) -> str:
        more = {"STATE_DIR": str(site.state), "CAMERA_CREDENTIALS": LOGIN}
        command = ("env", *(f"{key}={value}" for key, value in {**environment, **more}.items()))
        return site.host.run(*command, *python("-m", "twisted_detector.cli", *words))

    exported = camdetect("export", "frigate")
    assert load(exported)["cameras"] == document["cameras"]
    assert password not in exported
    assert camdetect("export", "frigate", "--diff") == "Nothing would change.\n"
    assert name in camdetect("export", "csv")
    findings = {one["name"]: one for one in json.loads(camdetect("doctor", "--json") or "[]")}
    assert findings["go2rtc-api"]["level"] == "OK"
    # Before 0.18 a move is in its file, and it is said what brings it into force.
    assert ("in force after its next start" in findings["frigate-api"]["text"]) == (minor < 18)
    assert findings["frigate-api"]["level"] == ("WARN" if minor < 18 else "OK")

    daemon.end()
    assert load(camdetect("export", "frigate"))["cameras"] == document["cameras"], "the same from the state directory"


def test_several_consumers_follow_a_move(lab: Lab) -> None:
    """Tables of the configuration file: each program has its own cameras and state; one that is away delays none."""
    farm = plant(lab, "farm", "10.77.0.0/24", 2)
    farm.start()
    site = Site(lab)
    running, streams = (lab.directory / name for name in ("config.yml", "go2rtc.yaml"))
    running.write_text("mqtt:\n  host: broker\n")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for module, port, *options in (
        ("frigate", "5000", str(running), "version=0.18.0-e3fa701", "live=1"),
        ("go2rtc", "1984", f"path={streams}"),
    ):
        peer = site.host.start(*python("-m", f"tests.peers.{module}", port, *options), environment=environment)
        peer.wait_for("ready", 20)
    mover, other = farm.cameras
    table = lab.directory / "camdetect.toml"
    table.write_text(
        f'[frigate.house]\nurl = "http://127.0.0.1:5000"\ncameras = ["{cid(mover.mac)}", "Nobody"]\n'
        '[frigate.away]\nurl = "http://127.0.0.1:5999"\n'
        '[go2rtc.house]\nurl = "http://127.0.0.1:1984"\nnetwork = "10.77.0.0/25"\n'
    )
    daemon = site.daemon(CAMDETECT_CONFIG=str(table))

    def asked() -> str:
        command = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:1984/api/streams').read().decode())"
        return site.host.run(*python("-c", command))

    def held() -> tuple[bool, ...]:
        texts = (running.read_text(), asked())
        return tuple(f"{one.address}:" in text for text in texts for one in (mover, other))

    wait_until(lambda: held() == (True, False, True, True), 40, lambda: f"{held()}\n{daemon.text()}", interval=0.7)
    mover = replace(mover, address="10.77.0.200")
    farm.alter(lambda camera: replace(camera, address="10.77.0.200"), [0])
    wait_until(lambda: held() == (True, False, False, True), 40, lambda: f"{held()}\n{daemon.text()}", interval=0.7)
    assert cid(mover.mac) not in asked()

    more = {**environment, "STATE_DIR": str(site.state)}
    command = ("env", *(f"{key}={value}" for key, value in more.items()))
    found = json.loads(site.host.run(*command, *python("-m", "twisted_detector.cli", "doctor", "--json")))
    findings = {one["name"]: one for one in found}
    assert "away" in findings["frigate-api.away"]["text"]
    assert "in its list, and not known: Nobody" in findings["frigate-api.house"]["text"]
    assert findings["go2rtc-api.house"]["level"] == "OK"

    def export(name: str, consumer: str) -> str:
        return site.host.run(*command, *python("-m", "twisted_detector.cli", "export", name, "--for", consumer))

    command = ("env", f"CAMDETECT_CONFIG={table}", *command[1:])
    for _ in range(2):  # by the daemon, and without one
        assert set(load(export("frigate", "house"))["cameras"]) == {cid(mover.mac)}
        assert set(load(export("frigate", "away"))["cameras"]) == {cid(mover.mac), cid(other.mac)}
        assert all(cid(other.mac) in name for name in load(export("go2rtc", "house"))["streams"])
        with pytest.raises(RuntimeError, match=r"no \[frigate.attic\].*there are: house, away"):
            export("frigate", "attic")
        daemon.end()
