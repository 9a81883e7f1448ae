"""Multicast DNS: queries for services that cameras have, and a listener to answers and announcements.

Sources: RFC 6762 sections 5.1, 5.4 and 6.7 (one-shot queries: from a port of our own, so that answers come to us alone
and no responder on this machine is disturbed), 8.3 and 10.1 (announcements and goodbyes); RFC 6763.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from twisted_detector.discovery.mdns.listener import METHOD, MDNSListener
from twisted_detector.discovery.multicast.discoverer import (
    MulticastDiscoverer,
    MulticastSettings,
    Queries,
    QuerySocket,
)
from twisted_detector.discovery.multicast.listener import ListenerContext
from twisted_detector.discovery.multicast.sockets import Group
from twisted_detector.interfaces import IDiscoverer, INeighbours, IWatcher
from twisted_detector.model.bounds import MAX_HOSTS, BoundedSet
from twisted_detector.model.reach import NetworksNow, no_networks
from twisted_detector.wire.lan import dns_sd, mdns as wire

#: RFC 6762, 5.2: at least one second between the first two queries; the rest so that two detectors do not keep step.
_AGAIN, _SPREAD = 1.0, 0.1
#: Services whose goodbye counts: as many as sightings of a sweep.
_MAX_KNOWN = MAX_HOSTS


@implementer(IDiscoverer, IWatcher)
class MDNS(MulticastDiscoverer):
    """Discoverer that queries every multicast interface for services that cameras have, and watcher of announcements.

    ``listen``: devices answer within 0.12 s (RFC 6762, 6), and what they left out is queried once: 2 is fair.

    :param networks: networks beyond our links that the operator named, as they are now; a reflector's answers about
        them are believed.
    """

    name = METHOD
    protocol = "Multicast DNS"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT, hops=wire.HOPS)

    def __init__(
        self, reactor: Any, neighbours: INeighbours, *, networks: NetworksNow = no_networks, **options: Any
    ) -> None:
        settings = options.pop("settings", MulticastSettings()).with_networks(networks)
        super().__init__(reactor, neighbours, settings=settings, **options)
        self._networks = networks
        self._known = BoundedSet[str](_MAX_KNOWN)

    def make_listener(self, context: ListenerContext) -> MDNSListener:
        """See :class:`MulticastDiscoverer`."""
        return MDNSListener(context, networks=self._networks, known=self._known)

    def send_queries(self, sockets: Sequence[QuerySocket], queries: Queries) -> int:
        """See :class:`MulticastDiscoverer`: all questions in one datagram, and then one by one.

        Small devices answer the first question of several only.
        """
        message_id = self._random.randrange(1, 0x10000)
        queries.message_ids[str(message_id)] = self.protocol
        questions = [wire.Question(dns_sd.kind_name(kind), wire.PTR, unicast=True) for kind in dns_sd.CAMERA_KINDS]

        def repeat() -> None:
            for question in questions:
                self._send(sockets, wire.query([question], message_id=message_id))

        queries.schedule(_AGAIN + self._random.uniform(0, _SPREAD), repeat)
        return self._send(sockets, wire.query(questions, message_id=message_id))

    def _send(self, sockets: Sequence[QuerySocket], data: bytes) -> int:
        return sum(self.send(one.interface, one.port, data) for one in sockets)
