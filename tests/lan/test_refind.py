"""A camera that moves is followed, whether it says so or not; one that comes or goes is told at once."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import Site, cid, simulated
from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

OLD, NEW = "10.77.0.21", "10.77.0.99"
MAC = "02:00:00:00:00:21"
STATUS = f"camera/status/{cid(MAC)}"
QUICK = 10
#: Seconds after which the first sweep is surely over: it would find whatever moves meanwhile.
FIRST_SWEEP = 4

#: What a camera would say by itself is not sent: neither to the WS-Discovery group nor ARP requests, by which this
#: machine's kernel would learn its address. It answers, for who asks it tells his MAC.
HUSH = (
    "add table ip hush; add chain ip hush out { type filter hook output priority 0; };"
    "add rule ip hush out ip daddr 239.255.255.250 drop;"
    "add table arp hush; add chain arp hush out { type filter hook output priority 0; };"
    "add rule arp hush out arp operation request drop"
)


def hush(camera: Host) -> None:
    camera.run("nft", HUSH)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def online(site: Site, address: str, seconds: float = 20) -> float:
    heard = site.listener.wait(
        STATUS, lambda h: h.json["status"] == "online" and h.json["camera"]["ip"] == address, seconds
    )
    return heard.at


def restart(camera: Host, address: str, *options: str) -> None:
    """The same camera at another address; it says nothing before it is asked when it is hushed."""
    camera.processes[-1].kill_group()
    camera.move(address)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    words = ("simulate", "--bind", address, "--rtsp-port", "554", "--auth", "none", *options)
    camera.start(*python("-m", "twisted_detector.cli", *words), environment=environment).wait_for("camera", 20)


def moved(site: Site, seconds: float) -> tuple[float, dict[str, str]]:
    heard = site.listener.wait(STATUS, lambda h: h.json["status"] == "ip_changed", seconds)
    return heard.at, heard.json


@pytest.mark.alone  # how soon it is told
def test_a_silent_move(lab: Lab) -> None:
    """Another address and not a word: found within a quick check and five seconds."""
    camera = simulated(lab, "sim1", OLD, MAC, "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon(
        QUICK_CHECK_INTERVAL=str(QUICK),
        INITIAL_DISCOVERY_COUNT="1",
        HEALTH_CHECK_INTERVAL="3600",
        OFFLINE_THRESHOLD="7200",
    )
    online(site, OLD)
    time.sleep(12)  # into a phase in which sweeps are further apart than quick looks
    hush(camera)
    began = time.time()
    restart(camera, NEW)
    at, told = moved(site, QUICK + 5 + 5)
    assert (told["old_ip"], told["new_ip"], told["camera_id"]) == (OLD, NEW, cid(MAC))
    print(f"silent move told after {at - began:.2f} s")
    assert at - began < QUICK + 5


def test_a_silent_move_is_seen_by_the_first_missed_check(lab: Lab) -> None:
    """No quick look and no sweep is due: the missed check has it looked for at once."""
    camera = simulated(lab, "sim1", OLD, MAC, "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon(
        SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600", HEALTH_CHECK_INTERVAL="8", OFFLINE_THRESHOLD="600"
    )
    online(site, OLD)
    time.sleep(FIRST_SWEEP)
    hush(camera)
    began = time.time()
    restart(camera, NEW)
    at, told = moved(site, 60)
    assert told["new_ip"] == NEW
    print(f"found {at - began:.2f} s after a silent move by the missed check of every 8 s")


@pytest.mark.alone  # how soon it is told
def test_an_announced_move(lab: Lab) -> None:
    """Another address and a Hello: told within two seconds."""
    camera = simulated(lab, "sim1", OLD, MAC, "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon(SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600")
    online(site, OLD)
    time.sleep(FIRST_SWEEP)
    restart(camera, NEW)
    ready = time.time()
    at, _ = moved(site, 10)
    print(f"announced move told {at - ready:+.2f} s after the camera was up")
    assert at - ready < 2
    online(site, NEW)


@pytest.mark.alone  # how soon it is told
def test_a_move_seen_by_its_arp(lab: Lab) -> None:
    """Another address, no WS-Discovery at all; its ARP announcement is enough where CAP_NET_RAW is there."""
    camera = simulated(lab, "sim1", OLD, MAC, "--auth", "none", "--no-onvif")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon(SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600")
    online(site, OLD)
    time.sleep(FIRST_SWEEP)
    hush(camera)
    restart(camera, NEW, "--no-onvif")
    began = time.time()
    announce(camera, NEW)
    at, _ = moved(site, 10)
    print(f"move seen by ARP told after {at - began:.2f} s")
    assert at - began < 2
    online(site, NEW)


def announce(host: Host, address: str) -> None:
    """A gratuitous ARP (RFC 5227), as a device says it when it takes an address."""
    mac = host.mac.replace(":", "")
    script = (
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0x0806));"
        f"m = bytes.fromhex('{mac}'); a = socket.inet_aton('{address}');"
        "s.send(b'\\xff' * 6 + m + bytes.fromhex('08060001080006040001') + m + a + bytes(6) + a)"
    )
    host.run("/usr/bin/python3", "-c", script)


@pytest.mark.alone  # how soon it is told
def test_a_move_seen_by_dhcp(lab: Lab) -> None:
    """A DHCPREQUEST for the new address is overheard before the camera says anything."""
    camera = simulated(lab, "sim1", OLD, MAC, "--auth", "none", "--no-onvif")
    camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    site.daemon(SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600", PLUGINS="neighboursweep,dhcp,rtsp,topics")
    online(site, OLD)
    time.sleep(FIRST_SWEEP)
    hush(camera)
    restart(camera, NEW, "--no-onvif")
    mac, requested = camera.mac.replace(":", ""), bytes(int(part) for part in NEW.split(".")).hex()
    message = f"01010600{'00' * 24}{mac}{'00' * 202}63825363350103{'32'}04{requested}0c0363616dff"
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1);"
        f"s.setsockopt(socket.SOL_SOCKET, 25, b'eth0'); s.sendto(bytes.fromhex('{message}'), ('255.255.255.255', 67))"
    )
    began = time.time()
    camera.run("/usr/bin/python3", "-c", script)
    at, _ = moved(site, 10)
    print(f"move seen by DHCP told after {at - began:.2f} s")
    assert at - began < 2


@pytest.mark.alone  # how soon it is told
def test_hello_and_bye(lab: Lab) -> None:
    """A new camera's Hello brings it to MQTT within a second; its Bye makes it offline within 0.3 s."""
    site = Site(lab)
    daemon = site.daemon(SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600")
    daemon.wait_for("connected to ")
    time.sleep(FIRST_SWEEP)
    camera = simulated(lab, "sim1", OLD, MAC, "--auth", "none")
    camera.processes[0].wait_for("camera", 20)
    ready = time.time()
    at = site.listener.wait(f"camera/discovery/{cid(MAC)}").at
    print(f"on MQTT {at - ready:+.2f} s after the new camera was up")
    assert at - ready < 3
    online(site, OLD)
    began = time.time()
    os.killpg(camera.processes[0].pid, 15)
    heard = site.listener.wait(STATUS, lambda h: h.json["status"] == "offline")
    print(f"offline {heard.at - began:.2f} s after the camera was told to end")
    assert heard.json["reason"] == "it said goodbye"
    assert heard.at - began < 2
