"""Unicast probes of the networks that the operator named and that stand behind a router, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.targets import INTERFACES, network_of
from twisted_detector.model import Interface

#: Addresses of one sweep; of larger networks the next sweep probes the next ones.
MAX_PER_SWEEP = 1024


class UnicastProbes:
    """The IPv4 networks that the operator named; false when there is none.

    :param networks: CIDR texts; the word ``interfaces`` is passed over, for the group reaches those.
    :param exclude: nothing is sent there.
    """

    def __init__(self, networks: Iterable[str], exclude: Sequence[IPv4Network | IPv6Network]) -> None:
        named = (ip_network(text, strict=False) for text in networks if text != INTERFACES)
        self._networks = [one for one in named if isinstance(one, IPv4Network) and not one.is_loopback]
        self._exclude = [one for one in exclude if isinstance(one, IPv4Network)]
        self._done = 0

    def __bool__(self) -> bool:
        return bool(self._networks)

    def due(self, interfaces: Sequence[Interface]) -> Iterator[str]:
        """The addresses of this sweep: MAX_PER_SWEEP at most, going on where the one before ended."""
        links = [network_of(one) for one in interfaces if one.version == 4]
        networks = [one for one in self._networks if not any(one.subnet_of(link) for link in links)]
        total = sum(one.num_addresses for one in networks)
        for _ in range(min(total, MAX_PER_SWEEP)):
            address = _nth(networks, self._done % total)
            self._done += 1
            if not any(address in network for network in (*links, *self._exclude)):
                yield str(address)

    async def send_each(
        self, interfaces: Sequence[Interface], send: Callable[[str], object], limiter: PacketRateLimiter, by: str
    ) -> None:
        """Call ``send``, which sends one datagram, with each address that is due, as the limiter allows."""
        for address in self.due(interfaces):
            await limiter.acquire(by=by)
            send(address)


def _nth(networks: Sequence[IPv4Network], number: int) -> IPv4Address:
    for network in networks:
        if number < network.num_addresses:
            return network[number]
        number -= network.num_addresses
    raise IndexError(number)
