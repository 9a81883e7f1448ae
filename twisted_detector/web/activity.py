"""Events go in; deltas for the open pages come out, and the latest of what happened is kept to be looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from zope.interface import implementer

from twisted_detector.events import (
    CameraChanged,
    CameraDiscovered,
    CameraEvent,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    CameraTrouble,
    ClockSkewed,
    ConnectionEvent,
    CredentialAccepted,
    CredentialRefused,
    DevicesMerged,
    DeviceSplit,
    Event,
    IdentityConflict,
    PictureTaken,
    StreamChanged,
    SweepFinished,
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera
from twisted_detector.model.encoding import rfc3339
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.history import change_document
from twisted_detector.web.sources import Sources
from twisted_detector.web.views import brief

#: What happened lately: a day of a calm LAN, some minutes of a wild one.
MAX_HAPPENED = 2000
#: Lines that are told in one delta; of more, the latest: a page shows no more of them.
MAX_AT_ONCE = 60
#: A reason is a sentence; what a camera says of itself may be longer.
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the account. ``number`` only grows."""

    number: int
    at: float
    kind: str
    camera_id: str
    name: str
    text: str

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "number": self.number,
            "at": rfc3339(self.at),
            "kind": self.kind,
            "camera_id": self.camera_id,
            "name": self.name,
            "text": self.text,
        }


@implementer(IEventListener)
class ActivityFeed:
    """Listens to the bus for the pages."""

    def __init__(self, sources: Sources, hub: EventHub) -> None:
        self._sources = sources
        self._hub = hub
        self._happened: deque[Happened] = deque(maxlen=MAX_HAPPENED)
        self._untold: deque[Happened] = deque(maxlen=MAX_AT_ONCE)
        self._number = 0

    def happened(self, *, camera_id: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """The latest first, of all cameras or of one."""
        found: list[dict[str, Any]] = []
        for one in reversed(self._happened):
            if len(found) >= limit:
                break
            if not camera_id or one.camera_id == camera_id:
                found.append(one.document())
        return found

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraEvent):
            self._of_camera(event)
        elif isinstance(event, SweepFinished):
            self._hub.tell("discovery", "", self._sources.discovery)
        elif isinstance(event, ConnectionEvent):
            self._hub.tell("connection", str(event.at), partial(change_document, event))

    def _of_camera(self, event: CameraEvent) -> None:
        camera = event.camera
        if isinstance(event, CameraForgotten):
            self._hub.tell("gone", camera.id, lambda: {"id": camera.id})
        elif not isinstance(event, CameraRestored):
            self._hub.tell("camera", camera.id, partial(self._card, camera))
        words = wording(event)
        if words is None:
            return
        self._number += 1
        line = Happened(self._number, event.at, words[0], camera.id, _name(camera), words[1][:_MAX_TEXT])
        self._happened.append(line)
        if self._hub.listened:
            self._untold.append(line)
            self._hub.tell("happened", "", self._take)

    def _take(self) -> Mapping[str, Any]:
        told = [line.document() for line in reversed(self._untold)]
        self._untold.clear()
        return {"activity": told}

    def _card(self, camera: Camera) -> Mapping[str, Any]:
        # It may have been forgotten in the same moment; what is said last must be true.
        return brief(self._sources, self._sources.camera(camera.id) or camera)


def _name(camera: Camera) -> str:
    return camera.name or camera.model or f"camera at {camera.address}"


def wording(event: CameraEvent) -> tuple[str, str] | None:
    """(kind, sentence) of what a person wants to know; None for what is no news to them."""
    match event:
        case CameraRestored() | PictureTaken() | CameraChanged():
            return None
        case CameraDiscovered():
            return "discovered", f"found at {event.camera.address} by {', '.join(event.camera.methods) or 'command'}"
        case CameraMoved():
            return "moved", f"moved from {event.old_address} to {event.new_address}"
        case CameraOnline():
            return "online", "is online"
        case CameraOffline():
            return "offline", f"is offline: {event.reason}" if event.reason else "is offline"
        case CameraTrouble():
            status = event.camera.status.value.replace("_", " ")
            return "trouble", f"{status}: {event.reason}" if event.reason else status
        case StreamChanged():
            good = sum(one.validated for one in event.new)
            return "streams", f"streams changed: {good} of {len(event.new)} play"
        case CameraForgotten():
            return "forgotten", "is forgotten"
        case CredentialAccepted():
            return "login", f"accepted the login {event.login!r}"
        case CredentialRefused():
            return "login", f"refused {', '.join(event.logins) or 'the login'}: {event.reason}"
        case ClockSkewed():
            return "clock", f"its clock is {event.offset:+.0f} s off"
        case IdentityConflict():
            return "identity", f"{event.kind} {event.value} is claimed by {event.other_device_id} too"
        case DevicesMerged():
            return "identity", f"is the same device as {event.merged_device_id or 'another'}: {event.reason}"
        case DeviceSplit():
            return "identity", f"was two devices, the other is {event.other_device_id}: {event.reason}"
    return None
