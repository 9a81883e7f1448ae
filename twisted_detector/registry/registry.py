"""Registry of all devices: what other rooms may ask of it, and what they report to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from twisted_detector.events import Event
from twisted_detector.model import Camera, Candidate, Inspection, Mac, Sighting, Status, Stream, StreamReport
from twisted_detector.model.addresses import without_login
from twisted_detector.registry.camera_set import CameraSet
from twisted_detector.registry.device import Device
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.identity.claims import ClaimSet, claim_of, claims_of, unused_id
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Lifecycle, Phase
from twisted_detector.registry.matching import Matcher, as_sighting
from twisted_detector.registry.merging import Merger

#: Devices of one daemon: a /16 full of them. More is a flood of forged announcements, or years of guests: the oldest
#: that is no camera makes room.
MAX_DEVICES = 65_536


@dataclass(frozen=True, slots=True)
class SightingResult:
    """Result of a sighting: the handle of the device, and whether to inspect it now."""

    key: int
    needs_inspection: bool


class Registry:
    """Every device and its cameras; the package's docstring has the rules. ``now`` is wall seconds.

    :param emit: receives every event, in order.
    :param missed_limit: that many missed checks in a row make a device offline.
    :param freeze_detector: decides which cameras are frozen.
    :ivar refused_devices: sightings of new devices for which there was no room.
    """

    def __init__(
        self, emit: Callable[[Event], None], *, missed_limit: int = 3, freeze_detector: FreezeDetector | None = None
    ) -> None:
        self._emit = emit
        self._missed_limit = missed_limit
        self._freeze_detector = freeze_detector
        self._devices: dict[int, Device] = {}
        self._now = float("-inf")
        self._index = IdentityIndex(lambda key: self._devices[key].is_alive(self._now))
        self._merger = Merger(self._devices, self._index, emit, add_device=self._new_device, remove_device=self._remove)
        self._matcher = Matcher(self._index, self._merger)
        self._next_key = 1
        self._ids: set[str] = set()
        self._withheld: set[int] = set()
        self.refused_devices = 0

    # --- queries ------------------------------------------------------------------------------------------------------

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
        """The cameras of one device; none when the handle is no longer good (it proved to be another device)."""
        device = self._devices.get(key)
        return tuple(device.cameras) if device is not None else ()

    def key_of_camera(self, camera_id: str) -> int | None:
        """The handle of the device that has this camera."""
        return next((one.key for one in self._devices.values() if camera_id in one.cameras), None)

    def key_at(self, address: str) -> int | None:
        """The handle of the device at ``address``; of the first, when there are several."""
        return next(iter(self._index.devices_at(address)), None)

    def key_of_mac(self, mac: Mac) -> int | None:
        """The handle of the device that has this MAC."""
        return self._index.find(ClaimSet("", claims_of(mac, "", ())))

    def missed_checks(self, key: int) -> int:
        """How many checks in a row a device has missed."""
        return self._devices[key].lifecycle.missed_checks

    def knows(self, key: int) -> bool:
        """Whether a handle is still good."""
        return key in self._devices

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

    def streams(self, key: int) -> tuple[Stream, ...]:
        """All streams of a device's cameras."""
        return self._devices[key].cameras.streams

    # --- sightings ----------------------------------------------------------------------------------------------------

    def restore(self, cameras: Iterable[Camera]) -> None:
        """Take over the cameras of an earlier run; each is emitted as it was."""
        by_device = {device.id: device for device in self._devices.values() if device.id}
        for camera in cameras:
            device = by_device.get(camera.device_id)
            if device is None:
                device = by_device[camera.device_id] = self._new_device(camera.address)
                device.id = camera.device_id
                self._ids.add(device.id)
                device.lifecycle.restored()
            device.restore(camera)
            claimed = ClaimSet(
                camera.address,
                claims_of(camera.mac, camera.endpoint_reference, camera.evidence, model=camera.model)
                | {claim for one in camera.evidence if (claim := claim_of(one.kind, one.value))},
                frozenset((camera.onvif_url,) if camera.onvif_url else ()),
            )
            self._index.add_claims(device.key, claimed, firm=True)
            self._index.place(device.key, claimed)
            device.cameras.restore(camera)
        self._merger.after_restore()

    def _claims_of(self, sighting: Sighting) -> ClaimSet:
        claims = claims_of(sighting.mac, sighting.endpoint_reference, sighting.evidence)
        services = frozenset(without_login(url) for url in sighting.xaddrs)
        return ClaimSet(sighting.address, claims, services).without(self._index.discredited)

    def device_moved_by(self, sighting: Sighting, now: float) -> int | None:
        """The device that is well, and that this sighting would move to another address; None when it moves none."""
        key = self._index.find(self._claims_of(sighting))
        if key is None or not self._matcher.would_move(self._devices[key], sighting.address, now):
            return None
        return key

    def confirm_address(self, key: int, now: float) -> None:
        """A device answered at its address after it was seen at another: it has both."""
        self._devices[key].address_history.confirm(self._devices[key].facts.address, now)

    def record_sighting(self, sighting: Sighting, now: float) -> SightingResult | None:
        """Record a sighting; None when there is no room for another device."""
        self._now = now
        claimed = self._claims_of(sighting)
        self._merger.remove_stale_rivals(claimed, now)
        key = self._index.find(claimed)
        if key is not None:
            device = self._devices[key]
        elif len(self._devices) < MAX_DEVICES or self._make_room():
            device = self._new_device(sighting.address)
        else:
            self.refused_devices += 1
            return None
        device = self._matcher.record(device, sighting, claimed, now)
        self._release(now)
        return SightingResult(device.key, device.needs_inspection(now))

    def _make_room(self) -> bool:
        key = next((one.key for one in self._devices.values() if not len(one.cameras)), None)
        if key is not None:
            self._remove(key)
        return key is not None

    def _new_device(self, address: str) -> Device:
        device = Device(
            key=self._next_key,
            lifecycle=Lifecycle(self._missed_limit),
            cameras=CameraSet(self._emit, self._freeze_detector),
            facts=Candidate(device_id="", address=address),
        )
        self._next_key += 1
        self._devices[device.key] = device
        return device

    # --- inspections and checks ---------------------------------------------------------------------------------------

    def begin_inspection(self, key: int, now: float) -> None:
        """An inspection of a device begins."""
        device = self._devices[key]
        device.inspection_began_at = now
        device.stale = False
        device.lifecycle.inspection_began()

    def record_inspection(self, key: int, inspection: Inspection, now: float) -> None:
        """Record the answer of a device: ``inspection`` holds its facts and its streams as they were proved.

        When another device answered in its place, that is a sighting of the other one, and no answer of this one.
        """
        self._now = now
        device = self._devices[key]
        claims = claims_of(None, "", inspection.evidence, model=inspection.model)
        claimed = ClaimSet(device.facts.address, claims).without(self._index.discredited)
        if self._matcher.is_other_device(device, claimed, now):
            self._index.displace(key, device.facts.address)
            self.record_no_answer(key, "another device answers at its address", now)
            self.record_sighting(as_sighting(inspection, device.facts.address), now)
            return
        here = self._matcher.mac_just_seen(device, now)
        self._index.add_claims(key, claimed, firm=here)
        device.add_evidence(self._matcher.firm_evidence(device, inspection.evidence))
        if not device.facts.endpoint_reference and (reference := device.inspected_reference()):
            device.facts = replace(device.facts, endpoint_reference=reference)
        # The address that was asked, whatever an inspector of a plugin writes.
        device.last_inspection = replace(inspection, address=device.facts.address)
        device.address_history.record(device.facts.address, None, identified=bool(claimed.claims), now=now)
        self._merger.report_conflicts(device, claimed, now)
        device = self._merger.reconcile(device, now)
        device = self._merger.record_contact(device, now, certain=here or device.facts.mac is None)
        self._publish(device, now)
        self._release(now)

    def _publish(self, device: Device, now: float) -> None:
        """Publish the last inspection, unless it is withheld, or the device moved before it was ever published."""
        inspection = device.last_inspection
        if inspection is not None and self._merger.is_withheld(device):
            self._withheld.add(device.key)
        elif inspection is not None and (device.id or inspection.address == device.facts.address):
            if not device.id:
                device.id = unused_id(device.proposed_id, self._ids)
                device.published_at = now
                self._ids.add(device.id)
            device.cameras.record_inspection(device.id, device.facts, tuple(device.evidence.values()), inspection, now)
        self._update_phase(device)

    def _release(self, now: float) -> None:
        """Publish what was withheld and is not any more."""
        for key in tuple(self._withheld):
            device = self._devices.get(key)
            if device is None or device.id or not self._merger.is_withheld(device):
                self._withheld.discard(key)
                if device is not None and not device.id:
                    self._publish(device, now)

    def record_check(self, key: int, reports: Mapping[str, StreamReport], now: float) -> None:
        """Record a check of some streams, by URL. No reports: the device is there, and nothing changed."""
        device = self._devices[key]
        device.cameras.record_check(reports, now)
        self._update_phase(device)
        if any(report.validated for report in reports.values()):
            self._now = now
            self._merger.record_contact(device, now, certain=False)
            self._release(now)

    def _update_phase(self, device: Device) -> None:
        statuses = {camera.status for camera in device.cameras}
        if Status.ONLINE in statuses:
            device.lifecycle.stream_proved()
        elif Status.AUTH_REQUIRED in statuses:
            device.lifecycle.login_required()
        else:
            device.lifecycle.no_stream_proved()

    def record_not_a_camera(self, key: int, now: float, reason: str = "it answers, but no longer as a camera") -> None:
        """Record that an inspection found no camera there."""
        device = self._devices[key]
        self._reset_unpublished(device)
        device.lifecycle.not_a_camera()
        device.cameras.set_status_of_all(Status.STREAM_ERROR, reason, now)

    def abort_inspection(self, key: int) -> None:
        """An inspection ended without an answer, through no fault of the device: nothing is known of it."""
        device = self._devices[key]
        if device.lifecycle.phase is Phase.INSPECTING:
            device.lifecycle.check_missed()

    def _reset_unpublished(self, device: Device) -> None:
        """Reset a device that was never published: that it was busy once does not make it a camera for ever."""
        if not len(device.cameras) and device.lifecycle.phase not in (Phase.CANDIDATE, Phase.INSPECTING, Phase.FOREIGN):
            device.lifecycle = Lifecycle(self._missed_limit)

    def record_auth_required(self, key: int, reason: str, now: float) -> None:
        """Record that a device wants a login that we have not."""
        device = self._devices[key]
        device.lifecycle.login_required()
        device.cameras.set_status_of_all(Status.AUTH_REQUIRED, reason, now)

    def record_busy(self, key: int, reason: str, now: float) -> None:
        """Record that a device is there but has no room for us."""
        device = self._devices[key]
        device.lifecycle.no_stream_proved()
        device.cameras.set_status_of_all(Status.BUSY, reason, now)

    def record_no_answer(self, key: int, reason: str, now: float) -> None:
        """Record that a device did not answer a check or an inspection."""
        device = self._devices[key]
        self._reset_unpublished(device)
        device.lifecycle.check_missed()
        if not device.id:
            device.last_seen_at = float("-inf")
        self._publish_offline(device, reason, now)

    def record_departure(self, address: str, now: float, *, reference: str = "") -> None:
        """Record the goodbye of the device at ``address``.

        :param reference: its EndpointReference; without it, of several devices there none is meant.
        """
        keys = self._index.devices_at(address)
        for claim in claims_of(None, reference, ()):
            keys = tuple(key for key in keys if self._index.is_firm(key, claim))
        if len(keys) != 1:
            return
        device = self._devices[keys[0]]
        self._reset_unpublished(device)
        device.lifecycle.departed()
        self._publish_offline(device, "announced", now)

    def _publish_offline(self, device: Device, reason: str, now: float) -> None:
        if device.lifecycle.phase is not Phase.OFFLINE:
            return
        device.cameras.set_status_of_all(Status.OFFLINE, reason, now)
        self._now = now
        kept = self._merger.merge_into_successor(device, now)
        if kept is not None and kept.last_inspection is not None:
            self._publish(kept, now)
        self._release(now)

    def forget(self, camera_id: str, now: float) -> bool:
        """Remove a camera; with its last one the device goes too. False when there is none of that id."""
        key = self.key_of_camera(camera_id)
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
        self._withheld.discard(key)
        self._merger.after_removal()
