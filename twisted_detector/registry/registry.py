"""Registry of all devices: what other rooms may ask of it, and what they report to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from twisted_detector.events import Event
from twisted_detector.model import Camera, Inspection, Sighting, Status, StreamReport
from twisted_detector.model.reasons import BEING_CHECKED, NO_CAMERA
from twisted_detector.registry.adopter import Adopter
from twisted_detector.registry.adoption import AdoptionBook, AdoptionRecord
from twisted_detector.registry.camera_set import DescriptionOf, undescribed
from twisted_detector.registry.device import Device
from twisted_detector.registry.device_table import DeviceTable
from twisted_detector.registry.directory import Directory
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.identity.index import IdentityIndex
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.matching import Matcher, as_sighting
from twisted_detector.registry.merging import Merger
from twisted_detector.registry.publisher import Publisher
from twisted_detector.registry.quotas import NEW_CAMERAS_PER_HOUR
from twisted_detector.registry.reconciling import Reconciler
from twisted_detector.registry.recording import Recorder
from twisted_detector.registry.text_bounds import bound_camera


@dataclass(frozen=True, slots=True)
class SightingResult:
    """Result of a sighting: the handle of the device, and whether to inspect it now."""

    key: int
    needs_inspection: bool


P = ParamSpec("P")
R = TypeVar("R")


def _change(method: Callable[Concatenate[Registry, P], R]) -> Callable[Concatenate[Registry, P], R]:
    """A change of the registry: its events are emitted when all of it is decided and done, in their order."""

    @wraps(method)
    def changed(registry: Registry, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with registry._changing():
            return method(registry, *args, **kwargs)

    return changed


class Registry(Directory):
    """Every device and its cameras; the package's docstring has the rules. ``now`` is wall seconds.

    :param emit: receives every event, in order.
    :param missed_limit: that many missed checks in a row make a device offline.
    :param freeze_detector: decides which cameras are frozen.
    :param adoption: decides which devices are adopted; none by itself when it is not given.
    :param new_cameras_per_hour: cameras that are published anew in one hour, at most; the first hour has more.
    :param description_of: what a person calls a camera, by its id.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        *,
        missed_limit: int = 3,
        freeze_detector: FreezeDetector | None = None,
        adoption: AdoptionBook | None = None,
        new_cameras_per_hour: int = NEW_CAMERAS_PER_HOUR,
        description_of: DescriptionOf = undescribed,
    ) -> None:
        self._emit = emit
        self._events: deque[Event] = deque()
        self._changes_under_way = 0
        table = DeviceTable(
            self._events.append,
            removed=self._device_removed,
            missed_limit=missed_limit,
            freeze_detector=freeze_detector,
            new_cameras_per_hour=new_cameras_per_hour,
            description_of=description_of,
        )
        self._now = float("-inf")
        index = IdentityIndex(lambda key: self._devices[key].is_alive(self._now))
        super().__init__(table, index, Matcher(table.devices, index))
        reconciler = Reconciler(self._devices, index)
        self._merger = Merger(table, index, reconciler, emit=self._events.append)
        self._recorder = Recorder(index, self._matcher, self._merger)
        self._adopter = Adopter(adoption or AdoptionBook(), index, table)
        self._publisher = Publisher(table, index, reconciler, self._adopter)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._changes_under_way += 1
        try:
            yield
        finally:
            self._changes_under_way -= 1
            self._emit_events()

    def _emit_events(self) -> None:
        while self._events and not self._changes_under_way:
            self._emit(self._events.popleft())

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
                self._adopter.restore(device)
                device.lifecycle.restored()
            self._recorder.restore(device, camera)
            self._table.place(device, device.facts.mac)
            self._emit_events()
            yield
        for device in tuple(self._devices.values()):
            self._merger.after_restore(device)
            self._adopter.update(device, now, seen=False)
            self._emit_events()
            yield

    def confirm_address(self, key: int, now: float) -> None:
        """A device answered at its address after it was seen at another: it has both."""
        self._devices[key].address_history.confirm(self._devices[key].facts.address, now)

    @_change
    def record_sighting(self, sighting: Sighting, now: float) -> SightingResult | None:
        """Record a sighting; None when there is no room for another device."""
        self._now = now
        claimed = self._matcher.claims_of(sighting)
        if self.is_blocked(sighting):
            self._adopter.make_way(sighting, self._matcher.unidentified_at(claimed), now)
            return None
        self._merger.remove_stale_rivals(claimed, now)
        device = self._table.admit(self._matcher.device_of(claimed), sighting, now)
        if device is None:
            return None
        sighting, claimed = self._matcher.own_part(device, sighting, claimed, now)
        placement = self._matcher.placement_of(device, claimed, now)
        recorded = self._recorder.record_sighting(device, placement, sighting, claimed, now)
        device = self._merger.reconcile(recorded, now)
        self._table.place(device, sighting.mac)
        self._adopter.update(device, now)
        self._publisher.release(now, device.key)
        if device.cameras.unconfirmed:
            device.publish_identity(now)  # no inspection does it
            if sighting.announced is not None and device.lifecycle.phase is Phase.OFFLINE:
                self._record_presence(device, now)
        return SightingResult(device.key, device.prompt_inspection(now))

    @_change
    def publish_announced(self, key: int, now: float) -> None:
        """Publish a device by its word when its inspection takes long; see :meth:`Publisher.publish_announced`."""
        self._now = now
        if key in self._devices and not self._devices[key].facts.xaddrs:
            self._publisher.publish_announced(self._devices[key], BEING_CHECKED, now)

    @_change
    def record_presence(self, key: int, now: float) -> None:
        """Record that a device that is known by its word alone is there."""
        self._record_presence(self._devices[key], now)

    def _record_presence(self, device: Device, now: float) -> None:
        device.seen(now)
        device.lifecycle.no_stream_proved()
        device.cameras.record_check({}, now)
        if any(camera.status is Status.OFFLINE for camera in device.cameras):
            device.cameras.set_status_of_all(Status.STREAM_ERROR, NO_CAMERA, now)

    # --- inspections and checks ---------------------------------------------------------------------------------------

    def begin_inspection(self, key: int, now: float) -> None:
        """An inspection of a device begins."""
        self._devices[key].inspection_began(now)

    def spare_inspection(self, key: int, now: float) -> None:
        """An earlier run inspected a device, and it is well: it counts as inspected now."""
        self._devices[key].reasons.inspection_began(now)

    @_change
    def record_inspection(self, key: int, inspection: Inspection, now: float) -> None:
        """Record the answer of a device: ``inspection`` holds its facts and its streams as they were proved.

        When another device answered in its place, that is a sighting of the other one, and no answer of this one.
        """
        self._now = now
        device = self._devices[key]
        claimed = self._matcher.claims_of_answer(device, inspection)
        blocked = self._adopter.is_blocked_answer(claimed)
        if blocked and not device.id:
            self._table.remove(key)
            return
        clones = self._matcher.is_answer_of_clones(device, inspection)
        if blocked or clones or self._matcher.is_other_device(device, claimed, now):
            self._index.displace(key, device.facts.address)
            self.record_no_answer(key, "another device answers at its address", now)
            self.record_sighting(as_sighting(inspection, device.facts.address), now)
            return
        recorded = self._recorder.record_inspection(device, inspection, claimed, now)
        device = self._merger.reconcile(recorded, now)
        self._publisher.publish(device, now)
        self._publisher.release(now)

    @_change
    def record_check(self, key: int, reports: Mapping[str, StreamReport], now: float) -> None:
        """Record a check of some streams, by URL. No reports: the device is there, and nothing changed."""
        device = self._devices[key]
        device.cameras.record_check(reports, now)
        device.answered()
        if any(report.validated for report in reports.values()):
            self._now = now
            device = self._merger.record_contact(device, now)
            self._adopter.update(device, now)
            self._publisher.release(now)

    @_change
    def record_not_a_camera(self, key: int, now: float, reason: str = NO_CAMERA, *, other: bool = False) -> None:
        """Record that an inspection found no camera there. :param other: but something else, which is no camera."""
        self._now = now
        device = self._devices[key]
        device.reset_unpublished()
        device.lifecycle.not_a_camera()
        device.cameras.said.judge(other=other)
        if not self._publisher.publish_announced(device, reason, now, asked=True):
            device.cameras.set_status_of_all(Status.STREAM_ERROR, reason, now)

    @_change
    def record_silence(self, key: int, now: float) -> None:
        """Record that a device that is known by its word alone did not answer an inspection: whether it is there is
        found out otherwise, for it may never answer one.
        """
        device = self._devices[key]
        if device.lifecycle.phase is not Phase.OFFLINE:
            device.cameras.set_status_of_all(Status.STREAM_ERROR, NO_CAMERA, now)

    def abort_inspection(self, key: int) -> None:
        """An inspection ended without an answer, through no fault of the device: nothing is known of it."""
        device = self._devices[key]
        if device.lifecycle.phase is Phase.INSPECTING:
            device.lifecycle.check_missed()

    @_change
    def record_auth_required(self, key: int, reason: str, now: float) -> None:
        """Record that a device wants a login that we have not."""
        device = self._devices[key]
        device.lifecycle.login_required()
        device.cameras.set_status_of_all(Status.AUTH_REQUIRED, reason, now)

    @_change
    def record_busy(self, key: int, reason: str, now: float) -> None:
        """Record that a device is there but has no room for us."""
        device = self._devices[key]
        device.lifecycle.no_stream_proved()
        device.cameras.set_status_of_all(Status.BUSY, reason, now)

    @_change
    def record_no_answer(self, key: int, reason: str, now: float) -> None:
        """Record that a device did not answer a check or an inspection."""
        device = self._devices[key]
        device.check_missed()
        self._publish_offline(device, reason, now)

    @_change
    def record_departure(self, address: str, now: float, *, reference: str = "") -> None:
        """Record the goodbye of the device at ``address``; see :meth:`device_departing`."""
        key = self.device_departing(address, reference)
        if key is None:
            return
        device = self._devices[key]
        device.reset_unpublished()
        device.lifecycle.departed()
        self._publish_offline(device, "it said goodbye", now)

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

    @_change
    def adopt(self, camera_id: str, now: float) -> bool:
        """See :meth:`Adopter.adopt`; False when there is no camera with that id."""
        return self._adopter.decide(self._adopter.adopt, self.key_of_camera(camera_id), now)

    def explain_difference(self, camera_id: str) -> str:
        """See :meth:`Adopter.explain_difference`; "" when there is no camera with that id."""
        key = self.key_of_camera(camera_id)
        return self._adopter.explain_difference(self._table.devices[key]) if key is not None else ""

    @_change
    def unadopt(self, camera_id: str, now: float) -> bool:
        """See :meth:`Adopter.unadopt`; False when there is no camera with that id."""
        return self._adopter.decide(self._adopter.unadopt, self.key_of_camera(camera_id), now)

    @_change
    def block(self, camera_id: str, now: float) -> bool:
        """See :meth:`Adopter.block`; False when there is no camera with that id, or no room for one more."""
        return self._adopter.decide(self._adopter.block, self.key_of_camera(camera_id), now)

    def unblock(self, text: str, now: float) -> bool:
        """A person unblocks the device of this id, MAC or EndpointReference; False when none is blocked."""
        return self._adopter.book.unblock(text)

    def find_blocked(self, text: str) -> list[str]:
        """The ids that the blocked devices of this id, MAC or EndpointReference had."""
        return self._adopter.book.find_blocked(text)

    def blocked(self) -> Mapping[str, AdoptionRecord]:
        """The blocked devices, by the ids that they had."""
        return self._adopter.book.blocked()

    def is_blocked(self, sighting: Sighting) -> bool:
        """Whether a sighting is of a blocked device."""
        return self._adopter.is_blocked_sighting(sighting)

    @_change
    def update_listed(self, now: float) -> None:
        """The configuration, or a person, names other networks or devices than before."""
        for device in tuple(self._devices.values()):
            self._adopter.update_listed(device, now)

    @_change
    def adoption_heard(self, camera_id: str, now: float) -> None:
        """Others say something else of where a camera is adopted; nothing happens when there is none of that id."""
        key = self.key_of_camera(camera_id)
        if key is not None:
            self._adopter.update_words(self._devices[key], now)

    @_change
    def describe(self, camera_id: str, now: float) -> None:
        """A person may call a camera otherwise now; nothing happens when there is none of that id."""
        key = self.key_of_camera(camera_id)
        if key is not None:
            self._devices[key].cameras.describe(camera_id, now)

    @_change
    def clock_set(self, by: float, now: float) -> None:
        """The wall's clock was set by ``by`` seconds, to ``now``."""
        self._table.clock_set(by, now)

    # --- forgetting ---------------------------------------------------------------------------------------------------

    @_change
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

    @_change
    def forget_unproved(self, now: float, limit: int) -> int:
        """Remove at most ``limit`` devices that are away for a day and were never established; returns how many."""
        return self._table.forget_unproved(now, limit)

    def _device_removed(self, device: Device) -> None:
        claims = self._index.claims(device.key)
        self._index.remove(device.key)
        self._adopter.removed(device)
        self._publisher.removed(device)
        self._merger.after_removal(claims)
