"""Who asks, and when, goes in; whether that is too often comes out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

#: Peers that are remembered: far more than talk to one daemon; the one that was quiet the longest is forgotten.
MAX_PEERS = 1024


class Buckets:
    """A token bucket for each peer.

    :param burst: how many at once; ``rate``: how many per second after that.
    :param monotonic: seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float], *, burst: float, rate: float) -> None:
        self._monotonic = monotonic
        self._burst = burst
        self._rate = rate
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, peer: str) -> float:
        """Seconds until ``peer`` may again; 0: it may now. Takes nothing."""
        level = self._level(peer)
        return 0.0 if level >= 1.0 else (1.0 - level) / self._rate

    def take(self, peer: str) -> float:
        """As :meth:`wait`, and when that is 0, one is taken."""
        wait = self.wait(peer)
        if not wait:
            key = network(peer)
            self._levels[key] = (self._level(peer) - 1.0, self._monotonic())
            self._levels.move_to_end(key)
            if len(self._levels) > MAX_PEERS:
                self._levels.popitem(last=False)
        return wait

    def _level(self, peer: str) -> float:
        level, at = self._levels.get(network(peer), (self._burst, 0.0))
        return min(self._burst, level + (self._monotonic() - at) * self._rate)


def network(peer: str) -> str:
    """Who counts as one peer: an IPv4 address, or the /64 of an IPv6 address (one host has all of it)."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.packed[:8].hex()
    return str(address)
