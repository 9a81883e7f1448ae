"""Adopter: carries a person's decisions about devices out, and decides anew whenever one shows more of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from twisted_detector.model import Adoption, EvidenceKind, Sighting
from twisted_detector.registry.adoption import UNADOPTED, UNSEEN, AdoptionBook, AdoptionRecord
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.identity.claims import ClaimSet
from twisted_detector.registry.identity.index import IdentityIndex


class Adopter:
    """Adoption of the registry's devices; ``now`` is wall seconds.

    :ivar book: the decisions.
    """

    def __init__(self, book: AdoptionBook, index: IdentityIndex, table: DeviceTable) -> None:
        self.book = book
        self._index = index
        self._table = table

    # --- a person decides -----------------------------------------------------------------------------------------

    def decide(self, decide: Callable[[Device, float], bool], key: int | None, now: float) -> bool:
        """One of the decisions below about the device with that handle; False when there is none."""
        return key is not None and decide(self._table.devices[key], now)

    def adopt(self, device: Device, now: float) -> bool:
        """A person accepts a device as it is now; the MACs that it was accepted with before stay good."""
        before = device.adoption_record.macs if device.adoption_record is not None else ()
        device.accept(AdoptionRecord.of(Adoption.PERSON, now, device.identity, macs=before))
        self.update(device, now)
        return True

    def explain_difference(self, device: Device) -> str:
        """Why a device may not be the one about which was decided; "" where nothing speaks against it."""
        record = device.adoption_record
        if record is None:
            return ""
        return UNSEEN if record.macs and not device.at_layer2 else record.difference(device.identity)

    def unadopt(self, device: Device, now: float) -> bool:
        """A person takes an adoption back. A device that the configuration names stays listed."""
        record = AdoptionRecord.of(Adoption.NO, now, device.identity)
        device.decide(replace(record, reason=UNADOPTED))
        self.update(device, now)
        return True

    def block(self, device: Device, now: float) -> bool:
        """A person blocks a device: it and its cameras are forgotten, and it is never taken in again.

        False when there is no room for another blocked device.
        """
        record = AdoptionRecord.of(Adoption.BLOCKED, now, device.identity)
        reference = record.reference or device.facts.endpoint_reference
        own = (*(mac.text for mac in self._index.macs(device.key)), *record.macs)
        record = replace(
            record,
            macs=tuple(mac for mac in dict.fromkeys(own) if not self._is_shared(device, EvidenceKind.MAC, mac)),
            reference="" if self._is_shared(device, EvidenceKind.ENDPOINT_REFERENCE, reference) else reference,
        )
        if not self.book.block(device.id, record):
            return False
        device.cameras.set_adoption(Adoption.BLOCKED, self.book.describe(Adoption.BLOCKED, record), now)
        for camera in tuple(device.cameras):
            device.cameras.forget(camera.id, now)
        self._table.remove(device.key)
        self._remove_unpublished(record)
        return True

    def _is_shared(self, device: Device, kind: str, value: str) -> bool:
        """Whether another device has a value too: it must not be blocked by that."""
        if (kind, value) in device.evidence.shared_claims:
            return True
        return any(key != device.key and self._table.devices[key].id for key in self._index.claimants((kind, value)))

    def _remove_unpublished(self, record: AdoptionRecord) -> None:
        """Remove what shows itself as a device that is blocked, and was held back so far."""
        claims = [(EvidenceKind.MAC, mac) for mac in record.macs]
        for claim in (*claims, (EvidenceKind.ENDPOINT_REFERENCE, record.reference)):
            for key in self._index.claimants(claim):
                if not self._table.devices[key].id:
                    self._table.remove(key)

    def make_way(self, sighting: Sighting, unidentified: Iterable[Device], now: float) -> None:
        """A blocked device is seen: others are not where it is, and those of which no more is known are it.

        Only by its MAC: what it says of itself anybody may have said at that address.

        :param unidentified: the devices there of which nothing but the address is known.
        """
        if sighting.mac is None or not self.book.is_blocked(mac=sighting.mac.text):
            return
        for device in unidentified:
            self._table.remove(device.key, now)
        for key in self._index.devices_at(sighting.address):
            self._index.displace(key, sighting.address)

    # --- a device shows more of itself -------------------------------------------------------------------------------

    def update(self, device: Device, now: float, *, seen: bool = True) -> None:
        """Decide anew whether a device is adopted: it may be another one than was adopted, or be known better now.

        :param seen: it was seen just now, or answered.
        """
        book, shown, record = self.book, device.identity, device.adoption_record
        if record is not None and record.adoption.is_adopted:
            difference = record.difference(shown)
            if difference:
                record = replace(record, adoption=Adoption.NO, at=now, reason=difference)
            else:
                record = record.with_learnt(shown)
        elif record is None and seen and device.at_layer2 and (automatic := book.automatic(now)) is not Adoption.NO:
            record = AdoptionRecord.of(automatic, now, shown)
        device.decide(record)
        book.keep(device.id, record)
        adoption = record.adoption if record is not None else Adoption.NO
        if adoption is not Adoption.PERSON and book.is_listed(device.listed_as):
            adoption = Adoption.LISTED
        # Before it has an id here, it is known by what its id will be.
        ids = tuple(filter(None, (device.id, shown.mac.replace(":", ""))))
        reason = book.describe(adoption, record, on_link=device.at_layer2, ids=ids)
        why_not = "" if adoption.is_adopted else reason
        device.set_adoption(adoption, why_not)
        device.cameras.set_adoption(adoption, reason, now)

    def update_listed(self, device: Device, now: float) -> None:
        """Decide anew where the configuration names the device now and did not, or the other way."""
        adoption = device.facts.adoption
        if adoption is not Adoption.PERSON and self.book.is_listed(device.listed_as) != (adoption is Adoption.LISTED):
            self.update(device, now, seen=False)

    def update_words(self, device: Device, now: float) -> None:
        """Others say something else of where the device is adopted: people may be told something else."""
        if not device.facts.adoption.is_adopted:
            self.update(device, now, seen=False)

    def is_blocked_answer(self, claimed: ClaimSet) -> bool:
        """Whether an answer is that of a blocked device."""
        kind = EvidenceKind.ENDPOINT_REFERENCE
        return any(self.book.is_blocked(reference=value) for one, value in claimed.claims if one == kind)

    def is_blocked_sighting(self, sighting: Sighting) -> bool:
        """Whether a sighting is of a blocked device."""
        mac = sighting.mac.text if sighting.mac is not None else ""
        return self.book.is_blocked(mac=mac, reference=sighting.endpoint_reference, address=sighting.address)

    def restore(self, device: Device) -> None:
        """A device is known from an earlier run: what was decided of it then holds."""
        device.decide(self.book.record_of(device.id))

    def removed(self, device: Device) -> None:
        """A device was removed: when it is found again it is new."""
        self.book.keep(device.id, None)
