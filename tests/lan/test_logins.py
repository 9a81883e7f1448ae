"""Logins by maker, by network and by camera, for cameras that nobody here wrote; and a password in clear."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.lan.lab import REASON, Lab, python
from tests.lan.site import Site, cid, gstreamer
from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

LOGINS = """\
# The wrong one for all of them: whoever is given it first has a failure.
nobody:canary-for-nobody

[vendor hikvision]
hik:canary-for-hikvision

[network 10.77.0.11/32]
net:canary-for-a-network

[camera 02:00:00:00:00:1?]
cam:canary-for-a-camera
"""


def test_each_gets_its_own(lab: Lab) -> None:
    """Each camera is entered with the login that is meant for it, at the first attempt, and named by it."""
    hosts = {
        "hik": gstreamer(lab, "a", "10.77.0.10", "c0:56:e3:00:00:10", "/stream1", "digest", "hik:canary-for-hikvision"),
        "net": gstreamer(lab, "b", "10.77.0.11", "02:00:00:00:00:99", "/stream1", "digest", "net:canary-for-a-network"),
        "cam": gstreamer(lab, "c", "10.77.0.12", "02:00:00:00:00:12", "/stream1", "digest", "cam:canary-for-a-camera"),
    }
    clear = gstreamer(lab, "d", "10.77.0.13", "02:00:00:00:00:13", "/stream1", "basic", "cam:canary-for-a-camera")
    for host in (*hosts.values(), clear):
        host.processes[0].wait_for("ready", 20)
    file = lab.directory / "logins"
    file.touch(mode=0o600)
    file.write_text(LOGINS)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS_FILE=str(file), HEALTH_CHECK_INTERVAL="1", OFFLINE_THRESHOLD="60")
    for host in hosts.values():
        site.online(host.mac, 30)
    found = site.online(hosts["hik"].mac)["camera"]
    assert found["manufacturer"] in ("Hikvision", "Hangzhou Hikvision Digital Technology Co.,Ltd."), found
    for name, host in hosts.items():
        accepted = [
            heard.json
            for heard in site.listener.on(f"camera/event/{cid(host.mac)}")
            if heard.json["event"] == "credential_accepted"
        ]
        assert [event["login"] for event in accepted] == [name], accepted
    assert "refused the login" not in daemon.text(), daemon.text()
    # It is listed by its MAC, so its password may go in clear at once.
    site.online(clear.mac, 20)


def test_in_clear_to_whom_is_accepted(lab: Lab) -> None:
    """A camera that knows only Basic is published, and entered once a person accepts it, not in the first run."""
    clear = gstreamer(lab, "d", "10.77.0.13", "02:00:00:00:00:13", "/stream1", "basic", "cam:canary-for-a-camera")
    clear.processes[0].wait_for("ready", 20)
    site = Site(lab)
    site.daemon(CAMERA_CREDENTIALS="cam:canary-for-a-camera", HEALTH_CHECK_INTERVAL="1", OFFLINE_THRESHOLD="60")
    topic = f"camera/status/{cid(clear.mac)}"
    first = site.listener.wait(topic, seconds=20).json
    assert first["status"] == "auth_required"
    assert first["camera"]["adopted"] == "first-run"
    assert "in clear only" in first["reason"], first["reason"]
    time.sleep(4)  # it is checked each second meanwhile
    assert {heard.json["status"] for heard in site.listener.on(topic)} == {"auth_required"}
    site.command("adopt", camera_id=cid(clear.mac))
    assert site.online(clear.mac, 30)["camera"]["adopted"] == "person"


def test_who_comes_later(lab: Lab) -> None:
    """What was there in the first run is given the login; what comes later is found, given none, and told why.

    A person's word changes that at once; a blocked one is gone, and asked nothing, wherever it turns up.
    """
    login = "cam:canary-for-a-camera"
    before = gstreamer(lab, "a", "10.77.0.10", "02:00:00:00:00:10", "/stream1", "digest", login)
    before.processes[0].wait_for("ready", 20)
    site = Site(lab)
    daemon = site.daemon(
        CAMERA_CREDENTIALS=login,
        INITIAL_DISCOVERY_COUNT="1",
        QUICK_CHECK_INTERVAL="5",
        HEALTH_CHECK_INTERVAL="1",
        OFFLINE_THRESHOLD="60",
    )
    assert site.online(before.mac, 30)["camera"]["adopted"] == "first-run"
    daemon.wait_for("The first run has ended", 60)
    later = gstreamer(lab, "b", "10.77.0.11", "02:00:00:00:00:11", "/stream1", "digest", login)
    later.processes[0].wait_for("ready", 20)
    site.command("probe", address="10.77.0.11")
    topic = f"camera/status/{cid(later.mac)}"
    closed = lambda heard: heard.json["status"] == "auth_required"  # noqa: E731
    first = site.listener.wait(topic, closed, 60).json
    assert first["camera"]["adopted"] == "no", first
    assert "new since the first run: adopt it" in first["reason"], first["reason"]
    settings = (f"STATE_DIR={site.state}", f"PYTHONPATH={ROOT}")
    told = site.host.run("env", *settings, *python("-m", "twisted_detector.cli", "adopt", later.mac))
    assert "is adopted" in told, told
    assert site.online(later.mac, 30)["camera"]["adopted"] == "person"
    site.command("block", camera_id=cid(later.mac))
    site.listener.wait(f"camera/discovery/{cid(later.mac)}", lambda heard: not heard.payload, 10)
    site.command("probe", address="10.77.0.11")
    time.sleep(5)
    assert not site.listener.on(f"camera/discovery/{cid(later.mac)}")[-1].payload
    blocked_at = site.listener.on(topic)[-1].at
    site.command("unblock", device=later.mac)
    new = lambda heard: heard.at > blocked_at and heard.json["camera"]["adopted"] == "no"  # noqa: E731
    site.listener.wait(topic, new, 60)
