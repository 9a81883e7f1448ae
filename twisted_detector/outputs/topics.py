"""Output of our own topics: the contract that the predecessor's consumers rely on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zope.interface import implementer

from twisted_detector import events
from twisted_detector.interfaces import IOutput
from twisted_detector.model import Camera, Message, Priority
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.outputs.camera_json import camera_document, stream_document

#: An event that could not be delivered for a day is history, not news.
EVENT_LIFETIME = 86_400.0

#: Stands before the id of a camera in Home Assistant's topics.
_MARKER = "camdetect_"

_NO_CAMERA = b'"camera":null'

_EVENT_NAMES: dict[type[events.Event], str] = {
    events.CameraDiscovered: "discovered",
    events.CameraChanged: "changed",
    events.CameraMoved: "moved",
    events.CameraOnline: "online",
    events.CameraOffline: "offline",
    events.CameraTrouble: "trouble",
    events.CameraAsleep: "asleep",
    events.StreamChanged: "stream_changed",
    events.CameraForgotten: "forgotten",
    events.AdoptionChanged: "adoption_changed",
    events.CredentialAccepted: "credential_accepted",
    events.CredentialRefused: "credential_refused",
    events.ClockSkewed: "clock_skew",
    events.IdentityConflict: "identity_conflict",
    events.DevicesMerged: "merged",
    events.DeviceSplit: "split",
}


class Topics:
    """Names of our topics below one prefix, for one node."""

    def __init__(self, *, prefix: str, node_id: str) -> None:
        self._root = f"{prefix}/" if prefix else ""
        self.node_id = node_id

    def discovery(self, camera_id: str) -> str:
        """What a camera is; retained."""
        return f"{self._root}camera/discovery/{camera_id}"

    def status(self, camera_id: str) -> str:
        """How a camera is; retained."""
        return f"{self._root}camera/status/{camera_id}"

    def event(self, camera_id: str) -> str:
        """What happened to a camera."""
        return f"{self._root}camera/event/{camera_id}"

    def seen(self, camera_id: str) -> str:
        """When a camera was there last; retained, for Home Assistant."""
        return f"{self._root}camera/seen/{camera_id}"

    def picture(self, camera_id: str) -> str:
        """The bytes of its latest picture, for Home Assistant."""
        return f"{self._root}camera/picture/{camera_id}"

    @property
    def notice(self) -> str:
        """What a person should hear of, once, and of its end."""
        return f"{self._root}camera/notice"

    @property
    def health(self) -> tuple[str, str]:
        """The health document, for one daemon and for several on one broker."""
        shared = f"{self._root}system/camera_detector_health"
        return shared, f"{shared}/{self.node_id}"

    @property
    def lwt(self) -> str:
        """Will and birth."""
        return f"{self.health[1]}/lwt"

    @property
    def connection(self) -> str:
        """What happened to the MQTT connection."""
        return f"{self.health[1]}/connection"

    @property
    def node(self) -> str:
        """What this node is, and which cameras it claims; retained."""
        return f"{self._root}system/camera_detector/{self.node_id}/node"

    @property
    def beat(self) -> str:
        """Its signs of life."""
        return f"{self._root}system/camera_detector/{self.node_id}/beat"

    @property
    def every_node(self) -> tuple[str, str, str]:
        """Filters for documents, beats and wills of all nodes."""
        root = f"{self._root}system/camera_detector"
        return f"{root}/+/node", f"{root}/+/beat", f"{root}_health/+/lwt"

    def described(self, camera_id: str) -> str:
        """What people call a camera, for the other nodes; retained."""
        return f"{self._root}system/camera_detector/described/{camera_id}"

    @property
    def every_status(self) -> str:
        """Filter for the states of all cameras."""
        return self.status("+")

    @property
    def frigate_cameras(self) -> str:
        """Frigate's configuration of all cameras; retained."""
        return self.below_prefix("frigate/config/cameras")

    def below_prefix(self, topic: str) -> str:
        """A topic of somebody else's choice, below our prefix."""
        return f"{self._root}{topic}"

    @property
    def command(self) -> str:
        """Where commands are taken."""
        return self.command_to(self.node_id)

    def command_to(self, node_id: str) -> str:
        """Where a node takes commands."""
        return f"{self._root}system/camera_detector/{node_id}/command"

    @property
    def command_result(self) -> str:
        """Where they are answered."""
        return f"{self.command}/result"

    @property
    def every_command_result(self) -> str:
        """Filter for the answers of all nodes."""
        return f"{self.command_to('+')}/result"


def camera_of(topic: str) -> str:
    """The camera of which a retained topic of ours may be, by its id; "" for none."""
    levels = topic.split("/")
    if len(levels) > 2 and levels[-3] == "camera" and levels[-2] in ("discovery", "status", "seen"):
        return levels[-1]
    if levels[-3:-1] == ["camera_detector", "described"]:
        return levels[-1]
    marked = (level.removeprefix(_MARKER) for level in levels if level.startswith(_MARKER) and levels[-1] == "config")
    return next(marked, "")


def is_of_a_camera(topic: str) -> bool:
    """Whether a retained topic of ours has the state of a camera, which may be another node's at the next start."""
    return bool(camera_of(topic))


