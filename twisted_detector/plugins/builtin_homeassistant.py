"""Makers of the output for Home Assistant and of the service that repeats its announcements."""

from __future__ import annotations

import time
from collections.abc import Iterator

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.events import CameraRestored
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.interfaces import IOutputMaker, IServiceExtension, MakerContext, optional
from twisted_detector.model import Camera, Message
from twisted_detector.mqtt.service import MqttService
from twisted_detector.outputs.homeassistant.announcer import Announcer, AnnouncerSettings, CameraSource
from twisted_detector.outputs.homeassistant.deletions import Deletions
from twisted_detector.outputs.homeassistant.other_daemons import NoOtherHolds
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.outputs.voice import Voice
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictures


@implementer(IPlugin, IOutputMaker)
class HomeAssistantMaker:
    """Announcements to Home Assistant, unless they are switched off.

    Before ``topics``: a device is to be gone before the topics are emptied that its templates read.
    """

    name = "homeassistant"
    needs = (Topics, Deletions, Voice)
    #: The announcer repeats the messages of this very output.
    provides = HomeAssistantOutput
    before = ("topics",)

    def make(
        self, context: MakerContext, topics: Topics, deletions: Deletions, voice: Voice
    ) -> HomeAssistantOutput | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.homeassistant.enabled:
            return None
        return HomeAssistantOutput(
            topics,
            prefix=config.homeassistant.prefix,
            by_component=config.homeassistant.discovery == "component",
            picture_max_bytes=config.homeassistant.picture_max_bytes if config.homeassistant.pictures else 0,
            page=config.web.page_url,
            deletions=deletions,
            others=NoOtherHolds() if voice.is_shared else None,
        )


@implementer(IPlugin, IServiceExtension)
class AnnouncerMaker:
    """Repeats announcements on Home Assistant's birth message, and removes those of an earlier run.

    Where Home Assistant is switched off, it removes all of them.
    """

    name = "homeassistant_announcer"
    needs = (Topics, Registry, MqttService, optional(HomeAssistantOutput), optional(IPictures), Voice)

    def make(
        self,
        context: MakerContext,
        topics: Topics,
        registry: Registry,
        mqtt: MqttService,
        output: HomeAssistantOutput | None,
        pictures: IPictures | None,
        voice: Voice,
    ) -> Announcer:
        """See :class:`IMaker`."""
        config = context.config
        own_topics = TopicsOutput(topics)

        def extra_messages(camera: Camera) -> Iterator[Message]:
            yield from own_topics.messages(CameraRestored(at=camera.last_seen, camera=camera))
            picture = pictures.latest(camera.id) if pictures is not None else None
            if picture is not None and output is not None:
                yield from output.picture_messages(picture)

        return Announcer(
            context.clock,
            AnnouncerSettings(config.homeassistant.prefix, config.homeassistant.status_topic, topics),
            output=output,
            cameras=CameraSource(registry.cameras, registry.camera, extra_messages, voice.owns),
            wait_turn=CooperativeQueue(context.clock, monotonic=time.monotonic).wait,
            publish=context.publish,
            republish=mqtt.republish,
            subscribe=context.subscribe,
        )


homeassistant = HomeAssistantMaker()
homeassistant_announcer = AnnouncerMaker()
