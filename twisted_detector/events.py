"""Events, as frozen values: registry and MQTT connection emit them, the bus delivers them, outputs make messages."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.model import Adoption, Camera, Stream
from twisted_detector.model.cameras import Picture
from twisted_detector.model.notices import Notice


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened ``at`` (wall seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class CameraEvent(Event):
    """Something happened to one camera; ``camera`` is the camera afterwards."""

    camera: Camera


@dataclass(frozen=True, slots=True)
class CameraDiscovered(CameraEvent):
    """A camera was seen for the first time."""


@dataclass(frozen=True, slots=True)
class CameraRestored(CameraEvent):
    """A camera was known before this start: consumers get its state again, but nothing happened to it."""


@dataclass(frozen=True, slots=True)
class CameraChanged(CameraEvent):
    """A fact about a camera changed (name, model, firmware, addresses of services)."""


@dataclass(frozen=True, slots=True)
class CameraMoved(CameraEvent):
    """A camera answers at another address."""

    old_address: str
    new_address: str


@dataclass(frozen=True, slots=True)
class CameraOnline(CameraEvent):
    """A camera answers and at least one stream of it was proved."""


@dataclass(frozen=True, slots=True)
class CameraOffline(CameraEvent):
    """A camera stopped answering, or said goodbye."""

    reason: str


@dataclass(frozen=True, slots=True)
class CameraTrouble(CameraEvent):
    """A camera answers but its streams do not play: ``stream_error``, ``auth_required`` or ``busy``."""

    reason: str


@dataclass(frozen=True, slots=True)
class CameraAsleep(CameraEvent):
    """A camera that has a battery sleeps."""

    reason: str


@dataclass(frozen=True, slots=True)
class StreamChanged(CameraEvent):
    """The streams of a camera changed: set, address, codec, size, or whether they play."""

    old: tuple[Stream, ...]
    new: tuple[Stream, ...]


@dataclass(frozen=True, slots=True)
class PictureTaken(CameraEvent):
    """A newer picture of a camera was taken."""

    picture: Picture


@dataclass(frozen=True, slots=True)
class CameraForgotten(CameraEvent):
    """A camera was removed, on command or by a merge; ``camera`` is the camera before that."""


@dataclass(frozen=True, slots=True)
class CheckRequested(CameraEvent):
    """A person asked for a camera to be looked at now."""


@dataclass(frozen=True, slots=True)
class AdoptionChanged(CameraEvent):
    """A camera's device was adopted, or is no longer adopted; ``reason``: by what, or why not and what to do."""

    adoption: Adoption
    reason: str


@dataclass(frozen=True, slots=True)
class CredentialAccepted(CameraEvent):
    """A login was accepted; ``login`` is its name."""

    login: str


@dataclass(frozen=True, slots=True)
class CredentialRefused(CameraEvent):
    """No login that may be tried was accepted; ``logins`` are the names of those that were refused."""

    logins: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ClockSkewed(CameraEvent):
    """A camera's clock differs from ours by ``offset`` seconds (positive: it is ahead)."""

    offset: float


@dataclass(frozen=True, slots=True)
class IdentityConflict(CameraEvent):
    """Two devices claim one identifier: it identifies neither from now on."""

    kind: str
    value: str
    other_device_id: str


@dataclass(frozen=True, slots=True)
class DevicesMerged(CameraEvent):
    """Two devices proved to be one; ``camera`` is the first camera of the one that stays, under the older id.

    :ivar merged_device_id: the id that was given up; "" when it was never published.
    :ivar merged_camera_ids: the cameras of that device, each of which was forgotten.
    """

    merged_device_id: str
    merged_camera_ids: tuple[str, ...]
    reason: str

    @property
    def moves(self) -> dict[str, str]:
        """For each id that was given up, the one that what was known under it belongs to from now on."""
        kept = self.camera.device_id
        return {gone: kept + gone.removeprefix(self.merged_device_id) for gone in self.merged_camera_ids}


@dataclass(frozen=True, slots=True)
class DeviceSplit(CameraEvent):
    """One device proved to be two; ``camera`` is the first camera of the one that keeps the id."""

    other_device_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SweepFinished(Event):
    """One sweep of one discoverer ended.

    :ivar duration: seconds.
    :ivar sightings: number of sightings that it reported.
    :ivar error: in plain words why it failed, or "".
    """

    method: str
    duration: float
    sightings: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class QuotaReached(Event):
    """Devices or cameras found no room; told once a day of each host and network.

    :ivar cause: the quota: ``host``, ``network``, ``devices`` or ``new_cameras``.
    :ivar address: where the device was seen that found none.
    :ivar text: in plain words, and what to do.
    """

    cause: str
    address: str
    text: str


@dataclass(frozen=True, slots=True)
class ConnectionEvent(Event):
    """The MQTT connection came, went or was given up.

    :ivar event: ``connected``, ``disconnected`` or ``failed``.
    :ivar state: the connection state after it.
    :ivar duration: seconds that the former state lasted, or the present one until now.
    :ivar attempts: connection attempts since the last success.
    :ivar session: number of the MQTT session, as in will and birth.
    """

    event: str
    reason: str
    state: str
    duration: float
    attempts: int
    session: int


@dataclass(frozen=True, slots=True)
class NoticeTold(Event):
    """A person should hear of something: at its beginning, and once more at its end."""

    notice: Notice
