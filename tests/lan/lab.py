"""Names, addresses and MACs go in; a LAN of network namespaces with a bridge between them comes out, and goes again.

Needs root and iproute2. Nothing in it reaches the machine's own networks: the bridge has no port to them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lan.neighbour_bounds import NeighbourBounds
from tests.processes import Process

REASON = "needs root and iproute2 to make network namespaces" if os.geteuid() != 0 or shutil.which("ip") is None else ""


def run(*arguments: str, said: str | None = None) -> str:
    """A short command, with ``said`` on its standard input; its output. Raises with what it said when it fails."""
    done = subprocess.run(arguments, input=said, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@dataclass
class Host:
    """One host of the LAN: a namespace with one interface ``eth0``, plugged into ``port`` of the bridge."""

    lab: Lab
    name: str
    namespace: str
    address: str
    mac: str
    port: str = ""
    processes: list[Process] = field(default_factory=list)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Process:
        """Run a command on this host until the lab ends."""
        output = self.lab.directory / f"{self.name}-{len(self.processes)}.log"
        process = Process(("ip", "netns", "exec", self.namespace, *arguments), output, environment)
        self.processes.append(process)
        return process

    def run(self, *arguments: str) -> str:
        """A short command on this host; its output."""
        return run("ip", "netns", "exec", self.namespace, *arguments)

    def move(self, address: str, prefix_length: int = 24) -> None:
        """Take another address, as after a new DHCP lease."""
        self.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        self.run("ip", "addr", "add", f"{address}/{prefix_length}", "dev", "eth0")
        self.address = address

    def plug(self, plugged: bool) -> None:
        """Pull its cable out of the bridge, or put it in again."""
        run("ip", "-n", self.lab.bridge, "link", "set", self.port, "up" if plugged else "down")


class Lab:
    """A bridge and its hosts; use as a context manager."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # Several runs at once on one machine must not meet.
        self._prefix = f"cd{os.getpid() % 100_000}"
        self._bridge = f"{self._prefix}-br"
        self.hosts: list[Host] = []
        self.neighbours = NeighbourBounds()

    @property
    def bridge(self) -> str:
        """The namespace of the bridge."""
        return self._bridge

    def __enter__(self) -> Lab:
        run("ip", "netns", "add", self._bridge)
        in_bridge = ("ip", "-n", self._bridge)
        run(*in_bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        run(*in_bridge, "link", "set", "br0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for host in self.hosts:
                for process in reversed(host.processes):
                    process.end()
            for namespace in (*(host.namespace for host in self.hosts), self._bridge):
                run("ip", "netns", "del", namespace)
        finally:
            self.neighbours.put_back()

    def pids(self, namespace: str) -> list[int]:
        """The processes of a namespace."""
        return [int(word) for word in run("ip", "netns", "pids", namespace).split()]

    def plugged(self, name: str, address: str, mac: str, *, bridge: str = "br0") -> Host:
        """A namespace with a cable to a bridge, and nothing set up on it."""
        namespace = f"{self._prefix}-{name}"
        port = f"p{len(self.hosts) + 1}"
        host = Host(self, name, namespace, address, mac, port)
        run("ip", "netns", "add", namespace)
        self.hosts.append(host)
        run("ip", "-n", self._bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "-n", self._bridge, "link", "set", port, "master", bridge, "up")
        return host

    def another_bridge(self, name: str, router: Host, address: str, prefix_length: int = 24) -> None:
        """A second network, with ``router`` on it by the interface ``eth1`` at ``address``."""
        in_bridge = ("ip", "-n", self._bridge)
        run(*in_bridge, "link", "add", name, "type", "bridge", "mcast_snooping", "0")
        run(*in_bridge, "link", "set", name, "up")
        run(*in_bridge, "link", "add", f"{name}-r", "type", "veth", "peer", "name", "eth1", "netns", router.namespace)
        run(*in_bridge, "link", "set", f"{name}-r", "master", name, "up")
        router.run("ip", "addr", "add", f"{address}/{prefix_length}", "dev", "eth1")
        router.run("ip", "link", "set", "eth1", "up")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def host(self, name: str, address: str, mac: str, prefix_length: int = 24) -> Host:
        """Another host on the bridge."""
        host = self.plugged(name, address, mac)
        inside = ("ip", "-n", host.namespace)
        run(*inside, "link", "set", "eth0", "address", mac)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "addr", "add", f"{address}/{prefix_length}", "dev", "eth0")
        # Without a default route the kernel refuses multicast that names no interface.
        run(*inside, "route", "add", "default", "dev", "eth0")
        return host


def python(*arguments: str) -> Sequence[str]:
    """A command line for the interpreter of these tests."""
    import sys

    return (sys.executable, *arguments)
