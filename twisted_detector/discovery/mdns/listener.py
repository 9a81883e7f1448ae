"""Listener for Multicast DNS: reports services that cameras have, and their departures.

A device is reported when the port and the TXT record of its service are known; what is missing is queried once. Its
address is the one that it spoke from: one that it only names may be that of its past, or of another device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from twisted_detector.discovery.multicast.listener import Bounds, ListenerContext, MulticastListener, Origin
from twisted_detector.model import Announced, Evidence, EvidenceKind, Sighting
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.bounds import MAX_HOSTS, BoundedSet
from twisted_detector.model.reach import Network, NetworksNow, no_networks
from twisted_detector.wire.lan import dns_sd, mdns as wire

METHOD = "mdns"

#: Services that wait for the rest of their records, and that are complete; beyond it, they are reported as they are.
#: Nearly all devices send everything at once.
MAX_WAITING, MAX_SETTLED = 1024, MAX_HOSTS
#: Queries that one sender, and all together, can make us send: forgers must not make us the flood.
MAX_QUESTIONS_PER_SENDER, MAX_QUESTIONS = 32, 256

#: Where Axis cameras serve RTSP, whatever port their page has (vendor's default; Frigate, cameradar).
_AXIS_VIDEO, _AXIS_RTSP_PORT = "_axis-video._tcp", 554
_RTSP = "_rtsp._tcp"


class MDNSListener(MulticastListener):
    """Listener for Multicast DNS; it counts ``non_cameras``, ``unrelated`` and ``asked_again`` too.

    An answer to none of our queries is counted and still taken.

    :param networks: those beyond our links that the operator named, as they are now: a reflector's answers about them
        are believed.
    :param known: services that were reported, shared with other listeners: their goodbyes count even when they do not
        say that they are cameras.
    """

    method = METHOD
    bounds = Bounds(
        reading=0.25,
        datagrams_per_sender=256,  # a reflector speaks for all devices of another network
        sightings_per_sender=64,  # channels of a recorder
        malformed_per_sender=8,
        senders=MAX_HOSTS,
        sightings=MAX_HOSTS,
    )

    def __init__(
        self, context: ListenerContext, *, networks: NetworksNow = no_networks, known: BoundedSet[str]
    ) -> None:
        super().__init__(context)
        self._networks = networks
        self._known = known
        self._waiting: dict[tuple[str, wire.Name], tuple[dns_sd.Service, Origin]] = {}
        self._settled: set[tuple[str, wire.Name]] = set()
        self._questions: Counter[str] = Counter()

    def handle(self, data: bytes, origin: Origin) -> None:
        """See :class:`MulticastListener`."""
        if not wire.is_response(data):
            return
        message = wire.parse(data)
        # 0 is right from port 5353, and in answers to the query for what is missing.
        if self._message_ids is not None and message.id and str(message.id) not in self._message_ids:
            self._counts["unrelated"] += 1
        for service in dns_sd.services(message.records):
            if service.kind not in dns_sd.HEARD_KINDS:
                self._counts["non_cameras"] += 1
            elif service.leaving:
                self._remove(service, origin)
            else:
                self._add(service, origin)

    def finish(self) -> None:
        """See :class:`MulticastListener`; what did not become complete is reported as it is."""
        super().finish()
        for service, origin in self._waiting.values():
            self._report(service, origin)
        self._waiting.clear()

    def reset(self, now: float) -> None:
        """See :class:`MulticastListener`; what did not become complete meanwhile, for a record that cannot be read or
        an answer that was lost, is reported as it is.
        """
        super().reset(now)
        for service, origin in self._waiting.values():
            self._report(service, origin)
        self._waiting.clear()
        self._settled.clear()
        self._questions.clear()

    def _add(self, service: dns_sd.Service, origin: Origin) -> None:
        key = origin.sender, wire.same(service.instance)
        if key in self._settled:
            return
        before = self._waiting.pop(key, None)
        if before is not None:
            service = _joined(before[0], service)
        missing = _missing(service) if origin.on_link else ()  # who is not to be a candidate is not queried either
        if not missing or len(self._waiting) >= MAX_WAITING:
            if len(self._settled) < MAX_SETTLED:
                self._settled.add(key)
            self._report(service, origin)
            return
        self._waiting[key] = service, origin
        sent = self._questions
        if before is None and sent[origin.sender] < MAX_QUESTIONS_PER_SENDER and sent.total() < MAX_QUESTIONS:
            sent[origin.sender] += 1
            self._counts["asked_again"] += 1
            # Not by unicast from port 5353: other programs on this machine have that port too.
            origin.send(wire.query([wire.Question(service.instance, kind, not self._watching) for kind in missing]))

    def _report(self, service: dns_sd.Service, origin: Origin) -> None:
        if not dns_sd.is_camera(service):
            self._counts["non_cameras"] += 1
            return
        address = self._address(service, origin)
        name = wire.text_of(wire.same(service.instance))
        if origin.on_link:
            self._known.add(f"{origin.sender} {name}")
        self.report(
            origin,
            f"{name} at {address}",
            lambda: make_sighting(service, address, origin.interface, self._clock.seconds()),
            address="" if address == origin.sender else address,
        )

    def _remove(self, service: dns_sd.Service, origin: Origin) -> None:
        key = origin.sender, wire.same(service.instance)
        self._waiting.pop(key, None)
        self._settled.discard(key)
        known = f"{origin.sender} {wire.text_of(key[1])}" in self._known
        if self._watching and (known or dns_sd.is_camera(service)):
            address = self._address(service, origin)
            self.report_departure(origin, address="" if address == origin.sender else address)

    def _address(self, service: dns_sd.Service, origin: Origin) -> str:
        """Where the service stands: at its sender, unless a reflector speaks for a network that the operator named."""
        own = [one.network for one in origin.addresses]
        if origin.sender.partition("%")[0] in service.addresses:
            return origin.sender
        for text in service.addresses:
            address = ip_address(text)
            if _is_in(address, self._networks()) and not _is_in(address, own):
                return text
        return origin.sender


def _is_in(address: object, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _joined(before: dns_sd.Service, now: dns_sd.Service) -> dns_sd.Service:
    """The records of two messages about one service."""
    return replace(
        before,
        port=before.port if now.port is None else now.port,
        host=now.host or before.host,
        entries=before.entries if now.entries is None else now.entries,
        addresses=now.addresses or before.addresses,
    )


def _missing(service: dns_sd.Service) -> list[int]:
    """The types of records that are still to come. The address of the host is not among them: the sender's is used."""
    missing = [wire.SRV] if service.port is None else []
    return [*missing, wire.TXT] if service.entries is None else missing


