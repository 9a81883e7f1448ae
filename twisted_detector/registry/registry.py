"""Registry of all devices: what other rooms may ask of it, and what they report to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from twisted_detector.events import Event
from twisted_detector.model import Camera, Candidate, Inspection, Sighting, Status, Stream, StreamReport
from twisted_detector.model.addresses import without_login
from twisted_detector.registry.adopter import Adopter
from twisted_detector.registry.adoption import AdoptionBook, AdoptionRecord
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.identity.claims import ClaimSet, claim_of, claims_of
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.matching import Matcher, as_sighting
from twisted_detector.registry.merging import Merger
from twisted_detector.registry.publisher import Publisher, update_phase
from twisted_detector.registry.quotas import NEW_CAMERAS_PER_HOUR, RefusalLog
from twisted_detector.registry.text_bounds import bound_camera


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
    :param adoption: decides which devices are adopted; none by itself when it is not given.
    :param new_cameras_per_hour: cameras that are published anew in one hour, at most; the first hour has more.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        *,
        missed_limit: int = 3,
        freeze_detector: FreezeDetector | None = None,
        adoption: AdoptionBook | None = None,
        new_cameras_per_hour: int = NEW_CAMERAS_PER_HOUR,
    ) -> None:
        self._table = DeviceTable(
            emit,
            removed=self._device_removed,
            missed_limit=missed_limit,
            freeze_detector=freeze_detector,
            new_cameras_per_hour=new_cameras_per_hour,
        )
        self._devices = self._table.devices
        self._now = float("-inf")
        self._index = IdentityIndex(lambda key: self._devices[key].is_alive(self._now))
        self._merger = Merger(
            self._devices, self._index, emit, add_device=self._table.add, remove_device=self._table.remove
        )
        self._matcher = Matcher(self._index, self._merger)
        self._adopter = Adopter(adoption or AdoptionBook(), self._index, self._table)
        self._publisher = Publisher(self._table, self._merger, self._adopter)

    # --- queries ------------------------------------------------------------------------------------------------------

    def cameras(self) -> tuple[Camera, ...]:
        """All cameras that were ever published and not forgotten."""
        return tuple(camera for device in self._devices.values() for camera in device.cameras)

    @property
    def count(self) -> int:
        """How many cameras :meth:`cameras` has, without making the list."""
        return len(self._table.key_of_camera)

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
        return self._index.find(self._claims_of(sighting))

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

    def was_inspected(self, key: int) -> bool:
        """Whether an inspection of a device ever began."""
        return self._devices[key].inspection_began_at is not None

    def has_streams(self, key: int) -> bool:
        """Whether a device's cameras name any stream."""
        return any(camera.streams for camera in self._devices[key].cameras)

    def streams(self, key: int) -> tuple[Stream, ...]:
        """All streams of a device's cameras."""
        return self._devices[key].cameras.streams

    # --- sightings ----------------------------------------------------------------------------------------------------

    def restore(self, cameras: Iterable[Camera], now: float = 0.0) -> None:
        """Take over the cameras of an earlier run; each is emitted as it was.

        :param now: stamp of adoptions that changed meanwhile (another configuration, or a version that knew none).
        """
        for _ in self.restoring(cameras, now):
            pass

    def restoring(self, cameras: Iterable[Camera], now: float = 0.0) -> Iterator[None]:
        """As :meth:`restore`, one camera a step: with its events each takes a millisecond, and there may be thousands.

        It has to be gone through to its end before anything else is reported.
        """
        by_device = {device.id: device for device in self._devices.values() if device.id}
        for saved in cameras:
            camera = bound_camera(saved)
            device = by_device.get(camera.device_id)
            if device is None:
                device = by_device[camera.device_id] = self._table.add(camera.address)
                self._table.publish(device, camera.device_id)
                device.adoption_record = self._adopter.book.record_of(device.id)
                device.lifecycle.restored()
            device.restore(camera)
            claimed = ClaimSet(
                camera.address,
                claims_of(camera.mac, camera.endpoint_reference, camera.evidence, model=camera.model)
                | {claim for one in camera.evidence if (claim := claim_of(one.kind, one.value))}
                | frozenset(device.shared_claims),
                frozenset((camera.onvif_url,) if camera.onvif_url else ()),
            )
            self._index.add_claims(device.key, claimed, firm=True)
            self._index.place(device.key, claimed)
            self._table.place_restored(device)
            device.cameras.restore(camera)
            yield
        for device in tuple(self._devices.values()):
            self._merger.after_restore(device)
            self._adopter.update(device, now, seen=False)
            yield

    def _claims_of(self, sighting: Sighting) -> ClaimSet:
        claims = claims_of(sighting.mac, sighting.endpoint_reference, sighting.evidence)
        services = frozenset(without_login(url) for url in sighting.xaddrs)
        return ClaimSet(sighting.address, claims, services).without(self._index.discredited)

    def device_moved_by(self, sighting: Sighting, now: float) -> int | None:
        """The device that is well, and that this sighting would move to another address; None when it moves none."""
        key = self.key_of(sighting)
        moves = key is not None and self._matcher.would_move(self._devices[key], sighting.address, now)
        return key if moves else None

    def confirm_address(self, key: int, now: float) -> None:
        """A device answered at its address after it was seen at another: it has both."""
        self._devices[key].address_history.confirm(self._devices[key].facts.address, now)

    def record_sighting(self, sighting: Sighting, now: float) -> SightingResult | None:
        """Record a sighting; None when there is no room for another device."""
        self._now = now
        if self.is_blocked(sighting):
            return None
        claimed = self._claims_of(sighting)
        self._merger.remove_stale_rivals(claimed, now)
        found = self._table.admit(self._index.find(claimed), sighting, now)
        if found is None:
            return None
        device = self._matcher.record(found, sighting, claimed, now)
        self._table.place(device, sighting)
        self._adopter.update(device, now)
        self._publisher.release(now)
        return SightingResult(device.key, device.prompt_inspection(now))

    # --- inspections and checks ---------------------------------------------------------------------------------------

    def begin_inspection(self, key: int, now: float) -> None:
        """An inspection of a device begins."""
        self._devices[key].inspection_began(now)

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
        self._index.add_claims(key, claimed, firm=self._matcher.mac_just_seen(device, now))
        device.add_evidence(self._matcher.firm_evidence(device, inspection.evidence))
        if not device.facts.endpoint_reference and (reference := device.inspected_reference()):
            device.facts = replace(device.facts, endpoint_reference=reference)
        # The address that was asked, whatever an inspector of a plugin writes.
        device.last_inspection = replace(inspection, address=device.facts.address)
        device.address_history.record(device.facts.address, None, identified=bool(claimed.claims), now=now)
        if self._adopter.is_blocked(device):
            self._table.remove(key)
            return
        self._merger.report_conflicts(device, claimed, now)
        device = self._merger.reconcile(device, now)
        device = self._merger.record_contact(device, now, claimed)
        self._publisher.publish(device, now)
        self._publisher.release(now)

    def record_check(self, key: int, reports: Mapping[str, StreamReport], now: float) -> None:
        """Record a check of some streams, by URL. No reports: the device is there, and nothing changed."""
        device = self._devices[key]
        device.cameras.record_check(reports, now)
        update_phase(device)
        if any(report.validated for report in reports.values()):
            self._now = now
            device = self._merger.record_contact(device, now)
            self._adopter.update(device, now)
            self._publisher.release(now)

    def record_not_a_camera(self, key: int, now: float, reason: str = "it answers, but no longer as a camera") -> None:
        """Record that an inspection found no camera there."""
        device = self._devices[key]
        self._table.reset_unpublished(device)
        device.lifecycle.not_a_camera()
        device.cameras.set_status_of_all(Status.STREAM_ERROR, reason, now)

    def abort_inspection(self, key: int) -> None:
        """An inspection ended without an answer, through no fault of the device: nothing is known of it."""
        device = self._devices[key]
        if device.lifecycle.phase is Phase.INSPECTING:
            device.lifecycle.check_missed()

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
        self._table.reset_unpublished(device)
        device.lifecycle.check_missed()
        if not device.id:
            device.last_seen_at = float("-inf")
        self._publish_offline(device, reason, now)

    def device_departing(self, address: str, reference: str = "") -> int | None:
        """The handle of the device that a goodbye from ``address`` is of; None when it is not known of which.

        :param reference: its EndpointReference; without it, of several devices there none is meant.
        """
        keys = self._index.devices_at(address)
        for claim in claims_of(None, reference, ()):
            keys = tuple(key for key in keys if self._index.is_firm(key, claim))
        return keys[0] if len(keys) == 1 else None

    def record_departure(self, address: str, now: float, *, reference: str = "") -> None:
        """Record the goodbye of the device at ``address``; see :meth:`device_departing`."""
        key = self.device_departing(address, reference)
        if key is None:
            return
        device = self._devices[key]
        self._table.reset_unpublished(device)
        device.lifecycle.departed()
        self._publish_offline(device, "announced", now)

    def _publish_offline(self, device: Device, reason: str, now: float) -> None:
        if device.lifecycle.phase is not Phase.OFFLINE:
            return
        device.cameras.set_status_of_all(Status.OFFLINE, reason, now)
        self._now = now
        kept = self._merger.merge_into_successor(device, now)
        if kept is not None:
            self._adopter.update(kept, now)
            if kept.last_inspection is not None:
                self._publisher.publish(kept, now)
        self._publisher.release(now)

    # --- adoption -----------------------------------------------------------------------------------------------------

    def adopt(self, camera_id: str, now: float) -> bool:
        """See :meth:`Adopter.adopt`; False when there is no camera of that id."""
        return self._adopter.decide(self._adopter.adopt, self.key_of_camera(camera_id), now)

    def unadopt(self, camera_id: str, now: float) -> bool:
        """See :meth:`Adopter.unadopt`; False when there is no camera of that id."""
        return self._adopter.decide(self._adopter.unadopt, self.key_of_camera(camera_id), now)

    def block(self, camera_id: str, now: float) -> bool:
        """See :meth:`Adopter.block`; False when there is no camera of that id, or no room for one more."""
        return self._adopter.decide(self._adopter.block, self.key_of_camera(camera_id), now)

    def unblock(self, text: str, now: float) -> bool:
        """A person unblocks the device of this id, MAC or EndpointReference; False when none is blocked."""
        return self._adopter.book.unblock(text)

    def blocked(self) -> Mapping[str, AdoptionRecord]:
        """The blocked devices, by the ids that they had."""
        return self._adopter.book.blocked()

    def is_blocked(self, sighting: Sighting) -> bool:
        """Whether a sighting is of a blocked device."""
        return self._adopter.is_blocked_sighting(sighting)

    # --- forgetting ---------------------------------------------------------------------------------------------------

    def forget(self, camera_id: str, now: float) -> bool:
        """Remove a camera; with its last one the device goes too. False when there is none of that id."""
        key = self.key_of_camera(camera_id)
        if key is None:
            return False
        device = self._devices[key]
        device.cameras.forget(camera_id, now)
        if not len(device.cameras):
            self._table.remove(key)
        return True

    def forget_unproved(self, now: float, limit: int) -> int:
        """Remove at most ``limit`` devices that are away for a day and were never established; returns how many."""
        return self._table.forget_unproved(now, limit)

    def _device_removed(self, device: Device) -> None:
        claims = self._index.claims(device.key)
        self._index.remove(device.key)
        self._adopter.removed(device)
        self._publisher.removed(device)
        self._merger.after_removal(claims)
