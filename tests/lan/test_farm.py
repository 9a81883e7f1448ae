"""The bed itself: an ARP request reaches who is asked and nobody else; and a farm may have several processes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from tests.lan import farm as farm_module
from tests.lan.farm import Farm, Grown, plant
from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.steering import NOBODY
from tests.processes import ROOT

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

ASKER, ASKER_MAC = "10.77.0.1", "02:00:00:00:00:01"
#: Sends ARP requests: pairs of "who says it, whom it asks for".
ASK = """
import socket, struct, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
    link.bind(("eth0", 0x0806))
    mac = link.getsockname()[4]
    head = b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac
    for pair in sys.argv[1:]:
        sender, target = map(socket.inet_aton, pair.split(">"))
        link.send(head + sender + bytes(6) + target)
"""


class Ears:
    """Counters of the ARP requests that came in at each interface of a farm; at the cable, of those for everybody."""

    def __init__(self, farm: Farm, asker: Host) -> None:
        self._farm = farm.host
        self._asker = asker
        self._interfaces = [*(camera.interface for camera in farm.cameras), NOBODY, "eth0"]
        chains = "\n".join(
            f"counter {one}_arp {{ }}\nchain {one} {{\ntype filter hook ingress device {one} priority 0\n"
            f"ether type arp arp operation request counter name {one}_arp\n}}"
            for one in self._interfaces
        )
        self._farm.run("nft", f"table netdev ears {{\n{chains}\n}}")

    def after(self, *pairs: str) -> dict[str, int]:
        """Ask, as ``sender>target``; the interfaces that heard it, how often."""
        self._farm.run("nft", "reset", "counters")
        self._asker.run(*python("-c", ASK, *pairs))
        # What is for all is handed over a moment later.
        self._asker.run("ping", "-c", "3", "-W", "2", "-i", "0.05", "10.77.0.10")
        told = json.loads(self._farm.run("nft", "-j", "list", "counters"))["nftables"]
        found = Counter(
            {one["counter"]["name"].removesuffix("_arp"): one["counter"]["packets"] for one in told if "counter" in one}
        )
        return {name: count for name, count in found.items() if count}


@pytest.fixture
def bed(lab: Lab) -> tuple[Farm, Ears]:
    farm = plant(lab, "farm", "10.77.0.0/22", 6)
    asker = lab.host("asker", ASKER, ASKER_MAC, 22)
    # The echo that follows a question needs no question of its own.
    lines = f"neigh replace 10.77.0.10 lladdr {farm.cameras[0].mac} dev eth0 nud permanent"
    asker.run("ip", *lines.split())
    farm.host.run("ip", "neigh", "replace", ASKER, "lladdr", ASKER_MAC, "dev", "m0", "nud", "permanent")
    return farm, Ears(farm, asker)


def asking(address: str) -> str:
    return f"{ASKER}>{address}"


def test_who_is_asked_hears_it_and_nobody_else(bed: tuple[Farm, Ears]) -> None:
    """One request for each address, and for some that nobody has."""
    farm, ears = bed
    for camera in farm.cameras:
        assert ears.after(asking(camera.address)) == {camera.interface: 1}
    # 10.77.1.10 shares its last octet with a camera.
    assert ears.after(*map(asking, ("10.77.0.99", "10.77.1.10", "10.77.3.200"))) == {NOBODY: 3}
    # RFC 5227: who wants an address asks for it under no address.
    assert ears.after("0.0.0.0>10.77.0.12") == {"m2": 1}


def test_everybody_hears_a_gratuitous_arp(bed: tuple[Farm, Ears]) -> None:
    """A host that tells its own address, even one that a camera has, is heard by all."""
    farm, ears = bed
    everybody = {camera.interface: 1 for camera in farm.cameras} | {NOBODY: 1, "eth0": 1}
    assert ears.after(f"{ASKER}>{ASKER}") == everybody
    assert ears.after("10.77.0.13>10.77.0.13") == everybody


def test_moved_cameras_are_asked_at_their_new_addresses(bed: tuple[Farm, Ears]) -> None:
    """A move, a swap and a return: questions follow, and the address that is left is nobody's."""
    farm, ears = bed
    farm.alter(lambda camera: replace(camera, address="10.77.2.11"), [1])
    assert ears.after(asking("10.77.2.11")) == {"m1": 1}
    assert ears.after(asking("10.77.0.11")) == {NOBODY: 1}
    third, fourth = farm.cameras[3].address, farm.cameras[4].address
    farm.alter(lambda camera: replace(camera, address=fourth if camera.address == third else third), [3, 4])
    assert ears.after(asking(third)) == {"m4": 1}
    assert ears.after(asking(fourth)) == {"m3": 1}
    farm.alter(lambda camera: replace(camera, address="10.77.0.11"), [1])
    assert ears.after(asking("10.77.0.11")) == {"m1": 1}
    assert ears.after(asking("10.77.2.11")) == {NOBODY: 1}


def test_two_cameras_with_one_address_are_both_asked(bed: tuple[Farm, Ears]) -> None:
    """As on a real network: each hears the question; and when one of them leaves, the other alone."""
    farm, ears = bed
    farm.alter(lambda camera: replace(camera, address="10.77.0.12"), [5])
    assert ears.after(asking("10.77.0.12")) == {"m2": 1, "m5": 1}
    farm.alter(lambda camera: replace(camera, address="10.77.0.55"), [2])
    assert ears.after(asking("10.77.0.12")) == {"m5": 1}
    assert ears.after(asking("10.77.0.55")) == {"m2": 1}


def test_a_farm_of_several_processes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every camera is served, by one process each, before and after some of them move and come."""
    monkeypatch.setattr(farm_module, "PER_PROCESS", 4)
    farm = plant(lab, "farm", "10.77.0.0/24", 10)
    farm.cameras[9] = replace(farm.cameras[9], present=False)
    farm.start()
    asker = lab.host("asker", ASKER, ASKER_MAC)
    assert len(farm.processes) == 3
    assert answering(asker, farm.cameras) == [camera.address for camera in farm.cameras[:9]]
    farm.alter(lambda camera: replace(camera, address=f"10.77.0.{100 + camera.number}", present=True), [1, 5, 9])
    assert answering(asker, farm.cameras) == [camera.address for camera in farm.cameras]


def answering(asker: Host, cameras: list[Grown]) -> list[str]:
    """The addresses that answer a Probe, once each."""
    heard = asker.start(*python("-c", PROBE), environment={"PYTHONPATH": str(ROOT)})
    heard.wait_for("end", 10)
    said = Counter(heard.lines()[:-1])
    assert set(said.values()) <= {1}, said
    return [camera.address for camera in cameras if said[camera.address]]


#: Probes once, and prints who answers.
PROBE = """
import socket, time, uuid
from twisted_detector.wire.lan.wsdiscovery import GROUP_IPV4, PORT, Dialect, probe
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(0.2)
    asking.sendto(probe(uuid.uuid4().urn, Dialect.TRANSMITTER), (GROUP_IPV4, PORT))
    until = time.monotonic() + 2
    while time.monotonic() < until:
        try:
            print(asking.recvfrom(65536)[1][0])
        except TimeoutError:
            pass
print("end", flush=True)
"""
