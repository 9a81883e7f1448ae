"""Table of all devices, with their ids and those of their cameras; it keeps the quotas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted_detector.events import CameraDiscovered, CameraForgotten, CameraRestored, Event, QuotaReached
from twisted_detector.model import Candidate, Inspection, Mac, Sighting
from twisted_detector.registry.camera_set import CameraSet, DescriptionOf, undescribed
from twisted_detector.registry.device import Device
from twisted_detector.registry.fleet_counts import FleetCounts
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.identity.claims import unused_id
from twisted_detector.registry.lifecycle import Lifecycle, Phase
from twisted_detector.registry.quotas import DeviceQuotas, NewCameraLimit, Refusal, RefusalLog

#: Seconds after which a camera that is away is forgotten when no stream of it was ever proved.
UNPROVED_LIFE = 86_400.0
#: The same of one that sleeps: a battery camera in a quiet place may not be seen for days.
SLEEPING_LIFE = 7 * 86_400.0


class DeviceTable:
    """Table of devices by handle, and of cameras by id.

    :param emit: receives every event of the cameras, and of quotas.
    :param removed: called with each device that was removed.
    :ivar devices: by handle; read only.
    :ivar key_of_camera: the handle of the device of each camera; read only.
    :ivar fleet: the cameras counted by status; read only.
    :ivar refusals: devices and cameras that found no room, by quota.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        *,
        removed: Callable[[Device], None],
        missed_limit: int,
        freeze_detector: FreezeDetector | None,
        new_cameras_per_hour: int,
        description_of: DescriptionOf = undescribed,
    ) -> None:
        self._emit = emit
        self._removed = removed
        self._missed_limit = missed_limit
        self._freeze_detector = freeze_detector
        self._description_of = description_of
        self._next_key = 1
        self._ids: set[str] = set()
        self._quotas = DeviceQuotas(
            is_proved=lambda key: self.devices[key].is_established,
            channels=lambda key: len(self.devices[key].cameras),
        )
        self._new_cameras = NewCameraLimit(new_cameras_per_hour)
        self.devices: dict[int, Device] = {}
        self.key_of_camera: dict[str, int] = {}
        self.fleet = FleetCounts()
        self.refusals = RefusalLog()

    # --- coming and going ---------------------------------------------------------------------------------------------

    def add(self, address: str) -> Device:
        """Make a device at ``address``, whatever the quotas say."""
        key = self._next_key
        self._next_key += 1

        def emit(event: Event) -> None:
            # Before the event is passed on: who hears of a camera may look it up, and counts them.
            if isinstance(event, CameraDiscovered | CameraRestored):
                self.key_of_camera[event.camera.id] = key
            elif isinstance(event, CameraForgotten):
                self.key_of_camera.pop(event.camera.id, None)
            self.fleet.record(event)
            self._emit(event)

        device = self.devices[key] = Device(
            key=key,
            lifecycle=Lifecycle(self._missed_limit),
            cameras=CameraSet(emit, self._freeze_detector, self._description_of),
            facts=Candidate(device_id="", address=address),
        )
        self._quotas.add(key, address)
        self.place(device)
        return device

    def publish(self, device: Device, wanted: str, now: float = 0.0) -> None:
        """Give a device its id: ``wanted``, or one like it that is free."""
        device.publish(unused_id(wanted, self._ids), now)
        self._ids.add(device.id)
        self._quotas.publish(device.key)

    def remove(self, key: int, now: float | None = None) -> None:
        """Remove a device, with its cameras.

        :param now: for the events of the cameras; None: it has none.
        """
        device = self.devices[key]
        for camera in device.cameras if now is not None else ():
            device.cameras.forget(camera.id, now or 0.0)
        del self.devices[key]
        self._quotas.remove(key)
        self._ids.discard(device.id)
        self._removed(device)

    # --- quotas -------------------------------------------------------------------------------------------------------

    def admit(self, key: int | None, sighting: Sighting, now: float) -> Device | None:
        """The device ``key``, or a new one, that a sighting is of; None when there is no room for it."""
        if key is not None and self.devices[key].id:
            return self.devices[key]
        if key is None:
            refusal = self._make_room(sighting, now)
        else:
            # Its MAC may have been unknown so far.
            refusal = self._quotas.full_host(sighting.address, sighting.mac, key)
            if refusal is not None:
                self.remove(key)
        if refusal is not None:
            self._refuse(refusal, sighting.address, now)
            return None
        return self.devices[key] if key is not None else self.add(sighting.address)

    def _make_room(self, sighting: Sighting, now: float) -> Refusal | None:
        """Make room for a new device: what is gone or was never proved goes first; or why there is none."""
        refusal = self._quotas.full_host(sighting.address, sighting.mac)
        if refusal is not None:
            members = self._quotas.members_of_host(refusal.subject)
            key = next((one for one in members if self.devices[one].is_gone(now)), None)
            if key is None:
                return refusal
            self.remove(key)
        network = self._quotas.full_network(sighting.address)
        if network is not None:
            key = self._quotas.victim(network)
            if key is None:
                return self._quotas.refusal_of_network(network)
            self.remove(key, now)
        return None

    def place(self, device: Device, mac: Mac | None = None) -> None:
        """Count a device where it is, and behind the MAC over which it was seen, if any."""
        self._quotas.place(device.key, device.facts.address, mac)

    def host_of(self, key: int) -> str:
        """The MAC that a device is behind, or its address."""
        return self._quotas.host_of(key)

    def admit_cameras(self, device: Device, inspection: Inspection, now: float) -> Inspection | None:
        """The part of an inspection that may be published in this hour, without new cameras when there were too many.

        None when the device would be new itself; it is inspected again later, as what is no camera.
        """
        sources = dict.fromkeys(stream.source for stream in inspection.streams) or {"": None}
        new = len(sources) - len(device.cameras)
        if new <= 0:
            return inspection
        if not self._ids:
            self._new_cameras.first_run(now)
        proved = any(stream.validated for stream in inspection.streams)
        if device.facts.adoption.is_trusted or self._new_cameras.admits(new, now, proved=proved):
            return inspection
        self._refuse(self._new_cameras.refusal(), device.facts.address, now)
        if device.id:
            known = {camera.source for camera in device.cameras}
            kept = sorted(sources, key=lambda source: source not in known)[: len(device.cameras)]
            return replace(inspection, streams=tuple(one for one in inspection.streams if one.source in kept))
        device.discard_inspection()
        return None

    def _refuse(self, refusal: Refusal, address: str, now: float) -> None:
        if self.refusals.record(refusal, now):
            self._emit(QuotaReached(at=now, cause=refusal.cause, address=address, text=refusal.text))

    def clock_set(self, by: float, now: float) -> None:
        """The wall's clock was set by ``by`` seconds, to ``now``."""
        self._new_cameras.clock_set(by)
        for device in self.devices.values():
            device.clock_set(by, now)

    def forget_unproved(self, now: float, limit: int) -> int:
        """Remove at most ``limit`` devices that are away for a day and were never established; returns how many."""
        removed = 0
        for key in self._quotas.unproved():
            device = self.devices[key]
            asleep = device.cameras.asleep
            life = SLEEPING_LIFE if asleep else UNPROVED_LIFE
            if (asleep or device.lifecycle.phase is Phase.OFFLINE) and all(
                now - camera.last_seen >= life for camera in device.cameras
            ):
                self.remove(key, now)
                removed += 1
                if removed >= limit:
                    break
        return removed