@implementer(IOutput)
class TopicsOutput:
    """Messages of our own topics, from every event."""

    name = "topics"

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._encoded: tuple[Camera, bytes] | None = None

    def messages(self, event: events.Event) -> Iterable[Message]:
        """See :class:`IOutput`."""
        if isinstance(event, events.ConnectionEvent):
            yield self._connection(event)
        elif isinstance(event, events.CameraForgotten):
            yield self._event(event)
            # An empty retained payload removes the document from the broker (MQTT 3.1.1, 3.3.1.3).
            for topic in (self._topics.discovery(event.camera.id), self._topics.status(event.camera.id)):
                yield Message(topic, b"", retain=True, priority=Priority.STATE)
        elif isinstance(event, events.CameraRestored):
            yield self._discovery(event.camera)
            yield self._status(event.camera)
        elif isinstance(event, events.CameraEvent) and not isinstance(event, events.PictureTaken):
            yield from self._camera(event)

    def _camera(self, event: events.CameraEvent) -> Iterator[Message]:
        camera = event.camera
        if isinstance(event, events.CameraMoved):
            yield self._moved(event)
        # Both documents hold the camera as a whole, so both are published on every change: what stands on the broker is
        # then what is saved, and a restart publishes the same bytes. The outbox does not send an equal one again.
        yield self._discovery(camera)
        yield self._status(camera)
        if type(event) in _EVENT_NAMES:
            yield self._event(event)

    def _encode(self, camera: Camera, document: dict[str, Any]) -> bytes:
        """A document with the camera's object in it.

        That is most of it, and is encoded once for all messages of all events that follow one another with the same
        camera. A quote within a text is escaped, so what is replaced here stands nowhere else.
        """
        if self._encoded is None or self._encoded[0] is not camera:
            self._encoded = (camera, encode(camera_document(camera)))
        return encode({**document, "camera": None}).replace(_NO_CAMERA, b'"camera":' + self._encoded[1], 1)

    def _discovery(self, camera: Camera) -> Message:
        document = {
            "event": "discovered",
            "node_id": self._topics.node_id,
            "timestamp": rfc3339(camera.last_seen),
        }
        payload = self._encode(camera, document)
        return Message(self._topics.discovery(camera.id), payload, retain=True, priority=Priority.STATE)

    def _status_document(self, camera: Camera, at: float) -> dict[str, Any]:
        return {
            "camera_id": camera.id,
            "status": camera.status.value,
            "reason": camera.reason,
            "reason_code": camera.code,
            "since": rfc3339(camera.since),
            "node_id": self._topics.node_id,
            "timestamp": rfc3339(at),
        }

    def _status(self, camera: Camera) -> Message:
        payload = self._encode(camera, self._status_document(camera, camera.last_seen))
        return Message(self._topics.status(camera.id), payload, retain=True, priority=Priority.STATE)

    def _moved(self, event: events.CameraMoved) -> Message:
        document = self._status_document(event.camera, event.at)
        document |= {"status": "ip_changed", "old_ip": event.old_address, "new_ip": event.new_address}
        # In the class of the retained state that follows: classes overtake each other.
        priority = Priority.STATE
        topic, payload = self._topics.status(event.camera.id), self._encode(event.camera, document)
        return Message(topic, payload, priority=priority, expires_after=EVENT_LIFETIME)

    def _event(self, event: events.CameraEvent) -> Message:
        document: dict[str, Any] = {
            "event": _EVENT_NAMES[type(event)],
            "camera_id": event.camera.id,
            "node_id": self._topics.node_id,
            "timestamp": rfc3339(event.at),
            **_detail(event),
        }
        payload = self._encode(event.camera, document)
        return Message(self._topics.event(event.camera.id), payload, expires_after=EVENT_LIFETIME)

    def _connection(self, event: events.ConnectionEvent) -> Message:
        document = {
            "event": event.event,
            "reason": event.reason,
            "state": event.state,
            "duration_s": round(event.duration, 3),
            "attempts": event.attempts,
            "session": event.session,
            "node_id": self._topics.node_id,
            "timestamp": rfc3339(event.at),
        }
        return Message(self._topics.connection, encode(document), expires_after=EVENT_LIFETIME)


def _detail(event: events.CameraEvent) -> dict[str, Any]:
    """What one kind of event holds beside the camera."""
    if isinstance(event, events.CameraMoved):
        return {"old_ip": event.old_address, "new_ip": event.new_address}
    if isinstance(event, events.CameraOffline | events.CameraTrouble | events.CameraAsleep):
        return {"reason": event.reason, "reason_code": event.camera.code}
    if isinstance(event, events.StreamChanged):
        return {
            "old_streams": [stream_document(one) for one in event.old],
            "new_streams": [stream_document(one) for one in event.new],
        }
    if isinstance(event, events.AdoptionChanged):
        return {"adopted": event.adoption.value, "reason": event.reason}
    if isinstance(event, events.CredentialAccepted):
        return {"login": event.login}
    if isinstance(event, events.CredentialRefused):
        return {"logins": list(event.logins), "reason": event.reason}
    if isinstance(event, events.ClockSkewed):
        return {"offset_s": round(event.offset, 3)}
    if isinstance(event, events.IdentityConflict):
        return {"kind": event.kind, "value": event.value, "other_device_id": event.other_device_id}
    if isinstance(event, events.DevicesMerged):
        return {
            "merged_device_id": event.merged_device_id,
            "merged_camera_ids": list(event.merged_camera_ids),
            "reason": event.reason,
        }
    if isinstance(event, events.DeviceSplit):
        return {"other_device_id": event.other_device_id, "reason": event.reason}
    return {}
