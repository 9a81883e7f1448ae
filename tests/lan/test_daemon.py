"""The daemon on a LAN of namespaces, against cameras that nobody here wrote and some that we simulate."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from tests.lan.lab import REASON, Lab, python
from tests.lan.site import LOGIN, PEERS, Site, cid, gstreamer, simulated
from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


def test_each_camera_is_published_under_its_mac(lab: Lab) -> None:
    """Foreign and simulated cameras of a LAN are published with codec and size, and nothing else is."""
    gst = gstreamer(lab, "gst", "10.77.0.10", "02:00:00:00:00:10", "/stream1")
    login_password = LOGIN.partition(":")[2]
    closed = gstreamer(lab, "gstauth", "10.77.0.11", "02:00:00:00:00:11", "/live", "digest", LOGIN)
    announced = gstreamer(lab, "wsd", "10.77.0.12", "02:00:00:00:00:12", "/stream")
    announced.start(*python(str(PEERS / "wsd_service.py"), "http://10.77.0.12:8000/onvif/device_service"))
    printer = lab.host("printer", "10.77.0.13", "02:00:00:00:00:13")
    printer.start(*python(str(PEERS / "wsd_service.py"), "http://10.77.0.13:8000/onvif/device_service"))
    cameras = [
        simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none"),
        simulated(lab, "sim2", "10.77.0.22", "02:00:00:00:00:22", "--auth", "digest"),
        simulated(lab, "sim3", "10.77.0.23", "02:00:00:00:00:23", "--auth", "wsse"),
    ]
    for host in (gst, closed, announced, printer, *cameras):
        for process in host.processes:
            process.wait_for("ready" if "peers" in str(process) else "camera", 20)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS=LOGIN)
    for host in (gst, closed, announced, *cameras):
        topic = f"camera/discovery/{cid(host.mac)}"
        message = site.listener.wait(
            topic, lambda heard: any(one["validated"] for one in heard.json["camera"]["streams"]), 20
        )
        camera = message.json["camera"]
        assert camera["id"] == cid(host.mac)
        assert camera["mac"] == host.mac
        assert camera["ip"] == host.address
        stream = next(one for one in camera["streams"] if one["validated"])
        assert (stream["codec"], stream["width"], stream["height"]) == ("H264", 640, 360), stream
    discovered = {heard.topic for heard in site.listener.heard() if heard.topic.startswith("camera/discovery/")}
    assert discovered == {f"camera/discovery/{cid(host.mac)}" for host in (gst, closed, announced, *cameras)}
    first = min(heard.at for heard in site.listener.heard() if heard.topic.startswith("camera/discovery/"))
    print(f"first camera after {first - site.started_at:.2f} s")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    goodbye = site.listener.wait("system/camera_detector_health/node1/lwt", lambda h: h.json["status"] == "offline")
    assert goodbye.json["reason"] == "shutdown"
    everything = daemon.text() + "".join(heard.payload for heard in site.listener.heard())
    assert login_password not in everything


def test_a_killed_daemon_is_missed_and_comes_back_knowing(lab: Lab) -> None:
    """kill -9: the will is seen; the next start says what was known before its first sweep ends."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    daemon = site.daemon()
    topic = f"camera/status/{cid(camera.mac)}"
    lwt = "system/camera_detector_health/node1/lwt"
    site.listener.wait(topic, lambda heard: heard.json["status"] == "online")
    time.sleep(0.5)  # what was learnt some milliseconds ago may not be on the disk yet
    daemon.kill_group()
    assert daemon.wait() == -signal.SIGKILL
    site.listener.wait(lwt, lambda heard: heard.json["status"] == "offline", 60)
    before = len(site.listener.heard())
    again = site.daemon()
    again.wait_for("connected to ")
    site.listener.wait(topic, lambda heard: heard in site.listener.heard()[before:], 3)
    site.listener.wait(lwt, lambda h: h.json["status"] == "online" and h in site.listener.heard()[before:])
    events = site.listener.on(f"camera/event/{cid(camera.mac)}")
    # QoS 1 may say one event twice; a second discovery would have a time of its own.
    discovered = {heard.json["timestamp"] for heard in events if heard.json["event"] == "discovered"}
    assert len(discovered) == 1, "a restart is no discovery"


def test_a_camera_that_moves_keeps_its_name(lab: Lab) -> None:
    """A new address and a Hello: ip_changed with both addresses under the same id, then its state."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon()
    topic = f"camera/status/{cid(camera.mac)}"
    site.listener.wait(topic, lambda heard: heard.json["status"] == "online")
    camera.processes[0].kill_group()
    camera.move("10.77.0.99")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    options = ("simulate", "--bind", "10.77.0.99", "--rtsp-port", "554", "--auth", "none")
    camera.start(*python("-m", "twisted_detector.cli", *options), environment=environment)
    moved = site.listener.wait(topic, lambda heard: heard.json["status"] == "ip_changed").json
    assert (moved["old_ip"], moved["new_ip"]) == ("10.77.0.21", "10.77.0.99")
    assert moved["camera_id"] == cid(camera.mac)
    site.listener.wait(topic, lambda h: h.json["status"] == "online" and h.json["camera"]["ip"] == "10.77.0.99")