def make_sighting(service: dns_sd.Service, address: str, interface: str, now: float) -> Sighting:
    """What ``service`` claims of the device at ``address``."""
    ports = (service.port,) if service.port else ()
    rtsp_ports = (_AXIS_RTSP_PORT,) if service.kind == _AXIS_VIDEO else ports if service.kind == _RTSP else ()
    claims = (
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
        # Matter's port is of UDP.
        open_ports=() if service.kind in (_RTSP, dns_sd.MATTER) else ports,
        name=service.title,
        interface=interface,
        evidence=tuple(Evidence(kind, value, METHOD, now) for kind, value in claims if value),
        announced=_announced(service),
    )


def _announced(service: dns_sd.Service) -> Announced | None:
    """What a service says of a camera that has perhaps no other one."""
    if service.kind == dns_sd.HOMEKIT:
        doorbell = service.entry("ci") == dns_sd.HOMEKIT_DOORBELL
        kind = DeviceKind.DOORBELL if doorbell else DeviceKind.CAMERA
        return Announced(model=service.entry("md"), kind=kind, conditions=(Condition.HOMEKIT_ONLY,))
    if service.kind == dns_sd.MATTER:
        return Announced(name=service.entry("dn"), kind=DeviceKind.CAMERA, conditions=(Condition.MATTER,))
    return None
