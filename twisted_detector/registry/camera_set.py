"""Cameras of one device: takes inspections and checks, and emits what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from twisted_detector.events import (
    AdoptionChanged,
    CameraAsleep,
    CameraChanged,
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    CameraTrouble,
    ClockSkewed,
    Event,
    StreamChanged,
)
from twisted_detector.model import (
    Adoption,
    Announced,
    Camera,
    Candidate,
    Evidence,
    Inspection,
    Mac,
    Status,
    Stream,
    StreamReport,
)
from twisted_detector.model.addresses import rehost
from twisted_detector.model.announced import FRESH
from twisted_detector.model.clocks import restamped
from twisted_detector.model.decisions import Description
from twisted_detector.model.reasons import BEING_CHECKED, FROZEN, NO_CAMERA
from twisted_detector.registry.channels import assign_channels, channel_id
from twisted_detector.registry.facts.announced import AnnouncementRecord, filled_in
from twisted_detector.registry.facts.inspected import merge_inspection
from twisted_detector.registry.facts.verdict import AWAY, CODES, REASONS, judge, status_of, status_of_streams
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.text_bounds import MAX_NAME, bound_reason

#: Addresses that are remembered of one camera: enough to see a pattern, few enough for a document.
MAX_IP_HISTORY = 20
#: A clock that differs by more seconds is worth an event: ONVIF logins begin to fail at 5 s.
NOTABLE_CLOCK_OFFSET = 5.0
DescriptionOf = Callable[[str], Description]


def undescribed(camera_id: str) -> Description:
    """No person said anything."""
    return Description()


class CameraSet:
    """The cameras of one device, by id. ``now`` is wall seconds.

    :param emit: receives every event, in order.
    :param freeze_detector: decides which of them are frozen.
    :param description_of: what a person calls a camera, by its id.
    :ivar said: what the device says of itself; read only.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        freeze_detector: FreezeDetector | None = None,
        description_of: DescriptionOf = undescribed,
    ) -> None:
        self._emit = emit
        self._description_of = description_of
        self._freeze_detector = freeze_detector if freeze_detector is not None else FreezeDetector()
        self._by_id: dict[str, Camera] = {}
        #: When each that is there came: its status may have changed since.
        self._there_since: dict[str, float] = {}
        self._clock_offset = 0.0
        self.said = AnnouncementRecord()

    def __iter__(self) -> Iterator[Camera]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, camera_id: object) -> bool:
        return camera_id in self._by_id

    def get(self, camera_id: str) -> Camera | None:
        """One camera by its id."""
        return self._by_id.get(camera_id)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams of all cameras."""
        return tuple(stream for camera in self for stream in camera.streams)

    def restore(self, camera: Camera) -> None:
        """Take over a camera as an earlier run saved it."""
        camera = self._described(camera)
        self._by_id[camera.id] = camera
        self._clock_offset = camera.clock_offset
        self.said.restore(camera.announced)
        self._emit(CameraRestored(at=camera.last_seen, camera=camera))

    def _described(self, camera: Camera) -> Camera:
        given = self._description_of(camera.id)
        if given == Description(camera.given_name, camera.area, camera.note):
            return camera
        return replace(camera, given_name=given.name, area=given.area, note=given.note)

    def describe(self, camera_id: str, now: float) -> None:
        """A person may call a camera otherwise now."""
        camera = self._by_id[camera_id]
        described = self._described(camera)
        if described != camera:
            self._by_id[camera_id] = described
            self._emit(CameraChanged(at=now, camera=described))

    def clock_set(self, by: float, now: float) -> None:
        """The wall's clock was set: no camera has been as it is for 56 years because of that."""
        self._there_since = {name: restamped(came, by, now) for name, came in self._there_since.items()}
        for camera in self:
            moved = camera.restamped(by, now)
            if moved != camera:
                self._by_id[camera.id] = moved
                self._emit(CameraChanged(at=now, camera=moved))

    def record_sighting(self, methods: tuple[str, ...], now: float) -> None:
        """The device was seen. No event: the next document carries it."""
        for camera in self:
            self._by_id[camera.id] = replace(camera, last_seen=now, methods=methods)

    def record_move(self, old_address: str, new_address: str, now: float) -> None:
        """The device is at another address now. Its URLs name that too: another device may be at the old one."""
        for camera in self:
            moved = replace(
                camera,
                address=new_address,
                onvif_url=rehost(camera.onvif_url, old_address, new_address),
                http_url=rehost(camera.http_url, old_address, new_address),
                snapshot_url=rehost(camera.snapshot_url, old_address, new_address),
                streams=tuple(replace(one, url=rehost(one.url, old_address, new_address)) for one in camera.streams),
                ip_history=(*camera.ip_history, (new_address, now))[-MAX_IP_HISTORY:],
                last_seen=now,
            )
            self._by_id[camera.id] = moved
            self._emit(CameraMoved(at=now, camera=moved, old_address=old_address, new_address=new_address))

    def set_identity(self, mac: Mac | None, evidence: tuple[Evidence, ...], now: float) -> None:
        """Set the MAC that is believed to be the device's own, None for none any more, and the other evidence."""
        identifiers = [(one.kind, one.value) for one in evidence]
        for camera in self:
            if camera.mac != mac or [(one.kind, one.value) for one in camera.evidence] != identifiers:
                self._by_id[camera.id] = changed = replace(camera, mac=mac, evidence=evidence)
                self._emit(CameraChanged(at=now, camera=changed))

    def set_adoption(self, adoption: Adoption, reason: str, now: float) -> None:
        """Set whether the device is adopted; ``reason``: by what, or why not and what to do."""
        for camera in self:
            if camera.adopted is not adoption:
                self._by_id[camera.id] = changed = replace(camera, adopted=adoption)
                self._emit(AdoptionChanged(at=now, camera=changed, adoption=adoption, reason=reason))

    def record_inspection(
        self, device_id: str, facts: Candidate, evidence: tuple[Evidence, ...], inspection: Inspection, now: float
    ) -> None:
        """Record an inspection; each video source of the device is a camera."""
        channels = assign_channels(self, inspection.streams)
        for number, source, streams in channels:
            camera_id = channel_id(device_id, number)
            old = self._by_id.get(camera_id)
            base = old or self._new(camera_id, device_id, facts, number, now)
            new = merge_inspection(base, facts, evidence, inspection, source, streams, now)
            self._update(old, new, *status_of(inspection, streams), now)
        if any(source for _, source, _ in channels):
            named = {number for number, _, _ in channels}
            for camera in self:
                if camera.channel not in named:
                    self.set_status(camera.id, Status.STREAM_ERROR, "the device no longer names this source", now)
        offset = inspection.clock_offset
        if offset is not None and abs(offset - self._clock_offset) > NOTABLE_CLOCK_OFFSET:
            self._clock_offset = offset
            for camera in self:
                self._by_id[camera.id] = skewed = replace(camera, clock_offset=offset)
                self._emit(ClockSkewed(at=now, camera=skewed, offset=offset))

    def _new(self, camera_id: str, device_id: str, facts: Candidate, number: int, now: float) -> Camera:
        camera = Camera(
            id=camera_id,
            device_id=device_id,
            address=facts.address,
            channel=number,
            first_seen=now,
            ip_history=((facts.address, now),),
            announced=self.said.merged,
        )
        return self._described(camera)

    # --- what the device says of itself -------------------------------------------------------------------------------

    @property
    def unconfirmed(self) -> bool:
        """Whether the device was published by its word alone, and no inspection has found a camera there yet."""
        return bool(self._by_id) and all(camera.unconfirmed for camera in self)

    @property
    def asleep(self) -> bool:
        """Whether the device has a battery and sleeps."""
        return bool(self._by_id) and all(camera.status is Status.SLEEPS for camera in self)

    def asking_phase(self, phase: Phase) -> Phase:
        """The phase by which it is inspected: what sleeps, or answers as no camera, as late as what is none."""
        return Phase.FOREIGN if self.asleep or self.unconfirmed else phase

    @property
    def vendors(self) -> tuple[str, ...]:
        """The names of its manufacturer that inspections found."""
        return tuple(camera.proved_manufacturer for camera in self)

    def publish_announced(
        self, device_id: str, facts: Candidate, evidence: tuple[Evidence, ...], reason: str, now: float
    ) -> None:
        """The device is a camera by its word, and no inspection has found one; ``reason``: as far as is known."""
        camera = replace(
            self._new(channel_id(device_id, 1), device_id, facts, 1, now),
            mac=facts.mac,
            endpoint_reference=facts.endpoint_reference,
            adopted=facts.adoption,
            last_seen=now,
            methods=facts.methods,
            evidence=evidence,
            unconfirmed=True,
        )
        self._update(None, filled_in(camera, camera.announced), Status.STREAM_ERROR, reason, now)

    def record_announced(self, method: str, announced: Announced, now: float) -> None:
        """A method heard what the device says of itself."""
        self.said.record(method, announced, now)
        self._announced(now)

    def absorb(self, other: CameraSet, now: float) -> None:
        """The device is one with another: what that says of itself is its own word."""
        self.said.absorb(other.said)
        self._announced(now)

    def forget_announced(self, now: float) -> None:
        """Of what was heard it is not known which device said it."""
        self.said.forget()
        self._announced(now)

    def _announced(self, now: float) -> None:
        for camera in self:
            new = filled_in(camera, self.said.merged)
            if new is camera:
                continue
            if camera.unconfirmed and camera.status is not Status.OFFLINE and new.conditions != camera.conditions:
                # What explained its state may be so no longer; it is inspected soon, for this is news.
                self._update(camera, new, Status.STREAM_ERROR, BEING_CHECKED, now)
            elif camera.unconfirmed and camera.status is Status.STREAM_ERROR and camera.code in FRESH:
                self._update(camera, new, Status.STREAM_ERROR, NO_CAMERA, now)  # others may speak from its address
            else:
                self._by_id[camera.id] = new
                self._emit(CameraChanged(at=now, camera=new))

    def record_check(self, reports: Mapping[str, StreamReport], now: float) -> None:
        """Record a check of some streams, by URL. No reports: the device is there, and nothing seems changed."""
        for camera in self:
            if not reports:
                self._by_id[camera.id] = seen = replace(camera, last_seen=now)
                if camera.online and self._freeze_detector.frozen_since(camera.id) is not None:
                    # Its pictures have shown meanwhile that it is frozen.
                    self._update(camera, seen, Status.ONLINE, "", now, facts_too=False)
            if not any(stream.url in reports for stream in camera.streams):
                continue
            for stream in camera.streams:
                if (report := reports.get(stream.url)) is not None:
                    self._freeze_detector.record_keyframe(camera.id, stream.url, report.keyframe, now)
            streams = tuple(apply_report(stream, reports.get(stream.url)) for stream in camera.streams)
            status, reason = status_of_streams(streams)
            self._update(camera, replace(camera, streams=streams, last_seen=now), status, reason, now)

    def set_status_of_all(self, status: Status, reason: str, now: float) -> None:
        """Set one status for all cameras."""
        for camera in self:
            self.set_status(camera.id, status, reason, now)

    def set_status(self, camera_id: str, status: Status, reason: str, now: float) -> None:
        """Set the status of one camera; the same again is no event."""
        camera = self._by_id[camera_id]
        if camera.status is Status.OFFLINE and status is Status.OFFLINE:
            # It went for the reason that was published; that it is still away is no news, however that shows.
            return
        self._update(camera, camera, status, reason, now, facts_too=False)

    def _update(
        self, old: Camera | None, new: Camera, status: Status, reason: str, now: float, *, facts_too: bool = True
    ) -> None:
        """Keep ``new`` with its status, and emit what differs from ``old``; each event has the camera as it is now."""
        reason = reason if reason.strip() else REASONS[status]
        if status is Status.ONLINE and self._freeze_detector.frozen_since(new.id) is not None:
            status, reason = Status.STREAM_ERROR, FROZEN
        elif status is Status.OFFLINE:
            self._freeze_detector.forget(new.id)
        came = self._there_since.pop(new.id, now if old is None or old.status in AWAY else old.since)
        status, reason, code = judge(new, status, reason, now, there_since=came)
        if status not in AWAY:
            self._there_since[new.id] = came
        reason = bound_reason(reason)
        turned = old is None or old.status is not status
        if status is Status.ONLINE:
            new = replace(new, last_validated=now)
        else:
            # A stream of a camera that is not online is not proved: no consumer may take it for playing.
            streams = tuple(
                replace(one, validated=False, reason=one.reason or reason, code=one.code or CODES[status])
                for one in new.streams
            )
            new = replace(new, streams=streams)
        new = replace(new, status=status, reason=reason, code=code, since=now if turned else new.since)
        self._by_id[new.id] = new
        if old is None:
            self._emit(CameraDiscovered(at=now, camera=new))
        elif facts_too and old.streams != new.streams:
            self._emit(StreamChanged(at=now, camera=new, old=old.streams, new=new.streams))
        elif facts_too and _facts(old) != _facts(new):
            self._emit(CameraChanged(at=now, camera=new))
        if turned or (old is not None and old.reason != reason):
            self._emit_status(new, now)

    def _emit_status(self, camera: Camera, now: float) -> None:
        if camera.status is Status.ONLINE:
            self._emit(CameraOnline(at=now, camera=camera))
        elif camera.status is Status.OFFLINE:
            self._emit(CameraOffline(at=now, camera=camera, reason=camera.reason))
        elif camera.status is Status.SLEEPS:
            self._emit(CameraAsleep(at=now, camera=camera, reason=camera.reason))
        else:
            self._emit(CameraTrouble(at=now, camera=camera, reason=camera.reason))

    def forget(self, camera_id: str, now: float) -> bool:
        """Remove one camera; False when it is not here."""
        camera = self._by_id.pop(camera_id, None)
        if camera is None:
            return False
        self._there_since.pop(camera_id, None)
        self._freeze_detector.forget(camera_id)
        self._emit(CameraForgotten(at=now, camera=camera))
        return True


def apply_report(stream: Stream, report: StreamReport | None) -> Stream:
    """A stream with the result of a check; facts that the check did not see stay."""
    if report is None:
        return stream
    return replace(
        stream,
        codec=report.codec[:MAX_NAME] or stream.codec,
        width=report.width or stream.width,
        height=report.height or stream.height,
        fps=report.fps or stream.fps,
        audio=report.audio[:MAX_NAME] or stream.audio,
        proof=report.proof,
        validated=report.validated,
        reason=bound_reason(report.reason),
        code=report.code,
        back_channel=report.back_channel or (stream.back_channel and not report.validated),
    )


def _facts(camera: Camera) -> Camera:
    """A camera without what changes at every inspection: equal facts are no event."""
    return replace(
        camera,
        last_seen=0.0,
        last_validated=0.0,
        methods=(),
        evidence=(),
        status=Status.ONLINE,
        reason="",
        code="",
        since=0.0,
    )
