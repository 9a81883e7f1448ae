"""Record of one device: its facts, evidence and addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from twisted_detector.model import (
    Adoption,
    Camera,
    Candidate,
    Evidence,
    EvidenceKind,
    Inspection,
    Mac,
    Proof,
    Sighting,
    Status,
)
from twisted_detector.model.addresses import without_login
from twisted_detector.model.clocks import restamped
from twisted_detector.registry.adoption import UNSEEN, AdoptionRecord, Identity
from twisted_detector.registry.camera_set import CameraSet
from twisted_detector.registry.identity.address_history import AddressHistory
from twisted_detector.registry.identity.claims import normalise_endpoint_reference, permanent_id
from twisted_detector.registry.identity.evidence_set import EvidenceSet
from twisted_detector.registry.inspection_reasons import InspectionReasons, ports_of
from twisted_detector.registry.lifecycle import Lifecycle, Phase

#: Methods that have seen it: there are about thirty, and a plugin may name as many as it likes.
MAX_METHODS = 64
#: Ports of one kind that are remembered of one device: twice those worth probing at all.
MAX_PORTS = 32

#: A device that was never published counts as alive for so many seconds after it was seen: a full sweep and the
#: inspection that follows take no longer.
UNPUBLISHED_LIFE = 300.0

_LAYER2 = "layer 2"
#: A stream that was proved so far is known to exist at its URL.
_PROVED = (Proof.SDP, Proof.RTP, Proof.KEYFRAME)


@dataclass
class Device:
    """What is known of one device; owned by the registry alone.

    :ivar key: the handle by which the registry names it.
    :ivar facts: what was seen of it, at its primary address.
    :ivar id: its permanent id, "" until it is published.
    :ivar published_at: wall seconds of its first publication.
    :ivar reasons: to inspect it again.
    :ivar last_seen_at: wall seconds when it was last seen or answered.
    :ivar layer2_address: the address where its MAC, or one that it shares, was seen last; ``layer2_mac``: that MAC.
    :ivar last_inspection: published, or withheld.
    :ivar adoption_record: what was decided of it, and of whom that was; None: nothing.
    """

    key: int
    lifecycle: Lifecycle
    cameras: CameraSet
    facts: Candidate
    id: str = ""
    published_at: float = 0.0
    last_seen_at: float = float("-inf")
    layer2_address: str = ""
    layer2_mac: Mac | None = None
    last_inspection: Inspection | None = None
    adoption_record: AdoptionRecord | None = None
    address_history: AddressHistory = field(default_factory=AddressHistory)
    reasons: InspectionReasons = field(default_factory=InspectionReasons)
    evidence: EvidenceSet = field(default_factory=EvidenceSet)

    @property
    def proposed_id(self) -> str:
        """The id that it would get if it were published now."""
        facts = self.facts
        return permanent_id(facts.mac, facts.endpoint_reference, self.evidence, facts.address)

    @property
    def candidate(self) -> Candidate:
        """The device as an inspector gets it: what was seen, and what earlier inspections found."""
        streams = self.cameras.streams
        # What a person gave is asked because he did: when he takes it back, it is known no more.
        found = [one for one in streams if not one.own]
        proved = [one.url for one in found if one.validated]
        proved += [one.url for one in found if not one.validated and one.proof in _PROVED]
        services = tuple(dict.fromkeys(camera.onvif_url for camera in self.cameras if camera.onvif_url))
        here = self.layer2_address == self.facts.address
        adoption, not_adopted, record = self.facts.adoption, self.facts.not_adopted, self.adoption_record
        unseen = record is not None and bool(record.macs) and not self.at_layer2
        if adoption is Adoption.PERSON and unseen:
            # It was accepted with a MAC, which is not seen where it seems to be now.
            adoption, not_adopted = Adoption.NO, UNSEEN
        return replace(
            self.facts,
            device_id=self.id or self.proposed_id,
            # Forged claims may have moved it here: a secret goes only where its MAC was seen.
            mac=self.facts.mac if here else None,
            behind_shared_mac=self.facts.behind_shared_mac and here,
            xaddrs=self.facts.xaddrs or services,
            rtsp_ports=_union(self.facts.rtsp_ports, ports_of(found)),
            known_urls=tuple(proved),
            vendors=self._vendors,
            adoption=adoption,
            not_adopted=not_adopted,
            is_bound=record is not None and record.adoption.is_adopted and not unseen,
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
    def was_well(self) -> bool:
        """Whether an earlier run left all its cameras playing, and its first check since the restart has not ended."""
        cameras = tuple(self.cameras) if self.lifecycle.awaits_first_check else ()
        return bool(cameras) and all(one.online and one.last_validated > 0 and one.streams for one in cameras)

    def is_well_at(self, address: str, mac: Mac | None) -> bool:
        """Whether it is online, and was seen at ``address`` over ``mac`` last; None: at whatever MAC.

        After a restart, whether it was so at its end: its check is under way, or waits for its turn. But where no MAC
        shows that it is still the same device, that is not enough.
        """
        well = self.lifecycle.phase is Phase.ONLINE or (mac is not None and self.was_well)
        if not (self.id and well):
            return False
        place = self.address_history.places.get(address)
        seen = place.mac if place is not None else None
        if seen is None and self.layer2_address == address:
            seen = self.facts.mac
        return mac is None or seen == mac

    @property
    def identity(self) -> Identity:
        """What it shows of itself now: the MAC at its address, and what it gave when it was inspected last."""
        place = self.address_history.places.get(self.facts.address)
        mac = place.mac if place is not None else None
        if mac is None and self.layer2_address == self.facts.address:
            mac = self.layer2_mac or self.facts.mac
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
        return tuple(dict.fromkeys(filter(None, (*self.cameras.vendors, *self.evidence.vendors))))

    def needs_inspection(self, now: float) -> bool:
        """Whether to inspect it now: it shows something new, or was not well, or the last inspection is long ago."""
        return self.reasons.are_due(self.cameras.asking_phase(self.lifecycle.phase), now)

    def prompt_inspection(self, now: float) -> bool:
        """It was seen: :meth:`needs_inspection`, and if so the next inspection counts as caused by that."""
        return self.reasons.prompt(self.cameras.asking_phase(self.lifecycle.phase), now)

    def inspection_began(self, now: float) -> None:
        """An inspection begins."""
        self.reasons.inspection_began(now)
        self.lifecycle.inspection_began()

    def answered(self) -> None:
        """It answered an inspection or a check: its phase follows from the statuses of its cameras."""
        statuses = {camera.status for camera in self.cameras}
        if Status.ONLINE in statuses:
            self.lifecycle.stream_proved()
            self.reasons.stream_proved()
            self._discard_known_details()
        elif Status.AUTH_REQUIRED in statuses:
            self.lifecycle.login_required()
        else:
            self.lifecycle.no_stream_proved()

    def _discard_known_details(self) -> None:
        if self.reasons.details.has_news and self.lifecycle.phase is Phase.ONLINE:
            streams = [one for one in self.cameras.streams if one.validated]
            self.reasons.details.found_well([one.onvif_url for one in self.cameras if one.onvif_url], streams)

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
            self.reasons.moved()
        self.reasons.details.record(sighting, facts.endpoint_reference)
        self._discard_known_details()
        self.facts = replace(
            facts,
            endpoint_reference=facts.endpoint_reference or sighting.endpoint_reference,
            xaddrs=tuple(without_login(url) for url in sighting.xaddrs) or facts.xaddrs,
            scopes=sighting.scopes or facts.scopes,
            rtsp_ports=_union(facts.rtsp_ports, sighting.rtsp_ports),
            open_ports=_union(facts.open_ports, sighting.open_ports),
        )
        self.evidence.add(sighting.evidence)
        self.add_method(sighting.method)

    def apply_inspection(self, inspection: Inspection, evidence: Iterable[Evidence]) -> None:
        """Keep what it answered: ``evidence`` is the part that is certainly its own."""
        self.evidence.add(evidence)
        if not self.facts.endpoint_reference and (reference := self.evidence.endpoint_reference):
            self.facts = replace(self.facts, endpoint_reference=reference)
        # The address that was asked, whatever an inspector of a plugin writes.
        self.last_inspection = replace(inspection, address=self.facts.address)

    def discard_inspection(self) -> None:
        """Its inspection may not be published: it is inspected again as late as what is no camera."""
        self.last_inspection = None
        self.reset_unpublished()
        self.lifecycle.not_a_camera()

    def reset_unpublished(self) -> None:
        """That it was busy once does not make a device a camera for ever that was never published."""
        if not len(self.cameras):
            self.lifecycle.reset()

    def seen(self, now: float) -> None:
        """It was seen, or answered."""
        self.last_seen_at = now

    def clock_set(self, by: float, now: float) -> None:
        """The wall's clock was set; what goes by ages bears that, for a stamp of the future has none."""
        self.last_seen_at += by
        self.published_at = restamped(self.published_at, by, now)
        self.cameras.clock_set(by, now)

    def check_missed(self) -> None:
        """It did not answer a check or an inspection; what was never published may never have been there."""
        self.reset_unpublished()
        self.lifecycle.check_missed()
        if not self.id:
            self.last_seen_at = float("-inf")

    def publish(self, device_id: str, now: float = 0.0) -> None:
        """It gets its id, which never changes."""
        self.id, self.published_at = device_id, now

    # --- adoption -----------------------------------------------------------------------------------------------------

    def accept(self, record: AdoptionRecord) -> None:
        """A person accepted it: it is inspected again, with the logins that it may be given now."""
        self.adoption_record = record
        self.reasons.changed()

    def decide(self, record: AdoptionRecord | None) -> None:
        """Keep what was decided of it."""
        self.adoption_record = record

    def set_adoption(self, adoption: Adoption, not_adopted: str) -> None:
        """Set whether it is adopted by now, and why not."""
        if (adoption, not_adopted) != (self.facts.adoption, self.facts.not_adopted):
            self.facts = replace(self.facts, adoption=adoption, not_adopted=not_adopted)

    # --- its MAC, and other devices -----------------------------------------------------------------------------------

    def see_mac(self, mac: Mac, address: str, now: float, *, shared: bool) -> None:
        """A MAC was seen at one of its addresses. :param shared: it is known to be that of several devices."""
        self.layer2_address, self.layer2_mac = address, mac
        kind = EvidenceKind.SHARED_MAC if shared else EvidenceKind.MAC
        self.evidence.add((Evidence(kind, mac.text, _LAYER2, now),))

    def set_mac(self, mac: Mac | None, *, behind_shared: bool) -> bool:
        """Set the MAC that is believed to be its own; whether that was another one before."""
        before = self.facts.mac
        self.facts = replace(self.facts, mac=mac, behind_shared_mac=behind_shared)
        return before is not None and before != mac

    def absorb(self, other: Device, *, newest: bool) -> None:
        """It and ``other`` are one. :param newest: of the two the other was seen last, and what it showed holds."""
        # Whether this still holds for what they are together is decided after this.
        self.adoption_record = self.adoption_record or other.adoption_record
        if newest:
            own = self.facts
            self.facts = replace(
                other.facts,
                device_id=own.device_id,
                mac=own.mac,
                adoption=own.adoption,
                not_adopted=own.not_adopted,
            )
            self.layer2_address, self.layer2_mac = other.layer2_address, other.layer2_mac
            self.last_seen_at = other.last_seen_at
            self.address_history = other.address_history
            self.last_inspection = other.last_inspection or self.last_inspection
        self.evidence.add(other.evidence)
        self.address_history.reset_switches()
        self.reasons.changed()

    def split_from(self, other: Device, now: float) -> None:
        """It is new, for it was taken for ``other`` so far: it goes by the same words."""
        self.seen(now)
        self.facts = replace(self.facts, endpoint_reference=other.facts.endpoint_reference)

    def stay_at(self, address: str) -> None:
        """What was seen of it elsewhere was another device."""
        self.facts = replace(self.facts, address=address, xaddrs=(), rtsp_ports=(), open_ports=())
        self.reasons.changed()

    # --- what is known of it ------------------------------------------------------------------------------------------

    def add_method(self, method: str) -> None:
        """Add a method to those that have seen it, within the bound."""
        if method not in self.facts.methods and len(self.facts.methods) < MAX_METHODS:
            self.facts = replace(self.facts, methods=tuple(sorted((*self.facts.methods, method))))

    def is_alive(self, now: float) -> bool:
        """Whether it is there, as far as is known; a device that was never published is for some minutes."""
        if self.id:
            return self.lifecycle.phase is not Phase.OFFLINE
        return now - self.last_seen_at <= UNPUBLISHED_LIFE

    def is_gone(self, now: float) -> bool:
        """Whether it was never published, and is not there any more."""
        return not self.id and not self.is_alive(now)

    def restore(self, camera: Camera) -> None:
        """Take over the facts of one of its cameras, as an earlier run saved them."""
        self.evidence.add(camera.evidence)
        shared = [item for item in self.evidence if item.kind == EvidenceKind.SHARED_MAC]
        behind = camera.mac is None and bool(shared)
        latest = max(shared, key=lambda item: item.seen_at).value if behind else ""
        self.layer2_mac = Mac(latest) if latest else camera.mac
        self.layer2_address = camera.address if self.layer2_mac is not None else ""
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

    def publish_identity(self, now: float) -> None:
        """Its cameras show the MAC and the evidence that it has now."""
        self.cameras.set_identity(self.facts.mac, tuple(self.evidence), now)


def _union(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Both, sorted; beyond the bound, what was known first stays."""
    return tuple(sorted(tuple(dict.fromkeys((*one, *other)))[:MAX_PORTS]))
