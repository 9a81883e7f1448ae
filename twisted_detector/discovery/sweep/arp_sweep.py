"""Sweep of this machine's links by ARP, then by TCP of the hosts that answered: reports their open camera ports.

A host that is well, over the MAC that answered, is not connected to: see :mod:`discovery.sweep.looks`.

Networks beyond a router, where there is no ARP, are left to the TCP sweep of :mod:`discovery.sweep.port_scan`, which
comes after.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.arp import ArpResolver, KernelArp, RawArp, Resolved
from twisted_detector.discovery.sweep.connecting import PortProber, ProbeLimits
from twisted_detector.discovery.sweep.connector import EpollConnector, TcpConnector
from twisted_detector.discovery.sweep.looks import IsWell, PortLooks, nobody_is_well
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.ports import ports_to_try
from twisted_detector.discovery.sweep.reports import PortReports
from twisted_detector.discovery.sweep.resolving import HostResolution
from twisted_detector.discovery.sweep.steps import SweepContext, run_steps
from twisted_detector.discovery.sweep.targets import ScanPlan, SweepSettings, network_of
from twisted_detector.interfaces import (
    IAddressProbe,
    IDiscoverer,
    INeighbours,
    INetworkSweep,
    ISightingSink,
    ISweepProgress,
)
from twisted_detector.model import Interface, Mac
from twisted_detector.model.reach import Network

METHOD = "neighboursweep"


def open_resolver(reactor: Any, interfaces: Sequence[Interface], resolved: Resolved) -> ArpResolver:
    """The resolver that this process may use: its own ARP with CAP_NET_RAW on Ethernet, else the kernel's."""
    try:
        return RawArp(reactor, interfaces, resolved)
    except OSError:
        return KernelArp()


@dataclass(frozen=True, slots=True)
class SweepDrivers:
    """How the packets of a sweep go out; tests have others.

    :ivar connector: makes the connector of one sweep; ``resolver``: its resolver.
    :ivar monotonic: seconds that never jump.
    """

    connector: Callable[[Any], TcpConnector] = EpollConnector
    resolver: Callable[[Any, Sequence[Interface], Resolved], ArpResolver] = open_resolver
    monotonic: Callable[[], float] = time.monotonic


