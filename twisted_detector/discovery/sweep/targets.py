"""Plan of a sweep: the IPv4 addresses to try, of networks less exclusions, likely ones first.

IPv6 networks are left out: 2^64 addresses cannot be swept, multicast finds those cameras.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses, ip_network

from twisted_detector.discovery.sweep.ports import CAMERA_PORTS, RTSP_PORTS
from twisted_detector.errors import LocalError
from twisted_detector.model import Interface, Mac, Sighting
from twisted_detector.model.bounds import MAX_HOSTS

#: The word that stands for the networks of this machine's interfaces.
INTERFACES = "interfaces"


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """What is swept, and the limits.

    :ivar networks: CIDR texts; the word ``interfaces`` means the networks of the interfaces.
    :ivar exclude: CIDR texts; nothing is sent there.
    :ivar ports: TCP ports in the order in which they are tried.
    :ivar rtsp_ports: those of RTSP kind.
    :ivar half_open: TCP connects at the same time, at most.
    :ivar per_host: of those at one host, at most.
    :ivar max_addresses: more addresses of the interfaces' networks together are not swept unless they are named.
    """

    networks: Sequence[str] = (INTERFACES,)
    exclude: Sequence[str] = ()
    ports: Sequence[int] = CAMERA_PORTS
    rtsp_ports: Sequence[int] = RTSP_PORTS
    half_open: int = 512
    per_host: int = 16
    max_addresses: int = MAX_HOSTS

    def plan(self, interfaces: Sequence[Interface], known: Collection[str], *networks: str) -> ScanPlan:
        """The plan of one sweep of all networks, or of those that are given."""
        return ScanPlan(networks or self.networks, self.exclude, interfaces, known, max_addresses=self.max_addresses)

    def sighting(
        self, method: str, address: str, ports: tuple[int, ...], at: float, mac: Mac | None = None
    ) -> Sighting:
        """The sighting of a host with these open ports."""
        return Sighting(
            method=method,
            address=address,
            seen_at=at,
            mac=mac,
            rtsp_ports=tuple(port for port in ports if port in self.rtsp_ports),
            open_ports=ports,
        )


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """One address to try.

    :ivar on_link: whether the kernel needs an entry of its neighbour table for it.
    """

    address: str
    on_link: bool


class ScanPlan:
    """The addresses of one sweep.

    :param networks: CIDR texts, or the word ``interfaces``. A network that is named is swept whatever its size.
    :param exclude: CIDR texts; nothing is sent there.
    :param known: on-link addresses in the kernel's neighbour table: they come first.
    :param max_addresses: of the interfaces' networks, smallest first, so many addresses together are swept; of the
        others only the known addresses are tried.
    :ivar too_large: those others, as text.
    :ivar networks: all that is swept, or of which the known addresses are.
    :raises LocalError: a text that is no network.
    """

    def __init__(
        self,
        networks: Iterable[str],
        exclude: Iterable[str],
        interfaces: Sequence[Interface],
        known: Collection[str],
        *,
        max_addresses: int,
    ) -> None:
        self._exclude = _ranges(_networks(exclude))
        texts = tuple(networks)
        named = _networks(text for text in texts if text != INTERFACES)
        links = [network_of(one) for one in interfaces if one.version == 4 and not one.loopback and one.arp]
        own = [network_of(one) for one in interfaces if INTERFACES in texts and one.version == 4 and not one.loopback]
        small: set[IPv4Network] = set()
        for one in sorted(set(own), key=lambda network: -network.prefixlen):
            if one.num_addresses + sum(each.num_addresses for each in small) <= max_addresses:
                small.add(one)
        large = [one for one in own if one not in small]
        self.too_large = tuple(sorted({str(one) for one in large}))
        self.networks = tuple(dict.fromkeys((*named, *own)))
        whole = [*named, *small]
        self._whole = list(collapse_addresses(whole))
        self._large = _ranges(large)
        self._links = _ranges(links)
        self._known = {int(IPv4Address(text)) for text in known if ":" not in text}
        # Addresses of this machine are no cameras; simulated ones on loopback must be named.
        self._skip = {int(IPv4Address(one.address)) for one in interfaces if one.version == 4 and not one.loopback}
        for network in (*whole, *large):
            if network.prefixlen < 31:  # RFC 3021: of a /31 both are hosts
                self._skip |= {int(network.network_address), int(network.broadcast_address)}

    def targets(self) -> Iterator[ScanTarget]:
        """Every address once; made one by one, for a named network may be large."""
        ranges = _ranges(self._whole)
        first = sorted(value for value in self._known if _within(value, ranges) or _within(value, self._large))
        for value in first:
            if self._wanted(value):
                yield ScanTarget(str(IPv4Address(value)), _within(value, self._links))
        for start, end in ranges:
            for value in range(start, end + 1):
                if value not in self._known and self._wanted(value):
                    yield ScanTarget(str(IPv4Address(value)), _within(value, self._links))

    def touches(self, network: IPv4Network) -> bool:
        """Whether an address of this network may be among the targets."""
        return any(network.overlaps(one) for one in self._whole) or _within(int(network.network_address), self._large)

    def _wanted(self, value: int) -> bool:
        return value not in self._skip and not _within(value, self._exclude)


def network_of(interface: Interface) -> IPv4Network:
    """The network that an IPv4 interface stands in."""
    return IPv4Network((interface.address, interface.prefix_length), strict=False)


def _networks(texts: Iterable[str]) -> list[IPv4Network]:
    found = []
    for text in texts:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise LocalError("not a network", shown=text[:60]) from None
        if isinstance(network, IPv4Network):
            found.append(network)
    return found


def _ranges(networks: Iterable[IPv4Network]) -> list[tuple[int, int]]:
    return [(int(one.network_address), int(one.broadcast_address)) for one in networks]


def _within(value: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(start <= value <= end for start, end in ranges)
