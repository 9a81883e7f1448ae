"""Reconciler: decides whether devices are one, or contradict each other. It changes nothing.

A value that two living devices claim is contested: it counts for neither. When each of them was seen after the other,
the value is discredited for good; when one falls silent and only the other is seen, they were one all along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twisted_detector.model import EvidenceKind
from twisted_detector.registry.device import Device
from twisted_detector.registry.identity.claims import VETO, Claim, ClaimSet
from twisted_detector.registry.identity.index import IdentityIndex


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message that was recorded, to be reconciled with what is known of other devices.

    :ivar device: the device that it is of.
    :ivar came: the device was not at the address before.
    :ivar is_two: it is seen over two MACs by turns: it proves to be two devices.
    :ivar unidentified: devices of which nothing but this address was known: they were this one.
    """

    device: Device
    claimed: ClaimSet
    came: bool = False
    is_two: bool = False
    unidentified: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """Decision that two devices are one; ``reason`` in plain words."""

    one: Device
    other: Device
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Decision that two living devices make one claim; it is told of the first, which has a camera."""

    one: Device
    other: Device
    claim: Claim


class Reconciler:
    """Decisions about devices that share claims.

    :param devices: all devices, by handle.
    """

    def __init__(self, devices: Mapping[int, Device], index: IdentityIndex) -> None:
        self._devices = devices
        self._index = index

    def claims_of(self, device: Device) -> ClaimSet:
        """What is certain of a device, at its primary address."""
        return ClaimSet(device.facts.address, self._index.firm_claims(device.key))

    # --- one, not two -------------------------------------------------------------------------------------------------

    def same_as(self, device: Device, now: float) -> Merge | None:
        """The known device that one which claims more than before proves to be."""
        claimed = self.claims_of(device)
        for claim, key in self._index.rivals(device.key):
            other = self._devices[key]
            if claim[0] == EvidenceKind.MAC or not self._index.is_firm(key, claim):
                continue
            if not self._index.is_firm(device.key, claim):
                continue
            if other.is_gone(now) and self._has_rival(key, device.key):
                continue
            match = self._index.weigh(key, claimed, contested_too=True)
            # Nor is a living device whose MAC was seen merged with claims from elsewhere: they can be forged.
            back = self._index.weigh(device.key, self.claims_of(other), contested_too=True)
            if match.accepted and back.contradicts < VETO:
                return Merge(other, device, f"both are {claim[0]} {claim[1]}, and nothing speaks against it")
        return None

    def successor_of(self, gone: Device, now: float) -> Merge | None:
        """The device that made the same claims since one went away, and never both by turns."""
        if not gone.id:
            return None  # never published: it was never sure to be there
        rivals: dict[int, list[Claim]] = {}
        for claim, key in self._index.rivals(gone.key):
            rivals.setdefault(key, []).append(claim)
        # Of several the one that was heard last; one that does not answer either may be it when it is heard again.
        for key in sorted(rivals, key=lambda one: -self._devices[one].last_seen_at):
            other, claims = self._devices[key], rivals[key]
            silent = not other.is_alive(now) or other.lifecycle.is_missing
            if silent or other.last_seen_at <= gone.last_seen_at:
                continue
            if self._index.weigh(gone.key, self.claims_of(other), contested_too=True).accepted:
                common = ", ".join(f"{kind} {value}" for kind, value in claims)
                return Merge(gone, other, f"the one fell silent when the other came with the same {common}")
        return None

    def gone_rivals(self, device: Device, now: float) -> Iterator[int]:
        """Handles of the devices that make a claim of this one, and are away; they may be merged meanwhile."""
        for _, other in tuple(self._index.rivals(device.key)):
            if other in self._devices and not self._devices[other].is_alive(now):
                yield other

    def is_itself(self, device: Device, claimed: ClaimSet) -> bool:
        """Whether it was this device though no MAC was seen: it has none, and it said what it is known by or is behind
        the MAC of others. Of one with a MAC that may have been another's answer.
        """
        said = claimed.claims & self._index.firm_claims(device.key)
        return device.facts.mac is None and (device.facts.behind_shared_mac or bool(said))

    # --- two, not one -------------------------------------------------------------------------------------------------

    def conflict_of(self, device: Device, claim: Claim, now: float) -> Conflict | None:
        """The first living and published device that makes the same claim as surely."""
        if not self._index.is_firm(device.key, claim):
            return None
        for key in self._index.claimants(claim):
            other = self._devices[key]
            if key != device.key and self._index.is_firm(key, claim) and other.is_alive(now) and len(other.cameras):
                return Conflict(other, device, claim)
        return None

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

    # --- nobody -------------------------------------------------------------------------------------------------------

    def stale_at(self, address: str, now: float) -> Iterator[int]:
        """Devices at an address that were seen once, with the claims of another one, and are gone since: likely forged,
        or never there. Each has to be removed before the next is asked for; so of those below.
        """
        for key in self._index.devices_at(address):
            if self._devices[key].is_gone(now) and any(self._index.rivals(key)):
                yield key

    def stale_claimants(self, claim: Claim, now: float) -> Iterator[int]:
        """The same of the devices that make a claim."""
        for key in self._index.claimants(claim):
            if self._devices[key].is_gone(now) and self._has_rival(key):
                yield key

    def shadows_of(self, mac: Claim, now: float) -> Iterator[int]:
        """Devices that were thought to be there only because another one was seen with its MAC somewhere else.

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
                yield key
                left, standing = left - 1, standing - stands

    def _has_rival(self, key: int, of: int | None = None) -> bool:
        """Whether another device than ``of`` makes a claim of this one, beside the MAC, which may be a repeater's."""
        return any(other != of and claim[0] != EvidenceKind.MAC for claim, other in self._index.rivals(key))