@implementer(IDiscoverer, INetworkSweep, IAddressProbe, ISweepProgress)
class ArpSweep:
    """Discoverer of the hosts on this machine's links and their open camera ports.

    :param reactor: IReactorTime and IReactorFDSet.
    :param settings: as they are now; ``half_open`` is halved to what the process may have open files.
    :param limiter: shared with all others that send.
    :param is_well: asked of each host that answers: who is well is not connected to, but once a day.
    :param beyond: sweeps what is not on a link; None: that is not swept.
    :ivar alive: address → MAC of every host that answered in the last sweep, camera or not.
    :ivar counts: since the start: ``packets`` ``most_in_second`` ``asked`` ``alive`` ``well`` (not connected to)
        ``attempts`` ``open`` ``repeated`` ``silent`` ``no_room`` ``most_half_open`` ``most_per_host``
        ``most_unanswered`` ``sightings``.
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        settings: Callable[[], SweepSettings],
        limiter: PacketRateLimiter,
        is_well: IsWell = nobody_is_well,
        beyond: PortScan | None = None,
        drivers: SweepDrivers = SweepDrivers(),
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._settings = settings
        self._looks = PortLooks(is_well, drivers.monotonic)
        self._beyond = beyond
        self._drivers = drivers
        self._logged: set[str] = set()
        self.alive: Mapping[str, Mac] = {}
        self.counts: Counter[str] = Counter()
        self._context = SweepContext(limiter, drivers.monotonic, self.counts)

    def progress(self) -> int:
        """See :class:`ISweepProgress`: what was asked, here and beyond a router."""
        beyond = self._beyond.counts["attempts"] if self._beyond is not None else 0
        return self.counts["asked"] + self.counts["attempts"] + beyond

    async def sweep(self, sink: ISightingSink) -> None:
        """Try every address once.

        :raises OSError: no socket can be opened.
        :raises LocalError: a text that is no network.
        """
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        plan, traffic = self._plan(interfaces), self._context.limiter.traffic
        traffic.follow(plan.networks)
        traffic.begin()
        for network in plan.too_large:
            if network not in self._logged:
                self._logged.add(network)
                self.log.info("{network} is too large to be swept unless it is named in SCAN_NETWORKS", network=network)
        links = [one for one in interfaces if one.arp and not one.loopback and plan.touches(network_of(one))]
        alive: dict[str, Mac] = {}
        self.alive = alive
        if links:
            await self._sweep_links(plan, links, sink, alive)
        if self._beyond is not None:
            await self._beyond.sweep(sink)
        traffic.end(self._reactor.seconds())

    async def sweep_network(self, network: Network, sink: ISightingSink) -> None:
        """See :class:`INetworkSweep`; nothing for an IPv6 network."""
        if not isinstance(network, IPv4Network):
            return
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        plan, traffic = self._plan(interfaces, str(network)), self._context.limiter.traffic
        traffic.follow(self._plan(interfaces).networks)
        traffic.begin(network)
        links = [one for one in interfaces if one.arp and not one.loopback and plan.touches(network_of(one))]
        if links:
            await self._sweep_links(plan, links, sink, {})
        if self._beyond is not None:
            await self._beyond.sweep(sink, str(network))
        traffic.end(self._reactor.seconds(), network)

    async def probe(self, address: str, sink: ISightingSink) -> None:
        """Try one address on a link; nothing when it is excluded, not to be swept, or an IPv6 address."""
        if ":" in address:
            return
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        where = IPv4Network(address)
        links = [one for one in interfaces if one.arp and not one.loopback and where.subnet_of(network_of(one))]
        if links and self._plan(interfaces).touches(where):
            await self._sweep_links(self._plan(interfaces, address), links, sink, {}, probed=True)

    def _plan(self, interfaces: Sequence[Interface], *networks: str) -> ScanPlan:
        return self._settings().plan(interfaces, self._neighbours.known(), *networks)

    async def _sweep_links(
        self,
        plan: ScanPlan,
        links: Sequence[Interface],
        sink: ISightingSink,
        alive: dict[str, Mac],
        *,
        probed: bool = False,
    ) -> None:
        """Resolve and connect.

        :param alive: gets each host that answers.
        :param probed: one address is meant, whoever is there.
        """
        settings, no_room = self._settings(), self.counts["no_room"]
        half_open = min(settings.half_open, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

        def report(address: str, ports: tuple[int, ...]) -> None:
            self.counts["sightings"] += 1
            seen_at = self._reactor.seconds()
            sink.sighted(settings.sighting(METHOD, address, ports, seen_at, alive.get(address)))

        try:
            with ExitStack() as opened:
                connector = self._drivers.connector(self._reactor)
                opened.callback(connector.close)
                resolution = HostResolution(
                    plan.targets(),
                    partial(self._drivers.resolver, self._reactor, links),
                    make_prober=partial(
                        PortProber,
                        connector,
                        ProbeLimits(ports_to_try(base=settings.ports), half_open, settings.per_host),
                        context=self._context,
                        reports=PortReports(report),
                        by=f"{METHOD}.{'look' if probed else 'connect'}",
                    ),
                    context=self._context,
                    known=self._neighbours.known(),
                    needs_look=_always if probed else self._looks.is_due,
                    by=f"{METHOD}.{'look' if probed else 'arp'}",
                    alive=alive,
                )
                opened.callback(resolution.close)
                opened.callback(self._neighbours.watch(resolution.receive))
                await run_steps(self._reactor, resolution.step)
        finally:
            self._sum_up(no_room)

    def _sum_up(self, no_room: int) -> None:
        """Count what a sweep sent. :param no_room: that count before it."""
        if self.counts["no_room"] > no_room:
            self.log.warn(
                "The kernel had no room (neighbour table, ports or open files) for {count} steps of the sweep",
                count=self.counts["no_room"] - no_room,
            )
        limiter = self._context.limiter
        self.counts["packets"] = sum(n for by, n in limiter.sent.items() if by.startswith(f"{METHOD}."))
        self.counts["most_in_second"] = limiter.most_in_second


def _always(address: str, mac: Mac) -> bool:
    return True
