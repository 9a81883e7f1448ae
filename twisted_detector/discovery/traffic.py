"""Meter of what goes to each network that is searched: packets by minute and by sweep, and the hosts that answered."""

from __future__ import annotations

import socket
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network

#: Senders whose packets belong to a sweep (``by`` of the rate limiter); others are counted for the hour alone.
OF_SWEEP = frozenset({"neighboursweep.arp", "neighboursweep.connect", "portscan.connect", "wsdiscovery.routed"})
_MINUTES = 60


@dataclass(frozen=True, slots=True)
class TrafficCount:
    """What went to one network.

    :ivar hour: packets within the last hour, of all senders.
    :ivar sweep: packets of the last sweep of its addresses that came to its end.
    :ivar hosts: that answered it, or did not have to because they are known to be well.
    :ivar at: wall time of its end; None: there was none yet.
    """

    hour: int = 0
    sweep: int = 0
    hosts: int = 0
    at: float | None = None


@dataclass(slots=True)
class _Meter:
    network: IPv4Network
    first: int
    last: int
    around: _Meter | None = None  #: the smallest other network that has it within
    minutes: deque[list[int]] = field(default_factory=deque)  #: (minute, packets), the latest last
    packets: int = 0  #: of the sweep under way; ``hosts`` likewise
    hosts: int = 0
    ended: TrafficCount = TrafficCount()


class NetworkTraffic:
    """Meter of the packets to each network that is followed; one costs a microsecond.

    :param monotonic: seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._meters: list[_Meter] = []
        self._firsts: list[int] = []

    def follow(self, networks: Iterable[IPv4Network]) -> None:
        """Count what goes to these; what was counted of those among them stays."""
        before = {one.network: one for one in self._meters}
        # Of networks one is within another, or they have nothing in common: what is around one comes before it.
        self._meters = []
        open_meters: list[_Meter] = []
        for network in sorted(set(networks), key=lambda one: (int(one.network_address), one.prefixlen)):
            first, last = int(network.network_address), int(network.broadcast_address)
            meter = before.get(network) or _Meter(network, first, last)
            while open_meters and open_meters[-1].last < first:
                open_meters.pop()
            meter.around = open_meters[-1] if open_meters else None
            open_meters.append(meter)
            self._meters.append(meter)
        self._firsts = [one.first for one in self._meters]

    def record(self, address: str, packets: int, by: str) -> None:
        """So many packets went to ``address``; an IPv6 address is of no network that is swept."""
        meter, minute = self._meter_of(address), int(self._monotonic() // 60)
        while meter is not None:
            if not meter.minutes or meter.minutes[-1][0] != minute:
                meter.minutes.append([minute, 0])
                _forget(meter.minutes, minute)
            meter.minutes[-1][1] += packets
            if by in OF_SWEEP:
                meter.packets += packets
            meter = meter.around

    def answered(self, address: str) -> None:
        """A host answered the sweep at ``address``."""
        meter = self._meter_of(address)
        while meter is not None:
            meter.hosts += 1
            meter = meter.around

    def begin(self, network: IPv4Network | None = None) -> None:
        """A sweep begins, of all or of one."""
        for meter in self._of(network):
            meter.packets = meter.hosts = 0

    def end(self, now: float, network: IPv4Network | None = None) -> None:
        """It has come to its end; ``now`` is wall time."""
        for meter in self._of(network):
            meter.ended = TrafficCount(sweep=meter.packets, hosts=meter.hosts, at=now)

    def of(self, network: object) -> TrafficCount:
        """What went to one network; nothing where it is not followed."""
        for meter in self._meters:
            if meter.network == network:
                _forget(meter.minutes, int(self._monotonic() // 60))
                ended = meter.ended
                return TrafficCount(sum(count for _, count in meter.minutes), ended.sweep, ended.hosts, ended.at)
        return TrafficCount()

    def _of(self, network: IPv4Network | None) -> list[_Meter]:
        return [one for one in self._meters if network in (None, one.network)]

    def _meter_of(self, address: str) -> _Meter | None:
        """The smallest network that the address is in."""
        if not self._firsts:
            return None
        try:
            value = int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
        except OSError:
            return None
        place = bisect_right(self._firsts, value) - 1
        meter = self._meters[place] if place >= 0 else None
        while meter is not None and meter.last < value:
            meter = meter.around
        return meter


def _forget(minutes: deque[list[int]], now: int) -> None:
    while minutes and minutes[0][0] <= now - _MINUTES:
        minutes.popleft()
