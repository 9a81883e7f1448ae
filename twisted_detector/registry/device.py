"""Record of one device: its facts, evidence and addresses, and whether it is to be inspected again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from twisted_detector.model import (
    Adoption,
    Camera,
    Candidate,
    Evidence,
    EvidenceKind,
    Inspection,
    Proof,
    Sighting,
    Stream,
)
from twisted_detector.model.addresses import without_login
from twisted_detector.model.devices import SHARED
from twisted_detector.registry.adoption import AdoptionRecord, Identity
from twisted_detector.registry.camera_set import CameraSet
from twisted_detector.registry.identity.address_history import AddressHistory
from twisted_detector.registry.identity.claims import normalise_endpoint_reference, permanent_id
from twisted_detector.registry.lifecycle import Lifecycle, Phase

#: Identifiers that are remembered of one device.
MAX_EVIDENCE = 32
#: Ports of one kind that are remembered of one device: twice those worth probing at all.
MAX_PORTS = 32
#: Different details (addresses of services, scopes, ports) for which one device is inspected again at one address: many
#: times what the most talkative recorder has, and an end for one that shows something else every time.
MAX_DETAILS = 256

#: A device that was never published counts as alive for so many seconds after it was seen: a full sweep and the
#: inspection that follows take no longer.
UNPUBLISHED_LIFE = 300.0

#: A device that was no camera is inspected again after that many seconds, or when it shows something new.
FOREIGN_HOLD = 3600.0
#: A device in trouble is inspected again by the next sweep that sees it, but not for each of an announcement's repeats.
#: Each time that this was in vain the hold is doubled: routine checks ask it all the same.
TROUBLED_HOLD, MAX_TROUBLED_HOLD = 8.0, 900.0
#: A device that is away or new is inspected whenever it is seen. After so many times in vain it has to wait: whoever
#: forges its announcements would have us knock at a dead address for each. At most a minute, the time of a check.
PROMPTS_TO_SPARE, MAX_AWAY_HOLD = 3, 60.0
#: A device that is well is inspected again for what may have changed unnoticed (names, profiles, firmware).
REFRESH_HOLD = 6 * 3600.0

_RTSP_PORT = re.compile(r"rtsps?://(?:\[[^\]]*\]|[^/?#:]*)(?::([0-9]{1,5}))?(?:[/?#]|$)", re.IGNORECASE)
#: A stream that was proved so far is known to exist at its URL.
_PROVED = (Proof.SDP, Proof.RTP, Proof.KEYFRAME)


@dataclass
class Device:
    """What is known of one device; owned by the registry alone.

    :ivar key: the handle by which the registry names it.
    :ivar facts: what was seen of it, at its primary address.
    :ivar id: its permanent id, "" until it is published.
    :ivar inspection_began_at: wall seconds, None: never.
    :ivar published_at: wall seconds of its first publication.
    :ivar stale: something new was seen since its last inspection began.
    :ivar prompts_in_vain: inspections for which a sighting was the reason, since a stream of it played.
    :ivar last_seen_at: wall seconds when it was last seen or answered.
    :ivar layer2_address: the address where its MAC, or one that it shares, was seen last.
    :ivar last_inspection: published, or withheld.
    :ivar adoption_record: what was decided of it, and of whom that was; None: nothing.
    """

    key: int
    lifecycle: Lifecycle
    cameras: CameraSet
    facts: Candidate
    id: str = ""
    inspection_began_at: float | None = None
    published_at: float = 0.0
    stale: bool = True
    prompts_in_vain: int = 0
    last_seen_at: float = float("-inf")
    layer2_address: str = ""
    last_inspection: Inspection | None = None
    adoption_record: AdoptionRecord | None = None
    address_history: AddressHistory = field(default_factory=AddressHistory)
    evidence: dict[tuple[str, str], Evidence] = field(default_factory=dict)
    #: Only hashes: a device may show 256 details of a kilobyte each.
    _details: set[int] = field(default_factory=set)
    _prompted: bool = False

    @property
    def proposed_id(self) -> str:
        """The id that it would get if it were published now."""
        facts = self.facts
        return permanent_id(facts.mac, facts.endpoint_reference, self.evidence.values(), facts.address)

    @property
    def candidate(self) -> Candidate:
        """The device as an inspector gets it: what was seen, and what earlier inspections found."""
        streams = self.cameras.streams
        proved = [one.url for one in streams if one.validated]
        proved += [one.url for one in streams if not one.validated and one.proof in _PROVED]
        services = tuple(dict.fromkeys(camera.onvif_url for camera in self.cameras if camera.onvif_url))
        here = self.layer2_address == self.facts.address
        adoption, not_adopted = self.facts.adoption, self.facts.not_adopted
        if adoption is Adoption.PERSON and self.adoption_record and self.adoption_record.macs and not self.at_layer2:
            # It was accepted with a MAC, which is not seen where it seems to be now.
            adoption, not_adopted = Adoption.NO, "the MAC that it was adopted with is not seen at its address now"
        return replace(
            self.facts,
            device_id=self.id or self.proposed_id,
            # Forged claims may have moved it here: a secret goes only where its MAC was seen.
            mac=self.facts.mac if here else None,
            behind_shared_mac=self.facts.behind_shared_mac and here,
            xaddrs=self.facts.xaddrs or services,
            rtsp_ports=_union(self.facts.rtsp_ports, _ports(streams)),
            known_urls=tuple(proved),
            vendors=self._vendors,
            adoption=adoption,
            not_adopted=not_adopted,
        )

    @property
    def listed_as(self) -> Candidate:
        """The facts by which an operator names devices in the configuration: address, MAC, id."""
        mac = self.facts.mac if self.at_layer2 else None
        return Candidate(self.id or self.proposed_id, self.facts.address, mac=mac)

    @property
    def at_layer2(self) -> bool:
        """Whether this machine saw a MAC at its present address."""
        seen = self.facts.mac is not None or self.facts.behind_shared_mac
        return seen and self.layer2_address == self.facts.address

    @property
    def identity(self) -> Identity:
        """What it shows of itself now: the MAC at its address, and what it gave when it was inspected last."""
        place = self.address_history.places.get(self.facts.address)
        mac = place.mac if place is not None else None
        if mac is None and self.layer2_address == self.facts.address:
            mac = self.facts.mac
        given = {one.kind: one.value for one in (self.last_inspection.evidence if self.last_inspection else ())}
        return Identity(
            mac=mac.text if mac is not None else "",
            reference=normalise_endpoint_reference(given.get(EvidenceKind.ENDPOINT_REFERENCE, "")),
            certificate=given.get(EvidenceKind.CERTIFICATE, ""),
            address=self.facts.address,
        )

    @property
    def _vendors(self) -> tuple[str, ...]:
        """Names of its manufacturer: its own word, and other evidence."""
        names = [camera.manufacturer for camera in self.cameras]
        names += [item.value for item in self.evidence.values() if item.kind == EvidenceKind.VENDOR]
        return tuple(dict.fromkeys(filter(None, names)))

    def since_inspection(self, now: float) -> float:
        """Seconds since its last inspection began; infinite when never, or when the clock has jumped back since."""
        elapsed = float("inf") if self.inspection_began_at is None else now - self.inspection_began_at
        return elapsed if elapsed >= 0 else float("inf")

    def needs_inspection(self, now: float) -> bool:
        """Whether to inspect it now: it shows something new, or was not well, or the last inspection is long ago."""
        phase = self.lifecycle.phase
        hold = REFRESH_HOLD
        if phase is Phase.FOREIGN:
            hold = FOREIGN_HOLD
        elif phase in (Phase.CANDIDATE, Phase.OFFLINE, Phase.SUSPECT):
            hold = _backed_off(1.0, self.prompts_in_vain - PROMPTS_TO_SPARE, MAX_AWAY_HOLD)
        elif phase in (Phase.TROUBLED, Phase.REFUSED):
            hold = _backed_off(TROUBLED_HOLD, max(1, self.prompts_in_vain), MAX_TROUBLED_HOLD)
        return self.stale or self.since_inspection(now) >= hold

    def prompt_inspection(self, now: float) -> bool:
        """It was seen: :meth:`needs_inspection`, and if so the next inspection counts as caused by that."""
        needed = self.needs_inspection(now)
        self._prompted = self._prompted or needed
        return needed

    def inspection_began(self, now: float) -> None:
        """An inspection begins."""
        self.inspection_began_at = now
        self.stale = False
        self.prompts_in_vain += self._prompted
        self._prompted = False
        self.lifecycle.inspection_began()

    @property
    def is_established(self) -> bool:
        """Whether it is more than a claim; see :attr:`Camera.established`."""
        return any(camera.established for camera in self.cameras)

    def is_secondary_address(self, address: str) -> bool:
        """Whether a sighting at ``address`` is no move: a device with IPv4 and IPv6 is published at its IPv4 address.

        Both are announced together; the second becomes the primary one only when the first is dead.
        """
        return ":" in address and ":" not in self.facts.address and self.lifecycle.phase is not Phase.OFFLINE

    def apply_sighting(self, sighting: Sighting) -> None:
        """Add what was seen to the facts; a detail that was never seen before makes another inspection due."""
        facts = self.facts
        if sighting.address != facts.address:
            # Service addresses and ports at its former address are worth nothing at the new one.
            facts = replace(facts, address=sighting.address, xaddrs=(), rtsp_ports=(), open_ports=())
            self._details.clear()
            self.stale = True
        for detail in map(hash, _details_of(sighting)):
            if detail not in self._details and len(self._details) < MAX_DETAILS:
                self._details.add(detail)
                self.stale = True
        self.facts = replace(
            facts,
            endpoint_reference=facts.endpoint_reference or sighting.endpoint_reference,
            xaddrs=tuple(without_login(url) for url in sighting.xaddrs) or facts.xaddrs,
            scopes=sighting.scopes or facts.scopes,
            rtsp_ports=_union(facts.rtsp_ports, sighting.rtsp_ports),
            open_ports=_union(facts.open_ports, sighting.open_ports),
        )
        self.add_evidence(sighting.evidence)
        self.add_method(sighting.method)

    def add_method(self, method: str) -> None:
        """Add a method to those that have seen it."""
        self.facts = replace(self.facts, methods=tuple(sorted({*self.facts.methods, method})))

    def add_evidence(self, evidence: Iterable[Evidence]) -> None:
        """Add identifiers, within the bound; a known one gets its latest source and time."""
        for item in evidence:
            if len(self.evidence) < MAX_EVIDENCE or (item.kind, item.value) in self.evidence:
                self.evidence[item.kind, item.value] = item

    def is_alive(self, now: float) -> bool:
        """Whether it is there, as far as is known; a device that was never published is for some minutes."""
        if self.id:
            return self.lifecycle.phase is not Phase.OFFLINE
        return now - self.last_seen_at <= UNPUBLISHED_LIFE

    def is_gone(self, now: float) -> bool:
        """Whether it was never published, and is not there any more."""
        return not self.id and not self.is_alive(now)

    def remove_evidence(self, kind: str, value: str) -> None:
        """Remove an identifier that is not its own."""
        self.evidence.pop((kind, value), None)

    def inspected_reference(self) -> str:
        """The EndpointReference that an inspection found, or ""."""
        kind = EvidenceKind.ENDPOINT_REFERENCE
        found = next((item.value for item in self.evidence.values() if item.kind == kind), "")
        return normalise_endpoint_reference(found)

    def restore(self, camera: Camera) -> None:
        """Take over the facts of one of its cameras, as an earlier run saved them."""
        self.add_evidence(camera.evidence)
        behind = camera.mac is None and any(kind == EvidenceKind.MAC for kind, _ in self.shared_claims)
        self.layer2_address = camera.address if camera.mac is not None or behind else ""
        self.facts = replace(
            self.facts,
            address=camera.address,
            mac=camera.mac or self.facts.mac,
            endpoint_reference=camera.endpoint_reference or self.facts.endpoint_reference,
            methods=tuple(sorted({*self.facts.methods, *camera.methods})),
            behind_shared_mac=behind,
        )
        since = camera.first_seen
        self.published_at = min(self.published_at, since) if self.published_at else since

    @property
    def shared_claims(self) -> tuple[tuple[str, str], ...]:
        """Claims that are discredited, for another device makes them too: kinds and values."""
        return tuple((kind.removeprefix(SHARED), value) for kind, value in self.evidence if kind.startswith(SHARED))

    def mark_shared(self, claim: tuple[str, str], now: float) -> None:
        """Record that another device makes this claim at the same time."""
        if claim[0] == EvidenceKind.MAC:
            self.evidence.pop(claim, None)
        self.add_evidence((Evidence(SHARED + claim[0], claim[1], "identity", now),))


def _backed_off(first: float, times: int, longest: float) -> float:
    """``first`` seconds, doubled each time from the second on, at most ``longest``; 0 before the first time."""
    return min(first * 2.0 ** min(times - 1, 30), longest) if times > 0 else 0.0


def _details_of(sighting: Sighting) -> Iterator[tuple[str, str]]:
    if sighting.mac is not None:
        yield "mac", sighting.mac.text
    if sighting.endpoint_reference:
        yield "epr", sighting.endpoint_reference
    for kind, values in (
        ("xaddr", sighting.xaddrs),
        ("scope", sighting.scopes),
        ("rtsp", sighting.rtsp_ports),
        ("open", sighting.open_ports),
    ):
        for value in values:
            yield kind, str(value)


def _union(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Both, sorted; beyond the bound, what was known first stays."""
    return tuple(sorted(tuple(dict.fromkeys((*one, *other)))[:MAX_PORTS]))


def _ports(streams: Iterable[Stream]) -> tuple[int, ...]:
    """The ports that stream URLs name (RFC 7826, 4.2: 554 and 322 when they name none)."""
    found = []
    for stream in streams:
        match = _RTSP_PORT.match(stream.url)
        if match is not None:
            found.append(int(match[1] or (322 if stream.url.lower().startswith("rtsps") else 554)))
    return tuple(port for port in found if 0 < port < 65_536)
