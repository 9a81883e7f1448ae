"""Who is no camera, and who was missed: media servers beside a camera whose ONVIF is at a port that no sweep tries."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import PEERS, Site, cid, simulated
from tests.lan.test_why import why
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


def media_server(lab: Lab, name: str, number: int, port: int) -> Host:
    host = lab.host(name, f"10.77.0.{number}", f"02:00:00:00:00:{number}")
    host.start(*python(str(PEERS / "media_server.py"), name, "8554", str(port))).wait_for("it is there", 20)
    return host


def test_media_servers_and_a_mute_camera(lab: Lab) -> None:
    """go2rtc, Frigate and MediaMTX are told for what they are and published nowhere, unless a person says otherwise."""
    servers = {
        "go2rtc": media_server(lab, "go2rtc", 31, 1984),
        "Frigate": media_server(lab, "frigate", 32, 5000),
        "MediaMTX": media_server(lab, "mediamtx", 33, 8888),
    }
    mute = simulated(
        lab, "mute", "10.77.0.34", "02:00:00:00:00:34", "--http-port", "8080", "--quirk", "mute", "--quirk",
        "secret_path=/nobody/knows",
    )  # fmt: skip
    mute.processes[0].wait_for("camera", 20)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS="admin:n0t-the-canary", ADOPTION="all", MDNS_ENABLED="false")
    camera = site.online(mute.mac, 30)["camera"]
    assert "/nobody/knows" in camera["streams"][0]["url"], camera

    for program, host in servers.items():
        told: list[Any] = []

        def judged(host: Host = host, told: list[Any] = told) -> bool:
            told[:] = [why(site, host.address)]
            return bool(told[0]["reason"]["word"] == "media-server")

        wait_until(judged, 30, lambda told=told: f"a judgement: {told}")
        assert told[0]["reason"]["text"].startswith(
            f"It is a media server ({program}) that passes on other cameras' streams; it is not published."
        ), told[0]["reason"]
        asked = host.processes[0].text()
        assert asked.count("DESCRIBE") == 1, asked
        assert asked.count("GET") == 1, asked
    assert site.ids() == {cid(mute.mac)}

    go2rtc = servers["go2rtc"]
    site.command("probe", address=go2rtc.address)
    wait_until(lambda: cid(go2rtc.mac) in site.ids(), 30, "a person said that it is a camera")
    assert "Traceback" not in daemon.text()
