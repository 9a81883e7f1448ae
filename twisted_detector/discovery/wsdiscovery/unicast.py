"""Unicast probes of the networks that the operator named and that stand behind a router, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.targets import network_of
from twisted_detector.model import Interface
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.reach import NetworksNow

#: Addresses of one sweep; of larger networks the next sweep probes the next ones.
MAX_PER_SWEEP = 1024


class UnicastProbes:
    """The addresses of the IPv4 networks that the operator named, where they are beyond the links.

    :param networks: as they are now.
    :param excluded: nothing is sent there.
    """

    def __init__(self, networks: NetworksNow, excluded: Exclusions) -> None:
        self._networks = networks
        self._excluded = excluded
        self._done = 0

    def has_any(self, interfaces: Sequence[Interface]) -> bool:
        """Whether there is such a network."""
        return bool(self._beyond([network_of(one) for one in interfaces if one.version == 4]))

    def _beyond(self, links: Sequence[IPv4Network]) -> list[IPv4Network]:
        named = [one for one in self._networks() if isinstance(one, IPv4Network) and not one.is_loopback]
        return [one for one in named if not any(one.subnet_of(link) for link in links)]

    def due(self, interfaces: Sequence[Interface]) -> Iterator[str]:
        """The addresses of this sweep: MAX_PER_SWEEP at most, going on where the one before ended."""
        links = [network_of(one) for one in interfaces if one.version == 4]
        networks = self._beyond(links)
        exclude = [one for one in self._excluded.networks if isinstance(one, IPv4Network)]
        total = sum(one.num_addresses for one in networks)
        for _ in range(min(total, MAX_PER_SWEEP)):
            address = _nth(networks, self._done % total)
            self._done += 1
            if not any(address in network for network in (*links, *exclude)):
                yield str(address)

    async def send_each(
        self, interfaces: Sequence[Interface], send: Callable[[str], object], limiter: PacketRateLimiter, by: str
    ) -> None:
        """Call ``send``, which sends one datagram, with each address that is due, as the limiter allows."""
        for address in self.due(interfaces):
            await limiter.acquire(by=by, to=address)
            send(address)


def _nth(networks: Sequence[IPv4Network], number: int) -> IPv4Address:
    for network in networks:
        if number < network.num_addresses:
            return network[number]
        number -= network.num_addresses
    raise IndexError(number)
