"""Devices with more addresses, or fewer MACs, than one: a camera with two addresses, cameras behind a repeater."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import Site, cid, simulated
from tests.lan.test_refind import announce
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables"),
]

FIRST, SECOND = "10.77.0.21", "10.77.0.121"
MAC = "02:00:00:00:00:21"


def rescan(site: Site) -> None:
    """Sweep once more; returns when that has ended, and whoever was found has been asked."""
    sweeps = site.health()["discovery"]["sweeps"]
    site.host.run("mosquitto_pub", "-t", "system/camera_detector/node1/command", "-m", '{"id":1,"command":"rescan"}')
    site.health(lambda health: health["discovery"]["sweeps"] > sweeps, 40)
    time.sleep(3)


def two_addresses(lab: Lab, *, pause: float, rounds: int) -> None:
    camera = simulated(lab, "sim1", FIRST, MAC, "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon(
        SMART_DISCOVERY_ENABLED="false",
        DISCOVERY_INTERVAL="3600",
        HEALTH_REPORT_INTERVAL="1",
        HEALTH_CHECK_INTERVAL="2",
        OFFLINE_THRESHOLD="6",
    )
    site.online(MAC)
    site.health(lambda health: health["discovery"]["sweeps"] and not health["discovery"]["sweeping"])
    # The same sockets serve the second address, as on any device with two.
    camera.run("ip", "addr", "add", f"{SECOND}/24", "dev", "eth0")
    camera.run(
        "nft",
        "add table ip both; add chain ip both in { type nat hook prerouting priority -100; };"
        f"add rule ip both in ip daddr {SECOND} dnat to {FIRST}",
    )
    for _ in range(rounds):
        announce(camera, SECOND)
        time.sleep(pause)
        rescan(site)
        announce(camera, FIRST)
        time.sleep(pause)
    health = site.health()
    assert health["discovery"]["counts"].get("second_addresses"), "the second address was not seen"
    said = [heard.json["status"] for heard in site.listener.on(f"camera/status/{cid(MAC)}")]
    assert set(said) == {"online"}, said
    assert site.ids() == {cid(MAC)}
    assert site.listener.on(f"camera/status/{cid(MAC)}")[-1].json["camera"]["ip"] == FIRST


def test_a_camera_with_two_addresses(lab: Lab) -> None:
    """A camera takes a second address and keeps the first: it is one camera, and no move is told."""
    two_addresses(lab, pause=1, rounds=2)


@pytest.mark.long
def test_a_camera_with_two_addresses_for_long(lab: Lab) -> None:
    """The same when its addresses are heard further apart than any sweep takes."""
    two_addresses(lab, pause=35, rounds=2)


def test_cameras_behind_a_repeater(lab: Lab) -> None:
    """Behind a repeater that answers ARP for all of them, each camera is known by what it says, none by its MAC."""
    repeater = lab.host("repeater", "10.77.0.2", "02:00:00:00:00:fe")
    lab.another_bridge("br1", repeater, "10.77.0.3", 32)
    behind = plant(lab, "behind", "10.77.0.0/24", 3, first=21, mac="02:1f", bridge="br1")
    near = plant(lab, "near", "10.77.0.0/24", 1, first=50)
    for camera in behind.cameras:
        repeater.run("ip", "route", "add", f"{camera.address}/32", "dev", "eth1")
    for name in ("eth0", "eth1"):
        # The kernel waits up to 0.8 s before it answers for others (proxy_delay), a repeater does not.
        repeater.run("sysctl", "-qw", f"net.ipv4.conf.{name}.proxy_arp=1", f"net.ipv4.neigh.{name}.proxy_delay=0")
    for farm in (behind, near):
        farm.start()
    site = Site(lab)
    site.daemon(HEALTH_REPORT_INTERVAL="1", HEALTH_CHECK_INTERVAL="2", OFFLINE_THRESHOLD="6")
    wanted = {camera.address for camera in (*behind.cameras, *near.cameras)}
    latest = lambda: {  # noqa: E731
        heard.json["camera"]["ip"]: heard.json["camera"]
        for heard in site.listener.heard()
        if heard.topic.startswith("camera/status/") and heard.json["status"] == "online"
    }
    wait_until(lambda: latest().keys() >= wanted, 30, lambda: f"{wanted} online; {sorted(latest())} are", interval=0.2)
    ids = {address: camera["id"] for address, camera in latest().items()}
    rescan(site)
    time.sleep(5)
    found = latest()
    assert found.keys() == wanted
    assert {address: camera["id"] for address, camera in found.items()} == ids
    assert len(set(ids.values())) == len(wanted)
    assert ids[near.cameras[0].address] == cid(near.cameras[0].mac)
    neighbours = site.host.run("ip", "neigh")
    for camera in behind.cameras:
        assert f"{camera.address} dev eth0 lladdr {repeater.mac}" in neighbours, "it is no repeater"
        assert found[camera.address]["mac"] != repeater.mac
    said = [heard.json["status"] for heard in site.listener.heard() if heard.topic.startswith("camera/status/")]
    assert "ip_changed" not in said
    assert "offline" not in said
