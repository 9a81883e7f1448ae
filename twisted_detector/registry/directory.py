"""Directory of all devices and their cameras: what other rooms may ask the registry. It changes nothing."""

from __future__ import annotations

from twisted_detector.model import Camera, Candidate, Mac, Sighting, Stream
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.fleet_counts import FleetCounts
from twisted_detector.registry.identity.claims import claims_of
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.matching import Matcher
from twisted_detector.registry.quotas import RefusalLog


class Directory:
    """Directory of devices by handle, and of cameras by id."""

    def __init__(self, table: DeviceTable, index: IdentityIndex, matcher: Matcher) -> None:
        self._table = table
        self._devices = table.devices
        self._index = index
        self._matcher = matcher

    def cameras(self) -> tuple[Camera, ...]:
        """All cameras that were ever published and not forgotten."""
        return tuple(camera for device in self._devices.values() for camera in device.cameras)

    @property
    def fleet(self) -> FleetCounts:
        """The cameras counted, without looking at all of them."""
        return self._table.fleet

    @property
    def refusals(self) -> RefusalLog:
        """Devices and cameras that found no room, by quota."""
        return self._table.refusals

    def camera(self, camera_id: str) -> Camera | None:
        """One camera by its id."""
        key = self._table.key_of_camera.get(camera_id)
        return self._devices[key].cameras.get(camera_id) if key is not None else None

    def devices(self) -> tuple[int, ...]:
        """The handles of all devices."""
        return tuple(self._devices)

    def cameras_of(self, key: int) -> tuple[Camera, ...]:
        """The cameras of one device; none when the handle is no longer good (it proved to be another device)."""
        device = self._devices.get(key)
        return tuple(device.cameras) if device is not None else ()

    def key_of_camera(self, camera_id: str) -> int | None:
        """The handle of the device that has this camera."""
        return self._table.key_of_camera.get(camera_id)

    def key_at(self, address: str) -> int | None:
        """The handle of the device at ``address``; of the first, when there are several."""
        return next(iter(self._index.devices_at(address)), None)

    def keys_at(self, address: str) -> tuple[int, ...]:
        """The handles of all devices at ``address``."""
        return self._index.devices_at(address)

    def key_of(self, sighting: Sighting) -> int | None:
        """The handle of the known device that a sighting is of; None: it would be a new one."""
        return self._matcher.device_of(self._matcher.claims_of(sighting))

    def missed_checks(self, key: int) -> int:
        """How many checks in a row a device has missed."""
        return self._devices[key].lifecycle.missed_checks

    def knows(self, key: int) -> bool:
        """Whether a handle is still good."""
        return key in self._devices

    def is_published(self, key: int) -> bool:
        """Whether a handle is still good, and its device has been published."""
        device = self._devices.get(key)
        return device is not None and bool(device.id)

    def host_of(self, key: int) -> str:
        """The MAC that a device is behind, or its address where none was seen: what one host is, whatever it says."""
        return self._table.host_of(key)

    def phase(self, key: int) -> Phase:
        """The phase of a device."""
        return self._devices[key].lifecycle.phase

    def is_anonymous(self, key: int) -> bool:
        """Whether a device has shown no identifier beside its address."""
        facts = self._devices[key].facts
        return facts.mac is None and not facts.endpoint_reference

    def candidate(self, key: int) -> Candidate:
        """A device as an inspector gets it."""
        return self._devices[key].candidate

    def is_at(self, key: int, address: str) -> bool:
        """Whether a device is known and no other was seen at ``address`` in its place."""
        return self._index.is_at(key, address)

    def needs_inspection(self, key: int, now: float) -> bool:
        """Whether a device is known and what made its inspection due still does: one may have ended meanwhile."""
        device = self._devices.get(key)
        return device is not None and device.needs_inspection(now)

    def is_unconfirmed(self, key: int) -> bool:
        """See :attr:`CameraSet.unconfirmed`."""
        return self._devices[key].cameras.unconfirmed

    def is_asleep(self, key: int) -> bool:
        """See :attr:`CameraSet.asleep`."""
        return self._devices[key].cameras.asleep

    def was_well(self, key: int) -> bool:
        """See :attr:`Device.was_well`."""
        return self._devices[key].was_well

    def is_well_at(self, address: str, mac: Mac | None) -> bool:
        """Whether there are devices at ``address``, and all are well there, over ``mac`` where one is given.

        Well is who is online, or was it when an earlier run ended and is about to be checked (:attr:`Device.was_well`).
        """
        devices = [self._devices[key] for key in self._index.devices_at(address)]
        return bool(devices) and all(device.is_well_at(address, mac) for device in devices)

    def was_inspected(self, key: int) -> bool:
        """Whether an inspection of a device ever began."""
        return self._devices[key].reasons.began_at is not None

    def has_streams(self, key: int) -> bool:
        """Whether a device's cameras name any stream."""
        return any(camera.streams for camera in self._devices[key].cameras)

    def streams(self, key: int) -> tuple[Stream, ...]:
        """All streams of a device's cameras."""
        return self._devices[key].cameras.streams

    def device_moved_by(self, sighting: Sighting, now: float) -> int | None:
        """The device that is well, and that this sighting would move to another address; None when it moves none."""
        key = self.key_of(sighting)
        moves = key is not None and self._matcher.would_move(self._devices[key], sighting.address, now)
        return key if moves else None

    def device_departing(self, address: str, reference: str = "") -> int | None:
        """The handle of the device that a goodbye from ``address`` is of; None when it is not known of which.

        :param reference: its EndpointReference; without it, of several devices there none is meant.
        """
        keys = self._index.devices_at(address)
        for claim in claims_of(None, reference, ()):
            keys = tuple(key for key in keys if self._index.is_firm(key, claim))
        return keys[0] if len(keys) == 1 else None
