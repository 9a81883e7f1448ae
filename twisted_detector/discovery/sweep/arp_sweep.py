"""Sweep of this machine's links by ARP, then of the hosts that answered by TCP: reports open camera ports at once.

Networks beyond a router, where there is no ARP, are left to the TCP sweep of :mod:`discovery.sweep.port_scan`, which
comes after.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.arp import ArpResolver, KernelArp, RawArp, Resolved
from twisted_detector.discovery.sweep.connecting import PortProber
from twisted_detector.discovery.sweep.connector import EpollConnector, TcpConnector
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.ports import ports_to_try
from twisted_detector.discovery.sweep.resolving import HostResolution
from twisted_detector.discovery.sweep.steps import run_steps
from twisted_detector.discovery.sweep.targets import ScanPlan, SweepSettings, network_of
from twisted_detector.interfaces import IAddressProbe, IDiscoverer, INeighbours, ISightingSink
from twisted_detector.model import Interface, Mac

METHOD = "neighboursweep"


def open_resolver(reactor: Any, interfaces: Sequence[Interface], resolved: Resolved) -> ArpResolver:
    """The resolver that this process may use: its own ARP with CAP_NET_RAW on Ethernet, else the kernel's."""
    try:
        return RawArp(reactor, interfaces, resolved)
    except OSError:
        return KernelArp()


@implementer(IDiscoverer, IAddressProbe)
class ArpSweep:
    """Discoverer of the hosts on this machine's links and their open camera ports.

    :param reactor: IReactorTime and IReactorFDSet.
    :param settings: a port of RTSP kind that is open is reported at once, the others when all are known; ``half_open``
        is halved to what the process may have open files.
    :param limiter: shared with all others that send.
    :param beyond: sweeps what is not on a link; None: that is not swept.
    :param monotonic: seconds that never jump.
    :param make_connector: for tests. :param make_resolver: for tests.
    :ivar alive: address → MAC of every host that answered in the last sweep, camera or not.
    :ivar counts: since the start: ``packets`` ``most_in_second`` ``asked`` ``alive`` ``attempts`` ``open``
        ``repeated`` ``silent`` ``no_room`` ``most_half_open`` ``most_per_host`` ``most_unanswered`` ``sightings``.
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        settings: SweepSettings,
        *,
        limiter: PacketRateLimiter,
        beyond: PortScan | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
        make_resolver: Callable[[Any, Sequence[Interface], Resolved], ArpResolver] = open_resolver,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._settings = settings
        self._limiter = limiter
        self._beyond = beyond
        self._monotonic = monotonic
        self._make_connector = make_connector
        self._make_resolver = make_resolver
        self._logged: set[str] = set()
        self.alive: Mapping[str, Mac] = {}
        self.counts: Counter[str] = Counter()

    async def sweep(self, sink: ISightingSink) -> None:
        """Try every address once.

        :raises OSError: no socket can be opened.
        :raises LocalError: a text that is no network.
        """
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        plan = self._plan(interfaces)
        for network in plan.too_large:
            if network not in self._logged:
                self._logged.add(network)
                self.log.info("{network} is too large to be swept unless it is named in SCAN_NETWORKS", network=network)
        links = [one for one in interfaces if one.arp and not one.loopback and plan.touches(network_of(one))]
        if links:
            alive: dict[str, Mac] = {}
            self.alive = alive
            await self._sweep_links(plan, links, sink, alive, arp=f"{METHOD}.arp", connect=f"{METHOD}.connect")
        if self._beyond is not None:
            await self._beyond.sweep(sink)

    async def probe(self, address: str, sink: ISightingSink) -> None:
        """Try one address on a link; nothing when it is excluded, not to be swept, or an IPv6 address."""
        if ":" in address:
            return
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        where = IPv4Network(address)
        links = [one for one in interfaces if one.arp and not one.loopback and where.subnet_of(network_of(one))]
        if links and self._plan(interfaces).touches(where):
            plan, by = self._plan(interfaces, address), f"{METHOD}.look"
            await self._sweep_links(plan, links, sink, {}, arp=by, connect=by)

    def _plan(self, interfaces: Sequence[Interface], *networks: str) -> ScanPlan:
        return self._settings.plan(interfaces, self._neighbours.known(), *networks)

    async def _sweep_links(
        self,
        plan: ScanPlan,
        links: Sequence[Interface],
        sink: ISightingSink,
        alive: dict[str, Mac],
        *,
        arp: str,
        connect: str,
    ) -> None:
        """Resolve and connect; ``arp`` and ``connect`` are what the rate limiter counts the packets as."""

        def resolved(address: str, mac: Mac) -> None:
            resolution.receive(address, mac, by_us=True)

        def unresolved(address: str) -> None:
            resolution.resolve_again(address)

        resolver = self._make_resolver(self._reactor, links, resolved)
        connector = self._make_connector(self._reactor)
        no_room = self.counts["no_room"]
        prober = PortProber(
            connector,
            ports_to_try(base=self._settings.ports),
            limiter=self._limiter,
            half_open=min(self._settings.half_open, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
            per_host=self._settings.per_host,
            monotonic=self._monotonic,
            report=lambda address, ports, done: self._report(sink, alive, address, ports, done),
            unresolved=unresolved,
            counts=self.counts,
            by=connect,
        )
        resolution = HostResolution(
            plan.targets(),
            resolver,
            prober,
            limiter=self._limiter,
            monotonic=self._monotonic,
            known=self._neighbours.known(),
            alive=alive,
            counts=self.counts,
            by=arp,
        )
        unwatch = self._neighbours.watch(resolution.receive)
        try:
            await run_steps(self._reactor, resolution.step)
        finally:
            unwatch()
            resolver.close()
            connector.close()
            prober.close()
            if self.counts["no_room"] > no_room:
                self.log.warn(
                    "The kernel had no room (neighbour table, ports or open files) for {count} steps of the sweep",
                    count=self.counts["no_room"] - no_room,
                )
            self.counts["packets"] = sum(n for by, n in self._limiter.sent.items() if by.startswith(f"{METHOD}."))
            self.counts["most_in_second"] = self._limiter.most_in_second

    def _report(
        self, sink: ISightingSink, alive: Mapping[str, Mac], address: str, ports: tuple[int, ...], done: bool
    ) -> None:
        # A port of RTSP kind is reported at once; for the others one sighting at the end is enough.
        if not ports or not (done or ports[-1] in self._settings.rtsp_ports):
            return
        self.counts["sightings"] += 1
        sink.sighted(self._settings.sighting(METHOD, address, ports, self._reactor.seconds(), alive.get(address)))
