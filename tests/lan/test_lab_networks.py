"""Networks that are not one flat /24 with cameras only: routers, IPv6, other devices, two detectors."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from ipaddress import ip_network

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab, python, run
from tests.lan.site import HEALTH, PEERS, Site, cid
from tests.processes import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


def test_cameras_behind_a_router(lab: Lab) -> None:
    """Cameras of a second network that SCAN_NETWORKS names are published; none gets the MAC of the router."""
    router = lab.host("router", "10.77.0.254", "02:00:00:00:00:fe")
    lab.another_bridge("br1", router, "10.78.0.1")
    near = plant(lab, "near", "10.77.0.0/24", 2)
    far = plant(lab, "far", "10.78.0.0/24", 3, mac="02:1f", bridge="br1", gateway="10.78.0.1")
    for farm in (near, far):
        farm.start()
    site = Site(lab)
    site.host.run("ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.254")
    site.daemon(SCAN_NETWORKS="interfaces,10.78.0.0/24")
    for camera in near.cameras:
        site.online(camera.mac)
    wanted = {camera.address for camera in (*near.cameras, *far.cameras)}
    latest = lambda: {  # noqa: E731
        heard.json["camera"]["ip"]: heard.json["camera"]
        for heard in site.listener.heard()
        if heard.topic.startswith("camera/status/") and heard.json["status"] == "online"
    }
    wait_until(lambda: latest().keys() >= wanted, 30, lambda: f"{wanted} online; {sorted(latest())} are", interval=0.2)
    found = latest()
    assert found.keys() == wanted
    assert len({one["id"] for one in found.values()}) == len(wanted)
    for camera in far.cameras:
        assert found[camera.address]["mac"] != router.mac
    assert cid(router.mac) not in site.ids()


def test_a_camera_with_ipv6_only(lab: Lab) -> None:
    """A camera that has a link-local IPv6 address and no other is published under its MAC."""
    camera = lab.host("six", "10.77.0.21", "02:00:00:00:00:21")
    camera.run("ip", "-4", "addr", "flush", "dev", "eth0")
    time.sleep(2.5)  # duplicate address detection (RFC 4862) takes a second or two
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = camera.start(*python("-m", "tests.lan.ipv6_camera", "eth0"), environment=environment)
    process.wait_for("ready")
    site = Site(lab)
    time.sleep(2.0)  # and for the daemon's host
    site.daemon()
    document = site.online(camera.mac)["camera"]
    assert document["ip"].startswith("fe80:"), document["ip"]
    assert document["mac"] == camera.mac


def test_an_interface_that_comes_up_later(lab: Lab) -> None:
    """In the steady state, without privileges: the camera behind it, which says nothing by itself, is found at once.

    The next look that is due by itself is 25 seconds away: it is the kernel's event that leads there.
    """
    site = Site(lab)
    lab.another_bridge("br1", site.host, "10.78.0.1")
    site.host.run("ip", "link", "set", "eth1", "down")
    farm = plant(lab, "farm", "10.78.0.0/24", 1, mac="02:1f", bridge="br1")
    farm.cameras = [replace(farm.cameras[0], arp=False, hello=False)]
    farm.start()
    site.daemon(
        ("setpriv", "--inh-caps=-all", "--bounding-set=-all"),
        HEALTH_REPORT_INTERVAL="1",
        QUICK_CHECK_INTERVAL="25",
        INITIAL_DISCOVERY_COUNT="1",
    )
    steady = site.health(
        lambda health: health["discovery"]["phase"] == "steady" and not health["discovery"]["sweeping"], 90
    )
    assert not steady["stats"]["devices"], steady
    site.host.run("ip", "link", "set", "eth1", "up")
    site.host.run("ip", "addr", "replace", "10.78.0.1/24", "dev", "eth1")
    site.online(farm.cameras[0].mac, 10)


def test_other_devices_are_no_cameras(lab: Lab) -> None:
    """A printer that answers WS-Discovery, a web server and a host with closed ports: not published, seldom asked."""
    farm = plant(lab, "farm", "10.77.0.0/24", 1)
    farm.start()
    printer = lab.host("printer", "10.77.0.31", "02:00:00:00:00:31")
    printer.start(*python(str(PEERS / "wsd_service.py"), "http://10.77.0.31:8000/onvif/device_service"))
    web = lab.host("web", "10.77.0.32", "02:00:00:00:00:32")
    log = web.start(*python("-u", "-m", "http.server", "80"))
    closed = lab.host("closed", "10.77.0.33", "02:00:00:00:00:33")
    for host in (printer, web):
        host.processes[0].wait_for("ready" if host is printer else "Serving", 20)
    site = Site(lab)
    daemon = site.daemon(HEALTH_REPORT_INTERVAL="1", HEALTH_CHECK_INTERVAL="1")
    site.online(farm.cameras[0].mac)
    for number in range(3):
        command = json.dumps({"id": number, "command": "rescan"})
        site.host.run("mosquitto_pub", "-t", "system/camera_detector/node1/command", "-m", command)
        sweeps = site.health()["discovery"]["sweeps"]
        site.health(lambda health, before=sweeps: health["discovery"]["sweeps"] > before, 30)
    assert site.ids() == {cid(farm.cameras[0].mac)}
    for host in (printer, web, closed):
        assert cid(host.mac) not in "".join(heard.topic for heard in site.listener.heard())
    assert len(log.text().splitlines()) < 10, "a web server is not asked at every sweep"
    assert "Traceback" not in daemon.text()


def test_two_detectors_at_once(lab: Lab) -> None:
    """Two nodes at one broker tell the same of the same cameras, and neither answers the other for ever."""
    farm = plant(lab, "farm", "10.77.0.0/24", 5)
    farm.start()
    site = Site(lab)
    other = {"NODE_ID": "node2", "STATE_DIR": str(lab.directory / "state2")}
    daemons = [site.daemon(HEALTH_REPORT_INTERVAL="1"), site.daemon(HEALTH_REPORT_INTERVAL="1", **other)]
    for node in ("node1", "node2"):
        topic = HEALTH.replace("node1", node)
        site.listener.wait(topic, lambda heard: heard.json["stats"]["online_cameras"] == len(farm.cameras), 30)
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}
    for camera in farm.cameras:
        said = [heard.json for heard in site.listener.on(f"camera/discovery/{cid(camera.mac)}")]
        assert {document["node_id"] for document in said} == {"node1", "node2"}
        assert {document["camera"]["ip"] for document in said} == {camera.address}
    before = len([heard for heard in site.listener.heard() if heard.topic.startswith("camera/")])
    time.sleep(3)
    after = len([heard for heard in site.listener.heard() if heard.topic.startswith("camera/")])
    assert after - before <= 2 * len(farm.cameras), "they answer each other"
    for daemon in daemons:
        assert daemon.process.poll() is None
        assert "Traceback" not in daemon.text()


def _loaded(lab: Lab, count: int) -> None:
    farm = plant(lab, "farm", "10.77.0.0/23", count)
    farm.start()
    site = Site(lab, prefix_length=23)
    site.daemon(HEALTH_REPORT_INTERVAL="1")
    site.health(lambda health: health["stats"]["online_cameras"] == count, 60)
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}
    events = [heard.json for heard in site.listener.heard() if heard.topic.startswith("camera/event/")]
    assert sum(event["event"] == "discovered" for event in events) == count, "each is discovered once"
    # Half of them move at once, as when a DHCP server starts anew.
    half = range(0, count, 2)
    subnet = ip_network(farm.network)
    new = {number: str(subnet[count + 20 + number // 2]) for number in half}
    farm.alter(lambda camera: replace(camera, address=new[camera.number]), half)
    for number in half:
        site.online(farm.cameras[number].mac, 60, address=new[number])
    site.health(lambda health: health["stats"]["online_cameras"] == count, 60)
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}


def test_thirty_cameras_and_half_of_them_move(lab: Lab) -> None:
    """Thirty cameras are found, half of them move at once, and each is who it was."""
    _loaded(lab, 30)


@pytest.mark.long
@pytest.mark.parametrize("count", [100, 250])
def test_many_cameras_and_half_of_them_move(lab: Lab, count: int) -> None:
    """The same with 100 and with 250 cameras."""
    _loaded(lab, count)


def test_the_lab_leaves_nothing_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    """When a lab ends, its namespaces are gone."""
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        host = lab.host("gone", "10.77.0.9", "02:00:00:00:00:09")
        assert host.namespace in run("ip", "netns", "list")
        bridge = lab.bridge
    left = run("ip", "netns", "list")
    assert host.namespace not in left
    assert bridge not in left
