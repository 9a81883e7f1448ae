"""A sighting and the device that it seems to be go in; the device that it is (moved, parted, merged) comes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from twisted_detector.model import Evidence, EvidenceKind, Inspection, Sighting
from twisted_detector.registry.device import Device
from twisted_detector.registry.identity.address_history import Where
from twisted_detector.registry.identity.claims import EXCLUSIVE, Seen, claim_of, normalise_endpoint_reference
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.merging import Merger

#: Where a MAC was seen not longer ago than so many seconds, its device answers, whatever it calls itself: an
#: inspection that follows a sighting takes no longer.
MAC_HOLDS = 10.0


class Matcher:
    """Puts what was seen to the device that it is of."""

    def __init__(self, index: IdentityIndex, kin: Merger) -> None:
        self._index = index
        self._kin = kin

    def take_in(self, device: Device, sighting: Sighting, seen: Seen, now: float) -> Device:
        """``sighting`` is of ``device``, as far as can be told."""
        address, primary = sighting.address, device.facts.address
        mine = self._index.claims(device.key)
        vouched = any(claim in mine and claim[0] != EvidenceKind.MAC for claim in seen.claims)
        where = Where.ALSO
        if not device.keeps_its_address(address):
            away = device.life.phase in (Phase.SUSPECT, Phase.OFFLINE)
            where = device.where.judge(address, primary, vouched=vouched, now=now, away=away)
        if where is Where.OTHER_HERE:
            device = self._kin.part(device, address, now)
        elif where is Where.OTHER_THERE:
            self._kin.part(device, primary, now)
        nameless = self._kin.nameless_at(device, seen)
        self._index.bind(device.key, seen)
        firm = self._firm(device, sighting)
        if where is Where.ALSO:
            self._index.stand(device.key, seen, also=True)
            device.heard_by(sighting.method)
            device.learn(firm.evidence)
        else:
            self._index.stand(device.key, seen, also=where is Where.SAME)
            device.absorb(firm)
        vouched = any(self._index.firm(device.key, one) and one[0] != EvidenceKind.MAC for one in seen.claims)
        device.where.heard(address, seen.mac, vouched=vouched, now=now)
        self._kin.note_mac(device, sighting.mac, address, now)
        if primary != device.facts.address and where is not Where.OTHER_HERE:
            device.cameras.moved(primary, device.facts.address, now)
        device.cameras.seen(device.facts.methods, now)
        if seen.mac is not None and device.where.switched(seen.mac, now) and self._is_two(device):
            self._kin.split(device, now)
        for other in nameless:
            device = self._kin.merge(device, other, "only its address was known, and there stands the other", now)
        self._kin.told_together(device, seen, now)
        device = self._kin.reconcile(device, now)
        return self._kin.heard(device, now, for_certain=sighting.mac is not None or device.facts.mac is None)

    def would_leave(self, device: Device, address: str, now: float) -> bool:
        """Whether being heard at ``address`` would be a move of a device that is well where it was."""
        well = device.life.phase in (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED)
        if not well or device.keeps_its_address(address):
            return False
        return device.where.judge(address, device.facts.address, vouched=True, now=now, away=False) is Where.MOVED

    def _is_two(self, device: Device) -> bool:
        """Whether several MACs are several devices: not when it named them all as its own when it was asked."""
        said = {value for kind, value in self._index.claims(device.key) if kind == EvidenceKind.HARDWARE_ADDRESS}
        macs = {mac.text for mac in self._index.macs(device.key)}
        return len(macs) > 1 and not macs <= said

    def _firm(self, device: Device, sighting: Sighting) -> Sighting:
        """A sighting without what is tied to the device by its address only."""
        reference = sighting.endpoint_reference
        sure = self._is_sure(device, EvidenceKind.ENDPOINT_REFERENCE, reference)
        evidence = self.sure(device, sighting.evidence)
        return replace(sighting, endpoint_reference=reference if sure else "", evidence=evidence)

    def sure(self, device: Device, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
        """The evidence that is not tied to the device by its address only."""
        return tuple(one for one in evidence if self._is_sure(device, one.kind, one.value))

    def _is_sure(self, device: Device, kind: str, value: str) -> bool:
        claim = claim_of(kind, value)
        return claim is None or claim in self._index.spent or self._index.firm(device.key, claim)

    def is_another(self, device: Device, seen: Seen, now: float) -> bool:
        """Whether the device that answered is not the one that was asked."""
        verdict = self._index.judge(device.key, seen, contested_too=True)
        mine = self._index.claims(device.key)
        foreign = self.is_of_another(device, seen)
        words = any(kind in EXCLUSIVE for kind, _ in mine)
        here = self.just_seen(device, now)
        if foreign and mine and not seen.claims & mine and (words or device.id or not here):
            return True
        if here:
            return False
        return verdict.contradicts > verdict.agrees and (bool(device.id) or foreign)

    def is_of_another(self, device: Device, seen: Seen) -> bool:
        """Whether something was said that another device is known by, and this one is not."""
        return any(
            key != device.key and self._index.firm(key, claim)
            for claim in seen.claims - self._index.claims(device.key)
            for key in self._index.claimants(claim)
        )

    @staticmethod
    def just_seen(device: Device, now: float) -> bool:
        """Whether its MAC was seen just now where it is asked: then it is the device that answers."""
        place = device.where.places.get(device.facts.address)
        return place is not None and place.mac == device.facts.mac is not None and 0 <= now - place.heard <= MAC_HOLDS


def as_sighting(inspection: Inspection, address: str) -> Sighting:
    """What answered, as if it had announced itself."""
    said = (one.value for one in inspection.evidence if one.kind == EvidenceKind.ENDPOINT_REFERENCE)
    return Sighting(
        method=inspection.inspector,
        address=address,
        seen_at=inspection.at,
        endpoint_reference=normalise_endpoint_reference(next(said, "")),
        xaddrs=(inspection.onvif_url,) if inspection.onvif_url else (),
        evidence=inspection.evidence,
    )
