"""Networks go in; who lives there, with which MAC and which open camera ports, comes out, each the moment it is known.

First everybody on the links is asked for by ARP, and only who answers is connected to. Networks beyond a router, where
there is no ARP, are left to the TCP sweep of :mod:`discovery.sweep.port_scan`, which comes after.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from twisted.internet.task import LoopingCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.arp import ArpResolver, Heard, KernelArp, RawArp
from twisted_detector.discovery.sweep.connecting import PortProber
from twisted_detector.discovery.sweep.connector import EpollConnector, TcpConnector
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.ports import CAMERA_PORTS, RTSP_PORTS, ports_to_try
from twisted_detector.discovery.sweep.resolving import HostResolution
from twisted_detector.discovery.sweep.targets import INTERFACES, ScanPlan
from twisted_detector.interfaces import IAddressProbe, IDiscoverer, INeighbours, ISightingSink
from twisted_detector.model import Interface, Mac, Sighting

METHOD = "neighboursweep"

#: Seconds between turns.
_TICK = 0.01


def open_asker(reactor: Any, interfaces: Sequence[Interface], heard: Heard) -> ArpResolver:
    """The asker that this process may use: its own ARP with CAP_NET_RAW on Ethernet, else the kernel's."""
    try:
        return RawArp(reactor, interfaces, heard)
    except OSError:
        return KernelArp()


