"""The interfaces of this machine go in; cameras that Multicast DNS tells of, asked or not, come out.

Sources: RFC 6762 sections 5.1, 5.4 and 6.7 (one-shot queries: from a port of our own, so that answers come to us alone
and no responder on this machine is disturbed), 8.3 and 10.1 (announcements and goodbyes); RFC 6763.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from twisted_detector.discovery.mdns.listener import METHOD, MDNSListener, Network
from twisted_detector.discovery.multicast.discoverer import MulticastDiscoverer, Opened, Questions
from twisted_detector.discovery.multicast.listener import BoundedSet
from twisted_detector.discovery.multicast.sockets import Group
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink, IWatcher
from twisted_detector.wire.lan import dns_sd, mdns as wire

#: RFC 6762, 5.2: at least one second between the first two questions; the rest so that two detectors do not keep step.
_AGAIN, _SPREAD = 1.0, 0.1
#: Services whose goodbye counts: as many as sightings of a sweep.
_MAX_KNOWN = 4096


@implementer(IDiscoverer, IWatcher)
class MDNS(MulticastDiscoverer):
    """Asks every multicast interface for services that cameras have, and listens to announcements all the time.

    ``listen``: devices answer within 0.12 s (RFC 6762, 6), and what they left out is asked for once: 2 is fair.

    :param networks: networks beyond our links that the operator named; what a reflector tells of them is believed.
    """

    name = METHOD
    protocol = "Multicast DNS"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT, hops=wire.HOPS)

    def __init__(
        self, reactor: Any, neighbours: INeighbours, *, networks: Sequence[Network] = (), **options: Any
    ) -> None:
        super().__init__(reactor, neighbours, **options)
        self._networks = tuple(networks)
        self._known = BoundedSet(_MAX_KNOWN)

    def hearing(self, sink: ISightingSink, asked: Mapping[str, str] | None, lasting: float | None) -> MDNSListener:
        """See :class:`MulticastDiscoverer`."""
        return MDNSListener(
            sink,
            clock=self._reactor,
            monotonic=self._monotonic,
            counts=self.counts,
            complain=self.complain,
            networks=self._networks,
            known=self._known,
            asked=asked,
            lasting=lasting,
        )

    def ask(self, opened: Sequence[Opened], questions: Questions) -> int:
        """See :class:`MulticastDiscoverer`: all in one datagram, and then one by one.

        Small devices answer the first question of several only.
        """
        message_id = self._random.randrange(1, 0x10000)
        questions.asked[str(message_id)] = self.protocol
        wanted = [wire.Question(dns_sd.kind_name(kind), wire.PTR, unicast=True) for kind in dns_sd.CAMERA_KINDS]

        def again() -> None:
            for question in wanted:
                self._send(opened, wire.query([question], message_id=message_id))

        questions.later(_AGAIN + self._random.uniform(0, _SPREAD), again)
        return self._send(opened, wire.query(wanted, message_id=message_id))

    def _send(self, opened: Sequence[Opened], data: bytes) -> int:
        return sum(self.send(one.interface, one.port, data) for one in opened)
