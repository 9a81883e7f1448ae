"""Sightings of one device go in; what is known of it, and whether it has shown anything new, comes out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from twisted_detector.model import Camera, Candidate, Evidence, EvidenceKind, Inspection, Proof, Sighting, Stream
from twisted_detector.model.addresses import without_login
from twisted_detector.registry.camera_set import CameraSet
from twisted_detector.registry.identity.address_history import AddressHistory
from twisted_detector.registry.identity.claims import normalise_endpoint_reference, permanent_id
from twisted_detector.registry.lifecycle import Lifecycle, Phase

#: Identifiers that are remembered of one device.
MAX_EVIDENCE = 32
#: Ports of one kind that are remembered of one device: twice those worth a look at all.
MAX_PORTS = 32
#: Different things (addresses of services, scopes, ports) that one device may show at one place and be asked again
#: for: many times what the most talkative recorder has, and an end for one that shows something else every time.
MAX_SHOWN = 256

#: A device that was never published counts as there for so many seconds after it was heard: a full sweep and the
#: question that follows take no longer.
UNPUBLISHED_LIFE = 300.0

#: A device that was no camera is asked again after that many seconds, or when it shows something new.
FOREIGN_HOLD = 3600.0
#: One that is in trouble is asked again by the next sweep that sees it, but not for each of an announcement's repeats.
TROUBLED_HOLD = 8.0
#: And one that is well, for what may have changed unnoticed (names, profiles, firmware).
REFRESH_HOLD = 6 * 3600.0

#: Before the kind of an identifier that two devices had at once.
_SHARED = "shared_"
_RTSP_PORT = re.compile(r"rtsps?://(?:\[[^\]]*\]|[^/?#:]*)(?::([0-9]{1,5}))?(?:[/?#]|$)", re.IGNORECASE)
#: A stream that came so far once is where it was.
_PROVED = (Proof.SDP, Proof.RTP, Proof.KEYFRAME)


@dataclass
class Device:
    """What is known of one device; owned by the registry alone.

    :ivar id: what it was published as; "" until then.
    :ivar asked_at: wall seconds, None: never.
    :ivar published_at: wall seconds of its first publication.
    :ivar stale: something new was seen since it was asked last.
    :ivar heard_at: wall seconds when it was last seen or answered, by itself beyond doubt.
    :ivar mac_seen_at: the address where its MAC, or one that it shares, was seen last.
    :ivar latest: what it said last, published or held back.
    """

    key: int
    life: Lifecycle
    cameras: CameraSet
    facts: Candidate
    id: str = ""
    asked_at: float | None = None
    published_at: float = 0.0
    stale: bool = True
    heard_at: float = float("-inf")
    mac_seen_at: str = ""
    latest: Inspection | None = None
    where: AddressHistory = field(default_factory=AddressHistory)
    evidence: dict[tuple[str, str], Evidence] = field(default_factory=dict)
    _shown: set[tuple[str, str]] = field(default_factory=set)

    @property
    def wanted_id(self) -> str:
        """The id that it would be given now."""
        facts = self.facts
        return permanent_id(facts.mac, facts.endpoint_reference, self.evidence.values(), facts.address)

    @property
    def candidate(self) -> Candidate:
        """It as an inspector is asked about it: what was seen, and what earlier inspections taught."""
        streams = self.cameras.streams
        proved = [one.url for one in streams if one.validated]
        proved += [one.url for one in streams if not one.validated and one.proof in _PROVED]
        services = tuple(dict.fromkeys(camera.onvif_url for camera in self.cameras if camera.onvif_url))
        here = self.mac_seen_at == self.facts.address
        return replace(
            self.facts,
            device_id=self.id or self.wanted_id,
            # Words may have brought it here: a secret goes only where its MAC was seen.
            mac=self.facts.mac if here else None,
            behind_shared_mac=self.facts.behind_shared_mac and here,
            xaddrs=self.facts.xaddrs or services,
            rtsp_ports=_union(self.facts.rtsp_ports, _ports(streams)),
            known_urls=tuple(proved),
            vendors=self._vendors,
        )

    @property
    def _vendors(self) -> tuple[str, ...]:
        """Who made it, by itself and by whatever else says so."""
        made = [camera.manufacturer for camera in self.cameras]
        made += [item.value for item in self.evidence.values() if item.kind == EvidenceKind.VENDOR]
        return tuple(dict.fromkeys(filter(None, made)))

    def since_asked(self, now: float) -> float:
        """Seconds since it was asked; endless when never, or when the clock has jumped back since."""
        elapsed = float("inf") if self.asked_at is None else now - self.asked_at
        return elapsed if elapsed >= 0 else float("inf")

    def due(self, now: float) -> bool:
        """Whether it should be asked: it is news, or it was not well, or it is long ago."""
        phase = self.life.phase
        hold = REFRESH_HOLD
        if phase is Phase.FOREIGN:
            hold = FOREIGN_HOLD
        elif phase in (Phase.CANDIDATE, Phase.OFFLINE, Phase.SUSPECT):
            hold = 0.0
        elif phase in (Phase.TROUBLED, Phase.REFUSED):
            hold = TROUBLED_HOLD
        return self.stale or self.since_asked(now) >= hold

    def keeps_its_address(self, address: str) -> bool:
        """Whether being seen at ``address`` is no move: a device with IPv4 and IPv6 is called by its IPv4 address.

        Both are announced in one breath; only when the first is dead is the second worth more.
        """
        return ":" in address and ":" not in self.facts.address and self.life.phase is not Phase.OFFLINE

    def absorb(self, sighting: Sighting) -> None:
        """Put what was seen to what is known; whatever it never showed before makes it worth asking again."""
        facts = self.facts
        if sighting.address != facts.address:
            # Service addresses and ports of the place where it stood before are worth nothing at the new one.
            facts = replace(facts, address=sighting.address, xaddrs=(), rtsp_ports=(), open_ports=())
            self._shown.clear()
            self.stale = True
        for item in _shows(sighting):
            if item not in self._shown and len(self._shown) < MAX_SHOWN:
                self._shown.add(item)
                self.stale = True
        self.facts = replace(
            facts,
            endpoint_reference=facts.endpoint_reference or sighting.endpoint_reference,
            xaddrs=tuple(without_login(url) for url in sighting.xaddrs) or facts.xaddrs,
            scopes=sighting.scopes or facts.scopes,
            rtsp_ports=_union(facts.rtsp_ports, sighting.rtsp_ports),
            open_ports=_union(facts.open_ports, sighting.open_ports),
        )
        self.learn(sighting.evidence)
        self.heard_by(sighting.method)

    def heard_by(self, method: str) -> None:
        """One more method that sees it."""
        self.facts = replace(self.facts, methods=tuple(sorted({*self.facts.methods, method})))

    def learn(self, evidence: Iterable[Evidence]) -> None:
        """Remember identifiers, within the bound; a known one with its latest source and time."""
        for item in evidence:
            if len(self.evidence) < MAX_EVIDENCE or (item.kind, item.value) in self.evidence:
                self.evidence[item.kind, item.value] = item

    def alive(self, now: float) -> bool:
        """Whether it is there, as far as is known: what was never published is so for some minutes."""
        if self.id:
            return self.life.phase is not Phase.OFFLINE
        return now - self.heard_at <= UNPUBLISHED_LIFE

    def unlearn(self, kind: str, value: str) -> None:
        """An identifier is not its own."""
        self.evidence.pop((kind, value), None)

    def said_reference(self) -> str:
        """The EndpointReference that it gave when it was asked, or ""."""
        kind = EvidenceKind.ENDPOINT_REFERENCE
        said = next((item.value for item in self.evidence.values() if item.kind == kind), "")
        return normalise_endpoint_reference(said)

    def restore(self, camera: Camera) -> None:
        """Take over one of its cameras as an earlier run knew it."""
        self.facts = replace(
            self.facts,
            address=camera.address,
            mac=camera.mac or self.facts.mac,
            endpoint_reference=camera.endpoint_reference or self.facts.endpoint_reference,
            methods=tuple(sorted({*self.facts.methods, *camera.methods})),
        )
        self.learn(camera.evidence)
        behind = camera.mac is None and any(kind == EvidenceKind.MAC for kind, _ in self.shared)
        self.mac_seen_at = camera.address if camera.mac is not None or behind else ""
        self.facts = replace(self.facts, behind_shared_mac=behind)
        since = camera.first_seen
        self.published_at = min(self.published_at, since) if self.published_at else since

    @property
    def shared(self) -> tuple[tuple[str, str], ...]:
        """What it claims, or seemed to, and another device does at the same time: kinds and values."""
        return tuple((kind.removeprefix(_SHARED), value) for kind, value in self.evidence if kind.startswith(_SHARED))

    def note_shared(self, claim: tuple[str, str], now: float) -> None:
        """Another device claims this at the same time."""
        if claim[0] == EvidenceKind.MAC:
            self.evidence.pop(claim, None)
        self.learn((Evidence(_SHARED + claim[0], claim[1], "identity", now),))


def _shows(sighting: Sighting) -> Iterator[tuple[str, str]]:
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
