"""A move in the lab, and who follows it: Frigate's topic, file and API, go2rtc's API, the command line."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace

from tests.lan.farm import plant
from tests.lan.lab import Lab, python
from tests.lan.site import LOGIN, Site, cid
from tests.outputs.frigate_rules import faults, load, substituted
from tests.processes import ROOT, wait_until

TOPIC = "frigate/config/cameras"


def test_frigate_and_go2rtc_follow_a_move(lab: Lab) -> None:
    """A camera with a login moves: topic, file, Frigate and go2rtc have the new address, nobody else the login."""
    farm = plant(lab, "farm", "10.77.0.0/24", 2)
    farm.cameras = [replace(camera, auth="digest") for camera in farm.cameras]
    farm.start(login=LOGIN)
    site = Site(lab)
    own, running, streams = (lab.directory / name for name in ("cameras.yml", "config.yml", "streams.json"))
    running.write_text("# mine\nmqtt:\n  host: broker\n")
    streams.write_text('{"garden": ["rtsp://10.0.0.5/x"]}')
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    secrets = site.state / "frigate.env"
    for module, port, *options in (
        ("frigate", "5000", str(running), f"env={secrets}", "live=1"),
        ("go2rtc", "1984", f"file={streams}"),
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
        texts = [*said, own.read_text() if own.exists() else "", running.read_text(), asked("show")]
        return all(f"{address}:" in text and cid(other.mac) in text for text in texts)

    def asked(_: str) -> str:
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
    for configuration, minor in ((document, 17), (load(own.read_text()), 17), (load(running.read_text()), 16)):
        assert faults(configuration, minor=minor, environment=values) == []
    path = document["cameras"][name]["ffmpeg"]["inputs"][0]["path"]
    assert f"//{LOGIN}@10.77.0.200:" in substituted(path, values)

    # And nobody else has the password.
    password = LOGIN.partition(":")[2]
    told = [daemon.text(), own.read_text(), running.read_text(), streams.read_text(), asked("show")]
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
    assert findings["frigate-api"]["level"] == findings["go2rtc-api"]["level"] == "OK"

    daemon.end()
    assert load(camdetect("export", "frigate"))["cameras"] == document["cameras"], "the same from the state directory"
