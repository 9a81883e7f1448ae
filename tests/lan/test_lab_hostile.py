"""Lies, floods and rubbish on the LAN: what they cost, and what they never get."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace

import pytest

from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Host, Lab, python, run
from tests.lan.site import LOGIN, Site, cid
from tests.processes import ROOT, wait_until
from twisted_detector.operations.control_client import send_request

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]
NAME, PASSWORD = LOGIN.split(":")
FORGER = str(ROOT / "tests" / "lan" / "forger.py")
TRAP = str(ROOT / "tests" / "lan" / "trap.py")


def cameras(lab: Lab, count: int, auth: str = "digest") -> Farm:
    farm = plant(lab, "farm", "10.77.0.0/24", count)
    farm.cameras = [replace(camera, auth=auth) for camera in farm.cameras]
    farm.start(login=LOGIN)
    return farm


def unharmed(site: Site, farm: Farm) -> None:
    """No camera of the farm was ever said to be anything but online."""
    for camera in farm.cameras:
        said = [heard.json["status"] for heard in site.listener.on(f"camera/status/{cid(camera.mac)}")]
        assert said
        assert set(said) == {"online"}, (camera, said)


def forge(host: Host, *arguments: str) -> str:
    process = host.start(*python(FORGER, *arguments), environment={"PYTHONPATH": str(ROOT)})
    process.wait_for("done", 60)
    return process.text()


def test_forged_announcements_lead_no_login_astray(lab: Lab) -> None:
    """Hello and ProbeMatch naming another host, also under a camera's EndpointReference: that host gets no login.

    The host that was named hears nothing at all: what a device says of its address is asked at the device only.
    """
    farm = cameras(lab, 3)
    victim = lab.host("victim", "10.77.0.99", "02:00:00:00:00:99")
    trap = victim.start(*python(TRAP, "80", "443", "8000", "8080", "2020", "8899"))
    trap.wait_for("ready")
    forger = lab.host("forger", "10.77.0.66", "02:00:00:00:00:66")
    # answers Probes by ProbeMatch with the other host's address
    answering = forger.start(*python(str(ROOT / "tests/peers/wsd_service.py"), "http://10.77.0.99:8000/onvif/device"))
    answering.wait_for("ready", 20)
    own = forger.start(*python(TRAP, "80", "8000"))
    own.wait_for("ready")
    site = Site(lab)
    # The sweep would find the host by itself, and ask it politely: what is asked here is whether a forger can lead us.
    daemon = site.daemon(
        CAMERA_CREDENTIALS=LOGIN,
        HEALTH_REPORT_INTERVAL="1",
        ALLOW_BASIC_AUTH="never",
        SCAN_EXCLUDE="10.77.0.99",
    )
    known = {camera.mac: site.online(camera.mac) for camera in farm.cameras}
    stolen = next(one for one in known.values())["camera"]
    references = [item["value"] for item in stolen["evidence"] if item["kind"] == "epr"]
    assert references, stolen["evidence"]
    for reference in ("urn:uuid:0d0d0d0d-0000-4000-8000-000000000001", f"urn:uuid:{references[0]}"):
        for port in ("80", "8000", "8080"):
            forge(forger, "hello", f"http://10.77.0.99:{port}/onvif/device_service", reference)
    sweeps = site.health()["discovery"]["sweeps"]
    site.host.run("mosquitto_pub", "-t", "system/camera_detector/node1/command", "-m", '{"id":1,"command":"rescan"}')
    site.health(lambda health: health["discovery"]["sweeps"] > sweeps and not health["stats"]["inspections_waiting"])
    assert trap.text().splitlines() == ["ready"], "the host that was named was asked"
    everything = own.text() + daemon.text() + "".join(heard.payload for heard in site.listener.heard())
    assert PASSWORD not in everything
    for camera in farm.cameras:
        now = site.listener.on(f"camera/discovery/{cid(camera.mac)}")[-1].json["camera"]
        assert (now["ip"], now["mac"]) == (camera.address, camera.mac)
    unharmed(site, farm)


def _flood(lab: Lab, *, most_lag: float) -> None:
    farm = cameras(lab, 20, "none")
    forger = lab.host("forger", "10.77.0.128", "02:00:00:00:00:66")
    addresses = [f"10.77.0.{number}" for number in range(128, 250)]
    for address in addresses[1:]:
        forger.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
    site = Site(lab)
    daemon = site.daemon(HEALTH_REPORT_INTERVAL="1", HEALTH_CHECK_INTERVAL="1", INITIAL_DISCOVERY_COUNT="1")
    for camera in farm.cameras:
        site.online(camera.mac)
    before = site.health(lambda health: not health["discovery"]["sweeping"])
    said = forge(forger, "flood", "2", "10000", *addresses)
    after = site.health(lambda health: health["uptime_s"] > before["uptime_s"] + 4)
    heard = after["discovery"]["methods"]["wsdiscovery"]["datagrams"]
    print(
        f"{said.strip()}; heard {heard}; lag {after['reactor']['lag_ms']}; {before['resources']} {after['resources']}"
    )
    assert heard > 1000, "there was no flood"
    assert after["resources"]["rss_mb"] - before["resources"]["rss_mb"] < 40
    assert after["reactor"]["lag_ms"]["max"] <= most_lag
    assert after["stats"]["online_cameras"] == len(farm.cameras)
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}
    unharmed(site, farm)
    assert "Traceback" not in daemon.text()


@pytest.mark.last  # how late the reactor is, in milliseconds
def test_a_flood_of_announcements(lab: Lab) -> None:
    """10 000 Hellos a second from 122 addresses: memory is bounded, the reactor lives, known cameras are unharmed.

    The bound on the lag leaves room for what else runs on the machine; the long test has the one that we want.
    """
    _flood(lab, most_lag=300)


@pytest.mark.long
def test_a_flood_of_announcements_is_hardly_felt(lab: Lab) -> None:
    """The same on a machine that has nothing else to do: the reactor is never late by more than 50 ms."""
    _flood(lab, most_lag=50)


def heard(site: Site, address: str) -> bool:
    """Whether a device at ``address`` was heard by WS-Discovery, and taken in."""
    facts = [
        fact
        for fact in send_request(site.state, {"command": "why", "address": address})["facts"]
        if fact["source"] == "wsdiscovery"
    ]
    return any(fact["text"].startswith("seen") for fact in facts) and not any(
        fact["text"].startswith("not taken in") for fact in facts
    )


@pytest.mark.parametrize("flooded", [False, True])
def test_a_burst_of_announcements(lab: Lab, flooded: bool) -> None:
    """250 devices say Hello in the same moment, with and without a flood beside them: every one is heard."""
    farm = plant(lab, "farm", "10.77.0.0/22", 3)
    farm.start()
    # five hosts of fifty devices: one host alone would meet its quota
    addresses = [f"10.77.1.{number}" for number in range(1, 251)]
    many = [
        (lab.host(f"many{n}", addresses[50 * n], f"02:00:00:00:01:{n:02x}", 22), addresses[50 * n : 50 * n + 50])
        for n in range(5)
    ]
    for host, its in many:
        lines = "".join(f"addr add {address}/22 dev eth0\n" for address in its[1:])
        run("ip", "-n", host.namespace, "-batch", "-", said=lines)
    forger = lab.host("forger", "10.77.2.1", "02:00:00:00:00:67", 22)
    for number in range(2, 5):
        forger.run("ip", "addr", "add", f"10.77.2.{number}/22", "dev", "eth0")
    site = Site(lab, prefix_length=22)
    site.daemon(
        HEALTH_REPORT_INTERVAL="1",
        INITIAL_DISCOVERY_COUNT="1",
        NETWORK_SCAN_ENABLED="false",
        SMART_DISCOVERY_ENABLED="false",
    )
    for camera in farm.cameras:
        site.online(camera.mac, 60)
    site.health(lambda health: health["discovery"]["sweeps"] and not health["discovery"]["sweeping"], 60)
    if flooded:
        process = forger.start(
            *python(FORGER, "flood", "4", "10000", *(f"10.77.2.{number}" for number in range(1, 5))),
            environment={"PYTHONPATH": str(ROOT)},
        )
        time.sleep(1.5)
    bursts = [host.start(*python(FORGER, "burst", *its), environment={"PYTHONPATH": str(ROOT)}) for host, its in many]
    for burst in bursts:
        burst.wait_for("done", 60)
    if flooded:
        process.wait_for("done", 60)
    # Each is somebody new, and asked in its time; here it counts that it was heard at all. Devices are not counted for
    # that: the forger's would make up for those that were not heard.
    waiting = set(addresses)

    def all_heard() -> bool:
        waiting.difference_update([address for address in waiting if heard(site, address)])
        return not waiting

    wait_until(all_heard, 30, lambda: f"not heard: {sorted(waiting)}; {site.health()}", interval=1)
    health = site.health()
    methods = health["discovery"]["methods"]["wsdiscovery"]
    print(f"{health['stats']['devices']} devices, lag {health['reactor']['lag_ms']}, {methods}")
    unharmed(site, farm)


def test_rubbish_on_every_port_of_discovery(lab: Lab) -> None:
    """Rubbish to 3702, 5353 and 1900, to the groups and to us: counted, and nothing else comes of it."""
    farm = cameras(lab, 3, "none")
    forger = lab.host("forger", "10.77.0.66", "02:00:00:00:00:66")
    site = Site(lab)
    daemon = site.daemon(HEALTH_REPORT_INTERVAL="1", HEALTH_CHECK_INTERVAL="1")
    for camera in farm.cameras:
        site.online(camera.mac)
    length = len(daemon.text())
    forge(forger, "rubbish", "3000", "10.77.0.1")
    health = site.health(lambda health: health["discovery"]["methods"]["wsdiscovery"].get("malformed"))
    assert health["status"] == "online"
    wait_until(lambda: site.health()["uptime_s"] > health["uptime_s"] + 2, 10, "two more beats")
    assert "Traceback" not in daemon.text()
    assert len(daemon.text()) - length < 20_000, "a line for each datagram"
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}
    unharmed(site, farm)
