"""Adopter: carries a person's decisions about devices out, and decides anew whenever one shows more of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted_detector.model import Adoption, Sighting
from twisted_detector.registry.adoption import UNADOPTED, AdoptionBook, AdoptionRecord
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
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
        device.adoption_record = AdoptionRecord.of(Adoption.PERSON, now, device.identity, macs=before)
        device.stale = True
        self.update(device, now)
        return True

    def unadopt(self, device: Device, now: float) -> bool:
        """A person takes an adoption back. A device that the configuration names stays listed."""
        record = AdoptionRecord.of(Adoption.NO, now, device.identity)
        device.adoption_record = replace(record, reason=UNADOPTED)
        self.update(device, now)
        return True

    def block(self, device: Device, now: float) -> bool:
        """A person blocks a device: it and its cameras are forgotten, and it is never taken in again.

        False when there is no room for another blocked device.
        """
        record = AdoptionRecord.of(Adoption.BLOCKED, now, device.identity)
        reference = record.reference or device.facts.endpoint_reference
        # What other devices have too must not block those.
        shared = {value for _, value in device.shared_claims}
        own = (*(mac.text for mac in self._index.macs(device.key)), *record.macs)
        record = replace(
            record,
            macs=tuple(mac for mac in dict.fromkeys(own) if mac not in shared),
            reference="" if reference in shared else reference,
        )
        if not self.book.block(device.id, record):
            return False
        device.cameras.set_adoption(Adoption.BLOCKED, self.book.describe(Adoption.BLOCKED, record), now)
        for camera in tuple(device.cameras):
            device.cameras.forget(camera.id, now)
        self._table.remove(device.key)
        return True

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
        device.adoption_record = record
        book.keep(device.id, record)
        adoption = record.adoption if record is not None else Adoption.NO
        if adoption is not Adoption.PERSON and book.is_listed(device.listed_as):
            adoption = Adoption.LISTED
        reason = book.describe(adoption, record, on_link=device.at_layer2)
        why_not = "" if adoption.is_adopted else reason
        if (adoption, why_not) != (device.facts.adoption, device.facts.not_adopted):
            device.facts = replace(device.facts, adoption=adoption, not_adopted=why_not)
        device.cameras.set_adoption(adoption, reason, now)

    def is_blocked(self, device: Device) -> bool:
        """Whether a device that was never published shows itself, when it is asked, to be a blocked one."""
        return not device.id and self.book.is_blocked(reference=device.identity.reference)

    def is_blocked_sighting(self, sighting: Sighting) -> bool:
        """Whether a sighting is of a blocked device."""
        mac = sighting.mac.text if sighting.mac is not None else ""
        return self.book.is_blocked(mac=mac, reference=sighting.endpoint_reference, address=sighting.address)

    def removed(self, device: Device) -> None:
        """A device was removed: when it is found again it is new."""
        self.book.keep(device.id, None)
