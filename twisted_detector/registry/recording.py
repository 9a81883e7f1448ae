"""Recorder: writes into devices and index what was decided of a message."""

from __future__ import annotations

from twisted_detector.model import Camera, EvidenceKind, Inspection, Sighting
from twisted_detector.registry.device import Device
from twisted_detector.registry.identity.address_history import Placement
from twisted_detector.registry.identity.claims import ClaimSet, claim_of, claims_of
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.matching import Matcher
from twisted_detector.registry.merging import Merger
from twisted_detector.registry.reconciling import Recorded


class Recorder:
    """Records sightings, inspections, and the cameras of an earlier run."""

    def __init__(self, index: IdentityIndex, matcher: Matcher, merger: Merger) -> None:
        self._index = index
        self._matcher = matcher
        self._merger = merger

    def record_sighting(
        self, device: Device, placement: Placement, sighting: Sighting, claimed: ClaimSet, now: float
    ) -> Recorded:
        """Record a sighting that is of ``device``, and that is ``placement`` to it; it may be of another one of its MAC
        then, which is made here.
        """
        primary = device.facts.address
        came = not self._index.is_at(device.key, sighting.address)
        if placement is Placement.OTHER_DEVICE_HERE:
            device = self._merger.separate(device, sighting.address, now)
            primary = device.facts.address
        elif placement is Placement.OTHER_DEVICE_THERE:
            self._merger.separate(device, primary, now)
        # Before this one takes their place.
        unidentified = tuple(one for one in self._matcher.unidentified_at(claimed) if one is not device)
        self._record_at(device, placement, sighting, claimed, now)
        if primary != device.facts.address:
            device.cameras.record_move(primary, device.facts.address, now)
        device.cameras.record_sighting(device.facts.methods, now)
        if sighting.announced is not None:
            device.cameras.record_announced(sighting.method, sighting.announced, now)
        switching = claimed.mac is not None and device.address_history.record_mac(claimed.mac, now)
        return Recorded(device, claimed, came, switching and self._matcher.is_two_devices(device), unidentified)

    def _record_at(
        self, device: Device, placement: Placement, sighting: Sighting, claimed: ClaimSet, now: float
    ) -> None:
        """Record the sighting's claims, address, facts and MAC."""
        for other, claim in self._index.add_claims(device.key, claimed):
            if claim[0] == EvidenceKind.MAC:
                self._merger.lose_mac(other, claim[1], now)
        firm = self._matcher.firm_part(device, sighting)
        if placement is Placement.ADDITIONAL:
            self._index.place(device.key, claimed, also=True)
            device.add_method(sighting.method)
            device.evidence.add(firm.evidence)
        else:
            self._index.place(device.key, claimed, also=placement is Placement.SAME)
            device.apply_sighting(firm)
        identified = any(self._index.is_firm(device.key, one) and one[0] != EvidenceKind.MAC for one in claimed.claims)
        device.address_history.record(claimed.address, claimed.mac, identified=identified, now=now)
        if sighting.mac is not None:
            self._merger.see_mac(device, sighting.mac, claimed.address, now)
        else:
            self._merger.update_mac(device, now)

    def record_inspection(self, device: Device, inspection: Inspection, claimed: ClaimSet, now: float) -> Recorded:
        """Record an answer that is the device's own."""
        self._index.add_claims(device.key, claimed, firm=self._matcher.mac_just_seen(device, now))
        device.apply_inspection(inspection, self._matcher.firm_evidence(device, inspection.evidence))
        device.address_history.record(device.facts.address, None, identified=bool(claimed.claims), now=now)
        return Recorded(device, claimed)

    def restore(self, device: Device, camera: Camera) -> None:
        """Take over what an earlier run knew of a device by one of its cameras."""
        device.restore(camera)
        claimed = ClaimSet(
            camera.address,
            claims_of(camera.mac, camera.endpoint_reference, camera.evidence, model=camera.model)
            | {claim for one in camera.evidence if (claim := claim_of(one.kind, one.value))}
            | frozenset(device.evidence.shared_claims),
            frozenset((camera.onvif_url,) if camera.onvif_url else ()),
        )
        self._index.add_claims(device.key, claimed, firm=True)
        self._index.place(device.key, claimed)
        device.cameras.restore(camera)
