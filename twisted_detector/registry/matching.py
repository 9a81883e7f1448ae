"""Matcher: decides which device a message is of, what its address is to that device, and whether it is an answer of it.

It changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from twisted_detector.model import Evidence, EvidenceKind, Inspection, Sighting
from twisted_detector.model.addresses import without_login
from twisted_detector.registry.device import Device
from twisted_detector.registry.facts.announced import proper_evidence
from twisted_detector.registry.identity.address_history import Placement
from twisted_detector.registry.identity.claims import (
    EXCLUSIVE,
    Claim,
    ClaimSet,
    claim_of,
    claims_of,
    normalise_endpoint_reference,
)
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Phase


class Matcher:
    """Decisions about one message.

    :param devices: all devices, by handle.
    """

    def __init__(self, devices: Mapping[int, Device], index: IdentityIndex) -> None:
        self._devices = devices
        self._index = index

    # --- which device -------------------------------------------------------------------------------------------------

    def claims_of(self, sighting: Sighting) -> ClaimSet:
        """What a sighting claims, without what several devices claim at once."""
        claims = claims_of(sighting.mac, sighting.endpoint_reference, sighting.evidence)
        services = frozenset(without_login(url) for url in sighting.xaddrs)
        return ClaimSet(sighting.address, claims, services).without(self._index.discredited)

    def claims_of_answer(self, device: Device, inspection: Inspection) -> ClaimSet:
        """What the answer to an inspection claims, at the address that was asked."""
        return ClaimSet(device.facts.address, _claims_in(inspection)).without(self._index.discredited)

    def device_of(self, claimed: ClaimSet) -> int | None:
        """The known device that makes these claims; None: it would be a new one."""
        return self._index.find(claimed)

    def unidentified_at(self, claimed: ClaimSet) -> tuple[Device, ...]:
        """The devices of which nothing but the address is known, where somebody is seen with his MAC."""
        if claimed.mac is None:
            return ()
        there = self._index.devices_at(claimed.address)
        return tuple(self._devices[key] for key in there if self._index.is_unidentified(key))

    # --- what its address is ------------------------------------------------------------------------------------------

    def placement_of(self, device: Device, claimed: ClaimSet, now: float) -> Placement:
        """What the address of a sighting is to the device that it is of."""
        if device.is_secondary_address(claimed.address):
            return Placement.ADDITIONAL
        known = self._index.firm_claims(device.key)
        identified = any(claim in known and claim[0] != EvidenceKind.MAC for claim in claimed.claims)
        away = device.lifecycle.is_missing
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

    def would_move(self, device: Device, address: str, now: float) -> bool:
        """Whether a sighting at ``address`` would move a device that is well at another, as far as is known: one of an
        earlier run was.
        """
        well = device.lifecycle.phase in (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED, Phase.SUSPECT)
        if not well or device.lifecycle.is_missing or device.is_secondary_address(address):
            return False
        return self._placement_at(device, address, identified=True, now=now) is Placement.MOVED

    # --- what of it counts --------------------------------------------------------------------------------------------

    def is_two_devices(self, device: Device) -> bool:
        """Whether several MACs are several devices: not when it named them all as its own when it was inspected."""
        claims = self._index.firm_claims(device.key)
        own = {value for kind, value in claims if kind == EvidenceKind.HARDWARE_ADDRESS}
        macs = {mac.text for mac in self._index.macs(device.key)}
        return len(macs) > 1 and not macs <= own

    def own_part(self, device: Device, sighting: Sighting, claimed: ClaimSet, now: float) -> tuple[Sighting, ClaimSet]:
        """A sighting and its claims without the words of another device, which speaks from the address by turns: of the
        new ones of one manufacturer each has its own, and all have the address of the factory.
        """
        said = sighting.announced
        if said is None or not device.cameras.said.is_of_another(sighting.method, said, now):
            return sighting, claimed
        macs = frozenset(one for one in claimed.claims if one[0] == EvidenceKind.MAC)
        return replace(sighting, endpoint_reference="", evidence=()), replace(claimed, claims=macs)

    def firm_part(self, device: Device, sighting: Sighting) -> Sighting:
        """A sighting without what is tied to the device by its address only."""
        reference = sighting.endpoint_reference
        firm = self._is_firm(device, EvidenceKind.ENDPOINT_REFERENCE, reference)
        evidence = self.firm_evidence(device, proper_evidence(sighting))
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

    def is_answer_of_clones(self, device: Device, inspection: Inspection) -> bool:
        """Whether an answer has a value that several other devices claim, where this one is known by its own."""
        own = {kind for kind, _ in self._index.firm_claims(device.key) if kind in EXCLUSIVE}
        theirs = _claims_in(inspection).intersection(self._index.discredited).difference(self._index.claims(device.key))
        return any(kind in own for kind, _ in theirs)

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


def _claims_in(inspection: Inspection) -> frozenset[Claim]:
    return claims_of(None, "", inspection.evidence, model=inspection.model)


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
