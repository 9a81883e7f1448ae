"""Manufacturers' protocols on real sockets: every way to answer, two interfaces, two daemons, floods, and MQTT."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import PEERS, Site, cid
from tests.lan.test_scan import camdetect, environment
from tests.processes import ROOT, Process
from twisted_detector.discovery.vendors.listener import VendorListener
from twisted_detector.testing.simulator.vendors.catalog import DEVICES
from twisted_detector.wire.vendors.catalog import PROTOCOLS

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

#: Of the two that differ in their ports only, one device is heard by one: it says the same twice.
NAMES = {one.name for one in PROTOCOLS} - {"panasonic-10669"}
#: Protocols in which devices answer to a port of their choice, to this machine alone.
FIXED = ("hanwha", "xm", "reolink", "bosch")
MAC = "02:00:00:00:00:31"
#: Datagrams and other frames that a sweep by all protocols may send by one interface.
MAX_PACKETS = 40
#: Sightings that one sender may cause.
PER_SENDER = VendorListener.bounds.sightings_per_sender


def peer(host: Host, name: str, *words: str) -> Process:
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return host.start(*python(str(PEERS / f"{name}.py"), *words), environment=path)


def device(lab: Lab, name: str, address: str, protocols: str, *, mac: str = MAC) -> Host:
    """A host that answers nothing but these protocols."""
    host = lab.host(name, address, mac)
    peer(host, "vendor_device", f"{address}={protocols}={mac}").wait_for("ready")
    return host


def result(process: Process) -> Any:
    process.wait_for('"seconds"', 30)
    return json.loads(process.text().splitlines()[-1])


def test_every_protocol_on_two_interfaces(lab: Lab) -> None:
    """A device that speaks all of them is heard in each, with the interface that it is on, and never by the other."""
    assert set(DEVICES) == {one.name for one in PROTOCOLS}
    device(lab, "near", "10.77.0.31", ",".join(DEVICES))
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")
    lab.another_bridge("br1", host, "10.78.0.1")
    far = lab.plugged("far", "10.78.0.31", "02:00:00:00:00:32", bridge="br1")
    far.run("ip", "link", "set", "eth0", "up")
    far.run("ip", "addr", "add", "10.78.0.31/24", "dev", "eth0")
    peer(far, "vendor_device", f"10.78.0.31={','.join(DEVICES)}=02:00:00:00:00:32").wait_for("ready")
    found = result(peer(host, "vendor_sweep"))
    seen = {(one["method"], one["address"], one["interface"]) for one in found["seen"]}
    wanted = {(name, *where) for name in NAMES for where in (("10.77.0.31", "eth0"), ("10.78.0.31", "eth1"))}
    assert seen == wanted
    told = {one["evidence"].get("announced_mac") for one in found["seen"] if one["address"] == "10.77.0.31"}
    assert told <= {MAC, None}


def test_two_daemons_in_one_namespace(lab: Lab) -> None:
    """Both hear devices that answer to a fixed port, though what is sent there reaches one socket only."""
    device(lab, "device", "10.77.0.31", ",".join(FIXED))
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")
    # An answer that comes while the other daemon asks is the other's, so they do not ask in the same moment.
    for found in [result(one) for one in [peer(host, "vendor_sweep", "3", wait) for wait in ("0", "1.5")]]:
        assert {one["method"] for one in found["seen"]} == set(FIXED), found


def test_a_port_that_another_program_holds(lab: Lab) -> None:
    """It costs the protocol that is answered there, and no other."""
    device(lab, "device", "10.77.0.31", "hanwha,reolink,dhip")
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")
    holds = "import socket,time; s=socket.socket(2,2); s.bind(('',7711)); print('held', flush=True); time.sleep(60)"
    host.start(*python("-c", holds)).wait_for("held")
    found = result(peer(host, "vendor_sweep"))
    assert {one["method"] for one in found["seen"]} == {"reolink", "dhip"}


def test_packets_of_a_sweep(lab: Lab) -> None:
    """A sweep by all protocols is at most forty frames on an interface, joining of groups and all."""
    silent = lab.host("silent", "10.77.0.40", "02:00:00:00:00:40")
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01")
    for one in (silent, host):
        one.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")

    def received() -> int:
        told = json.loads(silent.run("ip", "-s", "-j", "link", "show", "dev", "eth0"))
        return int(told[0]["stats64"]["rx"]["packets"])

    sweep = peer(host, "vendor_sweep", "3", "4")
    time.sleep(3)  # until it has joined the groups of those who announce themselves
    before = received()
    found = result(sweep)
    frames = received() - before
    print(f"sent {found['counts']['sent']} datagrams, {frames} frames on the wire")
    assert found["seen"] == []
    assert 0 < found["counts"]["sent"] <= frames <= MAX_PACKETS


@pytest.mark.parametrize("senders", [1, 200])
def test_flood(lab: Lab, senders: int) -> None:
    """Ten thousand answers, of one sender or of many: each has his bound, and others are seen."""
    device(lab, "device", "10.77.0.31", "hanwha,dhip,xm")
    flooder = lab.host("flooder", "10.77.1.1", "02:00:00:00:00:66", 16)
    for number in range(2, senders + 1):
        flooder.run("ip", "addr", "add", f"10.77.1.{number}/16", "dev", "eth0")
    host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01", 16)
    sweep = peer(host, "vendor_sweep", "6")
    sweep.wait_for("sweeping")
    flood = peer(flooder, "vendor_flood", "eth0", "7711", "10000")
    found = result(sweep)
    flood.wait_for(f"sent 10000 from {senders}", 30)
    by_sender = Counter(one["address"] for one in found["seen"])
    assert {one["method"] for one in found["seen"] if one["address"] == "10.77.0.31"} == {"hanwha", "dhip", "xm"}
    floods = [count for address, count in by_sender.items() if address.startswith("10.77.1.")]
    assert floods, "it was not flooded while it swept"
    assert max(floods) <= PER_SENDER


def test_scan_on_loopback(lab: Lab) -> None:
    """The simulator answers a manufacturer's search on loopback too, and ``camdetect scan`` finds it by that."""
    host = lab.host("both", "10.77.0.1", "02:00:00:00:00:01")
    words = ("simulate", "--no-onvif", "--rtsp-port", "18554", "--vendor", "sadp", "--vendor", "xm", "--vendor", "tvt")
    host.start(*python("-m", "twisted_detector.cli", *words), environment=environment(host)).wait_for("camera")
    settings = environment(host) | {"SCAN_NETWORKS": "127.0.0.1/32", "NETWORK_SCAN_ENABLED": "false"}
    done = camdetect(host, "scan", "--json", settings=settings)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    assert {"sadp", "xm", "tvt"} <= set(found["methods"])
    other = {"VENDOR_DISCOVERY_ENABLED": "false", "STATE_DIR": str(host.lab.directory / "other")}
    off = camdetect(host, "scan", "--json", settings=settings | other)
    assert json.loads(off.stdout) == []


@pytest.mark.alone  # within three seconds
@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients")
@pytest.mark.parametrize("protocol", ["sadp", "dhip", "hanwha"])
def test_a_camera_that_answers_its_protocol_only(lab: Lab, protocol: str) -> None:
    """It comes to the network between two sweeps: within three seconds it is on MQTT, with MAC, model and reason."""
    site = Site(lab)
    site.daemon(HEALTH_REPORT_INTERVAL="1", SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600")
    site.health(lambda health: health["discovery"]["sweeps"] and not health["discovery"]["sweeping"], 90)
    host = device(lab, "camera", "10.77.0.31", protocol)
    began = time.time()
    host.run("ping", "-c", "1", "-W", "1", "10.77.0.1")
    heard = site.listener.wait(f"camera/status/{cid(MAC)}", lambda _: True, 10)
    took = time.time() - began
    camera = heard.json["camera"]
    print(f"{protocol}: on MQTT after {took:.2f} s: {heard.json['reason']}")
    assert (camera["mac"], camera["model"]) == (MAC, "IPC-4K")
    assert protocol in camera["discovery_methods"]
    assert heard.json["reason"]
    assert took <= 3
