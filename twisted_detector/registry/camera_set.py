"""Cameras of one device: takes inspections and checks, and emits what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from twisted_detector.events import (
    AdoptionChanged,
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
    OUI,
    Adoption,
    Camera,
    Candidate,
    Evidence,
    EvidenceKind,
    Inspection,
    Mac,
    Proof,
    Status,
    Stream,
    StreamReport,
)
from twisted_detector.model.addresses import rehost, without_login
from twisted_detector.model.cameras import deciding_streams
from twisted_detector.model.decisions import Description
from twisted_detector.model.reasons import FROZEN, ReasonCode
from twisted_detector.registry.channels import assign_channels, channel_id
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.text_bounds import MAX_NAME, bound_reason

#: Addresses that are remembered of one camera: enough to see a pattern, few enough for a document.
MAX_IP_HISTORY = 20
#: A clock that differs by more seconds is worth an event: ONVIF logins begin to fail at 5 s.
NOTABLE_CLOCK_OFFSET = 5.0
#: Reason code of a stream that has none of its own, by the status of its camera.
_CODES = {
    Status.OFFLINE: ReasonCode.UNREACHABLE,
    Status.STREAM_ERROR: ReasonCode.NOT_CHECKED,
    Status.AUTH_REQUIRED: ReasonCode.AUTH_REQUIRED,
    Status.BUSY: ReasonCode.BUSY,
}


#: Reason of a camera of whose trouble nobody gave one: an inspector of a plugin need not.
_REASONS = {
    Status.ONLINE: "",
    Status.OFFLINE: "it does not answer",
    Status.STREAM_ERROR: "no stream could be proved",
    Status.AUTH_REQUIRED: "it wants a login",
    Status.BUSY: "it has no room for another connection",
}

DescriptionOf = Callable[[str], Description]


def undescribed(camera_id: str) -> Description:
    """No person said anything."""
    return Description()


class CameraSet:
    """The cameras of one device, by id. ``now`` is wall seconds.

    :param emit: receives every event, in order.
    :param freeze_detector: decides which of them are frozen.
    :param description_of: what a person calls a camera, by its id.
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
        self._clock_offset = 0.0

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
            base = old or self._described(
                Camera(
                    id=camera_id,
                    device_id=device_id,
                    address=facts.address,
                    channel=number,
                    first_seen=now,
                    ip_history=((facts.address, now),),
                )
            )
            new = _merge(base, facts, evidence, inspection, source, streams, now)
            self._update(old, new, *_status_of(inspection, streams), now)
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
            status, reason = _judge(streams)
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
        reason = bound_reason(reason) if reason.strip() else _REASONS[status]
        if status is Status.ONLINE and self._freeze_detector.frozen_since(new.id) is not None:
            status, reason = Status.STREAM_ERROR, FROZEN
        elif status is Status.OFFLINE:
            self._freeze_detector.forget(new.id)
        turned = old is None or old.status is not status
        if status is Status.ONLINE:
            new = replace(new, last_validated=now)
        else:
            # A stream of a camera that is not online is not proved: no consumer may take it for playing.
            streams = tuple(
                replace(one, validated=False, reason=one.reason or reason, code=one.code or _CODES[status])
                for one in new.streams
            )
            new = replace(new, streams=streams)
        new = replace(new, status=status, reason=reason, since=now if turned else new.since)
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
        else:
            self._emit(CameraTrouble(at=now, camera=camera, reason=camera.reason))

    def forget(self, camera_id: str, now: float) -> bool:
        """Remove one camera; False when it is not here."""
        camera = self._by_id.pop(camera_id, None)
        if camera is None:
            return False
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


def _merge(
    base: Camera,
    facts: Candidate,
    evidence: tuple[Evidence, ...],
    inspection: Inspection,
    source: str,
    streams: tuple[Stream, ...],
    now: float,
) -> Camera:
    """``base`` with all facts of an inspection; facts that it does not have stay."""
    name, name_source = _name(base, inspection)
    return replace(
        base,
        address=facts.address,
        source=source or base.source,
        mac=facts.mac or base.mac,
        endpoint_reference=facts.endpoint_reference or base.endpoint_reference,
        name=name,
        name_source=name_source,
        adopted=facts.adoption,
        manufacturer=inspection.manufacturer or base.manufacturer or _registered_manufacturer(evidence),
        model=inspection.model or base.model,
        serial_number=inspection.serial_number or base.serial_number,
        firmware_version=inspection.firmware_version or base.firmware_version,
        onvif_url=without_login(inspection.onvif_url) or base.onvif_url,
        http_url=without_login(inspection.http_url) or base.http_url,
        snapshot_url=without_login(_snapshot_of(source, inspection)) or base.snapshot_url,
        # A refused inspection finds no streams: those that were known stay.
        streams=tuple(replace(one, url=without_login(one.url)) for one in streams) or base.streams,
        capabilities=inspection.capabilities or base.capabilities,
        last_seen=now,
        methods=facts.methods,
        evidence=evidence,
    )


def _name(base: Camera, inspection: Inspection) -> tuple[str, str]:
    """The name, and what it comes from.

    A scope has the name that a person gave. It is not always told: at a start the device may be asked before it
    announced itself, and its host name alone does not take the other's place.
    """
    if not inspection.name or (base.name and base.name_source == "scope" != inspection.name_source):
        return base.name, base.name_source
    return inspection.name, inspection.name_source or "device"


def _registered_manufacturer(evidence: Iterable[Evidence]) -> str:
    """The manufacturer for which the MAC is registered, or "": used as long as the device names none itself."""
    return next((one.value for one in evidence if one.kind == EvidenceKind.VENDOR and one.source == OUI), "")


def _snapshot_of(source: str, inspection: Inspection) -> str:
    """The address of this source's picture: a recorder's other channels must not show the first one's."""
    several = len({stream.source for stream in inspection.streams}) > 1
    return dict(inspection.snapshots).get(source, "") if several else inspection.snapshot_url


def _facts(camera: Camera) -> Camera:
    """A camera without what changes at every inspection: equal facts are no event."""
    return replace(
        camera, last_seen=0.0, last_validated=0.0, methods=(), evidence=(), status=Status.ONLINE, reason="", since=0.0
    )


def _judge(streams: Sequence[Stream]) -> tuple[Status, str]:
    """Status of a camera by its streams, and the reason of one that is not online."""
    deciding = deciding_streams(streams)
    if any(stream.validated for stream in deciding):
        return Status.ONLINE, ""
    first = next((one for one in deciding if one.reason), None)
    reason = first.reason if first is not None else "no stream could be proved"
    if first is None or not first.own:
        return Status.STREAM_ERROR, reason
    if first.code == ReasonCode.BUSY:
        return Status.BUSY, reason
    return (Status.AUTH_REQUIRED if first.proof is Proof.AUTH else Status.STREAM_ERROR), reason


def _status_of(inspection: Inspection, streams: tuple[Stream, ...]) -> tuple[Status, str]:
    if deciding_streams(streams) is not streams:
        return _judge(streams)  # a person gave one: what else the device says does not matter
    if inspection.status is not Status.ONLINE:
        return inspection.status, inspection.reason
    if any(stream.validated for stream in streams):
        return Status.ONLINE, ""
    if not streams:
        return Status.STREAM_ERROR, inspection.reason or "it names no stream"
    return Status.STREAM_ERROR, streams[0].reason or "no stream could be proved"
