"""Publisher of devices: by their first inspection, when it is certain that they have not moved, or by their word."""

from __future__ import annotations

from twisted_detector.model import Inspection
from twisted_detector.registry.adopter import Adopter
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.reconciling import Reconciler


class Publisher:
    """Publishes inspections of devices; ``now`` is wall seconds."""

    def __init__(self, table: DeviceTable, index: IdentityIndex, reconciler: Reconciler, adopter: Adopter) -> None:
        self._table = table
        self._index = index
        self._reconciler = reconciler
        self._adopter = adopter
        #: Devices that may be others at a new address; no more than there are devices.
        self._withheld: set[int] = set()

    def publish(self, device: Device, now: float) -> None:
        """Publish the last inspection, unless it is withheld, or the device moved before it was ever published."""
        inspection = device.last_inspection
        if inspection is not None and self._reconciler.is_withheld(device):
            self._withheld.add(device.key)
        elif inspection is not None and (device.id or inspection.address == device.facts.address):
            inspection = self._table.admit_cameras(device, inspection, now)
            if inspection is None:
                return
            if not device.id:
                self._table.publish(device, device.proposed_id, now)
            self._adopter.update(device, now)
            device.cameras.record_inspection(device.id, device.facts, tuple(device.evidence), inspection, now)
        device.answered()

    def publish_announced(self, device: Device, reason: str, now: float, *, asked: bool = False) -> bool:
        """Publish a device that says that it is a camera, if it may be: whether that was done.

        :param asked: it answered an inspection; else its MAC must have been seen, for an address can be forged.
        """
        if device.id or not device.cameras.said.is_camera or not (asked or device.at_layer2):
            return False
        claim = Inspection("announced", device.facts.address, now)
        if self._reconciler.is_withheld(device) or self._table.admit_cameras(device, claim, now) is None:
            return False
        self._table.publish(device, device.proposed_id, now)
        self._adopter.update(device, now)
        evidence = tuple(device.evidence)
        device.cameras.publish_announced(device.id, device.facts, evidence, reason, now)
        device.answered()
        return True

    def release(self, now: float, *seen: int) -> None:
        """Publish what was withheld and is not any more: of the devices that were ``seen``, and of those of which
        another one claims less than before.
        """
        for key in (*seen, *self._index.take_weakened()):
            device = self._table.devices.get(key)
            if key in self._withheld and device is not None and not self._reconciler.is_withheld(device):
                self._withheld.discard(key)
                if not device.id:
                    self.publish(device, now)

    def removed(self, device: Device) -> None:
        """A device was removed."""
        self._withheld.discard(device.key)
