"""Devices that claim one identifier go in; which of them are one and are merged, and which are two for ever, comes out.

A value that two living devices claim is contested: it counts for neither. When each of them was heard after the other
it is spent for good; when the one falls silent and only the other is heard, they were one all along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

from twisted_detector.events import DevicesMerged, DeviceSplit, Event, IdentityConflict
from twisted_detector.model import Evidence, EvidenceKind, Mac
from twisted_detector.registry.device import Device
from twisted_detector.registry.identity.claims import VETO, Claim, Seen
from twisted_detector.registry.identity.index import IdentityIndex

_LAYER2 = "layer 2"


class Merger:
    """Merges, splits and conflicts of devices.

    :param devices: all of them, by handle; the registry's.
    :param emit: is told every event, in order.
    :param begin: makes a new device at an address.
    :param end: removes a device that has no cameras any more.
    """

    def __init__(
        self,
        devices: Mapping[int, Device],
        index: IdentityIndex,
        emit: Callable[[Event], None],
        *,
        begin: Callable[[str], Device],
        end: Callable[[int], None],
    ) -> None:
        self._devices = devices
        self._index = index
        self._emit = emit
        self._begin = begin
        self._end = end
        self._told: set[Claim] = set()

    # --- MACs ------------------------------------------------------------------------------------------------------

    def note_mac(self, device: Device, mac: Mac | None, address: str, now: float) -> None:
        """Which MAC is believed to be the device's own, now that it was seen over ``mac`` at ``address``."""
        if mac is not None:
            device.mac_seen_at = address
            shared = (EvidenceKind.MAC, mac.text) in self._index.spent
            kind = EvidenceKind.SHARED_MAC if shared else EvidenceKind.MAC
            device.learn((Evidence(kind, mac.text, _LAYER2, now),))
        own = [one for one in self._index.macs(device.key) if self._first_of((EvidenceKind.MAC, one.text), device.key)]
        before = device.facts.mac
        device.facts = replace(
            device.facts,
            mac=own[-1] if own else None,
            behind_shared_mac=not own and (mac is not None or device.facts.behind_shared_mac),
        )
        if before is not None and before != device.facts.mac:
            self._tell_identity(device, now)

    def _tell_identity(self, device: Device, now: float) -> None:
        device.cameras.known_by(device.facts.mac, tuple(device.evidence.values()), now)

    def _first_of(self, claim: Claim, key: int) -> bool:
        return self._index.claimants(claim)[:1] == (key,)

    # --- hearing ---------------------------------------------------------------------------------------------------

    def heard(self, device: Device, now: float, *, for_certain: bool = True) -> Device:
        """A device was heard; returns it, or the one that it proved to be.

        :param for_certain: by itself beyond doubt: its MAC was seen, or it has none. Who answers at an address a minute
            later may be another one, or the same one over its other link: that proves nothing.
        """
        device.heard_at = now
        for claim in self._index.turn(device.key) if for_certain else ():
            self._spend(claim, now)
        for _, other in tuple(self._index.others(device.key)):
            gone = self._devices.get(other)
            if gone is not None and not gone.alive(now):
                device = self.silent(gone, now) or device
        return device

    def told_together(self, device: Device, seen: Seen, now: float) -> None:
        """Tell, once for each value, that two living devices claim it."""
        for claim in sorted(seen.claims):
            if claim in self._told or not self._index.firm(device.key, claim):
                continue
            for key in self._index.claimants(claim):
                if key == device.key or not self._index.firm(key, claim) or not self._devices[key].alive(now):
                    continue
                if self._conflict(self._devices[key], device, claim, now):
                    break

    def _conflict(self, one: Device, other: Device, claim: Claim, now: float) -> bool:
        for camera in one.cameras:
            # Told once for each value; there are no more of them than devices claim.
            self._told.add(claim)
            told = other.id or other.wanted_id
            self._emit(IdentityConflict(at=now, camera=camera, kind=claim[0], value=claim[1], other_device_id=told))
            return True
        return False

    def _spend(self, claim: Claim, now: float) -> None:
        """Two devices have this at once: it says nothing any more."""
        holders = [self._devices[key] for key in self._index.spend(claim)]
        for device in holders:
            device.note_shared(claim, now)
            if claim[0] == EvidenceKind.MAC:
                self.note_mac(device, None, "", now)
                device.facts = replace(device.facts, behind_shared_mac=device.facts.mac is None)
            self._tell_identity(device, now)
        if claim not in self._told:
            for one, other in pairwise(holders):
                if self._conflict(one, other, claim, now) or self._conflict(other, one, claim, now):
                    break

    def held_back(self, device: Device) -> bool:
        """Whether a device that was never published seems to be another one that has moved.

        It says so in words only, for its MAC was not seen, and that other one lives, as far as is known.
        """
        if device.id or device.facts.mac is not None:
            return False
        return any(
            self._devices[other].id and self._devices[other].facts.mac is not None
            for _, other in self._index.others(device.key)
        )

    def nameless_at(self, device: Device, seen: Seen) -> list[Device]:
        """The devices at an address of which nothing but that is known, when one whose MAC is seen there comes."""
        if seen.mac is None:
            return []
        standing = (self._devices[key] for key in self._index.standing_at(seen.address) if key != device.key)
        return [other for other in standing if self._index.nameless(other.key)]

    # --- one, not two ----------------------------------------------------------------------------------------------

    def reconcile(self, device: Device, now: float) -> Device:
        """A device told more of itself: it may be one that was known already."""
        device.heard_at = now
        seen = self._as_seen(device)
        for claim, key in tuple(self._index.others(device.key)):
            other = self._devices[key]
            if claim[0] == EvidenceKind.MAC or not self._index.firm(key, claim):
                continue
            if not self._index.firm(device.key, claim):
                continue
            if self._is_gone(other, now) and self._spoke_for_another(key, device.key):
                continue
            verdict = self._index.judge(key, seen, contested_too=True)
            # Nor is a device that lives where its MAC was seen merged with words from elsewhere: anybody can say them.
            back = self._index.judge(device.key, self._as_seen(other), contested_too=True)
            if verdict.accepted and back.contradicts < VETO:
                return self.merge(other, device, f"both are {claim[0]} {claim[1]}, and nothing speaks against it", now)
        return device

    def silent(self, gone: Device, now: float) -> Device | None:
        """A device is away. If another one said the same since, and never both by turns, that is it."""
        rivals: dict[int, list[Claim]] = {}
        if not gone.id:
            return None  # it was never sure to be there
        for claim, key in self._index.others(gone.key):
            rivals.setdefault(key, []).append(claim)
        for key, claims in rivals.items():
            other = self._devices[key]
            if not other.alive(now) or other.heard_at <= gone.heard_at:
                continue
            if self._index.judge(gone.key, self._as_seen(other), contested_too=True).accepted:
                said = ", ".join(f"{kind} {value}" for kind, value in claims)
                return self.merge(gone, other, f"the one fell silent when the other came with the same {said}", now)
        return None

    def _as_seen(self, device: Device) -> Seen:
        return Seen(device.facts.address, self._index.claims(device.key))

    def merge(self, one: Device, other: Device, reason: str, now: float) -> Device:
        """Two devices are one: the id that was published first stays, what was heard last is where it is."""
        keep, drop = sorted((one, other), key=lambda each: (not each.id, each.published_at, each.key))
        newest = max((one, other), key=lambda each: each.heard_at)
        also = ""
        if newest is drop and keep.where.is_confirmed(keep.facts.address, now):
            also, newest = drop.facts.address, keep  # it is at both
        seen = replace(self._as_seen(newest), doors=frozenset(newest.facts.xaddrs))
        learnt = Seen(newest.facts.address, self._index.claims(keep.key) | self._index.claims(drop.key))
        stood = self._index.stands_at(newest.key, newest.facts.address)
        ids = tuple(camera.id for camera in drop.cameras)
        for camera_id in ids:
            drop.cameras.forget(camera_id, now)
        old_address, merged_id, inspection = keep.facts.address, drop.id, drop.latest
        self._end(drop.key)
        self._index.bind(keep.key, learnt, firm=True)
        self._index.bind(keep.key, seen, firm=True)
        if newest is drop:
            keep.facts = replace(newest.facts, device_id=keep.facts.device_id, mac=keep.facts.mac)
            keep.mac_seen_at, keep.heard_at, keep.where = drop.mac_seen_at, drop.heard_at, drop.where
            keep.latest = inspection or keep.latest
            if stood:
                self._index.stand(keep.key, seen)
        if also:
            self._index.stand(keep.key, Seen(also, learnt.claims), also=True)
            keep.where.heard(also, keep.facts.mac, vouched=True, now=now)
        keep.learn(drop.evidence.values())
        keep.stale = True
        keep.where.settled()
        self.note_mac(keep, None, "", now)
        if keep.facts.address != old_address:
            keep.cameras.moved(old_address, keep.facts.address, now)
        self._tell_identity(keep, now)
        for camera in keep.cameras:
            self._emit(
                DevicesMerged(at=now, camera=camera, merged_device_id=merged_id, merged_camera_ids=ids, reason=reason)
            )
            break
        return keep

    # --- two, not one ----------------------------------------------------------------------------------------------

    def part(self, device: Device, address: str, now: float) -> Device:
        """What was seen at ``address`` with the device's MAC is another: one MAC answers for several."""
        place = device.where.places.get(address)
        device.where.forget(address)
        other = self._begin(address)
        seen = Seen(address, frozenset((EvidenceKind.MAC, one.text) for one in self._index.macs(device.key)[-1:]))
        self._index.bind(other.key, seen)
        self._index.leave(device.key, address)
        self._index.stand(other.key, seen)
        other.heard_at = place.heard if place else now
        self.note_mac(other, seen.mac, address, now)
        return other

    def split(self, device: Device, now: float) -> None:
        """A device is heard over two MACs by turns: it is two. The MAC that was known first keeps the id."""
        first, *later = sorted(self._index.macs(device.key), key=lambda one: self._known_since(device, one))
        shared = self._index.claims(device.key)
        device.where.settled()
        for mac in later:
            address = next((at for at, one in device.where.places.items() if one.mac == mac), "")
            self._index.drop(device.key, (EvidenceKind.MAC, mac.text))
            device.unlearn(EvidenceKind.MAC, mac.text)
            if not address:
                continue
            device.where.forget(address)
            other = self._begin(address)
            claims = {one for one in shared if one[0] != EvidenceKind.MAC} | {(str(EvidenceKind.MAC), mac.text)}
            self._index.bind(other.key, Seen(address, frozenset(claims)), firm=True)
            self._index.leave(device.key, address)
            self._index.stand(other.key, Seen(address, frozenset(claims)))
            other.heard_at = now
            other.facts = replace(other.facts, endpoint_reference=device.facts.endpoint_reference)
            self.note_mac(other, mac, address, now)
            self._tell_split(device, other, f"heard by turns over {first} and {mac}", now)
        for claim in sorted(shared):
            if claim[0] != EvidenceKind.MAC and claim[0] != EvidenceKind.HARDWARE_ADDRESS:
                self._spend(claim, now)
        old_address = device.facts.address
        address = next((at for at, one in device.where.places.items() if one.mac == first), old_address)
        device.facts = replace(device.facts, address=address, xaddrs=(), rtsp_ports=(), open_ports=())
        device.stale = True
        self._index.stand(device.key, Seen(address, frozenset(((str(EvidenceKind.MAC), first.text),))))
        self.note_mac(device, first, address, now)
        self._tell_identity(device, now)
        if address != old_address:
            device.cameras.moved(old_address, address, now)

    def _known_since(self, device: Device, mac: Mac) -> tuple[bool, float, str]:
        """Which of its MACs a device is called by comes first, then the oldest."""
        known = device.evidence.get((EvidenceKind.MAC, mac.text))
        return device.id != mac.compact, known.seen_at if known else 0.0, mac.text

    def _tell_split(self, device: Device, other: Device, reason: str, now: float) -> None:
        for camera in device.cameras:
            told = other.id or other.wanted_id
            self._emit(DeviceSplit(at=now, camera=camera, other_device_id=told, reason=reason))
            break

    def forget_rivals(self, seen: Seen, now: float) -> None:
        """Who was heard once, with what another device is known by, and is gone since, is nobody to be found again."""
        for key in self._index.standing_at(seen.address):
            if self._is_gone(self._devices[key], now) and any(self._index.others(key)):
                self._end(key)
        for claim in seen.claims:
            for key in self._index.claimants(claim) if claim[0] != EvidenceKind.MAC else ():
                if self._is_gone(self._devices[key], now) and self._spoke_for_another(key):
                    self._end(key)

    def _is_gone(self, device: Device, now: float) -> bool:
        """Whether a device was never sure to be there, and is not."""
        return not device.id and not device.alive(now)

    def _spoke_for_another(self, key: int, of: int | None = None) -> bool:
        """Whether another device than ``of`` is known by the words of this one; a MAC may be that of a repeater."""
        return any(other != of and claim[0] != EvidenceKind.MAC for claim, other in self._index.others(key))

    # --- forgetting ------------------------------------------------------------------------------------------------

    def restored(self) -> None:
        """After a restart: what was found to be of two devices at once is so still, and every conflict was told."""
        for key, device in self._devices.items():
            for claim in device.shared:
                self._index.spend(claim)
            self._told.update(claim for claim, _ in self._index.others(key))

    def forgotten(self) -> None:
        """A device was removed: what nobody claims any more may be told anew."""
        self._told = {claim for claim in self._told if self._index.claimants(claim)}
