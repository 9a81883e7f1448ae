"""SSDP: searches on every interface, and a listener to notices; what looks like a camera is reported.

Source: UPnP Device Architecture 1.1 sections 1.2 (notices) and 1.3 (search). The description that a device names is
never fetched here: its URL may be forged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from zope.interface import implementer

from twisted_detector.discovery.multicast.discoverer import MulticastDiscoverer, Queries, QuerySocket
from twisted_detector.discovery.multicast.listener import Bounds, ListenerContext, MulticastListener, Origin
from twisted_detector.discovery.multicast.sockets import Group
from twisted_detector.interfaces import IDiscoverer, INeighbours, IWatcher
from twisted_detector.model import Evidence, EvidenceKind, Sighting
from twisted_detector.model.bounds import MAX_HOSTS, BoundedSet
from twisted_detector.wire.lan import ssdp as wire

METHOD = "ssdp"

#: Devices wait up to so many seconds before they answer.
_WAIT = 2
#: UPnP Device Architecture 1.3.3: a search is sent more than once; this long after the first.
_AGAIN, _SPREAD = 0.2, 0.3
#: Devices whose goodbye counts: as many as sightings of a sweep.
_MAX_KNOWN = MAX_HOSTS
#: A unique device name is a UUID or somewhat longer.
_MAX_NAME = 128
#: Where Axis cameras serve RTSP (vendor's default; Frigate, cameradar).
_AXIS_RTSP_PORT = 554


class SSDPListener(MulticastListener):
    """Listener for SSDP; it counts ``non_cameras`` too.

    :param known: devices that were reported, shared with other listeners: their goodbyes hardly name what they are.
    """

    method = METHOD
    bounds = Bounds(
        reading=0.25,
        datagrams_per_sender=256,  # a media server with all its services has 30
        sightings_per_sender=64,
        malformed_per_sender=8,
        senders=MAX_HOSTS,
        sightings=MAX_HOSTS,
    )

    def __init__(self, context: ListenerContext, *, known: BoundedSet[str]) -> None:
        super().__init__(context)
        self._known = known

    def handle(self, data: bytes, origin: Origin) -> None:
        """See :class:`MulticastListener`."""
        notice = wire.parse(data)
        name = f"{origin.sender} {notice.device[:_MAX_NAME]}"
        if notice.kind == ("alive" if self._watching else "response"):
            if wire.is_camera(notice):
                if origin.on_link:
                    self._known.add(name)
                self.report(origin, name, lambda: make_sighting(notice, origin, self._clock.seconds()))
            else:
                self._counts["non_cameras"] += 1
        elif notice.kind == "byebye" and self._watching and (name in self._known or wire.is_camera(notice)):
            self.report_departure(origin)


def make_sighting(notice: wire.Notice, origin: Origin, now: float) -> Sighting:
    """What ``notice`` claims of the device that sent it."""
    port = wire.port_on(notice, origin.sender.partition("%")[0])
    axis = wire.is_axis(notice)
    claims = (
        (EvidenceKind.UPNP, notice.device[:_MAX_NAME].lower()),
        (EvidenceKind.ANNOUNCED_MAC, str(notice.mac or "")),
        (EvidenceKind.VENDOR, "AXIS" if axis else ""),
    )
    return Sighting(
        method=METHOD,
        address=origin.sender,
        seen_at=now,
        rtsp_ports=(_AXIS_RTSP_PORT,) if axis else (),
        open_ports=(port,) if port else (),
        interface=origin.interface,
        evidence=tuple(Evidence(kind, value, METHOD, now) for kind, value in claims if value),
    )


@implementer(IDiscoverer, IWatcher)
class SSDP(MulticastDiscoverer):
    """Discoverer that searches on every multicast interface, and watcher of notices.

    ``listen``: devices wait up to 2 s before they answer the second search, which leaves after 0.5 s at worst: 2.5 is
    the least that is fair.
    """

    name = METHOD
    protocol = "SSDP"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT)

    def __init__(self, reactor: Any, neighbours: INeighbours, **options: Any) -> None:
        super().__init__(reactor, neighbours, **options)
        self._known = BoundedSet[str](_MAX_KNOWN)

    def make_listener(self, context: ListenerContext) -> SSDPListener:
        """See :class:`MulticastDiscoverer`. A search has no id that an answer repeats."""
        return SSDPListener(context, known=self._known)

    def send_queries(self, sockets: Sequence[QuerySocket], queries: Queries) -> int:
        """See :class:`MulticastDiscoverer`: every target from every address, twice."""
        queries.schedule(_AGAIN + self._random.uniform(0, _SPREAD), partial(self._search, sockets))
        return self._search(sockets)

    def _search(self, sockets: Sequence[QuerySocket]) -> int:
        return sum(
            self.send(one.interface, one.port, wire.search(target, version=one.interface.version, wait=_WAIT))
            for target in wire.TARGETS
            for one in sockets
        )