@implementer(IDiscoverer, IAddressProbe)
class ArpSweep:
    """Finds who lives on this machine's links, and their open camera ports.

    :param reactor: IReactorTime and IReactorFDSet.
    :param ports: TCP ports in the order in which they are tried.
    :param rtsp_ports: those of RTSP kind: one that is open is reported at once, the others when all are known.
    :param networks: CIDR texts; the word ``interfaces`` means the networks of the interfaces.
    :param exclude: CIDR texts; nothing is sent there.
    :param rate: packets per second, at most. :param pacer: shared with all others that send; with it, its rate counts.
    :param half_open: TCP connects at the same time, at most; halved to what the process may have open files.
    :param per_host: of those at one host, at most.
    :param max_addresses: more addresses of the interfaces' networks together are not swept unless they are named.
    :param beyond: sweeps what is not on a link; None: nobody does.
    :param monotonic: seconds that never jump.
    :param make_connector: for tests. :param make_asker: for tests.
    :ivar alive: address → MAC of everybody who answered in the last sweep, cameras or not.
    :ivar counts: since the start: ``packets`` ``most_in_second`` ``asked`` ``alive`` ``attempts`` ``open``
        ``repeated`` ``silent`` ``no_room`` ``most_half_open`` ``most_per_host`` ``most_unanswered`` ``sightings``.
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        ports: Sequence[int] = CAMERA_PORTS,
        rtsp_ports: Sequence[int] = RTSP_PORTS,
        networks: Sequence[str] = (INTERFACES,),
        exclude: Sequence[str] = (),
        rate: int = 10_000,
        half_open: int = 512,
        per_host: int = 16,
        max_addresses: int = 4096,
        pacer: PacketRateLimiter | None = None,
        beyond: PortScan | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
        make_asker: Callable[[Any, Sequence[Interface], Heard], ArpResolver] = open_asker,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._ports = ports_to_try(base=ports)
        self._rtsp_ports = frozenset(rtsp_ports)
        self._networks = tuple(networks)
        self._exclude = tuple(exclude)
        self._half_open = half_open
        self._per_host = per_host
        self._max_addresses = max_addresses
        self._beyond = beyond
        self._monotonic = monotonic
        self._make_connector = make_connector
        self._make_asker = make_asker
        self._pacer = PacketRateLimiter(rate, monotonic) if pacer is None else pacer
        self._told: set[str] = set()
        self.alive: Mapping[str, Mac] = {}
        self.counts: Counter[str] = Counter()

    async def sweep(self, sink: ISightingSink) -> None:
        """Look once at every address.

        :raises OSError: no socket can be opened.
        :raises LocalError: a text that is no network.
        """
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        plan = self._plan(self._networks, interfaces)
        for network in plan.too_large:
            if network not in self._told:
                self._told.add(network)
                self.log.info("{network} is too large to be swept unless it is named in SCAN_NETWORKS", network=network)
        links = [one for one in interfaces if one.arp and not one.loopback and plan.touches(_network_of(one))]
        if links:
            alive: dict[str, Mac] = {}
            self.alive = alive
            await self._sweep_links(plan, links, sink, alive, arp=f"{METHOD}.arp", connect=f"{METHOD}.connect")
        if self._beyond is not None:
            await self._beyond.sweep(sink)

    async def probe(self, address: str, sink: ISightingSink) -> None:
        """Look at one address on a link; nothing when it is excluded, not to be swept, or an IPv6 address."""
        if ":" in address:
            return
        interfaces = [one for one in await self._neighbours.interfaces() if one.version == 4]
        where = IPv4Network(address)
        links = [one for one in interfaces if one.arp and not one.loopback and where.subnet_of(_network_of(one))]
        if links and self._plan(self._networks, interfaces).touches(where):
            plan, by = self._plan((address,), interfaces), f"{METHOD}.look"
            await self._sweep_links(plan, links, sink, {}, arp=by, connect=by)

    def _plan(self, networks: Sequence[str], interfaces: Sequence[Interface]) -> ScanPlan:
        known = self._neighbours.known()
        return ScanPlan(networks, self._exclude, interfaces, known, max_addresses=self._max_addresses)

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
        """Ask and connect; ``arp`` and ``connect`` are what that is counted as."""
        heard: Heard = lambda address, mac: asking.heard(address, mac, by_us=True)  # noqa: E731 (asking comes below)
        asker = self._make_asker(self._reactor, links, heard)
        connector = self._make_connector(self._reactor)
        no_room = self.counts["no_room"]
        knocker = PortProber(
            connector,
            self._ports,
            pacer=self._pacer,
            half_open=min(self._half_open, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
            per_host=self._per_host,
            monotonic=self._monotonic,
            told=lambda address, ports, done: self._report(sink, alive, address, ports, done),
            unresolved=lambda address: asking.ask_again(address),
            counts=self.counts,
            by=connect,
        )
        asking = HostResolution(
            plan.targets(),
            asker,
            knocker,
            pacer=self._pacer,
            monotonic=self._monotonic,
            known=self._neighbours.known(),
            alive=alive,
            counts=self.counts,
            by=arp,
        )

        def turn() -> None:
            if not asking.turn():
                turns.stop()

        turns = LoopingCall(turn)
        turns.clock = self._reactor
        unwatch = self._neighbours.watch(asking.heard)
        try:
            await turns.start(_TICK)
        finally:
            if turns.running:
                turns.stop()
            unwatch()
            asker.close()
            connector.close()
            knocker.close()
            if self.counts["no_room"] > no_room:
                self.log.warn(
                    "The kernel had no room (neighbour table, ports or open files) for {count} steps of the sweep",
                    count=self.counts["no_room"] - no_room,
                )
            self.counts["packets"] = sum(n for by, n in self._pacer.sent.items() if by.startswith(f"{METHOD}."))
            self.counts["most_in_second"] = self._pacer.most_in_second

    def _report(
        self, sink: ISightingSink, alive: Mapping[str, Mac], address: str, ports: tuple[int, ...], done: bool
    ) -> None:
        # What a stream may stand behind is told at once; with the rest one word at the end is enough.
        if not ports or not (done or ports[-1] in self._rtsp_ports):
            return
        self.counts["sightings"] += 1
        sink.sighted(
            Sighting(
                method=METHOD,
                address=address,
                seen_at=self._reactor.seconds(),
                mac=alive.get(address),
                rtsp_ports=tuple(port for port in ports if port in self._rtsp_ports),
                open_ports=ports,
            )
        )


def _network_of(interface: Interface) -> IPv4Network:
    return IPv4Network((IPv4Address(interface.address), interface.prefix_length), strict=False)
