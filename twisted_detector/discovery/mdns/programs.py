"""Search for programs that announce a kind of service by Multicast DNS: one query, and who answered it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_detector.discovery.multicast.discoverer import (
    MulticastDiscoverer,
    Queries,
    QuerySocket,
    query_interfaces,
)
from twisted_detector.discovery.multicast.listener import Bounds, ListenerContext, MulticastListener, Origin
from twisted_detector.discovery.multicast.sockets import Group
from twisted_detector.interfaces import INeighbours, ISightingSink
from twisted_detector.model import Sighting
from twisted_detector.wire.lan import dns_sd, mdns as wire

HOME_ASSISTANT = "_home-assistant._tcp"
#: A site has one or two; more are forged.
MAX_PROGRAMS = 16
#: Seconds: devices answer within 0.12 s (RFC 6762, 6).
_LISTEN = 1.0


class _Listener(MulticastListener):
    """Reports the sender of each answer that names a service of the kind; what it says of addresses is ignored."""

    method = "mdns.programs"
    bounds = Bounds(
        reading=0.1,
        datagrams_per_sender=16,
        sightings_per_sender=1,
        malformed_per_sender=4,
        senders=256,
        sightings=MAX_PROGRAMS,
    )

    def __init__(self, context: ListenerContext, kind: str) -> None:
        super().__init__(context)
        self._kind = kind

    def handle(self, data: bytes, origin: Origin) -> None:
        """See :class:`MulticastListener`."""
        if not wire.is_response(data):
            return
        for service in dns_sd.services(wire.parse(data).records):
            if service.kind == self._kind and not service.leaving and origin.on_link:
                seen = Sighting(method=self.method, address=origin.sender, seen_at=self._clock.seconds())
                self.report(origin, "program", lambda seen=seen: seen)  # type: ignore[misc]


@implementer(ISightingSink)
class _Senders:
    """Sink that keeps the addresses."""

    def __init__(self) -> None:
        self.addresses: dict[str, None] = {}

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        self.addresses[sighting.address] = None

    def departed(self, source: str, address: str, reference: str = "") -> None:
        """See :class:`ISightingSink`."""


class ProgramSearch(MulticastDiscoverer):
    """Search on every multicast interface. It is no discoverer of cameras.

    :param kind: of the service, such as ``_home-assistant._tcp``.
    """

    name = _Listener.method
    protocol = "Multicast DNS"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT, hops=wire.HOPS)

    def __init__(self, reactor: Any, neighbours: INeighbours, *, kind: str = HOME_ASSISTANT, **options: Any) -> None:
        super().__init__(reactor, neighbours, **options)
        self._kind = kind

    def make_listener(self, context: ListenerContext) -> MulticastListener:
        """See :class:`MulticastDiscoverer`."""
        return _Listener(context, self._kind)

    def send_queries(self, sockets: Sequence[QuerySocket], queries: Queries) -> int:
        """See :class:`MulticastDiscoverer`: one question, once."""
        message_id = self._random.randrange(1, 0x10000)
        queries.message_ids[str(message_id)] = self.protocol
        question = wire.Question(dns_sd.kind_name(self._kind), wire.PTR, unicast=True)
        data = wire.query([question], message_id=message_id)
        return sum(self.send(one.interface, one.port, data) for one in sockets)

    async def addresses(self) -> Sequence[str]:
        """The addresses from which such a service was announced on a link within a second; none where nothing goes out.

        :raises CamdetectError: the interfaces are not known.
        """
        interfaces, sink = await self.usable_interfaces(), _Senders()
        with self.query_session(sink, query_interfaces(interfaces), interfaces) as (sockets, queries):
            if self.send_queries(sockets, queries):
                await deferLater(self._reactor, _LISTEN)
        return tuple(sink.addresses)
