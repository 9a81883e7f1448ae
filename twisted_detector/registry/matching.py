"""Matcher: records a sighting of a device, and decides whether an answer is that of the device that was asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from twisted_detector.model import Evidence, EvidenceKind, Inspection, Sighting
from twisted_detector.registry.device import Device
from twisted_detector.registry.identity.address_history import Placement
from twisted_detector.registry.identity.claims import EXCLUSIVE, ClaimSet, claim_of, normalise_endpoint_reference
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.merging import Merger


class Matcher:
    """Records sightings of devices that the index has resolved."""

    def __init__(self, index: IdentityIndex, merger: Merger) -> None:
        self._index = index
        self._merger = merger

    def record(self, device: Device, sighting: Sighting, claimed: ClaimSet, now: float) -> Device:
        """Place, record and reconcile a sighting that the index has resolved to ``device``.

        :returns: the device that was seen: another than ``device`` after a separation or a merge.
        """
        primary = device.facts.address
        stood_here = self._index.is_at(device.key, sighting.address)
        placement = self._placement(device, claimed, now)
        if placement is Placement.OTHER_DEVICE_HERE:
            device = self._merger.separate(device, sighting.address, now)
            primary = device.facts.address
        elif placement is Placement.OTHER_DEVICE_THERE:
            self._merger.separate(device, primary, now)
        unidentified = self._merger.unidentified_at(device, claimed)
        self._record_at(device, placement, sighting, claimed, now)
        if primary != device.facts.address:
            device.cameras.record_move(primary, device.facts.address, now)
        device.cameras.record_sighting(device.facts.methods, now)
        switching = claimed.mac is not None and device.address_history.record_mac(claimed.mac, now)
        if switching and self._is_two_devices(device):
            self._merger.split(device, now)
        for other in unidentified:
            reason = "only its address was known, and there stands the other"
            device = self._merger.merge(device, other, reason, now)
        self._merger.report_conflicts(device, claimed, now)
        device = self._merger.reconcile(device, now)
        return self._merger.record_contact(device, now, claimed, moved=not stood_here)

    def _placement(self, device: Device, claimed: ClaimSet, now: float) -> Placement:
        if device.is_secondary_address(claimed.address):
            return Placement.ADDITIONAL
        known = self._index.firm_claims(device.key)
        identified = any(claim in known and claim[0] != EvidenceKind.MAC for claim in claimed.claims)
        away = device.lifecycle.phase in (Phase.SUSPECT, Phase.OFFLINE)
        return self._placement_at(device, claimed.address, identified=identified, now=now, away=away)

    def _placement_at(
        self, device: Device, address: str, *, identified: bool, now: float, away: bool = False
    ) -> Placement:
        primary = device.facts.address
        return device.address_history.placement_of(
            address,
            primary,
            identified=identified,
            now=now,
            away=away,
            replaced=not self._index.is_at(device.key, primary) or self._is_taken(device, address),
        )

    def _is_taken(self, device: Device, address: str) -> bool:
        """Whether the device that was seen at ``address`` last has a MAC, and none of this device's."""
        own = set(self._index.macs(device.key))
        there = (set(self._index.macs(key)) for key in self._index.devices_at(address) if key != device.key)
        return any(macs and not macs & own for macs in there)

    def _record_at(
        self, device: Device, placement: Placement, sighting: Sighting, claimed: ClaimSet, now: float
    ) -> None:
        """Record the sighting's claims, address, facts and MAC."""
        for other, claim in self._index.add_claims(device.key, claimed):
            if claim[0] == EvidenceKind.MAC:
                self._merger.lose_mac(other, claim[1], now)
        firm = self._firm_part(device, sighting)
        if placement is Placement.ADDITIONAL:
            self._index.place(device.key, claimed, also=True)
            device.add_method(sighting.method)
            device.add_evidence(firm.evidence)
        else:
            self._index.place(device.key, claimed, also=placement is Placement.SAME)
            device.apply_sighting(firm)
        identified = any(self._index.is_firm(device.key, one) and one[0] != EvidenceKind.MAC for one in claimed.claims)
        device.address_history.record(claimed.address, claimed.mac, identified=identified, now=now)
        self._merger.update_mac(device, sighting.mac, claimed.address, now)

    def would_move(self, device: Device, address: str, now: float) -> bool:
        """Whether a sighting at ``address`` would move a device that is well at another."""
        well = device.lifecycle.phase in (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED)
        if not well or device.is_secondary_address(address):
            return False
        return self._placement_at(device, address, identified=True, now=now) is Placement.MOVED

    def _is_two_devices(self, device: Device) -> bool:
        """Whether several MACs are several devices: not when it named them all as its own when it was inspected."""
        claims = self._index.firm_claims(device.key)
        own = {value for kind, value in claims if kind == EvidenceKind.HARDWARE_ADDRESS}
        macs = {mac.text for mac in self._index.macs(device.key)}
        return len(macs) > 1 and not macs <= own

    def _firm_part(self, device: Device, sighting: Sighting) -> Sighting:
        """A sighting without what is tied to the device by its address only."""
        reference = sighting.endpoint_reference
        firm = self._is_firm(device, EvidenceKind.ENDPOINT_REFERENCE, reference)
        evidence = self.firm_evidence(device, sighting.evidence)
        return replace(sighting, endpoint_reference=reference if firm else "", evidence=evidence)

    def firm_evidence(self, device: Device, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
        """The evidence that is not tied to the device by its address only."""
        return tuple(one for one in evidence if self._is_firm(device, one.kind, one.value))

    def _is_firm(self, device: Device, kind: str, value: str) -> bool:
        claim = claim_of(kind, value)
        return claim is None or claim in self._index.discredited or self._index.is_firm(device.key, claim)

    def is_other_device(self, device: Device, claimed: ClaimSet, now: float) -> bool:
        """Whether the device that answered is not the one that was asked."""
        match = self._index.weigh(device.key, claimed, contested_too=True)
        known = self._index.firm_claims(device.key)
        foreign = self._is_claimed_by_another(device, claimed)
        exclusive = any(kind in EXCLUSIVE for kind, _ in known)
        here = self.mac_just_seen(device, now)
        if foreign and known and not claimed.claims & known and (exclusive or device.id or not here):
            return True
        if here:
            return False
        return match.contradicts > match.agrees and (bool(device.id) or foreign)

    def _is_claimed_by_another(self, device: Device, claimed: ClaimSet) -> bool:
        """Whether one of the claims is a firm one of another device, and none of this one's."""
        return any(
            key != device.key and self._index.is_firm(key, claim)
            for claim in claimed.claims - self._index.firm_claims(device.key)
            for key in self._index.claimants(claim)
        )

    @staticmethod
    def mac_just_seen(device: Device, now: float) -> bool:
        """Whether its MAC was seen just now at its address: then it is the device that answers there."""
        mac = device.facts.mac
        return mac is not None and device.address_history.mac_at(device.facts.address, now) == mac


def as_sighting(inspection: Inspection, address: str) -> Sighting:
    """The sighting that an inspection amounts to, as if the device had announced itself."""
    references = (one.value for one in inspection.evidence if one.kind == EvidenceKind.ENDPOINT_REFERENCE)
    return Sighting(
        method=inspection.inspector,
        address=address,
        seen_at=inspection.at,
        endpoint_reference=normalise_endpoint_reference(next(references, "")),
        xaddrs=(inspection.onvif_url,) if inspection.onvif_url else (),
        evidence=inspection.evidence,
    )
