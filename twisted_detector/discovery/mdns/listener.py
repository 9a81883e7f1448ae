"""Multicast DNS datagrams with their senders go in; Sightings and departures of services that cameras have come out.

A device is reported when it is known where its service stands and what it says of itself; what is missing is asked for
once. Its address is the one that it spoke from: one that it only names may be that of its past, or of somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twisted.internet.interfaces import IReactorTime

from twisted_detector.discovery.multicast import listener as hearing
from twisted_detector.discovery.multicast.listener import BoundedSet, Bounds, Complain, Spot
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Evidence, EvidenceKind, Sighting
from twisted_detector.wire.lan import dns_sd, mdns as wire

METHOD = "mdns"

BOUNDS = Bounds(
    reading=0.25,
    datagrams_per_sender=256,  # a reflector speaks for all devices of another network
    sightings_per_sender=64,  # channels of a recorder
    malformed_per_sender=8,
    senders=4096,  # a /20 full of cameras
    sightings=4096,
)
#: Services that wait for the rest of what they say, and that need nothing more; beyond it, they are reported as they
#: are. Nearly all devices say everything at once.
MAX_WAITING, MAX_SETTLED = 1024, 4096
#: Questions that one sender, and all together, can make us ask: forgers must not make us the flood.
MAX_QUESTIONS_PER_SENDER, MAX_QUESTIONS = 32, 256

#: Where Axis cameras serve RTSP, whatever port their page has (vendor's default; Frigate, cameradar).
_AXIS_VIDEO, _AXIS_RTSP_PORT = "_axis-video._tcp", 554
_RTSP = "_rtsp._tcp"

Network = IPv4Network | IPv6Network


class MDNSListener(hearing.MulticastListener):
    """Hears Multicast DNS; see :class:`MDNSListener`.

    :param clock: stamps sightings.
    :param counts: where to count ``non_cameras``, ``unrelated`` and ``asked_again`` too.
    :param networks: those beyond our links that the operator named: what a reflector tells of them is believed.
    :param known: services that were reported, shared with other hearings: their goodbyes count even when they do not
        say that they are cameras.
    :param asked: message ids of our queries. An answer to none of them is counted and still taken. None: a watcher.
    """

    def __init__(
        self,
        sink: ISightingSink,
        *,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        counts: Counter[str],
        complain: Complain,
        networks: Sequence[Network] = (),
        known: BoundedSet,
        asked: Collection[str] | None = None,
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
            watching=asked is None,
            lasting=lasting,
        )
        self._networks = networks
        self._known = known
        self._asked = asked
        self._waiting: dict[tuple[str, wire.Name], tuple[dns_sd.Service, Spot]] = {}
        self._settled: set[tuple[str, wire.Name]] = set()
        self._questions: Counter[str] = Counter()

    def read(self, data: bytes, spot: Spot) -> None:
        """See :class:`MDNSListener`."""
        if not wire.is_response(data):
            return
        message = wire.parse(data)
        # 0 is right from port 5353, and in answers to what is asked again.
        if self._asked is not None and message.id and str(message.id) not in self._asked:
            self._counts["unrelated"] += 1
        for service in dns_sd.services(message.records):
            if service.kind not in dns_sd.CAMERA_KINDS:
                self._counts["non_cameras"] += 1
            elif service.leaving:
                self._leave(service, spot)
            else:
                self._come(service, spot)

    def end(self) -> None:
        """Report what did not become complete as it is."""
        super().end()
        for service, spot in self._waiting.values():
            self._tell(service, spot)
        self._waiting.clear()

    def forget(self, now: float) -> None:
        """See :class:`MDNSListener`."""
        super().forget(now)
        self._waiting.clear()
        self._settled.clear()
        self._questions.clear()

    def _come(self, service: dns_sd.Service, spot: Spot) -> None:
        key = spot.sender, wire.same(service.instance)
        if key in self._settled:
            return
        before = self._waiting.pop(key, None)
        if before is not None:
            service = _joined(before[0], service)
        missing = _missing(service)
        if not missing or len(self._waiting) >= MAX_WAITING:
            if len(self._settled) < MAX_SETTLED:
                self._settled.add(key)
            self._tell(service, spot)
            return
        self._waiting[key] = service, spot
        asked = self._questions
        if before is None and asked[spot.sender] < MAX_QUESTIONS_PER_SENDER and asked.total() < MAX_QUESTIONS:
            asked[spot.sender] += 1
            self._counts["asked_again"] += 1
            # Not by unicast from port 5353: other programs on this machine have that port too.
            spot.ask(wire.query([wire.Question(service.instance, kind, not self._watching) for kind in missing]))

    def _tell(self, service: dns_sd.Service, spot: Spot) -> None:
        if not dns_sd.is_camera(service):
            self._counts["non_cameras"] += 1
            return
        address = self._address(service, spot)
        name = wire.text_of(wire.same(service.instance))
        self._known.add(f"{spot.sender} {name}")
        self.report(
            spot.sender,
            f"{name} at {address}",
            lambda: make_sighting(service, address, spot.interface, self._clock.seconds()),
            address="" if address == spot.sender else address,
        )

    def _leave(self, service: dns_sd.Service, spot: Spot) -> None:
        key = spot.sender, wire.same(service.instance)
        self._waiting.pop(key, None)
        self._settled.discard(key)
        known = f"{spot.sender} {wire.text_of(key[1])}" in self._known
        if self._watching and (known or dns_sd.is_camera(service)):
            address = self._address(service, spot)
            self.depart(spot.sender, address="" if address == spot.sender else address)

    def _address(self, service: dns_sd.Service, spot: Spot) -> str:
        """Where the service stands: where it was heard from, unless a reflector speaks for a network that is named."""
        own = [ip_network((one.address, one.prefix_length), strict=False) for one in spot.addresses]
        if spot.sender.partition("%")[0] in service.addresses:
            return spot.sender
        for text in service.addresses:
            address = ip_address(text)
            if _is_in(address, self._networks) and not _is_in(address, own):
                return text
        return spot.sender


def _is_in(address: object, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _joined(before: dns_sd.Service, now: dns_sd.Service) -> dns_sd.Service:
    """What two messages say of one service."""
    return replace(
        before,
        port=before.port if now.port is None else now.port,
        host=now.host or before.host,
        entries=before.entries if now.entries is None else now.entries,
        addresses=now.addresses or before.addresses,
    )


def _missing(service: dns_sd.Service) -> list[int]:
    """The types of records that are still to come. The address of the host is not among them: it has spoken."""
    missing = [wire.SRV] if service.port is None else []
    return [*missing, wire.TXT] if service.entries is None else missing


def make_sighting(service: dns_sd.Service, address: str, interface: str, now: float) -> Sighting:
    """What ``service`` says of the device at ``address``."""
    ports = (service.port,) if service.port else ()
    rtsp_ports = (_AXIS_RTSP_PORT,) if service.kind == _AXIS_VIDEO else ports if service.kind == _RTSP else ()
    said = (
        (EvidenceKind.MDNS, wire.text_of(wire.same(service.host))),
        (EvidenceKind.MDNS, service.entry("id").lower() if service.kind == dns_sd.HOMEKIT else ""),
        (EvidenceKind.ANNOUNCED_MAC, str(service.mac or "")),
        (EvidenceKind.VENDOR, "AXIS" if service.kind.startswith("_axis-") else ""),
    )
    return Sighting(
        method=METHOD,
        address=address,
        seen_at=now,
        types=(service.kind,),
        rtsp_ports=rtsp_ports,
        open_ports=() if service.kind == _RTSP else ports,
        name=service.title,
        interface=interface,
        evidence=tuple(Evidence(kind, value, METHOD, now) for kind, value in said if value),
    )
