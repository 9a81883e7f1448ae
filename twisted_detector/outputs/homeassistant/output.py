"""Output for Home Assistant: the messages by which it makes, changes and removes devices.

Default: device discovery, one retained message per camera. ``component`` mode: one per entity, for cores before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zope.interface import implementer

from twisted_detector.events import (
    AdoptionChanged,
    CameraEvent,
    CameraForgotten,
    CheckRequested,
    Event,
    PictureTaken,
)
from twisted_detector.interfaces import IOutput
from twisted_detector.model import Camera, Message, Priority
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.model.cameras import Picture
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.outputs.homeassistant.deletions import Deletions
from twisted_detector.outputs.homeassistant.other_daemons import OtherDaemons
from twisted_detector.outputs.homeassistant.payloads import (
    CAMERA_COMPONENTS,
    Payload,
    camera_payload,
    expanded,
    node_object_id,
    node_payload,
    object_id,
)
from twisted_detector.outputs.topics import Topics

#: A picture that could not be sent within a minute is followed by a newer one.
PICTURE_LIFETIME = 60.0
#: Topics of announcements that are remembered: ten thousand cameras, an entity each.
MAX_STANDING = 150_000


@implementer(IOutput)
class HomeAssistantOutput:
    """Messages for Home Assistant, from every event.

    :param prefix: Home Assistant's discovery prefix.
    :param by_component: one message per entity instead of one per device.
    :param picture_max_bytes: larger pictures are not published; 0: none are, and no camera has such an entity.
    :param page: URL of our web page, for links; "" where other machines cannot open it.
    :param deletions: devices that a person deleted in Home Assistant.
    :param others: record of what other daemons announced; by default one in which they hold what they announced last.
    :ivar standing: topics on which an announcement of ours stands, as far as was said or heard. Only those are emptied:
        Home Assistant warns of an empty message for what it does not know.
    :ivar emptied: those that were emptied here, until the broker has told so.
    :ivar others: what other daemons announced, recorded by the announcer: nothing is announced on a topic that another
        daemon, which is alive, holds.
    :ivar too_large: pictures that were not published for their size.
    """

    name = "homeassistant"

    def __init__(
        self,
        topics: Topics,
        *,
        prefix: str,
        by_component: bool = False,
        picture_max_bytes: int = 0,
        page: str = "",
        deletions: Deletions | None = None,
        others: OtherDaemons | None = None,
    ) -> None:
        self._topics = topics
        self._prefix = prefix
        self._by_component = by_component
        self._picture_max_bytes = picture_max_bytes
        self._page = page
        self._introduced = False
        #: The camera that was announced last, with the topics and payloads of that.
        self._encoded: tuple[Camera, tuple[tuple[str, bytes], ...]] | None = None
        self.deletions = deletions if deletions is not None else Deletions(lambda camera_id, text: None)
        self.standing: BoundedSet[str] = BoundedSet(MAX_STANDING)
        self.emptied: BoundedSet[str] = BoundedSet(MAX_STANDING)
        self.others = others if others is not None else OtherDaemons()
        self.too_large = 0

    def messages(self, event: Event) -> Iterator[Message]:
        """See :class:`IOutput`."""
        if not isinstance(event, CameraEvent):
            return
        if not self._introduced:
            # Cameras are announced as devices behind the daemon's: Home Assistant wants to know that one first.
            yield from self.node_messages()
        if isinstance(event, CheckRequested):
            self.deletions.discard(event.camera.id)
        if isinstance(event, CameraForgotten):
            self.deletions.discard(event.camera.id)
            yield from self._withdrawn(event.camera.id)
        elif isinstance(event, PictureTaken):
            yield from self.picture_messages(event.picture)
        elif event.camera.established:
            yield from self.camera_messages(event.camera)
            yield self.seen_message(event.camera)
        elif isinstance(event, AdoptionChanged):
            yield from self._withdrawn(event.camera.id)  # a person had vouched for it, and does no more

    def node_messages(self) -> Iterator[Message]:
        """What makes the device of the daemon."""
        self._introduced = True
        yield from self._announced(self._encode(node_object_id(self._topics), self._node_payload()))

    def camera_messages(self, camera: Camera) -> Iterator[Message]:
        """What makes the device of one camera; nothing where another daemon announces it, a person deleted it there,
        or it is a mere claim."""
        if not camera.established or camera.id in self.deletions:
            return
        if self._encoded is None or self._encoded[0] is not camera:
            # Once for all events that follow one another with the same camera.
            self._encoded = (camera, self._encode(object_id(camera.id), self._payload(camera)))
        yield from self._announced(self._encoded[1])

    def seen_message(self, camera: Camera) -> Message:
        """When a camera was there last. QoS 0: sent often, small, and not worth a place on the disk."""
        document = {
            "camera_id": camera.id,
            "last_seen": camera.last_seen,
            "last_seen_iso": rfc3339(camera.last_seen),
            "node_id": self._topics.node_id,
        }
        topic = self._topics.seen(camera.id)
        return Message(topic, encode(document), qos=0, retain=True, priority=Priority.STATE)

    def picture_messages(self, picture: Picture) -> Iterator[Message]:
        """The bytes of a picture, not retained.

        A broker would hold (and perhaps save) one of every camera for ever, and give
        the inside of a house to whoever subscribes later. Home Assistant gets the latest again on its birth message.
        """
        if len(picture.data) > self._picture_max_bytes:
            self.too_large += bool(self._picture_max_bytes)
            return
        yield Message(
            self._topics.picture(picture.camera_id),
            picture.data,
            qos=0,
            priority=Priority.TELEMETRY,
            expires_after=PICTURE_LIFETIME,
        )

    def expected_topics(self, camera: Camera | None) -> set[str]:
        """The discovery topics that are to hold something for one camera; None: for the daemon."""
        if camera is not None and (not camera.established or camera.id in self.deletions):
            return set()
        identity = node_object_id(self._topics) if camera is None else object_id(camera.id)
        if not self._by_component:
            return {self._device_topic(identity)}  # asked of each announcement that the broker has: it costs no payload
        payload = self._node_payload() if camera is None else self._payload(camera)
        return {topic for topic, document in self._parts(identity, payload) if document}

    def _payload(self, camera: Camera) -> Payload:
        return camera_payload(camera, self._topics, pictures=bool(self._picture_max_bytes), page=self._page)

    def _node_payload(self) -> Payload:
        return node_payload(self._topics, page=self._page)

    def removal_messages(self, camera_id: str) -> Iterator[Message]:
        """What takes every announcement of one camera away, as far as one stands."""
        nothing: Payload = {"cmps": {key: {"p": platform} for key, platform in CAMERA_COMPONENTS.items()}}
        for topic, _ in self._parts(object_id(camera_id), nothing):
            if topic in self.standing and not self.others.holds(topic):
                yield self.emptying(topic)

    def _withdrawn(self, camera_id: str) -> Iterator[Message]:
        yield from self.removal_messages(camera_id)
        yield Message(self._topics.seen(camera_id), b"", retain=True, priority=Priority.STATE)

    def emptying(self, topic: str) -> Message:
        """What takes an announcement of ours away."""
        self.standing.discard(topic)
        self.emptied.add(topic)
        return Message(topic, b"", retain=True, priority=Priority.STATE)

    def _encode(self, identity: str, payload: Payload) -> tuple[tuple[str, bytes], ...]:
        # A component that is not there has no topic of its own to be emptied, unless an earlier run made it.
        return tuple((topic, encode(document)) for topic, document in self._parts(identity, payload) if document)

    def _announced(self, encoded: Iterable[tuple[str, bytes]]) -> Iterator[Message]:
        for topic, payload in encoded:
            if not self.others.holds(topic):
                self.standing.add(topic)
                yield Message(topic, payload, retain=True, priority=Priority.STATE)

    def _device_topic(self, identity: str) -> str:
        return f"{self._prefix}/device/{identity}/config"

    def _parts(self, identity: str, payload: Payload) -> Iterator[tuple[str, Payload]]:
        """Topics with what they hold; {} for nothing."""
        if not self._by_component:
            yield self._device_topic(identity), payload
            return
        for (platform, key), document in expanded(payload).items():
            yield f"{self._prefix}/{platform}/{identity}/{key}/config", document
