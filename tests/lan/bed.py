"""Hosts with their open ports go in; a namespace with a scanner's place and one with all the hosts come out.

Each host is a macvlan interface with its own MAC that answers ARP for its own address only; what has no listener is
refused with a reset, as by any Linux device; ``silent`` hosts answer ARP and drop all else. nftables counts what the
scanner sends, frame by frame, and loses packets when told to. Needs root, iproute2 and nftables.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tests.lan.lab import REASON as LAB_REASON, python, run
from tests.processes import ROOT, Process

REASON = LAB_REASON or ("" if shutil.which("nft") else "needs nftables to count and to lose packets")


_number = itertools.count()


@dataclass(frozen=True)
class Dweller:
    """One host of the bed."""

    address: str
    mac: str
    ports: tuple[int, ...] = ()
    silent: bool = False


#: What 20 different makes have open, in turn.
OPEN = ((554, 80), (554, 8000), (8554, 80), (554, 2020), (554, 8899))
#: The same of the ports that only the sweep of fourteen tries.
RARE = ((554, 80), (554, 8000), (10554, 80), (554, 2020), (88, 8899), (7070, 80), (322, 554), (7441, 80))


def dwellers(network: str, hosts: int, cameras: int, *, silent: int = 0, ports: object = OPEN) -> list[Dweller]:
    """``hosts`` hosts spread over the network, the first ``cameras`` of every so many with open ports."""
    subnet = IPv4Network(network)
    step = (subnet.num_addresses - 12) / hosts
    found = []
    every = max(1, hosts // max(cameras, 1))
    made = 0
    for n in range(hosts):
        camera = n % every == 0 and made < cameras
        opened = ports[made % len(ports)] if camera else ()  # type: ignore[index, arg-type]
        made += camera
        mac = f"02:be:d0:00:{n // 256:02x}:{n % 256:02x}"
        found.append(Dweller(str(subnet[10 + int(n * step)]), mac, opened, not camera and n >= hosts - silent))
    return found


class Bed:
    """Use as a context manager.

    :param network: the scanner has its first address.
    :param prefix: of the namespaces' names.
    """

    def __init__(self, directory: Path, network: str, hosts: list[Dweller], *, prefix: str = "") -> None:
        self.directory = directory
        self.network = IPv4Network(network)
        self.hosts = hosts
        # Several at once on one machine must not meet.
        prefix = prefix or f"cd{os.getpid() % 100_000}b{next(_number)}"
        self.scanner, self.farm = f"{prefix}-scan", f"{prefix}-farm"
        self.address = str(self.network[1])
        self._listeners: Process | None = None

    def __enter__(self) -> Bed:
        length = self.network.prefixlen
        run("ip", "netns", "add", self.scanner)
        run("ip", "netns", "add", self.farm)
        try:
            run("ip", "-n", self.farm, "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns", self.scanner)
            for namespace in (self.scanner, self.farm):
                self._sysctl(namespace, "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
                self._batch(namespace, ["link set lo up", "link set eth0 up"])
            self._sysctl(self.farm, *(f"net.ipv4.conf.{which}.{what}" for which in ("all", "default")
                                      for what in ("arp_ignore=1", "arp_announce=2", "rp_filter=0")))  # fmt: skip
            # Of as many real devices each would have a neighbour entry of its own for the scanner; here they would all
            # take from the one table that is being tested.
            mac = json.loads(run("ip", "-n", self.scanner, "-j", "link", "show", "eth0"))[0]["address"]
            lines = []
            for n, host in enumerate(self.hosts):
                table = 1000 + n
                lines += [
                    f"link add link eth0 name m{n} address {host.mac} type macvlan mode private",
                    f"link set m{n} up",
                    f"addr add {host.address}/{length} dev m{n} noprefixroute",
                    f"route replace {self.network} dev m{n} src {host.address} table {table}",
                    f"rule add from {host.address} table {table} priority {table}",
                    f"neigh replace {self.address} lladdr {mac} dev m{n} nud permanent",
                ]
            self._batch(self.farm, lines)
            everybody = ", ".join(host.address for host in self.hosts)
            run("ip", "netns", "exec", self.farm, "nft", "-f", self._file("deaf", _DEAF % everybody))
            self._batch(self.scanner, [f"addr add {self.address}/{length} dev eth0", "route add default dev eth0"])
            run("ip", "netns", "exec", self.scanner, "nft", "-f", self._file("count", _COUNT))
            silent = ", ".join(host.address for host in self.hosts if host.silent)
            if silent:
                run("ip", "netns", "exec", self.farm, "nft", "-f", self._file("silent", _SILENT % silent))
            plan = self._file("ports", json.dumps([[host.address, host.ports] for host in self.hosts]))
            command = python("-m", "tests.lan.bed_ports", plan)
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
            self._listeners = Process(
                ("ip", "netns", "exec", self.farm, *command), self.directory / "ports.log", environment
            )
            self._listeners.wait_for("listening", 20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._listeners is not None:
            self._listeners.end()
        for namespace in (self.scanner, self.farm):
            run("ip", "netns", "del", namespace)

    def expected(self, ports: Mapping[int, object] | tuple[int, ...] = ()) -> dict[str, tuple[str, list[int]]]:
        """address → MAC and open ports, of ``ports`` or all."""
        return {
            host.address: (host.mac, sorted(port for port in host.ports if not ports or port in ports))
            for host in self.hosts
        }

    def lose(self, percent: int) -> None:
        """Lose so many of the frames of either direction from now on."""
        text = "add table netdev loss\ndelete table netdev loss\n" + (_LOSS % (percent * 10) if percent else "")
        # On arrival, at either end: what is dropped on its way out is an error that the sender sees.
        for namespace in (self.scanner, self.farm):
            run("ip", "netns", "exec", namespace, "nft", "-f", self._file("loss", text))

    def forget(self) -> None:
        """Empty the scanner's neighbour table and its counters."""
        run("ip", "-n", self.scanner, "neigh", "flush", "all", "nud", "all")
        run("ip", "netns", "exec", self.scanner, "nft", "reset", "counters")

    def sent(self) -> dict[str, int]:
        """Frames that the scanner sent since: ``arp``, ``ip`` and the ports that must not be touched, ``never``."""
        text = run("ip", "netns", "exec", self.scanner, "nft", "-j", "list", "counters")
        found = [entry["counter"] for entry in json.loads(text)["nftables"] if "counter" in entry]
        return {counter["name"].removeprefix("sent_"): counter["packets"] for counter in found}

    def command(self, *arguments: str, privileged: bool = True) -> tuple[str, ...]:
        """A command line in the scanner's place, as root or as a user without any capability."""
        drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
        return ("ip", "netns", "exec", self.scanner, *(() if privileged else drop), *arguments)

    def _file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def _batch(self, namespace: str, lines: list[str]) -> None:
        run("ip", "-n", namespace, "-batch", self._file("batch", "\n".join(lines) + "\n"))

    @staticmethod
    def _sysctl(namespace: str, *settings: str) -> None:
        run("ip", "netns", "exec", namespace, "sysctl", "-qw", *settings)


_COUNT = """
table netdev count {
    counter sent_arp { }
    counter sent_ip { }
    counter sent_never { }
    chain sent {
        type filter hook egress device eth0 priority 0;
        ether type arp counter name sent_arp
        ether type ip counter name sent_ip
        tcp dport { 37777, 34567, 9000 } counter name sent_never
    }
}
"""
# The kernel gives a question to all to every interface, asked for or not: a hundred times the work of a real network,
# in one machine. Questions for nobody are dropped before.
_DEAF = """
table netdev deaf {
    set everybody { type ipv4_addr; elements = { %s } }
    chain heard {
        type filter hook ingress device eth0 priority 0;
        arp operation request arp daddr ip != @everybody drop
    }
}
"""
_LOSS = """
table netdev loss {
    chain heard {
        type filter hook ingress device eth0 priority 0;
        numgen random mod 1000 < %d drop
    }
}
"""
_SILENT = """
table ip silent {
    chain heard { type filter hook input priority 0; ip daddr { %s } drop; }
}
"""
