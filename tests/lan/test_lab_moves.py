"""Cameras that change their address, or lose their cable, on a LAN where each has its own MAC."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tests.lan.farm import Grown, plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import Site, cid, simulated

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


def test_a_farm_is_as_many_devices(lab: Lab) -> None:
    """Another host's kernel sees each camera of a farm by its own MAC (or the lab would prove nothing)."""
    farm = plant(lab, "farm", "10.77.0.0/24", 30)
    watcher = lab.host("watcher", "10.77.0.1", "02:00:00:00:00:01")
    for camera in farm.cameras:
        watcher.run("ping", "-c", "1", "-W", "2", camera.address)
    lines = [line.split() for line in watcher.run("ip", "neigh").splitlines()]
    assert {line[0]: line[4] for line in lines if "lladdr" in line} == {one.address: one.mac for one in farm.cameras}


def test_dhcp_gives_other_addresses(lab: Lab) -> None:
    """Five of twenty cameras get other leases: ip_changed for these, under the ids that they had, and for no other."""
    farm = plant(lab, "farm", "10.77.0.0/24", 20)
    farm.start()
    site = Site(lab)
    site.daemon()
    for camera in farm.cameras:
        site.online(camera.mac)
    moving = range(5)
    before = {camera.number: camera.address for camera in farm.cameras}
    farm.alter(lambda camera: replace(camera, address=f"10.77.0.{200 + camera.number}"), moving)
    for number in moving:
        camera = farm.cameras[number]
        topic = f"camera/status/{cid(camera.mac)}"
        moved = site.listener.wait(topic, lambda heard: heard.json["status"] == "ip_changed").json
        assert (moved["old_ip"], moved["new_ip"]) == (before[number], camera.address)
        site.online(camera.mac, address=camera.address)
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}
    said = [heard for heard in site.listener.heard() if '"status":"ip_changed"' in heard.payload]
    assert {heard.json["camera_id"] for heard in said} == {cid(farm.cameras[number].mac) for number in moving}


def test_two_cameras_swap_their_addresses(lab: Lab) -> None:
    """Two cameras swap addresses: both keep their ids and names, each is online at the other's old address."""
    farm = plant(lab, "farm", "10.77.0.0/24", 4)
    farm.start()
    site = Site(lab)
    site.daemon()
    documents = {camera.mac: site.online(camera.mac) for camera in farm.cameras}
    first, second = farm.cameras[0].address, farm.cameras[1].address

    def swap(camera: Grown) -> Grown:
        return replace(camera, address=second if camera.address == first else first)

    farm.alter(swap, (0, 1))
    for camera in farm.cameras:
        now = site.online(camera.mac, address=camera.address)
        for fact in ("mac", "serial_number", "name"):
            assert now["camera"][fact] == documents[camera.mac]["camera"][fact]
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}


def test_a_cable_is_pulled_and_put_in_again(lab: Lab) -> None:
    """A camera whose cable is out goes offline, and with it in again online, under the same id."""
    camera = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "none")
    camera.processes[0].wait_for("Ctrl-C", 20)
    site = Site(lab)
    site.daemon(HEALTH_CHECK_INTERVAL="1", OFFLINE_THRESHOLD="2", RTSP_TIMEOUT="1", ONVIF_TIMEOUT="1")
    site.online(camera.mac)
    camera.plug(False)
    topic = f"camera/status/{cid(camera.mac)}"
    away = site.listener.wait(topic, lambda heard: heard.json["status"] == "offline", 20)
    camera.plug(True)
    site.listener.wait(topic, lambda heard: heard.json["status"] == "online" and heard.at > away.at, 20)
    assert site.ids() == {cid(camera.mac)}
    events = [heard.json["event"] for heard in site.listener.on(f"camera/event/{cid(camera.mac)}")]
    assert events.count("discovered") == 1
