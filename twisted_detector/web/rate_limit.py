"""Rate limiter by peer."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from twisted_detector.model.bounds import BoundedDict

#: Peers that are remembered: far more than connect to one daemon; the one that was quiet the longest is forgotten.
MAX_PEERS = 1024


class PeerRateLimiter:
    """One token bucket for each peer.

    :param burst: requests at once; ``rate``: requests per second after that.
    :param monotonic: seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float], *, burst: float, rate: float) -> None:
        self._monotonic = monotonic
        self._burst = burst
        self._rate = rate
        self._levels: BoundedDict[str, tuple[float, float]] = BoundedDict(MAX_PEERS)

    def delay(self, peer: str) -> float:
        """Seconds until ``peer`` is allowed one more request; 0: now. Takes nothing from its bucket."""
        level = self._level(peer)
        return 0.0 if level >= 1.0 else (1.0 - level) / self._rate

    def acquire(self, peer: str) -> float:
        """As :meth:`delay`; when that is 0, one request is taken from the bucket."""
        wait = self.delay(peer)
        if not wait:
            key = peer_key(peer)
            self._levels[key] = (self._level(peer) - 1.0, self._monotonic())
            self._levels.touch(key)
        return wait

    def _level(self, peer: str) -> float:
        level, at = self._levels.get(peer_key(peer), (self._burst, 0.0))
        return min(self._burst, level + (self._monotonic() - at) * self._rate)


def peer_key(peer: str) -> str:
    """What counts as one peer: an IPv4 address, or the /64 of an IPv6 address (one host has all of it)."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.packed[:8].hex()
    return str(address)


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
