"""Feed of the page: deltas for open pages, from events, and the latest entries of the activity list."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from zope.interface import implementer

from twisted_detector import events
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera
from twisted_detector.model.encoding import pack, rfc3339, unpack
from twisted_detector.model.naming import STATE_WORDS, title
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.history import change_document
from twisted_detector.web.views import brief

#: Entries of the activity list: a day of a calm LAN, some minutes of a wild one.
MAX_ENTRIES = 2000
#: Entries that are packed together, a tenth of a millisecond of work, when as many younger ones are there: a page
#: shows these. All the others are read in a few milliseconds.
PACKED = 60
#: Entries in one delta; of more, the latest: a page shows no more of them.
MAX_AT_ONCE = 60
#: A reason is a sentence; what a camera says of itself may be longer.
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One line of the activity list. ``number`` only grows."""

    number: int
    at: float
    kind: str
    camera_id: str
    name: str
    text: str

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "at": rfc3339(self.at)}


_row = attrgetter(*ActivityEntry.__slots__)


@implementer(IEventListener)
class ActivityFeed:
    """Listener of the bus for the pages."""

    def __init__(self, facade: DaemonFacade, hub: EventHub) -> None:
        self._facade = facade
        self._hub = hub
        self._entries: list[ActivityEntry] = []
        self._packed: deque[bytes] = deque(maxlen=MAX_ENTRIES // PACKED - 2)
        self._unpublished: deque[ActivityEntry] = deque(maxlen=MAX_AT_ONCE)
        self._number = 0

    def entries(self, *, camera_id: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """The latest first, of all cameras or of one."""
        found: list[dict[str, Any]] = []
        for one in self._latest_first():
            if len(found) >= limit:
                break
            if not camera_id or one.camera_id == camera_id:
                found.append(one.document())
        return found

    def _latest_first(self) -> Iterator[ActivityEntry]:
        yield from reversed(self._entries)
        for packed in reversed(self._packed):
            for row in reversed(unpack(packed)):
                yield ActivityEntry(*row)

    def _keep(self, entry: ActivityEntry) -> None:
        self._entries.append(entry)
        if len(self._entries) == 2 * PACKED:
            self._packed.append(pack(map(_row, self._entries[:PACKED])))
            del self._entries[:PACKED]

    def handle(self, event: events.Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, events.CameraEvent):
            self._handle_camera(event)
        elif isinstance(event, events.SweepFinished):
            self._hub.publish("discovery", "", self._facade.discovery)
        elif isinstance(event, events.ConnectionEvent):
            self._hub.publish("connection", str(event.at), partial(change_document, event))
        elif isinstance(event, events.NoticeTold):
            told = {"id": event.notice.id, "event": event.notice.event}
            self._hub.publish("notice", event.notice.id, lambda: told)

    def _handle_camera(self, event: events.CameraEvent) -> None:
        camera = event.camera
        if isinstance(event, events.CameraForgotten):
            self._hub.publish("gone", camera.id, lambda: {"id": camera.id})
        elif not isinstance(event, events.CameraRestored):
            self._hub.publish("camera", camera.id, partial(self._card, camera))
        described = describe(event)
        if described is None:
            return
        self._number += 1
        entry = ActivityEntry(self._number, event.at, described[0], camera.id, title(camera), described[1][:_MAX_TEXT])
        self._keep(entry)
        if self._hub.has_listeners:
            self._unpublished.append(entry)
            self._hub.publish("happened", "", self._take)

    def _take(self) -> Mapping[str, Any]:
        entries = [entry.document() for entry in reversed(self._unpublished)]
        self._unpublished.clear()
        return {"activity": entries}

    def _card(self, camera: Camera) -> Mapping[str, Any]:
        # It may have been forgotten in the same moment; what is sent last must be true.
        return brief(self._facade, self._facade.camera(camera.id) or camera)


def describe(event: events.CameraEvent) -> tuple[str, str] | None:
    """(kind, sentence) of what a person wants to know of an event; None for what is no news."""
    match event:
        case events.CameraRestored() | events.PictureTaken() | events.CameraChanged() | events.CheckRequested():
            return None
        case events.CameraDiscovered():
            return "discovered", f"found at {event.camera.address} by {', '.join(event.camera.methods) or 'command'}"
        case events.CameraMoved():
            return "moved", f"moved from {event.old_address} to {event.new_address}"
        case events.CameraOnline():
            return "online", "is online"
        case events.CameraOffline():
            return "offline", f"is offline: {event.reason}" if event.reason else "is offline"
        case events.CameraTrouble():
            words = STATE_WORDS[event.camera.status]
            return "trouble", f"{words}: {event.reason}" if event.reason else words
        case events.CameraAsleep():
            return "asleep", STATE_WORDS[event.camera.status]
        case events.StreamChanged():
            good = sum(one.validated for one in event.new)
            return "streams", f"streams changed: {good} of {len(event.new)} play"
        case events.CameraForgotten():
            return "forgotten", "is forgotten"
        case events.AdoptionChanged():
            if event.adoption.is_adopted:
                return "adoption", f"is adopted: {event.reason}"
            return "adoption", f"is not adopted: {event.reason}"
        case events.CredentialAccepted():
            return "login", f"accepted the login {event.login!r}"
        case events.CredentialRefused():
            return "login", f"refused {', '.join(event.logins) or 'the login'}: {event.reason}"
        case events.ClockSkewed():
            return "clock", f"its clock is {event.offset:+.0f} s off"
        case events.IdentityConflict():
            return "identity", f"{event.kind} {event.value} is claimed by {event.other_device_id} too"
        case events.DevicesMerged():
            return "identity", f"is the same device as {event.merged_device_id or 'another'}: {event.reason}"
        case events.DeviceSplit():
            return "identity", f"was two devices, the other is {event.other_device_id}: {event.reason}"
    return None
