"""Networks and logins that change while the daemon runs: by a command, and by files that are read again on SIGHUP."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import time
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, Site
from tests.processes import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables to count what arrives"),
]

RESULT = "system/camera_detector/node1/command/result"
FAR, LARGE = "10.78.0.0/24", "10.79.0.0/16"
CAMERA = "10.78.0.21"


def camera_behind(lab: Lab, router: Host) -> Host:
    """A simulated camera with a login, on a network behind the router."""
    lab.another_bridge("br1", router, "10.78.0.1")
    host = lab.plugged("far", CAMERA, "02:00:00:00:00:21", bridge="br1")
    for words in (
        "link set lo up", "link set eth0 up", f"addr add {CAMERA}/24 dev eth0", "route add default via 10.78.0.1",
    ):  # fmt: skip
        host.run("ip", *words.split())
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": LOGIN}
    command = python(
        "-m", "twisted_detector.cli", "simulate", "--bind", CAMERA, "--rtsp-port", "554", "--auth", "digest"
    )
    host.start(*command, environment=environment).wait_for("camera", 20)
    return host


def answer(site: Site, name: str, **fields: Any) -> dict[str, Any]:
    """The result of a command over MQTT."""
    before = len(site.listener.on(RESULT))
    site.command(name, **fields)
    wait_until(lambda: len(site.listener.on(RESULT)) > before, 10, f"the result of {name}")
    return dict(site.listener.on(RESULT)[-1].json)


def listed(site: Site, network: str) -> dict[str, Any]:
    """What is told of a network; {} where it is not searched."""
    found = (one for one in answer(site, "networks")["networks"] if one["network"] == network)
    return next(found, {})


def test_networks_and_logins(lab: Lab) -> None:
    """A network is added, and its camera is there; its login comes by SIGHUP; a sweep under way ends with a removal."""
    router = lab.host("router", "10.77.0.254", "02:00:00:00:00:fe")
    camera_behind(lab, router)
    router.run("nft", "add table ip t; add chain ip t c { type filter hook prerouting priority 0; };"
               f" add rule ip t c ip daddr {LARGE} counter drop")  # fmt: skip

    def arrived() -> int:
        found = re.search(r"counter packets (\d+)", router.run("nft", "list", "ruleset"))
        assert found is not None
        return int(found[1])

    site = Site(lab)
    for network in (FAR, LARGE):
        site.host.run("ip", "route", "add", network, "via", "10.77.0.254")
    file = lab.directory / "camdetect.toml"
    file.touch(mode=0o600)
    file.write_text('scan_rate = 500\nlog_level = "info"\n')
    daemon = site.daemon(CAMDETECT_CONFIG=str(file))
    daemon.wait_for("connected to")
    wait_until(lambda: listed(site, "10.77.0.0/24").get("last"), 20, "the end of the first sweep", interval=0.5)
    assert listed(site, FAR) == {}

    # A network is added: its camera is found, and wants a login.
    added = answer(site, "networks", action="add", network=FAR)
    assert added["ok"], added
    status = lambda: [  # noqa: E731
        heard.json for heard in site.listener.heard()
        if heard.topic.startswith("camera/status/") and heard.json["camera"]["ip"] == CAMERA
    ]  # fmt: skip
    wait_until(lambda: bool(status()), 15, "the camera behind the router", interval=0.1)
    assert status()[-1]["status"] == "auth_required"
    wait_until(
        lambda: listed(site, FAR).get("hosts") == 2, 15, lambda: f"both hosts: {listed(site, FAR)}", interval=0.5
    )
    found = listed(site, FAR)
    assert (found["source"], found["by"], found["searched"]) == ("page", ["wsdiscovery", "portscan"], True)
    assert found["packets_last_hour"] >= found["packets"] > 254

    # Its login comes by a file that is read again; it goes there though no MAC is seen, for the network was named.
    file.write_text(f'scan_rate = 500\nlog_level = "info"\ncamera_credentials = ["{LOGIN}"]\nrtsp_port = 5554\n')
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("Reloaded: 1 login added")
    daemon.wait_for("A restart is needed for RTSP_PORT")
    wait_until(lambda: status()[-1]["status"] == "online", 20, lambda: f"online: {status()[-1]}", interval=0.2)
    assert status()[-1]["camera"]["adopted"] == "listed"

    # A large one is being swept; its removal ends that at once.
    assert answer(site, "networks", action="add", network=LARGE)["ok"]
    wait_until(lambda: arrived() > 100, 10, "packets to the large network", interval=0.1)
    assert answer(site, "networks", action="remove", network=LARGE)["ok"]
    time.sleep(0.3)
    before = arrived()
    time.sleep(3)
    assert arrived() == before < 60_000

    # What has a fault changes nothing; the daemon lives, and says it.
    file.write_text('scan_rate = "x"\ncamera_credentials = ["{"]\n')
    for _ in range(50):
        daemon.signal(signal.SIGHUP)
    daemon.wait_for("SCAN_RATE = 'x': must be")
    time.sleep(1)
    assert daemon.text().count("SCAN_RATE = 'x'") <= 6
    faults = answer(site, "reload")["faults"]
    assert len(faults) == 2, faults
    refused = answer(site, "networks", action="add", network="10.78.0.1/24")
    assert refused["error"].startswith("network: has bits beyond its prefix"), refused
    assert listed(site, FAR)["network"] == FAR
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    text = daemon.text()
    assert LOGIN.partition(":")[2] not in text
    assert "Traceback" not in text


def test_on_a_terminal(lab: Lab) -> None:
    """`camdetect run` on a terminal reads its configuration again on SIGHUP, and ends when the terminal is closed."""
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "STATE_DIR": str(lab.directory / "state"),
        "XDG_RUNTIME_DIR": str(lab.directory), "MQTT_BROKER": "127.0.0.1", "NODE_ID": "node1",
    }  # fmt: skip
    words = ("ip", "netns", "exec", host.namespace, *python("-m", "twisted_detector.cli", "run"))
    pid, master = pty.fork()
    if not pid:
        os.chdir(ROOT)
        os.execvpe(words[0], words, environment)
    shown = bytearray()

    def shows(text: bytes) -> bool:
        while select.select([master], [], [], 0)[0]:
            shown.extend(os.read(master, 65_536))
        return text in shown

    try:
        wait_until(lambda: shows(b"The web page is at"), 30, lambda: f"the page: {shown.decode()}", interval=0.1)
        wait_until(lambda: shows(b"First run"), 10, lambda: f"the start: {shown.decode()}", interval=0.1)
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: shows(b"Reloaded: nothing has changed"), 10, lambda: shown.decode(), interval=0.1)
    finally:
        os.close(master)
    ended: list[int] = []

    def has_ended() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(found)

    wait_until(has_ended, 10, "its end")
    assert ended[0] in (0, 120)  # CPython's own, where what was still to be shown could not be
    assert not (lab.directory / "state" / "control.sock").exists()
