"""Addresses and the interfaces that have them go in; each broadcast ARP request reaches the interfaces that are asked.

Macvlan interfaces on one cable get a copy each of every broadcast: with a thousand of them the sweep of a network costs
a thousand times what it does on a real one, the queues overflow, and what no switch would lose is lost. So the
cable's ingress hands a request over to the interfaces with the address that it asks for, and to no other. What asks for
an address that nobody has goes to an interface that has none. A request of a host for its own address (a gratuitous
ARP, RFC 5227) is for everybody, as are replies, and all that is no ARP: they take the way that they always took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType

from tests.lan.lab import run

#: The interface of the requests that nobody is to answer.
NOBODY = "nobody"
#: An entry has a number of 12 bits in its bucket, from 1 on; a bucket holds the addresses with one last octet.
_MOST_PER_BUCKET = 0xFFF

#: Classic BPF over the whole frame: the sender's address (28) is the target's (38).
_GRATUITOUS = "6,32 0 0 28,7 0 0 0,32 0 0 38,29 0 1 0,6 0 0 4294967295,6 0 0 0"
#: Broadcast, and ARP's operation 1; offsets are the network header's.
_BROADCAST_REQUEST = "match u16 0xffff 0xffff at -14 match u32 0xffffffff 0xffffffff at -12 match u16 1 0xffff at 6"


class Steering:
    """Steering of the ARP requests that arrive at ``cable`` of a namespace.

    :param network: of all addresses that will ever be steered.
    """

    def __init__(self, namespace: str, network: str, *, cable: str = "eth0") -> None:
        self._namespace = namespace
        self._network = IPv4Network(network)
        if self._network.num_addresses >> 8 > _MOST_PER_BUCKET:
            raise ValueError(f"{network} is too large to be steered")
        self._to = f"dev {cable} ingress protocol arp prio"
        self._owners: dict[str, tuple[str, ...]] = {}
        run("ip", "-n", namespace, "link", "add", "link", cable, "name", NOBODY, "type", "macvlan", "mode", "private")
        run("ip", "-n", namespace, "link", "set", NOBODY, "up")
        self._tell(
            [
                f"qdisc add dev {cable} clsact",
                f"filter add {self._to} 1 bpf bytecode '{_GRATUITOUS}' flowid 1:1",
                f"filter add {self._to} 2 handle 1: u32 divisor 256",
                f"filter add {self._to} 2 u32 ht 800: {_BROADCAST_REQUEST} hashkey mask 0xff at 24 link 1:",
                f"filter add {self._to} 3 u32 {_BROADCAST_REQUEST} action mirred ingress redirect dev {NOBODY}",
            ]
        )

    @property
    def owners(self) -> Mapping[str, tuple[str, ...]]:
        """address → the interfaces that are asked for it."""
        return MappingProxyType(self._owners)

    def steer(self, having: Iterable[tuple[str, str]]) -> None:
        """From now on, these interfaces have these addresses, (address, interface); several may have the same."""
        wanted: dict[str, tuple[str, ...]] = {}
        for address, interface in having:
            wanted[address] = (*wanted.get(address, ()), interface)
        lines = [self._gone(address) for address in self._owners if address not in wanted]
        lines += [
            self._entry(address, interfaces)
            for address, interfaces in wanted.items()
            if self._owners.get(address) != interfaces
        ]
        self._tell(lines)
        self._owners = wanted

    def _handle(self, address: str) -> tuple[str, str]:
        """The bucket and the number of an address's entry."""
        number = int(IPv4Address(address)) - int(self._network.network_address)
        if not 0 <= number < self._network.num_addresses:
            raise ValueError(f"{address} is not in {self._network}")
        return f"{int(IPv4Address(address)) & 0xFF:x}", f"{(number >> 8) + 1:x}"

    def _entry(self, address: str, interfaces: Sequence[str]) -> str:
        bucket, number = self._handle(address)
        copies = "".join(f"action mirred ingress mirror dev {one} pipe " for one in interfaces[:-1])
        return (
            f"filter replace {self._to} 2 handle 1:{bucket}:{number} u32 ht 1:{bucket}: "
            f"match u32 {int(IPv4Address(address)):#010x} 0xffffffff at 24 "
            f"{copies}action mirred ingress redirect dev {interfaces[-1]}"
        )

    def _gone(self, address: str) -> str:
        bucket, number = self._handle(address)
        return f"filter del {self._to} 2 handle 1:{bucket}:{number} u32"

    def _tell(self, lines: Sequence[str]) -> None:
        if lines:
            run("tc", "-n", self._namespace, "-batch", "-", said="\n".join(lines) + "\n")
