"""The interfaces of this machine go in; what looks like a camera among those that answer or speak SSDP comes out.

Source: UPnP Device Architecture 1.1 sections 1.2 (notices) and 1.3 (search). The description that a device names is
never fetched here: its URL may be forged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_detector.discovery.multicast import listener as hearing
from twisted_detector.discovery.multicast.discoverer import MulticastDiscoverer, Opened, Questions
from twisted_detector.discovery.multicast.listener import BoundedSet, Bounds, Complain, Spot
from twisted_detector.discovery.multicast.sockets import Group
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink, IWatcher
from twisted_detector.model import Evidence, EvidenceKind, Sighting
from twisted_detector.wire.lan import ssdp as wire

METHOD = "ssdp"

BOUNDS = Bounds(
    reading=0.25,
    datagrams_per_sender=256,  # a media server with all its services has 30
    sightings_per_sender=64,
    malformed_per_sender=8,
    senders=4096,  # a /20 full of cameras
    sightings=4096,
)
#: Devices wait up to so many seconds before they answer.
_WAIT = 2
#: UPnP Device Architecture 1.3.3: a search is sent more than once; this long after the first.
_AGAIN, _SPREAD = 0.2, 0.3
#: Devices whose goodbye counts: as many as sightings of a sweep.
_MAX_KNOWN = 4096
#: A unique device name is a UUID or somewhat longer.
_MAX_NAME = 128
#: Where Axis cameras serve RTSP (vendor's default; Frigate, cameradar).
_AXIS_RTSP_PORT = 554


class SSDPListener(hearing.MulticastListener):
    """Hears SSDP; see :class:`SSDPListener`.

    :param clock: stamps sightings.
    :param counts: where to count ``non_cameras`` too.
    :param known: devices that were reported, shared with other hearings: their goodbyes hardly say what they are.
    """

    def __init__(
        self,
        sink: ISightingSink,
        *,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        counts: Counter[str],
        complain: Complain,
        known: BoundedSet,
        watching: bool,
        lasting: float | None = None,
    ) -> None:
        super().__init__(
            sink,
            method=METHOD,
            bounds=BOUNDS,
            clock=clock,
            monotonic=monotonic,
            counts=counts,
            complain=complain,
            watching=watching,
            lasting=lasting,
        )
        self._known = known

    def read(self, data: bytes, spot: Spot) -> None:
        """See :class:`SSDPListener`."""
        notice = wire.parse(data)
        name = f"{spot.sender} {notice.device[:_MAX_NAME]}"
        if notice.kind == ("alive" if self._watching else "response"):
            if wire.is_camera(notice):
                self._known.add(name)
                self.report(spot.sender, name, lambda: make_sighting(notice, spot, self._clock.seconds()))
            else:
                self._counts["non_cameras"] += 1
        elif notice.kind == "byebye" and self._watching and (name in self._known or wire.is_camera(notice)):
            self.depart(spot.sender)


def make_sighting(notice: wire.Notice, spot: Spot, now: float) -> Sighting:
    """What ``notice`` says of the device that it was heard from."""
    port = wire.port_on(notice, spot.sender.partition("%")[0])
    axis = wire.is_axis(notice)
    said = (
        (EvidenceKind.UPNP, notice.device[:_MAX_NAME].lower()),
        (EvidenceKind.ANNOUNCED_MAC, str(notice.mac or "")),
        (EvidenceKind.VENDOR, "AXIS" if axis else ""),
    )
    return Sighting(
        method=METHOD,
        address=spot.sender,
        seen_at=now,
        rtsp_ports=(_AXIS_RTSP_PORT,) if axis else (),
        open_ports=(port,) if port else (),
        interface=spot.interface,
        evidence=tuple(Evidence(kind, value, METHOD, now) for kind, value in said if value),
    )


@implementer(IDiscoverer, IWatcher)
class SSDP(MulticastDiscoverer):
    """Searches on every multicast interface when told to, and listens to notices all the time.

    ``listen``: devices wait up to 2 s before they answer the second search, which leaves after 0.5 s at worst: 2.5 is
    the least that is fair.
    """

    name = METHOD
    protocol = "SSDP"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT)

    def __init__(self, reactor: Any, neighbours: INeighbours, **options: Any) -> None:
        super().__init__(reactor, neighbours, **options)
        self._known = BoundedSet(_MAX_KNOWN)

    def hearing(self, sink: ISightingSink, asked: Mapping[str, str] | None, lasting: float | None) -> SSDPListener:
        """See :class:`MulticastDiscoverer`. A search has no id that an answer repeats."""
        return SSDPListener(
            sink,
            clock=self._reactor,
            monotonic=self._monotonic,
            counts=self.counts,
            complain=self.complain,
            known=self._known,
            watching=asked is None,
            lasting=lasting,
        )

    def ask(self, opened: Sequence[Opened], questions: Questions) -> int:
        """See :class:`MulticastDiscoverer`: every target from every address, twice."""
        questions.later(_AGAIN + self._random.uniform(0, _SPREAD), partial(self._search, opened))
        return self._search(opened)

    def _search(self, opened: Sequence[Opened]) -> int:
        return sum(
            self.send(one.interface, one.port, wire.search(target, version=one.interface.version, wait=_WAIT))
            for target in wire.TARGETS
            for one in opened
        )
