"""Cameras that are added by hand, in network namespaces: by URL, by address, in a range, and rude servers."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.certificates import Authority
from tests.lan.farm import plant
from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, PEERS, Site, cid, simulated
from tests.lan.test_why import asked, why
from tests.processes import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

CANARY = "s3cr3t-canary-of-a-url"


@dataclass
class Added:
    """What ``camdetect add`` answered."""

    status: int
    seconds: float
    ids: list[str]
    steps: list[dict[str, Any]]
    text: str

    def step(self, name: str) -> dict[str, Any]:
        found = [one for one in self.steps if one["step"].partition(" ")[0] == name]
        assert found, self.text
        return found[0]

    @property
    def helps(self) -> list[dict[str, str]]:
        return [one for step in self.steps for one in step["help"]]


def camdetect(site: Site, *words: str, said: str = "") -> tuple[int, str]:
    """Exit status and output, errors too; ``said`` on the standard input, so that it is no argument."""
    path = site.lab.directory / "said"
    path.write_text(said)
    script = f"{' '.join(python('-m', 'twisted_detector.cli', *words))} < {path} 2>&1; echo $?"
    settings = (f"STATE_DIR={site.state}", f"PYTHONPATH={ROOT}")
    *lines, status = site.host.run("env", *settings, "sh", "-c", script).splitlines()
    return int(status), "\n".join(lines)


def add(site: Site, target: str) -> Added:
    began = time.monotonic()
    status, text = camdetect(site, "add", "-", "--json", said=f"{target}\n")
    seconds = time.monotonic() - began
    if not text.startswith("{"):
        return Added(status, seconds, [], [], text)
    answer = json.loads(text)
    return Added(status, seconds, answer["camera_ids"], answer["steps"], text)


def foreign(lab: Lab, name: str, number: int, auth: str = "none", port: int = 5566) -> Host:
    """A GStreamer server on a port that no sweep tries, with a path that nobody knows."""
    host = lab.host(name, f"10.77.0.{number}", f"02:00:00:00:00:{number}")
    command = ("/usr/bin/python3", str(PEERS / "gst_rtsp.py"), host.address, str(port), "/live/1", "h264", auth)
    login = f"viewer:{CANARY}" if auth != "none" else ""
    host.start(*command, environment={**os.environ, "SIMULATOR_LOGIN": login}).wait_for("ready", 30)
    return host


def test_by_url(lab: Lab) -> None:
    """A device that nothing would find is online in seconds, by its MAC, with its own stream and login, and keeps both
    when it moves. A path that it has not is told by that path, and no other is taken for it.
    """
    host = foreign(lab, "gst", 41, "digest")
    site = Site(lab)
    daemon = site.daemon(MDNS_ENABLED="false")
    daemon.wait_for("connected to ")
    wait_until(
        lambda: asked(site, host.address)["reason"]["word"] == "ports-closed", 40, "it is no camera", interval=0.1
    )

    url = f"rtsp://viewer:{CANARY}@{host.address}:5566"
    added = add(site, f"{url}/live/1")
    print(f"added by URL with a login: {added.seconds:.2f} s with the start of the command")
    assert (added.status, added.ids) == (0, [cid(host.mac)]), added.text
    assert added.step("play")["state"] == "ok", added.text
    camera = site.online(host.mac, 5)["camera"]
    assert [one["url"] for one in camera["streams"]] == [f"rtsp://{host.address}:5566/live/1"]
    overrides = site.state / "overrides"
    assert stat.S_IMODE(overrides.stat().st_mode) == 0o600
    assert 'main = "rtsp://camera:5566/live/1"' in overrides.read_text()

    status, text = camdetect(site, "stream", camera["id"], "--main", f"rtsp://{host.address}:5566/live/9")
    assert status == 0, text
    said = site.listener.wait(f"camera/status/{camera['id']}", lambda heard: heard.json["status"] == "stream_error", 10)
    assert said.json["reason"].startswith("the camera has no stream at /live/9 (404)"), said.json["reason"]
    status, text = camdetect(site, "stream", camera["id"], "--main", "rtsp://10.77.0.99:5566/live/1")
    assert status == 1, text
    assert "main: is on 10.77.0.99, but this camera is at 10.77.0.41" in text, text
    camdetect(site, "stream", camera["id"], "--main", "rtsp://camera:5566/live/1")

    def online_at(address: str) -> bool:
        document = site.listener.on(f"camera/status/{camera['id']}")[-1].json
        return bool(document["status"] == "online" and document["camera"]["ip"] == address)

    wait_until(lambda: online_at(host.address), 10, "it plays again")
    for process in host.processes:
        process.end()
    host.move("10.77.0.141")
    command = ("/usr/bin/python3", str(PEERS / "gst_rtsp.py"), host.address, "5566", "/live/1", "h264", "digest")
    host.start(*command, environment={**os.environ, "SIMULATOR_LOGIN": f"viewer:{CANARY}"}).wait_for("ready", 30)
    host.run("ping", "-c", "1", "-W", "1", site.host.address)
    added = add(site, host.address)
    wait_until(lambda: online_at(host.address), 30, lambda: f"it plays at its new address: {added.text}")
    assert site.ids() == {cid(host.mac)}
    everything = added.text + text + daemon.text() + json.dumps([heard.payload for heard in site.listener.heard()])
    assert CANARY not in everything
    assert "Traceback" not in daemon.text()


def test_servers_without_manners(lab: Lab, tmp_path: Path) -> None:
    """One that has every path, one that speaks TLS alone, one on another port, one that tells nobody what it has."""
    anything, tls = foreign(lab, "anything", 42, port=5567), foreign(lab, "tls", 43, port=5567)
    front = str(PEERS / "rtsp_front.py")
    anything.start(*python(front, "any", anything.address, "5566", "5567", "/live/1")).wait_for("ready", 20)
    pair = Authority(tmp_path, "maker").issue("camera", tls.address)
    pem = tmp_path / "both.pem"
    pem.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    tls.start(*python(front, "tls", tls.address, "5566", "5567", str(pem))).wait_for("ready", 20)
    guarded = foreign(lab, "guarded", 44, "digest", port=8554)
    quirks = ("--quirk", "auth_first", "--quirk", "mute")
    strict = simulated(lab, "strict", "10.77.0.45", "02:00:00:00:00:45", "--auth", "digest", *quirks)
    site = Site(lab)
    daemon = site.daemon(MDNS_ENABLED="false", SMART_DISCOVERY_ENABLED="false", NETWORK_SCAN_ENABLED="false")
    daemon.wait_for("connected to ")

    added = add(site, f"rtsp://{anything.address}:5566/whatever")
    assert (added.status, added.ids) == (0, [cid(anything.mac)]), added.text

    added = add(site, f"rtsp://{tls.address}:5566/live/1")
    assert added.status == 1, added.text
    assert "does not speak RTSP" in added.step("stream")["reason"]
    [helping] = added.helps
    assert helping["target"] == f"rtsps://{tls.address}:5566/live/1", helping
    added = add(site, helping["target"])
    assert (added.status, added.ids) == (0, [cid(tls.mac)]), added.text

    added = add(site, f"rtsp://{guarded.address}:5566/live/1")
    assert "port 5566 is closed" in added.step("stream")["reason"], added.text
    assert [one["target"] for one in added.helps] == [f"rtsp://{guarded.address}:8554/live/1"]
    added = add(site, f"rtsp://{guarded.address}:8554/live/1")
    assert [one["kind"] for one in added.helps] == ["give-login"], added.text
    assert "wants a login" in added.step("play")["reason"]
    added = add(site, f"rtsp://viewer:{CANARY}@{guarded.address}:8554/live/9")
    assert "the camera has no stream at /live/9 (404)" in added.step("stream")["reason"], added.text
    added = add(site, f"rtsp://viewer:{CANARY}@{guarded.address}:8554/live/1")
    assert added.step("play")["state"] == "ok", added.text

    # It has streams that ONVIF names; none of them takes the place of the one that was given.
    added = add(site, f"rtsp://{LOGIN}@{strict.address}:554/live/9")
    assert "the server needs a login for /live/9" in added.step("stream")["text"], added.text
    assert "the camera has no stream at /live/9 (404)" in added.step("play")["reason"], added.text
    camdetect(site, "stream", cid(strict.mac), "--clear")
    assert len(site.online(strict.mac, 20)["camera"]["streams"]) == 2
    assert CANARY not in daemon.text()
    assert "Traceback" not in daemon.text()


def test_addresses(lab: Lab) -> None:
    """Addresses that are not asked, a link-local one, a blocked device, a range, and a network behind a router."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    six = lab.host("six", "10.77.0.22", "02:00:00:00:00:22")
    wait_until(lambda: "fe80" in six.run("ip", "-6", "addr", "show", "dev", "eth0", "-tentative"), 10, "an address")
    local = next(word for word in six.run("ip", "-6", "addr", "show", "dev", "eth0").split() if word.startswith("fe80"))
    address = f"{local.partition('/')[0]}%eth0"
    command = ("/usr/bin/python3", str(PEERS / "gst_rtsp.py"), "::", "5566", "/live/1", "h264", "none")
    six.start(*command, environment=dict(os.environ)).wait_for("ready", 30)
    router = lab.host("router", "10.77.0.254", "02:00:00:00:00:fe")
    lab.another_bridge("br1", router, "10.78.0.1")
    far = plant(lab, "far", "10.78.0.0/24", 1, mac="02:1f", bridge="br1", gateway="10.78.0.1")
    far.start()
    [behind] = far.cameras
    site = Site(lab)
    site.host.run("ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.254")
    daemon = site.daemon(SCAN_EXCLUDE="10.77.0.15", MDNS_ENABLED="false")
    site.online(camera.mac)

    for target, words in (
        ("10.77.0.1", "It is this machine's own address"),
        ("10.77.0.15", "It is in SCAN_EXCLUDE"),
        ("10.77.0.200", "Nothing answers ARP"),
        ("8.8.8.8", "it is no private address"),
    ):
        added = add(site, target)
        assert added.status == 1, added.text
        assert words in added.step("reach")["reason"], added.text
    for target, words in (
        ("127.0.0.1", "target: that is this machine itself"),
        ("10.0.0.0/8", "target: at most 1024 addresses"),
        ("10.77.0.5/24", "is 10.77.0.0/24 meant?"),
    ):
        assert words in add(site, target).text

    added = add(site, f"rtsp://[{address.replace('%', '%25')}]:5566/live/1")
    assert added.step("play")["state"] == "ok", added.text

    assert camdetect(site, "block", camera.address)[0] == 0
    added = add(site, camera.address)
    assert "this device is blocked" in added.step("reach")["reason"], added.text
    assert camdetect(site, "unblock", cid(camera.mac))[0] == 0

    added = add(site, "10.77.0.16-10.77.0.30")
    assert cid(camera.mac) in added.ids, added.text
    assert "15 addresses: 13 do not answer" in added.steps[0]["text"], added.steps[0]

    answer = why(site, behind.address)
    assert answer["reason"]["word"] == "not-on-any-network"
    assert [one["network"] for one in answer["help"]] == ["10.78.0.0/24"]
    added = add(site, behind.address)
    assert added.step("play")["state"] == "ok", added.text
    assert [one["network"] for one in added.helps] == ["10.78.0.0/24"], added.helps
    assert "Traceback" not in daemon.text()
