"""``camdetect why``, ``doctor`` and ``list`` on a running daemon, in a namespace."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab, python
from tests.lan.site import LOGIN, Site, cid, simulated
from tests.processes import ROOT, wait_until
from twisted_detector.operations.control_client import NotRunning, send_request

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def camdetect(site: Site, *words: str) -> str:
    """Its output; the exit status may be 0 or 1."""
    script = f"exec {' '.join(python('-m', 'twisted_detector.cli', *words))} || true"
    settings = (f"STATE_DIR={site.state}", f"PYTHONPATH={ROOT}", "SCAN_NETWORKS=interfaces")
    return site.host.run("env", *settings, "sh", "-c", script.replace("exec ", ""))


def why(site: Site, address: str) -> Any:
    return json.loads(camdetect(site, "why", "--json", address))


def asked(site: Site, address: str) -> Any:
    """The same, asked by this process: who looks again and again takes no time of the daemon's with commands."""
    try:
        return send_request(site.state, {"command": "why", "address": address})
    except NotRunning:
        return {"reason": {"word": ""}, "ports": {}}


def test_why_and_list_and_doctor(lab: Lab) -> None:
    """Each kind of address gets its reason; no password is in any answer; the socket is its owner's alone."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    closed = simulated(lab, "sim2", "10.77.0.22", "02:00:00:00:00:22", "--auth", "digest")
    printer = lab.host("printer", "10.77.0.13", "02:00:00:00:00:13")
    web = lab.host("web", "10.77.0.14", "02:00:00:00:00:14")
    web.start(*python("-m", "http.server", "80"))
    for host in (camera, closed):
        host.processes[0].wait_for("camera", 20)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS="admin:n0t-the-canary", SCAN_EXCLUDE="10.77.0.15")
    for host, status in ((camera, "online"), (closed, "auth_required")):
        site.listener.wait(f"camera/status/{cid(host.mac)}", lambda h, s=status: h.json["status"] == s, 20)

    expected = {
        camera.address: "shown",
        closed.address: "wrong-credential",
        printer.address: "ports-closed",
        web.address: "not-a-camera",
        "10.77.0.200": "no-answer-to-arp",
        "192.168.50.7": "not-on-any-network",
        "10.77.0.15": "excluded",
        "10.77.0.1": "this-machine",
    }
    wait_until(
        lambda: asked(site, web.address)["reason"]["word"] not in ("", "being-asked"),
        40,
        "the web server was asked",
        interval=0.1,
    )
    for address, word in expected.items():
        assert why(site, address)["reason"]["word"] == word, address
    told = why(site, closed.address)
    said = [(fact["source"], fact["text"]) for fact in told["facts"]]
    assert any(source == "wsdiscovery" and "NetworkVideoTransmitter" in text for source, text in said), said
    assert any(source == "login" and "admin" in text for source, text in said), said

    text = camdetect(site, "why", closed.address)
    assert "Likely reason: Camera" in text
    print(text)
    assert "not an IP address" in camdetect_error(site, "why", "camera.local")

    listed = json.loads(camdetect(site, "list", "--json"))
    assert [one["id"] for one in listed] == [cid(camera.mac), cid(closed.mac)]

    findings = {one["name"]: one for one in json.loads(camdetect(site, "doctor", "--json"))}
    assert findings["MQTT"]["level"] == findings["store"]["level"] == "OK"
    assert "multicast" in findings["interface eth0"]["text"]
    assert findings["cameras"]["level"] == "WARN"
    print(camdetect(site, "doctor"))

    socket = site.state / "control.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    everything = text + json.dumps(listed) + json.dumps(findings) + json.dumps(told)
    for password in ("n0t-the-canary", LOGIN.partition(":")[2]):
        assert password not in everything

    # After it was killed: the store is read, the next daemon takes the socket over.
    daemon.kill_group()
    daemon.wait()
    assert socket.exists()
    assert [one["id"] for one in json.loads(camdetect(site, "list", "--json"))] == [cid(camera.mac), cid(closed.mac)]
    assert "no daemon answers" in camdetect(site, "doctor")
    again = site.daemon()
    again.wait_for("connected to ")
    wait_until(lambda: why(site, "10.77.0.1"), 5, "an answer")
    os.kill(again.pid, 15)
    assert again.wait(10) == 0
    assert not socket.exists()


def test_behind_a_router(lab: Lab) -> None:
    """A camera that answers beyond the searched networks: the network to add is named; once asked by hand it is there.

    What was only tried is not told as seen.
    """
    router = lab.host("router", "10.77.0.254", "02:00:00:00:00:fe")
    lab.another_bridge("br1", router, "10.78.0.1")
    far = plant(lab, "far", "10.78.0.0/24", 1, mac="02:1f", bridge="br1", gateway="10.78.0.1")
    far.start()
    [camera] = far.cameras
    site = Site(lab)
    site.host.run("ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.254")
    site.daemon().wait_for("connected to ")
    wait_until(
        lambda: asked(site, camera.address)["ports"].get("554") == "open", 40, "the camera's port is open", interval=0.1
    )
    reason = why(site, camera.address)["reason"]
    assert reason["word"] == "not-on-any-network", reason
    assert "its network is not searched: add 10.78.0.0/24 to SCAN_NETWORKS" in reason["text"], reason
    site.command("probe", address=camera.address)
    wait_until(lambda: asked(site, camera.address)["reason"]["word"] == "shown", 60, "it is shown", interval=0.1)
    told = [fact["text"] for fact in why(site, camera.address)["facts"] if fact["source"] == "command"]
    assert told == ["asked by hand"], told


def camdetect_error(site: Site, *words: str) -> str:
    script = f"{' '.join(python('-m', 'twisted_detector.cli', *words))} 2>&1 || true"
    return site.host.run("env", f"STATE_DIR={site.state}", f"PYTHONPATH={ROOT}", "sh", "-c", script)
