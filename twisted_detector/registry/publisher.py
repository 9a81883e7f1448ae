"""Publisher of devices: by their first inspection, or when it is certain that they are none that moved."""

from __future__ import annotations

from twisted_detector.model import Status
from twisted_detector.registry.adopter import Adopter
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.merging import Merger


class Publisher:
    """Publishes inspections of devices; ``now`` is wall seconds."""

    def __init__(self, table: DeviceTable, merger: Merger, adopter: Adopter) -> None:
        self._table = table
        self._merger = merger
        self._adopter = adopter
        #: Devices that may be others at a new address; no more than there are devices.
        self._withheld: set[int] = set()

    def publish(self, device: Device, now: float) -> None:
        """Publish the last inspection, unless it is withheld, or the device moved before it was ever published."""
        inspection = device.last_inspection
        if inspection is not None and self._merger.is_withheld(device):
            self._withheld.add(device.key)
        elif inspection is not None and (device.id or inspection.address == device.facts.address):
            inspection = self._table.admit_cameras(device, inspection, now)
            if inspection is None:
                return
            if not device.id:
                self._table.publish(device, device.proposed_id)
                device.published_at = now
            self._adopter.update(device, now)
            device.cameras.record_inspection(device.id, device.facts, tuple(device.evidence.values()), inspection, now)
        update_phase(device)

    def release(self, now: float) -> None:
        """Publish what was withheld and is not any more."""
        for key in tuple(self._withheld):
            device = self._table.devices.get(key)
            if device is None or device.id or not self._merger.is_withheld(device):
                self._withheld.discard(key)
                if device is not None and not device.id:
                    self.publish(device, now)

    def removed(self, device: Device) -> None:
        """A device was removed."""
        self._withheld.discard(device.key)


def update_phase(device: Device) -> None:
    """The phase of a device that answered follows from the statuses of its cameras."""
    statuses = {camera.status for camera in device.cameras}
    if Status.ONLINE in statuses:
        device.prompts_in_vain = 0
        device.lifecycle.stream_proved()
    elif Status.AUTH_REQUIRED in statuses:
        device.lifecycle.login_required()
    else:
        device.lifecycle.no_stream_proved()
