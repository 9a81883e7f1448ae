"""A number of cameras goes in; one namespace with as many interfaces comes out, each with its own MAC and address.

A namespace and a process for each of 250 cameras would measure the machine, not the daemon. Here one process serves
them all, and the kernel keeps them apart: each is a macvlan interface that answers ARP for its own address only
(``arp_ignore``), speaks for itself only (``arp_announce``), and whose packets leave by it (a routing rule for each
source address). What another host's neighbour table shows is therefore what it would show of as many devices. An ARP
request is heard by the one that is asked (``tests/lan/steering.py``): that the others hear it costs a real network
nothing.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

from tests.lan.lab import Host, Lab, python, run
from tests.lan.steering import Steering
from tests.processes import ROOT, Process

#: Routing tables 0 and 253 to 255 are the kernel's.
_FIRST_TABLE = 1000
#: Cameras of one process: with 1000 in one, that one took half a core, and a camera waited for the others.
PER_PROCESS = 400


@dataclass(frozen=True)
class Grown:
    """One camera of a farm.

    :ivar interface: its interface in the farm's namespace.
    :ivar auth: as ``camdetect simulate --auth``; ``quirks`` as ``--quirk``.
    :ivar arp: whether it tells the network its address when it comes to it (a gratuitous ARP, as DHCP clients do).
    :ivar hello: whether it says Hello then.
    :ivar present: whether its ports are open at all.
    """

    number: int
    interface: str
    address: str
    mac: str
    auth: str = "none"
    onvif: bool = True
    quirks: tuple[str, ...] = ()
    arp: bool = True
    hello: bool = True
    present: bool = True


def plant(
    lab: Lab,
    name: str,
    network: str,
    count: int,
    *,
    first: int = 10,
    mac: str = "02:0f",
    bridge: str = "br0",
    gateway: str = "",
) -> Farm:
    """``count`` cameras of a farm with the addresses from number ``first`` of ``network`` on; not yet running.

    :param gateway: the router of their network; "" when there is none.
    """
    subnet = ip_network(network)
    # An entry of its own for whoever asks it, where as many devices would have as many tables; and theirs at the asker.
    lab.neighbours.expect(2 * count)
    host = lab.plugged(name, "", f"{mac}:00:00:ff:ff", bridge=bridge)
    cameras = [
        Grown(n, f"m{n}", str(subnet[first + n]), f"{mac}:00:00:{n // 256:02x}:{n % 256:02x}") for n in range(count)
    ]
    for setting in ("ipv6.conf.all.disable_ipv6=1", "ipv6.conf.default.disable_ipv6=1"):
        host.run("sysctl", "-qw", f"net.{setting}")
    for setting in ("arp_ignore=1", "arp_announce=2", "rp_filter=0"):
        host.run("sysctl", "-qw", f"net.ipv4.conf.all.{setting}", f"net.ipv4.conf.default.{setting}")
    lines = ["link set lo up", f"link set eth0 address {host.mac} up"]
    for camera in cameras:
        lines.append(f"link add link eth0 name {camera.interface} address {camera.mac} type macvlan mode private")
        lines.append(f"link set {camera.interface} up")
        lines += _settle(camera, subnet.prefixlen, gateway)
    run("ip", "-n", host.namespace, "-batch", "-", said="\n".join(lines) + "\n")
    farm = Farm(host, str(subnet), cameras, Steering(host.namespace, str(subnet)), gateway)
    farm.steer()
    return farm


def _settle(camera: Grown, prefix_length: int, gateway: str) -> list[str]:
    """Lines for ``ip`` that give a camera its address, and its packets the way out by its own interface."""
    table = _FIRST_TABLE + camera.number
    network = ip_network(f"{camera.address}/{prefix_length}", strict=False)
    way = f"via {gateway} dev" if gateway else "dev"
    return [
        f"addr add {camera.address}/{prefix_length} dev {camera.interface} noprefixroute",
        f"route replace {network} dev {camera.interface} src {camera.address} table {table}",
        f"route replace default {way} {camera.interface} src {camera.address} table {table}",
        f"rule add from {camera.address} table {table} priority {table}",
    ]


def _leave(camera: Grown, prefix_length: int) -> list[str]:
    table = _FIRST_TABLE + camera.number
    return [
        f"rule del from {camera.address} table {table} priority {table}",
        f"addr del {camera.address}/{prefix_length} dev {camera.interface}",
    ]


@dataclass
class Farm:
    """The cameras of one namespace and the processes that serve them, each some of them."""

    host: Host
    network: str
    cameras: list[Grown]
    steering: Steering
    gateway: str = ""
    processes: list[Process] = field(default_factory=list)
    _changes: int = field(default=0)

    def start(self, *, login: str = "") -> None:
        """Serve them; returns when all of them answer."""
        self._write()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": login}
        for first in range(0, len(self.cameras), PER_PROCESS):
            command = python("-m", "tests.lan.farm_cameras", self._layout, str(first), str(first + PER_PROCESS))
            self.processes.append(self.host.start(*command, environment=environment))
        for process in self.processes:
            process.wait_for("ready 0\n", 60)

    def steer(self) -> None:
        """Questions for an address go to who has it now."""
        self.steering.steer((camera.address, camera.interface) for camera in self.cameras)

    def alter(self, change: Callable[[Grown], Grown], of: Sequence[int] | None = None) -> None:
        """Give cameras (all, or those numbered) other facts; returns when they live by them.

        Addresses may be swapped: all are given up before any is taken.
        """
        numbers = range(len(self.cameras)) if of is None else of
        before = [self.cameras[n] for n in numbers]
        after = [change(camera) for camera in before]
        prefix_length = ip_network(self.network).prefixlen
        moved = [(old, new) for old, new in zip(before, after, strict=True) if old.address != new.address]
        self._apply([replace(old, present=False) for old, _ in moved])
        lines = [line for old, _ in moved for line in _leave(old, prefix_length)]
        lines += [line for _, new in moved for line in _settle(new, prefix_length, self.gateway)]
        if lines:
            run("ip", "-n", self.host.namespace, "-batch", "-", said="\n".join(lines) + "\n")
        for camera in after:
            self.cameras[camera.number] = camera
        # Before the first of them tells its new address.
        self.steer()
        self._apply(after)

    def power(self, on: bool, of: Sequence[int]) -> None:
        """Cut the power of the cameras that are numbered, or give it back: their cables are dead as well meanwhile."""
        if not on:
            self._apply([replace(self.cameras[n], present=False) for n in of])
        lines = [f"link set {self.cameras[n].interface} {'up' if on else 'down'}" for n in of]
        if on:  # an interface that goes down takes its routes with it
            prefix_length = ip_network(self.network).prefixlen
            lines += [
                line
                for n in of
                for line in _settle(self.cameras[n], prefix_length, self.gateway)
                if line.startswith("route")
            ]
        run("ip", "-n", self.host.namespace, "-batch", "-", said="\n".join(lines) + "\n")
        if on:
            self._apply([replace(self.cameras[n], present=True) for n in of])

    def _apply(self, cameras: Sequence[Grown]) -> None:
        """Tell their processes, and wait until they have done so."""
        for camera in cameras:
            self.cameras[camera.number] = camera
        if not self.processes:
            return
        self._changes += 1
        self._write()
        concerned = [self.processes[part] for part in sorted({camera.number // PER_PROCESS for camera in cameras})]
        for process in concerned:
            os.kill(process.pid, signal.SIGHUP)
        for process in concerned:
            process.wait_for(f"ready {self._changes}\n", 60)

    @property
    def _layout(self) -> str:
        return str(self.host.lab.directory / f"{self.host.name}.json")

    def _write(self) -> None:
        layout = {"change": self._changes, "cameras": [asdict(camera) for camera in self.cameras]}
        Path(self._layout).write_text(json.dumps(layout), "utf-8")
