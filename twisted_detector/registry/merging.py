"""Merger: merges and splits devices as was decided, and keeps the MAC that is believed to be a device's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

from twisted_detector.events import DevicesMerged, DeviceSplit, Event, IdentityConflict
from twisted_detector.model import EvidenceKind, Mac
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.identity.claims import Claim, ClaimSet
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.reconciling import Conflict, Merge, Reconciler, Recorded


class Merger:
    """Merges, splits and conflicts of devices.

    :param emit: receives every event, in order.
    """

    def __init__(
        self, table: DeviceTable, index: IdentityIndex, reconciler: Reconciler, *, emit: Callable[[Event], None]
    ) -> None:
        self._table = table
        self._index = index
        self._reconciler = reconciler
        self._emit = emit
        #: Each claim is told once; there are no more of them than devices make.
        self._reported: set[Claim] = set()

    # --- MACs ---------------------------------------------------------------------------------------------------------

    def see_mac(self, device: Device, mac: Mac, address: str, now: float) -> None:
        """A MAC was seen at an address of a device."""
        device.see_mac(mac, address, now, shared=(EvidenceKind.MAC, mac.text) in self._index.discredited)
        self.update_mac(device, now, behind_another=True)

    def update_mac(self, device: Device, now: float, *, behind_another: bool = False) -> None:
        """Decide which MAC is believed to be the device's own: the latest that it had before all others.

        :param behind_another: if none is, it is behind the MAC of another one.
        """
        own = self._index.own_mac(device.key)
        behind = own is None and (behind_another or device.facts.behind_shared_mac)
        if device.set_mac(own, behind_shared=behind):
            self._index.weaken(device.key)
            device.publish_identity(now)

    def lose_mac(self, key: int, mac: str, now: float) -> None:
        """A MAC that a device had at its address only proved to be another's."""
        device = self._table.devices[key]
        device.evidence.remove(EvidenceKind.MAC, mac)
        self.update_mac(device, now)

    # --- reconciling --------------------------------------------------------------------------------------------------

    def reconcile(self, recorded: Recorded, now: float) -> Device:
        """Merge, split and tell what a recorded message proves; each step changes what the next one finds.

        :returns: the device that the message is of by now.
        """
        device = recorded.device
        if recorded.is_two:
            self.split(device, now)
        for other in recorded.unidentified:
            device = self.merge(Merge(device, other, "only its address was known, and there stands the other"), now)
        self._report_conflicts(device, recorded.claimed, now)
        device.seen(now)
        decision = self._reconciler.same_as(device, now)
        if decision is not None:
            device = self.merge(decision, now)
        return self.record_contact(device, now, recorded.claimed, moved=recorded.came)

    def _report_conflicts(self, device: Device, claimed: ClaimSet, now: float) -> None:
        """Emit, once for each value, that two living devices claim it."""
        for claim in sorted(claimed.claims - self._reported):
            conflict = self._reconciler.conflict_of(device, claim, now)
            if conflict is not None:
                self._report(conflict, now)

    def merge_into_successor(self, gone: Device, now: float) -> Device | None:
        """Merge a device that is away with the one that it proves to be; None when there is none."""
        decision = self._reconciler.successor_of(gone, now)
        return self.merge(decision, now) if decision is not None else None

    def record_contact(
        self, device: Device, now: float, claimed: ClaimSet | None = None, *, moved: bool = False
    ) -> Device:
        """A device was seen, or answered; returns it, or the one that it proved to be.

        :param claimed: what it said, and where; None: nothing. What answers at an address a minute later may be another
            device, or the same one over its other link: that proves nothing.
        :param moved: it was somewhere else before.
        """
        device.seen(now)
        by_mac = claimed is not None and device.address_history.mac_at(claimed.address, now) is not None
        if by_mac or (claimed is not None and self._reconciler.is_itself(device, claimed)):
            for claim in self._index.record_turn(device.key, now, by_mac=by_mac, moved=moved):
                self._discredit(claim, now)
        for gone in self._reconciler.gone_rivals(device, now):
            device = self.merge_into_successor(self._table.devices[gone], now) or device
        return device

    def remove_stale_rivals(self, claimed: ClaimSet, now: float) -> None:
        """Remove devices that are in the way of what is seen now, and that are gone or never were there."""
        for key in self._reconciler.stale_at(claimed.address, now):
            self._table.remove(key)
        for claim in claimed.claims:
            by_mac = claim[0] == EvidenceKind.MAC
            stale = self._reconciler.shadows_of if by_mac else self._reconciler.stale_claimants
            for key in stale(claim, now):
                self._table.remove(key)

    def _report(self, conflict: Conflict, now: float) -> None:
        self._reported.add(conflict.claim)
        kind, value = conflict.claim
        camera, other_id = next(iter(conflict.one.cameras)), conflict.other.id or conflict.other.proposed_id
        self._emit(IdentityConflict(at=now, camera=camera, kind=kind, value=value, other_device_id=other_id))

    def _discredit(self, claim: Claim, now: float) -> None:
        """Two devices make this claim at once: it has no weight any more."""
        holders = [self._table.devices[key] for key in self._index.discredit(claim)]
        for device in holders:
            device.evidence.mark_shared(claim, now)
            if claim[0] == EvidenceKind.MAC:
                self.update_mac(device, now, behind_another=True)
            device.publish_identity(now)
        if claim not in self._reported:
            pairs = [pair for one, other in pairwise(holders) for pair in ((one, other), (other, one))]
            for one, other in [pair for pair in pairs if len(pair[0].cameras)][:1]:
                self._report(Conflict(one, other, claim), now)

    # --- one, not two -------------------------------------------------------------------------------------------------

    def merge(self, decision: Merge, now: float) -> Device:
        """Make one device of two. The id that was published first stays; the address is where it was seen last."""
        both = (decision.one, decision.other)
        keep, drop = sorted(both, key=lambda each: (not each.id, each.published_at, each.key))
        newest = max(both, key=lambda each: each.last_seen_at)
        also = ""
        if newest is drop and keep.address_history.is_confirmed(keep.facts.address, now):
            also, newest = drop.facts.address, keep  # it is at both
        latest = replace(self._reconciler.claims_of(newest), services=frozenset(newest.facts.xaddrs))
        claims = ClaimSet(newest.facts.address, self._index.firm_claims(keep.key) | self._index.firm_claims(drop.key))
        was_there = self._index.is_at(newest.key, newest.facts.address)
        old_address, dropped = keep.facts.address, tuple(camera.id for camera in drop.cameras)
        self._table.remove(drop.key, now)
        keep.absorb(drop, newest=newest is drop)
        keep.cameras.absorb(drop.cameras, now)
        self._index.add_claims(keep.key, claims, firm=True)
        self._index.add_claims(keep.key, latest, firm=True)
        if newest is drop and was_there:
            self._index.place(keep.key, latest)
        if also:
            self._index.place(keep.key, ClaimSet(also, claims.claims), also=True)
            keep.address_history.record(also, keep.facts.mac, identified=True, now=now)
        self.update_mac(keep, now)
        self._move(keep, old_address, now)
        for camera in tuple(keep.cameras)[:1]:
            self._emit(
                DevicesMerged(
                    at=now,
                    camera=camera,
                    merged_device_id=drop.id,
                    merged_camera_ids=dropped,
                    reason=decision.reason,
                )
            )
        return keep

    def _move(self, device: Device, old_address: str, now: float) -> None:
        """A merge or a split changed what a device is, and perhaps where."""
        self._table.place(device, device.facts.mac)
        if device.facts.address != old_address:
            device.cameras.record_move(old_address, device.facts.address, now)
        device.publish_identity(now)

    # --- two, not one -------------------------------------------------------------------------------------------------

    def separate(self, device: Device, address: str, now: float) -> Device:
        """Make a device of its own of what was seen at ``address`` with this device's MAC: one MAC for several."""
        place = device.address_history.places.get(address)
        device.address_history.forget(address)
        mac = ClaimSet(address, frozenset((EvidenceKind.MAC, one.text) for one in self._index.macs(device.key)[-1:]))
        other = self._add(device, mac, now)
        other.seen(place.seen_at if place else now)
        return other

    def split(self, device: Device, now: float) -> None:
        """Make several devices of one that is seen over several MACs by turns. The MAC known first keeps the id."""
        first, *later = sorted(self._index.macs(device.key), key=lambda one: _known_since(device, one))
        shared = self._index.firm_claims(device.key)
        words = {one for one in shared if one[0] != EvidenceKind.MAC}
        device.address_history.reset_switches()
        device.cameras.forget_announced(now)
        for mac in later:
            address = device.address_history.address_of(mac)
            self._index.remove_claim(device.key, (EvidenceKind.MAC, mac.text))
            device.evidence.remove(EvidenceKind.MAC, mac.text)
            if not address:
                continue
            device.address_history.forget(address)
            claims = frozenset(words | {(str(EvidenceKind.MAC), mac.text)})
            other = self._add(device, ClaimSet(address, claims), now)
            other.split_from(device, now)
            self._emit_split(device, other, f"heard by turns over {first} and {mac}", now)
        for claim in sorted(words):
            if claim[0] != EvidenceKind.HARDWARE_ADDRESS:
                self._discredit(claim, now)
        old_address = device.facts.address
        device.stay_at(device.address_history.address_of(first) or old_address)
        address = device.facts.address
        self._index.place(device.key, ClaimSet(address, frozenset(((str(EvidenceKind.MAC), first.text),))))
        self.see_mac(device, first, address, now)
        self._move(device, old_address, now)

    def _add(self, device: Device, claimed: ClaimSet, now: float) -> Device:
        """Make a device of what was taken for another one at an address."""
        other = self._table.add(claimed.address)
        self._index.add_claims(other.key, claimed, firm=True)
        self._index.displace(device.key, claimed.address)
        self._index.place(other.key, claimed)
        if claimed.mac is not None:
            self._table.place(other, claimed.mac)
            self.see_mac(other, claimed.mac, claimed.address, now)
        return other

    def _emit_split(self, device: Device, other: Device, reason: str, now: float) -> None:
        for camera in tuple(device.cameras)[:1]:
            other_id = other.id or other.proposed_id
            self._emit(DeviceSplit(at=now, camera=camera, other_device_id=other_id, reason=reason))

    # --- forgetting ---------------------------------------------------------------------------------------------------

    def after_restore(self, device: Device) -> None:
        """After a restart: values that were found to be of two devices stay discredited, and conflicts reported."""
        for claim in device.evidence.shared_claims:
            self._index.discredit(claim)
        self._reported.update(claim for claim, _ in self._index.rivals(device.key))

    def after_removal(self, claims: Iterable[Claim]) -> None:
        """After a device with these claims was removed: what no device claims any more may be reported anew."""
        self._reported.difference_update([claim for claim in claims if not self._index.claimants(claim)])


def _known_since(device: Device, mac: Mac) -> tuple[bool, float, str]:
    """Sort key of a device's MACs: the one that its id is made of comes first, then the oldest."""
    known = device.evidence.get(EvidenceKind.MAC, mac.text)
    return device.id != mac.compact, known.seen_at if known else 0.0, mac.text
