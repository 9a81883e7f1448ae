"""Sightings and inspections go in; devices are kept, each with its cameras, and what changed comes out as events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from twisted_detector.cameras import CameraSet
from twisted_detector.events import Event, IdentityConflict
from twisted_detector.identity import IdentityIndex, permanent_id
from twisted_detector.lifecycle import Lifecycle, Phase
from twisted_detector.model import Camera, Candidate, Evidence, Inspection, Sighting, Status, Stream, StreamReport

#: Devices of one daemon: a /16 full of them. More is a flood of forged announcements, and new ones are not taken.
MAX_DEVICES = 65_536
#: Identifiers that are remembered of one device.
MAX_EVIDENCE = 32
#: A device that was no camera is asked again after that many seconds, or when it shows something new.
FOREIGN_HOLD = 3600.0


@dataclass
class _Device:
    """What is known of one device; owned by the registry alone."""

    key: int
    life: Lifecycle
    cameras: CameraSet
    facts: Candidate
    id: str = ""
    evidence: dict[tuple[str, str], Evidence] = field(default_factory=dict)
    asked_at: float | None = None
    stale: bool = True  #: something new was seen since it was asked last


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sighting came to: the handle of the device, and whether it should be asked now."""

    key: int
    due: bool


class Registry:
    """Knows every device and its cameras. Pure: ``now`` is always wall seconds given by the caller.

    A device is named by a handle, an int that is good until the device is forgotten.

    :param emit: is told every event, in order.
    :param missed_limit: that many missed checks in a row make a device offline.
    """

    def __init__(self, emit: Callable[[Event], None], *, missed_limit: int = 3) -> None:
        self._emit = emit
        self._missed_limit = missed_limit
        self._devices: dict[int, _Device] = {}
        self._index = IdentityIndex()
        self._next_key = 1
        self._conflicts: set[str] = set()
        self.refused_devices = 0

    # --- looking ---------------------------------------------------------------------------------------------------

    def cameras(self) -> tuple[Camera, ...]:
        """All cameras that were ever published and not forgotten."""
        return tuple(camera for device in self._devices.values() for camera in device.cameras)

    def camera(self, camera_id: str) -> Camera | None:
        """One camera by its id."""
        return next((found for one in self._devices.values() if (found := one.cameras.get(camera_id))), None)

    def devices(self) -> tuple[int, ...]:
        """The handles of all devices."""
        return tuple(self._devices)

    def cameras_of(self, key: int) -> tuple[Camera, ...]:
        """The cameras of one device."""
        return tuple(self._devices[key].cameras)

    def key_of(self, camera_id: str) -> int | None:
        """The handle of the device that has this camera."""
        return next((one.key for one in self._devices.values() if camera_id in one.cameras), None)

    def key_at(self, address: str) -> int | None:
        """The handle of the device that stands at ``address``."""
        return self._index.find(None, "", address)

    def knows(self, key: int) -> bool:
        """Whether a handle is still good."""
        return key in self._devices

    def phase(self, key: int) -> Phase:
        """Where a device stands in its life."""
        return self._devices[key].life.phase

    def anonymous(self, key: int) -> bool:
        """Whether a device has shown no identifier beside its address."""
        facts = self._devices[key].facts
        return facts.mac is None and not facts.endpoint_reference

    def candidate(self, key: int) -> Candidate:
        """A device as an inspector is asked about it."""
        device = self._devices[key]
        proved = tuple(stream.url for stream in device.cameras.streams if stream.validated)
        return replace(device.facts, device_id=device.id or self._identify(device), known_urls=proved)

    def streams(self, key: int) -> tuple[Stream, ...]:
        """All streams of a device's cameras."""
        return self._devices[key].cameras.streams

    # --- seeing ----------------------------------------------------------------------------------------------------

    def restore(self, cameras: Iterable[Camera]) -> None:
        """Take over what an earlier run knew; each camera is said again as it was."""
        by_device = {device.id: device for device in self._devices.values() if device.id}
        for camera in cameras:
            device = by_device.get(camera.device_id)
            if device is None:
                device = by_device[camera.device_id] = self._new_device(camera.address)
                device.id = camera.device_id
                device.life.restore()
            device.facts = replace(
                device.facts,
                address=camera.address,
                mac=camera.mac,
                endpoint_reference=camera.endpoint_reference,
                xaddrs=(camera.onvif_url,) if camera.onvif_url else (),
                methods=camera.methods,
            )
            self._learn(device, camera.evidence)
            self._index.bind(device.key, camera.mac, camera.endpoint_reference, camera.address)
            device.cameras.restore(camera)

    def observe(self, sighting: Sighting, now: float) -> Seen | None:
        """Something was seen; None when there is no room for another device."""
        key = self._index.find(sighting.mac, sighting.endpoint_reference, sighting.address)
        if key is not None:
            device = self._devices[key]
        elif len(self._devices) < MAX_DEVICES:
            device = self._new_device(sighting.address)
        else:
            self.refused_devices += 1
            return None
        self._note_clone(device, sighting, now)
        self._index.bind(device.key, sighting.mac, sighting.endpoint_reference, sighting.address)
        self._learn(device, sighting.evidence)
        old_address = device.facts.address
        self._absorb(device, sighting)
        if old_address != sighting.address:
            device.cameras.moved(old_address, sighting.address, now)
        device.cameras.seen(device.facts.methods, now)
        return Seen(device.key, self._due(device, now))

    def _due(self, device: _Device, now: float) -> bool:
        phase = device.life.phase
        if phase is Phase.FOREIGN:
            return device.stale or device.asked_at is None or now - device.asked_at >= FOREIGN_HOLD
        return device.stale or phase in (Phase.CANDIDATE, Phase.OFFLINE, Phase.SUSPECT)

    def _new_device(self, address: str) -> _Device:
        device = _Device(
            key=self._next_key,
            life=Lifecycle(self._missed_limit),
            cameras=CameraSet(self._emit),
            facts=Candidate(device_id="", address=address),
        )
        self._next_key += 1
        self._devices[device.key] = device
        return device

    def _absorb(self, device: _Device, sighting: Sighting) -> None:
        """Put what was seen to what is known; whatever is new makes the device worth asking again."""
        facts = device.facts
        if sighting.address != facts.address:
            # Service addresses and ports of the place where it stood before are worth nothing at the new one.
            facts = replace(facts, address=sighting.address, xaddrs=(), rtsp_ports=(), open_ports=())
        updated = replace(
            facts,
            mac=facts.mac or sighting.mac,
            endpoint_reference=facts.endpoint_reference or sighting.endpoint_reference,
            xaddrs=sighting.xaddrs or facts.xaddrs,
            scopes=sighting.scopes or facts.scopes,
            rtsp_ports=_union(facts.rtsp_ports, sighting.rtsp_ports),
            open_ports=_union(facts.open_ports, sighting.open_ports),
            methods=tuple(sorted({*facts.methods, sighting.method})),
        )
        if replace(updated, methods=()) != replace(device.facts, methods=()):
            device.stale = True
        device.facts = updated

    def _learn(self, device: _Device, evidence: Sequence[Evidence]) -> None:
        for item in evidence:
            if len(device.evidence) < MAX_EVIDENCE or (item.kind, item.value) in device.evidence:
                device.evidence[item.kind, item.value] = item

    def _note_clone(self, device: _Device, sighting: Sighting, now: float) -> None:
        reference = sighting.endpoint_reference
        holder = self._index.holder_of_endpoint_reference(reference) if reference else None
        if holder is None or holder == device.key or reference in self._conflicts:
            return
        # Told once for each reference; the set cannot outgrow the devices, each of which holds at most one.
        self._conflicts.add(reference)
        other = device.id or self._identify(device)
        for camera in self._devices[holder].cameras:
            self._emit(IdentityConflict(at=now, camera=camera, kind="epr", value=reference, other_device_id=other))

    def _identify(self, device: _Device) -> str:
        facts = device.facts
        return permanent_id(facts.mac, facts.endpoint_reference, device.evidence.values(), facts.address)

    # --- answers ---------------------------------------------------------------------------------------------------

    def asking(self, key: int, now: float) -> None:
        """An inspection of a device begins."""
        device = self._devices[key]
        device.asked_at = now
        device.stale = False
        device.life.ask()

    def inspected(self, key: int, inspection: Inspection, now: float) -> None:
        """A device answered: ``inspection`` holds its facts and its streams as they were proved."""
        device = self._devices[key]
        self._learn(device, inspection.evidence)
        if not device.id:
            device.id = self._unused(self._identify(device))
        device.cameras.inspected(device.id, device.facts, tuple(device.evidence.values()), inspection, now)
        self._settle(device)

    def _unused(self, wanted: str) -> str:
        """Two devices with one serial number, or one address one after the other, are still two."""
        taken = {device.id for device in self._devices.values()}
        number, free = 1, wanted
        while free in taken:
            number += 1
            free = f"{wanted}-{number}"
        return free

    def checked(self, key: int, reports: Mapping[str, StreamReport], now: float) -> None:
        """A check of some streams ended; ``reports`` by stream URL."""
        device = self._devices[key]
        device.cameras.checked(reports, now)
        self._settle(device)

    def _settle(self, device: _Device) -> None:
        statuses = {camera.status for camera in device.cameras}
        if Status.ONLINE in statuses:
            device.life.prove()
        elif Status.AUTH_REQUIRED in statuses:
            device.life.refuse()
        else:
            device.life.trouble()

    def disowned(self, key: int, now: float) -> None:
        """The inspection found no camera there."""
        device = self._devices[key]
        device.life.disown()
        device.cameras.set_all(Status.STREAM_ERROR, "it answers, but no longer as a camera", now)

    def refused(self, key: int, reason: str, now: float) -> None:
        """A device wants a login that we have not."""
        device = self._devices[key]
        device.life.refuse()
        device.cameras.set_all(Status.AUTH_REQUIRED, reason, now)

    def busy(self, key: int, reason: str, now: float) -> None:
        """A device is there but has no room for us."""
        device = self._devices[key]
        device.life.trouble()
        device.cameras.set_all(Status.BUSY, reason, now)

    def silent(self, key: int, reason: str, now: float) -> None:
        """A device did not answer a check."""
        device = self._devices[key]
        device.life.silent()
        if device.life.phase is Phase.OFFLINE:
            device.cameras.set_all(Status.OFFLINE, reason, now)

    def departed(self, address: str, now: float) -> None:
        """The device at ``address`` said goodbye."""
        key = self.key_at(address)
        if key is None:
            return
        device = self._devices[key]
        device.life.depart()
        if device.life.phase is Phase.OFFLINE:
            device.cameras.set_all(Status.OFFLINE, "announced", now)

    def forget(self, camera_id: str, now: float) -> bool:
        """Remove a camera; with its last one the device goes too. False when there is none of that id."""
        key = self.key_of(camera_id)
        if key is None:
            return False
        device = self._devices[key]
        device.cameras.forget(camera_id, now)
        if not len(device.cameras):
            self._index.remove(key)
            del self._devices[key]
        return True


def _union(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({*one, *other}))
