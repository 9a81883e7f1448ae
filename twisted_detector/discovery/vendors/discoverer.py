"""Manufacturers' discovery protocols: searches on every IPv4 interface and for one address, and a listener to
announcements.

Broadcast and multicast reach a link only. Nothing is sent but the searches of the protocols, and nothing in reply to
anybody: the same ports are used for amplification, and to change devices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_detector.discovery.multicast.discoverer import LinkDiscoverer, LinkSocket, MakeReceiver, Queries
from twisted_detector.discovery.multicast.listener import ListenerContext
from twisted_detector.discovery.vendors.listener import METHOD, VendorListener
from twisted_detector.discovery.vendors.port import VendorPort
from twisted_detector.discovery.vendors.shared_search import SharedSearches
from twisted_detector.discovery.vendors.sockets import OpenUdp, open_udp_on
from twisted_detector.interfaces import (
    IAddressProbe,
    IDiscoverer,
    INeighbours,
    ISeveralMethods,
    ISightingSink,
    IWatcher,
)
from twisted_detector.model import Interface, Sighting
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.wire.vendors.protocol import Query, VendorProtocol

#: Addresses of interfaces that are searched from: each costs up to 40 datagrams and a dozen sockets of a sweep.
MAX_LINKS = 32
#: Searches that are known for ours when they come back: all of one sweep, and more.
_MAX_OWN = 2048
#: Seconds until a host that appeared and did not answer at its address is looked for by a search of its link; others
#: that appear meanwhile have a share in it.
_GATHER = 0.25
#: Seconds that a probe listens: devices answer at once.
_PROBE_LISTEN = 1.2


@implementer(IDiscoverer, IWatcher, IAddressProbe, ISeveralMethods)
class VendorDiscovery(LinkDiscoverer[VendorPort]):
    """Discoverer by all manufacturers' protocols, and watcher by those in which devices announce themselves.

    ``listen``: devices answer at once; cameras in Wi-Fi power save within a second.

    :param protocols: those that are spoken.
    :param excluded: nothing is sent to these addresses, nor on a link that has no others.
    :param open_udp: for tests.
    :ivar methods: the names that its sightings have: each that of its protocol.
    """

    name = METHOD
    protocol = "Manufacturers' protocols"
    lifetime = 30.0  # some devices announce themselves every ten seconds

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        protocols: Sequence[VendorProtocol],
        excluded: Exclusions | None = None,
        open_udp: OpenUdp | None = None,
        **common: Any,
    ) -> None:
        super().__init__(reactor, neighbours, **common)
        self._protocols = tuple(protocols)
        self._excluded = Exclusions() if excluded is None else excluded
        self._open_udp = open_udp_on(reactor) if open_udp is None else open_udp
        self._own = BoundedSet[int](_MAX_OWN)
        self._shared = SharedSearches(reactor, self._monotonic)
        self.methods = tuple(one.name for one in self._protocols)

    def make_listener(self, context: ListenerContext) -> VendorListener:
        """See :class:`LinkDiscoverer`."""
        return VendorListener(context, self._protocols, is_own=lambda data: hash(data) in self._own)

    def open_port(self, interface: Interface, receiver: MakeReceiver, *, member: bool) -> VendorPort:
        """See :class:`LinkDiscoverer`; the sockets of a sweep are opened as it sends."""
        port = VendorPort(interface, receiver(), open_udp=self._open_udp, clock=self._reactor, problem=self.log_problem)
        for protocol in self._protocols if member else ():
            if protocol.announces:
                port.listen(protocol)
        return port

    async def usable_interfaces(self) -> list[Interface]:
        """The IPv4 interfaces that can broadcast, but those whose whole network is excluded."""
        usable = await super().usable_interfaces()
        found = [one for one in usable if one.version == 4 and (one.arp or one.loopback) and not self._is_excluded(one)]
        return found[:MAX_LINKS]

    def _is_excluded(self, interface: Interface) -> bool:
        network = interface.network
        excluded = [one for one in self._excluded.networks if isinstance(one, IPv4Network)]
        return isinstance(network, IPv4Network) and any(network.subnet_of(one) for one in excluded)

    # --- IDiscoverer -----------------------------------------------------------------------------------------------

    async def sweep(self, sink: ISightingSink) -> None:
        """See :class:`LinkDiscoverer`; where nothing may be searched, or there is no IPv4, that is no fault."""
        if await self.usable_interfaces():
            await super().sweep(sink)

    def send_queries(self, sockets: Sequence[LinkSocket[VendorPort]], queries: Queries) -> int:
        """See :class:`LinkDiscoverer`: the search of every protocol from every address."""
        return self._search(sockets, queries, self._protocols)

    def _search(
        self,
        sockets: Sequence[LinkSocket[VendorPort]],
        queries: Queries,
        protocols: Sequence[VendorProtocol],
        to: str = "",
    ) -> int:
        """Send each query, to all or to the one address ``to``, and arrange for repetitions; how many went at once."""
        sent = 0
        for where in sockets:
            for protocol in protocols:
                for query in self._queries(protocol, where.interface.address, to):
                    send = partial(self._send, where, protocol, query, to)
                    sent += send()
                    for number in range(1, query.times):
                        # Up to twice as late: another daemon that began at the same moment takes our answers else.
                        queries.schedule(number * query.interval * (1 + self._random.random()), send)
        return sent

    def _queries(self, protocol: VendorProtocol, own_address: str, to: str) -> Iterator[Query]:
        queries = protocol.queries(self._random.randbytes, own_address)
        # The same to a group and to all is one datagram to one address.
        yield from dict.fromkeys(replace(one, to=to) for one in queries) if to else queries

    def _send(self, where: LinkSocket[VendorPort], protocol: VendorProtocol, query: Query, to: str) -> bool:
        sent = True

        def send() -> None:
            nonlocal sent
            sent = self._send_now(where, protocol, query)

        self._limiter.send(send, by=f"{METHOD}.{'unicast' if to else 'group'}", to=to)
        return sent

    def _send_now(self, where: LinkSocket[VendorPort], protocol: VendorProtocol, query: Query) -> bool:
        self._own.add(hash(query.data))
        try:
            went = where.port.ask(protocol, query)
        except OSError as problem:
            self.log_problem(f"{protocol.name} from {where.interface.address} on {where.interface.name}", problem)
            return False
        self.counts["sent"] += went
        return went

    # --- IAddressProbe ---------------------------------------------------------------------------------------------

    async def probe(self, address: str, sink: ISightingSink) -> None:
        """Search for a device at one address of a link: there by the protocols that devices are known to answer so, and
        on the whole link by the others, in common with other probes; nothing when it is excluded.
        """
        interfaces = await self.usable_interfaces()
        link = None if address in self._excluded else _link_of(address, interfaces)
        if link is None:
            return
        only = _OnlyFrom(sink, (address,))
        with self.query_session(only, (link,), interfaces, asked=(address,)) as (sockets, queries):
            self._search(sockets, queries, [one for one in self._protocols if one.unicast], address)
            await deferLater(self._reactor, _GATHER)
            if only.is_reported:
                return
            await self._shared.search(link.index, address, partial(self._search_link, link, interfaces, sink))

    async def _search_link(
        self, link: Interface, interfaces: Sequence[Interface], sink: ISightingSink, addresses: Collection[str]
    ) -> None:
        """Search a link by the protocols that answer nothing else, for devices at some addresses."""
        with self.query_session(_OnlyFrom(sink, addresses), (link,), interfaces) as (sockets, queries):
            self._search(sockets, queries, [one for one in self._protocols if not one.unicast])
            await deferLater(self._reactor, _PROBE_LISTEN)


@implementer(ISightingSink)
class _OnlyFrom:
    """Sink of what is seen at some addresses.

    :ivar is_reported: whether anything was.
    """

    def __init__(self, sink: ISightingSink, addresses: Collection[str]) -> None:
        self._sink = sink
        self._addresses = addresses
        self.is_reported = False

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        if sighting.address in self._addresses:
            self.is_reported = True
            self._sink.sighted(sighting)

    def departed(self, source: str, address: str, reference: str = "") -> None:
        """See :class:`ISightingSink`; in no protocol do devices say goodbye."""


def _link_of(address: str, interfaces: Sequence[Interface]) -> Interface | None:
    """The interface in whose network an IPv4 address is."""
    try:
        where = IPv4Address(address)
    except ValueError:
        return None
    return next((one for one in interfaces if where in one.network), None)
