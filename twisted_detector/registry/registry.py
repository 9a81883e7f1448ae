"""Sightings and inspections go in; devices are kept, each with its cameras, and what changed comes out as events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from twisted_detector.events import Event
from twisted_detector.model import Camera, Candidate, Inspection, Mac, Sighting, Status, Stream, StreamReport
from twisted_detector.model.addresses import without_login
from twisted_detector.registry.camera_set import CameraSet
from twisted_detector.registry.device import Device
from twisted_detector.registry.frozen import FreezeDetector
from twisted_detector.registry.identity.claims import Seen, claim_of, claims_of, unused_id
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Lifecycle, Phase
from twisted_detector.registry.matching import Matcher, as_sighting
from twisted_detector.registry.merging import Merger

#: Devices of one daemon: a /16 full of them. More is a flood of forged announcements, or years of guests: the oldest
#: that is no camera makes room.
MAX_DEVICES = 65_536


@dataclass(frozen=True, slots=True)
class Sighted:
    """What a sighting came to: the handle of the device, and whether it should be asked now."""

    key: int
    due: bool


class Registry:
    """Knows every device and its cameras. Pure: ``now`` is always wall seconds given by the caller.

    A device is named by a handle, an int that is good until the device is forgotten.

    :param emit: is told every event, in order.
    :param missed_limit: that many missed checks in a row make a device offline.
    :param stills: knows which cameras are frozen.
    """

    def __init__(
        self, emit: Callable[[Event], None], *, missed_limit: int = 3, stills: FreezeDetector | None = None
    ) -> None:
        self._emit = emit
        self._missed_limit = missed_limit
        self._stills = stills
        self._devices: dict[int, Device] = {}
        self._now = float("-inf")
        self._index = IdentityIndex(lambda key: self._devices[key].alive(self._now))
        self._kin = Merger(self._devices, self._index, emit, begin=self._new_device, end=self._remove)
        self._recognition = Matcher(self._index, self._kin)
        self._next_key = 1
        self._ids: set[str] = set()
        self._held: set[int] = set()
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
        """The cameras of one device; none when the handle is good no more (it proved to be another device)."""
        device = self._devices.get(key)
        return tuple(device.cameras) if device is not None else ()

    def key_of(self, camera_id: str) -> int | None:
        """The handle of the device that has this camera."""
        return next((one.key for one in self._devices.values() if camera_id in one.cameras), None)

    def key_at(self, address: str) -> int | None:
        """The handle of the device that stands at ``address``; the first, when several do."""
        return next(iter(self._index.standing_at(address)), None)

    def key_of_mac(self, mac: Mac) -> int | None:
        """The handle of the device that has this MAC."""
        return self._index.find(Seen("", claims_of(mac, "", ())))

    def missed(self, key: int) -> int:
        """How many checks in a row a device has missed."""
        return self._devices[key].life.missed

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
        return self._devices[key].candidate

    def stands_at(self, key: int, address: str) -> bool:
        """Whether a device is known and none was seen at ``address`` in its place."""
        return self._index.stands_at(key, address)

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
                self._ids.add(device.id)
                device.life.restore()
            device.restore(camera)
            seen = Seen(
                camera.address,
                claims_of(camera.mac, camera.endpoint_reference, camera.evidence, model=camera.model)
                | {claim for one in camera.evidence if (claim := claim_of(one.kind, one.value))},
                frozenset((camera.onvif_url,) if camera.onvif_url else ()),
            )
            self._index.bind(device.key, seen, firm=True)
            self._index.stand(device.key, seen)
            device.cameras.restore(camera)
        self._kin.restored()

    def _seen(self, sighting: Sighting) -> Seen:
        said = claims_of(sighting.mac, sighting.endpoint_reference, sighting.evidence)
        doors = frozenset(without_login(url) for url in sighting.xaddrs)
        return Seen(sighting.address, said, doors).without(self._index.spent)

    def leaving(self, sighting: Sighting, now: float) -> int | None:
        """The device, well where it is, that this sighting would move to another address; None: it would move none."""
        key = self._index.find(self._seen(sighting))
        if key is None or not self._recognition.would_leave(self._devices[key], sighting.address, now):
            return None
        return key

    def stays(self, key: int, now: float) -> None:
        """A device answered at its address after it was heard at another: it has both."""
        self._devices[key].where.confirm(self._devices[key].facts.address, now)

    def observe(self, sighting: Sighting, now: float) -> Sighted | None:
        """Something was seen; None when there is no room for another device."""
        self._now = now
        seen = self._seen(sighting)
        self._kin.forget_rivals(seen, now)
        key = self._index.find(seen)
        if key is not None:
            device = self._devices[key]
        elif len(self._devices) < MAX_DEVICES or self._make_room():
            device = self._new_device(sighting.address)
        else:
            self.refused_devices += 1
            return None
        device = self._recognition.take_in(device, sighting, seen, now)
        self._release(now)
        return Sighted(device.key, device.due(now))

    def _make_room(self) -> bool:
        key = next((one.key for one in self._devices.values() if not len(one.cameras)), None)
        if key is not None:
            self._remove(key)
        return key is not None

    def _new_device(self, address: str) -> Device:
        device = Device(
            key=self._next_key,
            life=Lifecycle(self._missed_limit),
            cameras=CameraSet(self._emit, self._stills),
            facts=Candidate(device_id="", address=address),
        )
        self._next_key += 1
        self._devices[device.key] = device
        return device

    # --- answers ---------------------------------------------------------------------------------------------------

    def asking(self, key: int, now: float) -> None:
        """An inspection of a device begins."""
        device = self._devices[key]
        device.asked_at = now
        device.stale = False
        device.life.ask()

    def inspected(self, key: int, inspection: Inspection, now: float) -> None:
        """A device answered: ``inspection`` holds its facts and its streams as they were proved.

        When another device answered in its place, that one was seen there, and this one did not answer.
        """
        self._now = now
        device = self._devices[key]
        said = claims_of(None, "", inspection.evidence, model=inspection.model)
        seen = Seen(device.facts.address, said).without(self._index.spent)
        if self._recognition.is_another(device, seen, now):
            self._index.leave(key, device.facts.address)
            self.silent(key, "another device answers at its address", now)
            self.observe(as_sighting(inspection, device.facts.address), now)
            return
        here = self._recognition.just_seen(device, now)
        self._index.bind(key, seen, firm=here)
        device.learn(self._recognition.sure(device, inspection.evidence))
        if not device.facts.endpoint_reference and (reference := device.said_reference()):
            device.facts = replace(device.facts, endpoint_reference=reference)
        device.latest = replace(inspection, address=device.facts.address)  # whatever an inspector of a plugin writes
        device.where.heard(device.facts.address, None, vouched=bool(seen.claims), now=now)
        self._kin.told_together(device, seen, now)
        device = self._kin.reconcile(device, now)
        device = self._kin.heard(device, now, for_certain=here or device.facts.mac is None)
        self._publish(device, now)
        self._release(now)

    def _publish(self, device: Device, now: float) -> None:
        """Tell what a device said last, unless it is held back, or came elsewhere before it was ever told."""
        inspection = device.latest
        if inspection is not None and self._kin.held_back(device):
            self._held.add(device.key)
        elif inspection is not None and (device.id or inspection.address == device.facts.address):
            if not device.id:
                device.id = unused_id(device.wanted_id, self._ids)
                device.published_at = now
                self._ids.add(device.id)
            device.cameras.inspected(device.id, device.facts, tuple(device.evidence.values()), inspection, now)
        self._settle(device)

    def _release(self, now: float) -> None:
        """Publish what was held back and is not any more."""
        for key in tuple(self._held):
            device = self._devices.get(key)
            if device is None or device.id or not self._kin.held_back(device):
                self._held.discard(key)
                if device is not None and not device.id:
                    self._publish(device, now)

    def checked(self, key: int, reports: Mapping[str, StreamReport], now: float) -> None:
        """A check of some streams ended; ``reports`` by stream URL; none: it is there, and what was proved stands."""
        device = self._devices[key]
        device.cameras.checked(reports, now)
        self._settle(device)
        if any(report.validated for report in reports.values()):
            self._now = now
            self._kin.heard(device, now, for_certain=False)
            self._release(now)

    def _settle(self, device: Device) -> None:
        statuses = {camera.status for camera in device.cameras}
        if Status.ONLINE in statuses:
            device.life.prove()
        elif Status.AUTH_REQUIRED in statuses:
            device.life.refuse()
        else:
            device.life.trouble()

    def disowned(self, key: int, now: float, reason: str = "it answers, but no longer as a camera") -> None:
        """The inspection found no camera there."""
        device = self._devices[key]
        self._unlearn(device)
        device.life.disown()
        device.cameras.set_all(Status.STREAM_ERROR, reason, now)

    def broke_off(self, key: int) -> None:
        """An inspection ended without an answer and through no fault of the device: nothing was learnt."""
        device = self._devices[key]
        if device.life.phase is Phase.INSPECTING:
            device.life.silent()

    def _unlearn(self, device: Device) -> None:
        """What was never published has no name to keep: that it was busy once does not make it a camera for ever."""
        if not len(device.cameras) and device.life.phase not in (Phase.CANDIDATE, Phase.INSPECTING, Phase.FOREIGN):
            device.life = Lifecycle(self._missed_limit)

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
        self._unlearn(device)
        device.life.silent()
        if not device.id:
            device.heard_at = float("-inf")
        if device.life.phase is Phase.OFFLINE:
            device.cameras.set_all(Status.OFFLINE, reason, now)
            self._gone(device, now)

    def departed(self, address: str, now: float, *, reference: str = "") -> None:
        """The device at ``address`` said goodbye; which of several says ``reference``, and without it none is meant."""
        keys = self._index.standing_at(address)
        for claim in claims_of(None, reference, ()):
            keys = tuple(key for key in keys if self._index.firm(key, claim))
        if len(keys) != 1:
            return
        device = self._devices[keys[0]]
        self._unlearn(device)
        device.life.depart()
        if device.life.phase is Phase.OFFLINE:
            device.cameras.set_all(Status.OFFLINE, "announced", now)
            self._gone(device, now)

    def _gone(self, device: Device, now: float) -> None:
        self._now = now
        kept = self._kin.silent(device, now)
        if kept is not None and kept.latest is not None:
            self._publish(kept, now)
        self._release(now)

    def forget(self, camera_id: str, now: float) -> bool:
        """Remove a camera; with its last one the device goes too. False when there is none of that id."""
        key = self.key_of(camera_id)
        if key is None:
            return False
        device = self._devices[key]
        device.cameras.forget(camera_id, now)
        if not len(device.cameras):
            self._remove(key)
        return True

    def _remove(self, key: int) -> None:
        device = self._devices.pop(key)
        self._index.remove(key)
        self._ids.discard(device.id)
        self._held.discard(key)
        self._kin.forgotten()
