"""Merger: merges devices that prove to be one, splits one that proves to be two, and reports conflicts between them.

A value that two living devices claim is contested: it counts for neither. When each of them was seen after the other,
the value is discredited for good; when one falls silent and only the other is seen, they were one all along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import pairwise

from twisted_detector.events import DevicesMerged, DeviceSplit, Event, IdentityConflict
from twisted_detector.model import Evidence, EvidenceKind, Mac
from twisted_detector.registry.device import Device
from twisted_detector.registry.identity.claims import VETO, Claim, ClaimSet
from twisted_detector.registry.identity.index import IdentityIndex

_LAYER2 = "layer 2"


class Merger:
    """Merges, splits and conflicts of devices, and the MAC that is believed to be a device's own.

    :param devices: all devices, by handle; the registry's.
    :param emit: receives every event, in order.
    :param add_device: makes a new device at an address.
    :param remove_device: removes a device that has no cameras any more.
    """

    def __init__(
        self,
        devices: Mapping[int, Device],
        index: IdentityIndex,
        emit: Callable[[Event], None],
        *,
        add_device: Callable[[str], Device],
        remove_device: Callable[[int], None],
    ) -> None:
        self._devices = devices
        self._index = index
        self._emit = emit
        self._add_device = add_device
        self._remove_device = remove_device
        self._reported: set[Claim] = set()

    # --- MACs ---------------------------------------------------------------------------------------------------------

    def update_mac(self, device: Device, mac: Mac | None, address: str, now: float) -> None:
        """Decide which MAC is believed to be the device's own, after a sighting over ``mac`` at ``address``."""
        if mac is not None:
            device.layer2_address = address
            shared = (EvidenceKind.MAC, mac.text) in self._index.discredited
            kind = EvidenceKind.SHARED_MAC if shared else EvidenceKind.MAC
            device.add_evidence((Evidence(kind, mac.text, _LAYER2, now),))
        first = (device.key,)
        macs = self._index.macs(device.key)
        own = [one for one in macs if self._index.claimants((EvidenceKind.MAC, one.text))[:1] == first]
        before = device.facts.mac
        device.facts = replace(
            device.facts,
            mac=own[-1] if own else None,
            behind_shared_mac=not own and (mac is not None or device.facts.behind_shared_mac),
        )
        if before is not None and before != device.facts.mac:
            self._publish_identity(device, now)

    def lose_mac(self, key: int, mac: str, now: float) -> None:
        """A MAC that a device had at its address only proved to be another's."""
        device = self._devices[key]
        device.remove_evidence(EvidenceKind.MAC, mac)
        self.update_mac(device, None, "", now)

    def _publish_identity(self, device: Device, now: float) -> None:
        device.cameras.set_identity(device.facts.mac, tuple(device.evidence.values()), now)

    # --- conflicts ----------------------------------------------------------------------------------------------------

    def record_contact(
        self, device: Device, now: float, claimed: ClaimSet | None = None, *, moved: bool = False
    ) -> Device:
        """A device was seen, or answered; returns it, or the one that it proved to be.

        :param claimed: what it said, and where; None: nothing. What answers at an address a minute later may be another
            device, or the same one over its other link: that proves nothing.
        :param moved: it was somewhere else before.
        """
        device.last_seen_at = now
        by_mac = claimed is not None and device.address_history.mac_at(claimed.address, now) is not None
        if by_mac or (claimed is not None and self._is_itself(device, claimed)):
            for claim in self._index.record_turn(device.key, now, by_mac=by_mac, moved=moved):
                self._discredit(claim, now)
        for _, other in tuple(self._index.rivals(device.key)):
            gone = self._devices.get(other)
            if gone is not None and not gone.is_alive(now):
                device = self.merge_into_successor(gone, now) or device
        return device

    def _is_itself(self, device: Device, claimed: ClaimSet) -> bool:
        """Whether it was this device though no MAC was seen: it has none, and it said what it is known by or is behind
        the MAC of others. Of one with a MAC that may have been another's answer.
        """
        said = claimed.claims & self._index.firm_claims(device.key)
        return device.facts.mac is None and (device.facts.behind_shared_mac or bool(said))

    def report_conflicts(self, device: Device, claimed: ClaimSet, now: float) -> None:
        """Emit, once for each value, that two living devices claim it."""
        for claim in sorted(claimed.claims):
            if claim in self._reported or not self._index.is_firm(device.key, claim):
                continue
            for key in self._index.claimants(claim):
                if key == device.key or not self._index.is_firm(key, claim) or not self._devices[key].is_alive(now):
                    continue
                if self._emit_conflict(self._devices[key], device, claim, now):
                    break

    def _emit_conflict(self, one: Device, other: Device, claim: Claim, now: float) -> bool:
        camera = next(iter(one.cameras), None)
        if camera is None:
            return False
        # Reported once for each value; there are no more of them than devices claim.
        self._reported.add(claim)
        other_id = other.id or other.proposed_id
        self._emit(IdentityConflict(at=now, camera=camera, kind=claim[0], value=claim[1], other_device_id=other_id))
        return True

    def _discredit(self, claim: Claim, now: float) -> None:
        """Two devices make this claim at once: it has no weight any more."""
        holders = [self._devices[key] for key in self._index.discredit(claim)]
        for device in holders:
            device.mark_shared(claim, now)
            if claim[0] == EvidenceKind.MAC:
                self.update_mac(device, None, "", now)
                device.facts = replace(device.facts, behind_shared_mac=device.facts.mac is None)
            self._publish_identity(device, now)
        if claim not in self._reported:
            for one, other in pairwise(holders):
                if self._emit_conflict(one, other, claim, now) or self._emit_conflict(other, one, claim, now):
                    break

    def is_withheld(self, device: Device) -> bool:
        """Whether a device that was never published shares a claim with a published device whose MAC was seen.

        It seems to be that device at another address, but its own MAC was not seen, and claims can be forged.
        """
        if device.id or device.facts.mac is not None:
            return False
        return any(
            self._devices[other].id and self._devices[other].facts.mac is not None
            for _, other in self._index.rivals(device.key)
        )

    def unidentified_at(self, device: Device, claimed: ClaimSet) -> list[Device]:
        """The devices of which nothing but the address is known, when a device is seen there with its MAC."""
        if claimed.mac is None:
            return []
        there = (self._devices[key] for key in self._index.devices_at(claimed.address) if key != device.key)
        return [other for other in there if self._index.is_unidentified(other.key)]

    # --- one, not two -------------------------------------------------------------------------------------------------

    def reconcile(self, device: Device, now: float) -> Device:
        """Merge a device that claims more than before with the known device that it proves to be, if any."""
        device.last_seen_at = now
        claimed = self._claims_of(device)
        for claim, key in tuple(self._index.rivals(device.key)):
            other = self._devices[key]
            if claim[0] == EvidenceKind.MAC or not self._index.is_firm(key, claim):
                continue
            if not self._index.is_firm(device.key, claim):
                continue
            if other.is_gone(now) and self._has_rival(key, device.key):
                continue
            match = self._index.weigh(key, claimed, contested_too=True)
            # Nor is a living device whose MAC was seen merged with claims from elsewhere: they can be forged.
            back = self._index.weigh(device.key, self._claims_of(other), contested_too=True)
            if match.accepted and back.contradicts < VETO:
                return self.merge(other, device, f"both are {claim[0]} {claim[1]}, and nothing speaks against it", now)
        return device

    def merge_into_successor(self, gone: Device, now: float) -> Device | None:
        """Merge a device that is away with one that made the same claims since, and never both by turns.

        :returns: the device that stays, None when there is no successor.
        """
        rivals: dict[int, list[Claim]] = {}
        if not gone.id:
            return None  # never published: it was never sure to be there
        for claim, key in self._index.rivals(gone.key):
            rivals.setdefault(key, []).append(claim)
        for key, claims in rivals.items():
            other = self._devices[key]
            if not other.is_alive(now) or other.last_seen_at <= gone.last_seen_at:
                continue
            if self._index.weigh(gone.key, self._claims_of(other), contested_too=True).accepted:
                common = ", ".join(f"{kind} {value}" for kind, value in claims)
                return self.merge(gone, other, f"the one fell silent when the other came with the same {common}", now)
        return None

    def _claims_of(self, device: Device) -> ClaimSet:
        return ClaimSet(device.facts.address, self._index.firm_claims(device.key))

    def merge(self, one: Device, other: Device, reason: str, now: float) -> Device:
        """Make one device of two. The id that was published first stays; the address is where it was seen last."""
        keep, drop = sorted((one, other), key=lambda each: (not each.id, each.published_at, each.key))
        newest = max((one, other), key=lambda each: each.last_seen_at)
        also = ""
        if newest is drop and keep.address_history.is_confirmed(keep.facts.address, now):
            also, newest = drop.facts.address, keep  # it is at both
        latest = replace(self._claims_of(newest), services=frozenset(newest.facts.xaddrs))
        both = ClaimSet(newest.facts.address, self._index.firm_claims(keep.key) | self._index.firm_claims(drop.key))
        was_there = self._index.is_at(newest.key, newest.facts.address)
        ids = tuple(camera.id for camera in drop.cameras)
        for camera_id in ids:
            drop.cameras.forget(camera_id, now)
        old_address, merged_id, inspection = keep.facts.address, drop.id, drop.last_inspection
        # Whether it still holds for what they are together is decided after this.
        keep.adoption_record = keep.adoption_record or drop.adoption_record
        self._remove_device(drop.key)
        self._index.add_claims(keep.key, both, firm=True)
        self._index.add_claims(keep.key, latest, firm=True)
        if newest is drop:
            keep.facts = replace(
                newest.facts,
                device_id=keep.facts.device_id,
                mac=keep.facts.mac,
                adoption=keep.facts.adoption,
                not_adopted=keep.facts.not_adopted,
            )
            keep.layer2_address, keep.last_seen_at = drop.layer2_address, drop.last_seen_at
            keep.address_history = drop.address_history
            keep.last_inspection = inspection or keep.last_inspection
            if was_there:
                self._index.place(keep.key, latest)
        if also:
            self._index.place(keep.key, ClaimSet(also, both.claims), also=True)
            keep.address_history.record(also, keep.facts.mac, identified=True, now=now)
        keep.add_evidence(drop.evidence.values())
        keep.stale = True
        keep.address_history.reset_switches()
        self.update_mac(keep, None, "", now)
        if keep.facts.address != old_address:
            keep.cameras.record_move(old_address, keep.facts.address, now)
        self._publish_identity(keep, now)
        for camera in tuple(keep.cameras)[:1]:
            self._emit(
                DevicesMerged(at=now, camera=camera, merged_device_id=merged_id, merged_camera_ids=ids, reason=reason)
            )
        return keep

    # --- two, not one -------------------------------------------------------------------------------------------------

    def separate(self, device: Device, address: str, now: float) -> Device:
        """Make a device of its own of what was seen at ``address`` with this device's MAC: one MAC for several."""
        place = device.address_history.places.get(address)
        device.address_history.forget(address)
        other = self._add_device(address)
        mac = ClaimSet(address, frozenset((EvidenceKind.MAC, one.text) for one in self._index.macs(device.key)[-1:]))
        self._index.add_claims(other.key, mac)
        self._index.displace(device.key, address)
        self._index.place(other.key, mac)
        other.last_seen_at = place.seen_at if place else now
        self.update_mac(other, mac.mac, address, now)
        return other

    def split(self, device: Device, now: float) -> None:
        """Make several devices of one that is seen over several MACs by turns. The MAC known first keeps the id."""
        first, *later = sorted(self._index.macs(device.key), key=lambda one: self._known_since(device, one))
        shared = self._index.firm_claims(device.key)
        device.address_history.reset_switches()
        for mac in later:
            address = next((at for at, one in device.address_history.places.items() if one.mac == mac), "")
            self._index.remove_claim(device.key, (EvidenceKind.MAC, mac.text))
            device.remove_evidence(EvidenceKind.MAC, mac.text)
            if not address:
                continue
            device.address_history.forget(address)
            other = self._add_device(address)
            claims = {one for one in shared if one[0] != EvidenceKind.MAC} | {(str(EvidenceKind.MAC), mac.text)}
            claimed = ClaimSet(address, frozenset(claims))
            self._index.add_claims(other.key, claimed, firm=True)
            self._index.displace(device.key, address)
            self._index.place(other.key, claimed)
            other.last_seen_at = now
            other.facts = replace(other.facts, endpoint_reference=device.facts.endpoint_reference)
            self.update_mac(other, mac, address, now)
            self._emit_split(device, other, f"heard by turns over {first} and {mac}", now)
        for claim in sorted(shared):
            if claim[0] != EvidenceKind.MAC and claim[0] != EvidenceKind.HARDWARE_ADDRESS:
                self._discredit(claim, now)
        old_address = device.facts.address
        address = next((at for at, one in device.address_history.places.items() if one.mac == first), old_address)
        device.facts = replace(device.facts, address=address, xaddrs=(), rtsp_ports=(), open_ports=())
        device.stale = True
        self._index.place(device.key, ClaimSet(address, frozenset(((str(EvidenceKind.MAC), first.text),))))
        self.update_mac(device, first, address, now)
        self._publish_identity(device, now)
        if address != old_address:
            device.cameras.record_move(old_address, address, now)

    def _known_since(self, device: Device, mac: Mac) -> tuple[bool, float, str]:
        """Sort key of a device's MACs: the one that its id is made of comes first, then the oldest."""
        known = device.evidence.get((EvidenceKind.MAC, mac.text))
        return device.id != mac.compact, known.seen_at if known else 0.0, mac.text

    def _emit_split(self, device: Device, other: Device, reason: str, now: float) -> None:
        for camera in tuple(device.cameras)[:1]:
            other_id = other.id or other.proposed_id
            self._emit(DeviceSplit(at=now, camera=camera, other_device_id=other_id, reason=reason))

    def remove_stale_rivals(self, claimed: ClaimSet, now: float) -> None:
        """Remove devices that were seen once, with the claims of another device, and are gone since: likely forged, or
        never there.
        """
        for key in self._index.devices_at(claimed.address):
            if self._devices[key].is_gone(now) and any(self._index.rivals(key)):
                self._remove_device(key)
        for claim in claimed.claims:
            if claim[0] == EvidenceKind.MAC:
                self._remove_shadows(claim, now)
                continue
            for key in self._index.claimants(claim):
                if self._devices[key].is_gone(now) and self._has_rival(key):
                    self._remove_device(key)

    def _remove_shadows(self, mac: Claim, now: float) -> None:
        """Remove devices that were thought to be there only because another one was seen with its MAC somewhere else.

        Such a device has shown nothing but the MAC, and by now only one of them stands anywhere, or it was not
        seen again.
        """
        keys = self._index.claimants(mac)
        left, standing = len(keys), sum(self._index.is_anywhere(key) for key in keys)
        for key in keys:
            device, stands = self._devices[key], self._index.is_anywhere(key)
            if device.id or left < 2 or self._index.claims(key) != (mac,):
                continue
            if standing == 1 or device.is_gone(now):
                self._remove_device(key)
                left, standing = left - 1, standing - stands

    def _has_rival(self, key: int, of: int | None = None) -> bool:
        """Whether another device than ``of`` makes a claim of this one, beside the MAC, which may be a repeater's."""
        return any(other != of and claim[0] != EvidenceKind.MAC for claim, other in self._index.rivals(key))

    # --- forgetting ---------------------------------------------------------------------------------------------------

    def after_restore(self, device: Device) -> None:
        """After a restart: values that were found to be of two devices stay discredited, and conflicts reported."""
        for claim in device.shared_claims:
            self._index.discredit(claim)
        self._reported.update(claim for claim, _ in self._index.rivals(device.key))

    def after_removal(self, claims: Iterable[Claim]) -> None:
        """After a device with these claims was removed: what no device claims any more may be reported anew."""
        self._reported.difference_update([claim for claim in claims if not self._index.claimants(claim)])
