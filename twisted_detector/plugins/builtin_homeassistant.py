"""Home Assistant, declared as a plugin's parts would be: the wording of every event, and who says it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.events import CameraRestored
from twisted_detector.interfaces import IOutputMaker, IServiceExtension, MakerContext
from twisted_detector.model import Camera, Message
from twisted_detector.mqtt.service import MqttService
from twisted_detector.outputs.homeassistant.announcer import Announcer
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.homeassistant.payloads import ORIGIN, node_object_id, owner_of
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictures


@implementer(IPlugin, IOutputMaker)
class HomeAssistantMaker:
    """Announcements to Home Assistant, unless they are switched off.

    Its name comes before ``topics``: a device is to be gone before the topics are emptied that its templates read.
    """

    name = "homeassistant"

    def make(self, context: MakerContext) -> HomeAssistantOutput | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.homeassistant_enabled:
            return None
        output = HomeAssistantOutput(
            context.parts[Topics],
            prefix=config.homeassistant_prefix,
            by_component=config.homeassistant_discovery == "component",
            picture_max_bytes=config.homeassistant_picture_max_bytes if config.homeassistant_pictures else 0,
        )
        # One and the same words on every event and on the birth message.
        cast("dict[Any, Any]", context.parts)[HomeAssistantOutput] = output
        return output


@implementer(IPlugin, IServiceExtension)
class AnnouncerMaker:
    """Who hears Home Assistant's birth message and cleans up; where it is switched off, after an earlier run too."""

    name = "homeassistant_announcer"

    def make(self, context: MakerContext) -> Announcer:
        """See :class:`IMaker`."""
        parts, config = context.parts, context.config
        topics: Topics = parts[Topics]
        registry: Registry = parts[Registry]
        mqtt: MqttService = parts[MqttService]
        output: HomeAssistantOutput | None = parts.get(HomeAssistantOutput)
        own_topics = TopicsOutput(topics)

        def cameras() -> Mapping[str, Camera]:
            return {camera.id: camera for camera in registry.cameras()}

        def also(camera: Camera) -> Iterator[Message]:
            yield from own_topics.messages(CameraRestored(at=camera.last_seen, camera=camera))
            # Looked for now: whoever takes pictures may have been made after us.
            pictures = parts.get(IPictures)
            picture = pictures.latest(camera.id) if pictures is not None else None
            if picture is not None and output is not None:
                yield from output.picture(picture)

        return Announcer(
            context.clock,
            wording=output,
            prefix=config.homeassistant_prefix,
            status_topic=config.homeassistant_status_topic,
            health=topics.health,
            own=topics.lwt,
            node=node_object_id(topics),
            marker=f"{ORIGIN}_",
            cameras=cameras,
            also=also,
            publish=context.publish,
            resay=mqtt.republish,
            subscribe=context.subscribe,
            owner_of=owner_of,
        )


homeassistant = HomeAssistantMaker()
homeassistant_announcer = AnnouncerMaker()
