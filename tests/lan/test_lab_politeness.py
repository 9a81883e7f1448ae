"""What the daemon sends, counted on the cable: not faster than SCAN_RATE, not to SCAN_EXCLUDE nor to some ports."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, Site, cid, simulated
from tests.lan.test_lab_devices import rescan
from tests.lan.test_lab_hostile import FORGER, TRAP
from tests.processes import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables"),
]
RATE = 400

#: What looking sends, of all that leaves a host; and how much of it in each time.
SENT = """
add table netdev sent
add counter netdev sent looking
add chain netdev sent out {{ type filter hook egress device eth0 priority 0; }}
add rule netdev sent out arp operation request counter name looking
add rule netdev sent out ip protocol tcp counter name looking
add rule netdev sent out udp dport {{ 9, 1900, 3702, 5353 }} counter name looking
"""
#: What came to a host, without answers to its own questions.
CAME = """
add table netdev came
add counter netdev came asked
add chain netdev came in {{ type filter hook ingress device eth0 priority 0; }}
add rule netdev came in arp operation request arp daddr ip {address} counter name asked
add rule netdev came in ip daddr {address} ip protocol {{ tcp, udp }} counter name asked
"""


def counted(host: Host, name: str) -> int:
    entries = json.loads(host.run("nft", "-j", "list", "counters"))["nftables"]
    return next(int(one["counter"]["packets"]) for one in entries if one.get("counter", {}).get("name") == name)


def count(host: Host, rules: str, **more: str) -> None:
    for line in rules.format(**more).strip().splitlines():
        host.run("nft", line)


@pytest.mark.last  # how much leaves within a second, looked at 50 times in it
@pytest.mark.parametrize("privileged", [True, False])
def test_the_rate_is_a_cap(lab: Lab, privileged: bool) -> None:
    """All methods together send no more than SCAN_RATE packets in any second, counted on the cable and by ourselves."""
    # Hosts with closed ports: inspections, which are no part of the looking, send nothing.
    hosts = lab.host("hosts", "10.77.0.50", "02:00:00:00:00:50")
    for number in range(51, 61):
        hosts.run("ip", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
    site = Site(lab)
    site.host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    site.host.run("ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.50")
    count(site.host, SENT)
    without = () if privileged else ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    site.daemon(
        without=without,
        SCAN_RATE=str(RATE),
        SCAN_NETWORKS="interfaces,10.78.0.0/27",
        HEALTH_REPORT_INTERVAL="1",
        INITIAL_DISCOVERY_COUNT="1",
        SMART_DISCOVERY_ENABLED="false",
    )
    samples: list[tuple[float, int]] = []

    def look() -> bool:
        samples.append((time.monotonic(), counted(site.host, "looking")))
        heard = site.listener.on("system/camera_detector_health/node1")
        return bool(heard) and heard[-1].json["discovery"]["sweeps"] > 0

    wait_until(look, 60, "the end of the sweep", interval=0.02)
    within = [
        later - before for at, before in samples for then, later in samples if 0 < then - at <= 1
    ]  # as much as was seen to leave in less than a second
    sent = site.health(lambda health: health["discovery"]["sweeps"] > 0)["discovery"]["looking"]
    print(f"most in a second: {max(within)} on the cable, {sent['most_in_second']} by our own count; {sent}")
    assert max(after[0] - before[0] for before, after in pairwise(samples)) < 0.5, "not looked often enough"
    assert RATE / 4 <= max(within) <= RATE
    assert sent["cap_per_second"] == RATE
    assert sent["most_in_second"] <= RATE
    assert sent["total"] >= samples[-1][1] * 0.95  # what leaves is counted, or more
    assert {"neighboursweep.arp", "portscan.connect", "wsdiscovery.group", "wsdiscovery.routed"} <= set(
        sent["by_method"]
    )


def test_an_excluded_camera_is_never_asked(lab: Lab) -> None:
    """An excluded camera says Hello, answers the group and is in the kernel's table: it is sent nothing by itself."""
    address, mac = "10.77.0.66", "02:00:00:00:00:66"
    farm = plant(lab, "farm", "10.77.0.0/24", 1)
    farm.start()
    site = Site(lab)
    # Whom it answered, the kernel itself asks after five seconds whether he is still there (RFC 4861, 7.3.3, DELAY).
    site.host.run("sysctl", "-qw", "net.ipv4.neigh.eth0.delay_first_probe_time=300")
    site.daemon(SCAN_EXCLUDE="10.77.0.64/28", HEALTH_REPORT_INTERVAL="1", HEALTH_CHECK_INTERVAL="1")
    site.online(farm.cameras[0].mac)
    # It comes when the daemon listens, so that its Hello is heard.
    camera = simulated(lab, "sim1", address, mac, "--auth", "none")
    count(camera, CAME, address=address)
    camera.processes[0].wait_for("camera", 20)
    camera.run("ping", "-c", "1", "-W", "1", "10.77.0.1")
    probe = json.dumps({"id": 7, "command": "probe", "address": address})
    site.host.run("mosquitto_pub", "-t", "system/camera_detector/node1/command", "-m", probe)
    answer = site.listener.wait("system/camera_detector/node1/command/result", lambda heard: heard.json["id"] == 7).json
    assert not answer["ok"]
    rescan(site)
    health = site.health()
    assert health["discovery"]["counts"]["excluded_sightings"] > 0, "it was not even heard"
    assert counted(camera, "asked") == 0
    assert cid(mac) not in site.ids()


def test_some_ports_are_never_touched(lab: Lab) -> None:
    """A device that says its services are on 37777, 34567 and 9000 gets no byte there, and no connection."""
    forger = lab.host("forger", "10.77.0.66", "02:00:00:00:00:66")
    silent = forger.start(*python(TRAP, "37777", "34567", "9000"))
    silent.wait_for("ready")
    forger.run(
        "nft",
        "add table ip door; add counter ip door knocked; add chain ip door in { type filter hook input priority 0; };"
        "add rule ip door in tcp dport { 37777, 34567, 9000 } counter name knocked;"
        "add rule ip door in udp dport { 37777, 34567, 9000 } counter name knocked",
    )
    farm = plant(lab, "farm", "10.77.0.0/24", 1)
    farm.cameras = [replace(camera, auth="none") for camera in farm.cameras]
    farm.start()
    site = Site(lab)
    site.daemon(CAMERA_CREDENTIALS=LOGIN, HEALTH_REPORT_INTERVAL="1", RTSP_PORT="9000", HTTP_PORT="34567")
    site.online(farm.cameras[0].mac)
    for number, port in enumerate((37777, 34567, 9000)):
        reference = f"urn:uuid:0d0d0d0d-0000-4000-8000-00000000000{number}"
        process = forger.start(
            *python(FORGER, "hello", f"http://10.77.0.66:{port}/onvif/device_service", reference),
            environment={"PYTHONPATH": str(ROOT)},
        )
        process.wait_for("done", 30)
    rescan(site)
    refused = site.health()["stats"]["inspections"]
    assert refused.get("unreachable"), refused
    assert counted(forger, "knocked") == 0
    assert silent.text().splitlines() == ["ready"]
