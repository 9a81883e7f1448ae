"""WS-Discovery: probes on every interface, of one address and of routed networks, and a listener to Hello and Bye.

Sources: WS-Discovery (April 2005), ONVIF Core section 7; SOAP-over-UDP 1.1 section 3.2 and appendix I for repetitions.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_detector.discovery.multicast.discoverer import (
    MulticastDiscoverer,
    MulticastSettings,
    Queries,
    QuerySocket,
    query_interfaces,
)
from twisted_detector.discovery.multicast.listener import ListenerContext
from twisted_detector.discovery.multicast.sockets import Group
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.discovery.wsdiscovery.listener import METHOD, WSDiscoveryListener
from twisted_detector.discovery.wsdiscovery.unicast import UnicastProbes
from twisted_detector.interfaces import (
    IAddressProbe,
    IDiscoverer,
    IFinder,
    INeighbours,
    INetworkSweep,
    IQuickSweep,
    ISightingSink,
    IWatcher,
)
from twisted_detector.model import Candidate, Interface
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.reach import Network, NetworksNow, no_networks
from twisted_detector.wire.lan import wsdiscovery as wire

#: SOAP-over-UDP appendix I. So many after the first: cameras in Wi-Fi power save miss a whole burst.
_REPEATS = 3
_MIN_DELAY, _MAX_DELAY, _UPPER_DELAY = 0.05, 0.25, 0.5
#: Seconds that a quick sweep, a probe and a find listen: devices answer a group within 0.5 s, and one repetition is
#: sent.
_QUICK_LISTEN = 1.5
_QUICK_REPEATS = 1
#: Stand for "wherever the kernel's routes lead", for datagrams to one address.
_ANYWHERE, _ANYWHERE_IPV6 = Interface("", 0, "0.0.0.0", 0), Interface("", 0, "::", 0)

#: Makes the bytes of a message from its id.
FormatMessage = Callable[[str], bytes]


@implementer(IDiscoverer, IWatcher, IQuickSweep, INetworkSweep, IAddressProbe, IFinder)
class WSDiscovery(MulticastDiscoverer):
    """Discoverer that probes every multicast interface, and watcher of Hello and Bye.

    ``listen``: devices wait up to 0.5 s before they answer, and the last repetition leaves after 1.25 s at worst: 2 is
    the least that is fair.

    :param dialects: remembers which device answers which dialect.
    :param networks: that the operator named, as they are now; those of them that stand behind a router are probed
        address by address. :param probed: of them, where no others than these are.
    :param excluded: nothing is sent to these addresses (a group reaches all that listen).
    """

    name = METHOD
    protocol = "WS-Discovery"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT)

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        dialects: Dialects | None = None,
        networks: NetworksNow = no_networks,
        probed: NetworksNow | None = None,
        excluded: Exclusions | None = None,
        **common: Any,
    ) -> None:
        settings = common.pop("settings", MulticastSettings()).with_networks(networks)
        super().__init__(reactor, neighbours, settings=settings, **common)
        self._dialects = dialects or Dialects()
        self._excluded = Exclusions() if excluded is None else excluded
        self._routed = UnicastProbes(probed or networks, self._excluded)

    def make_listener(self, context: ListenerContext) -> WSDiscoveryListener:
        """See :class:`MulticastDiscoverer`."""

        def answered(reference: str, message_id: str) -> None:
            dialect = (context.message_ids or {}).get(message_id)
            if dialect:
                self._dialects.record_answer(reference, wire.Dialect[dialect])

        return WSDiscoveryListener(context, answered=answered)

    # --- IDiscoverer -----------------------------------------------------------------------------------------------

    def send_queries(self, sockets: Sequence[QuerySocket], queries: Queries) -> int:
        """See :class:`MulticastDiscoverer`: every dialect from every address, each with an id of its own."""
        return self._probe(sockets, queries, tuple(wire.Dialect), repeats=_REPEATS)

    async def sweep(self, sink: ISightingSink) -> None:
        """See :class:`MulticastDiscoverer`; then networks behind a router, for routers do not forward the group.

        One datagram to each address; some devices do not answer it.
        """
        await super().sweep(sink)
        await self._sweep_routed(sink, self._routed)

    async def sweep_network(self, network: Network, sink: ISightingSink) -> None:
        """See :class:`INetworkSweep`; what stands on a link is reached by the group in each sweep."""
        await self._sweep_routed(sink, UnicastProbes(lambda: (network,), self._excluded))

    async def _sweep_routed(self, sink: ISightingSink, routed: UnicastProbes) -> None:
        own = await self._neighbours.interfaces()
        if not routed.has_any(own):
            return
        with self.query_session(sink, (_ANYWHERE,), ()) as (sockets, queries):
            message_id = self._new_message(queries, wire.Dialect.TRANSMITTER.name)
            data = wire.probe(message_id, wire.Dialect.TRANSMITTER)

            def send(to: str) -> None:
                for one in sockets:
                    self.send_now(one.interface, one.port, data, to, "networks behind a router")

            await routed.send_each(own, send, self._limiter, f"{METHOD}.routed")
            await deferLater(self._reactor, _QUICK_LISTEN)

    # --- IQuickSweep, IAddressProbe, IFinder -----------------------------------------------------------------------

    async def sweep_quickly(self, sink: ISightingSink) -> None:
        """Probe in the few dialects that all known devices answer, twice."""
        interfaces = await self.usable_interfaces()
        with self.query_session(sink, query_interfaces(interfaces), interfaces) as (sockets, queries):
            if self._probe(sockets, queries, self._dialects.cover(), repeats=_QUICK_REPEATS):
                await deferLater(self._reactor, _QUICK_LISTEN)

    async def probe(self, address: str, sink: ISightingSink) -> None:
        """Probe one address in all dialects; nothing when it is excluded."""
        interfaces = await self._neighbours.interfaces()
        routes = self._routes_to(address, interfaces)
        with self.query_session(sink, routes, interfaces, asked=(address,)) as (sockets, queries):
            if self._probe(sockets, queries, tuple(wire.Dialect), to=address, repeats=_QUICK_REPEATS):
                await deferLater(self._reactor, _QUICK_LISTEN)

    async def find(self, candidate: Candidate, sink: ISightingSink) -> None:
        """Send Resolve and a Probe in the device's dialect to the group, and a Probe to where it was; each twice."""
        dialects = self._dialects.of(candidate.endpoint_reference)
        interfaces = await self._neighbours.interfaces()
        group = query_interfaces(await self.usable_interfaces())
        routes = self._routes_to(candidate.address, interfaces)
        where = tuple(dict.fromkeys((*group, *routes)))
        with self.query_session(sink, where, interfaces, asked=(candidate.address,)) as (sockets, queries):
            to_group = [one for one in sockets if one.interface in group]
            directed = [one for one in sockets if one.interface in routes]
            sent = 0
            for reference in _notations(candidate.endpoint_reference):
                for version in dict.fromkeys(one.value[1] for one in dialects):
                    format_message = partial(_format_resolve, reference, version)
                    sent += self._send(to_group, queries, format_message, repeats=_QUICK_REPEATS)
            sent += self._probe(to_group, queries, dialects, repeats=_QUICK_REPEATS)
            sent += self._probe(directed, queries, dialects, to=candidate.address, repeats=_QUICK_REPEATS)
            if sent:
                await deferLater(self._reactor, _QUICK_LISTEN)

    def _routes_to(self, address: str, interfaces: Sequence[Interface]) -> tuple[Interface, ...]:
        """Where to send to one address from: the interface of its network, or any; none when it is excluded."""
        bare, _, scope = address.partition("%")
        where = ip_address(bare)
        if address in self._excluded:
            return ()
        links = [one for one in interfaces if one.version == where.version]
        own = [one for one in links if (one.name == scope if scope else where in one.network)]
        return (own[0] if own else _ANYWHERE if where.version == 4 else _ANYWHERE_IPV6,)

    # --- messages --------------------------------------------------------------------------------------------------

    def _probe(
        self,
        sockets: Sequence[QuerySocket],
        queries: Queries,
        dialects: Sequence[wire.Dialect],
        *,
        to: str = "",
        repeats: int,
    ) -> int:
        """Send a Probe in each dialect; how many went out at once."""
        return sum(
            self._send(sockets, queries, partial(_format_probe, dialect), dialect.name, to=to, repeats=repeats)
            for dialect in dialects
        )

    def _send(
        self,
        sockets: Sequence[QuerySocket],
        queries: Queries,
        format_message: FormatMessage,
        dialect: str = "",
        *,
        to: str = "",
        repeats: int,
    ) -> int:
        """Send a message from each socket, each with an id of its own, and arrange for repetitions."""
        sent = 0
        for where in sockets:
            data = format_message(self._new_message(queries, dialect))
            send = partial(self.send, where.interface, where.port, data, to)
            delay = self._random.uniform(_MIN_DELAY, _MAX_DELAY)
            sent += _send_repeatedly(send, queries, repeats, delay)
        return sent

    def _new_message(self, queries: Queries, dialect: str) -> str:
        message_id = uuid.UUID(int=self._random.getrandbits(128), version=4).urn
        queries.message_ids[message_id] = dialect
        return message_id


def _send_repeatedly(send: Callable[[], bool], queries: Queries, left: int, delay: float) -> bool:
    """Whether the first one went out; ``left`` more follow, the first of them after ``delay`` seconds."""
    if left:
        queries.schedule(delay, partial(_send_repeatedly, send, queries, left - 1, min(2 * delay, _UPPER_DELAY)))
    return send()


def _format_probe(dialect: wire.Dialect, message_id: str) -> bytes:
    return wire.probe(message_id, dialect)


def _format_resolve(reference: str, version: wire.Version, message_id: str) -> bytes:
    return wire.resolve(message_id, reference, version=version)


def _notations(reference: str) -> tuple[str, ...]:
    """An EndpointReference as devices may have written it: a normalised UUID has lost its prefix."""
    if not reference:
        return ()
    return (reference,) if ":" in reference else (f"urn:uuid:{reference}", f"uuid:{reference}")
