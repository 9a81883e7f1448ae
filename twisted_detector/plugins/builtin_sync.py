"""Maker of the service that keeps each Frigate and go2rtc in step, where the configuration names a file or an API."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.config.config import Config
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection, variables_path
from twisted_detector.errors import RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.interfaces import IListenerMaker, IServiceExtension, MakerContext, optional
from twisted_detector.model import Camera, Candidate
from twisted_detector.model.consumers import Consumer
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.export import (
    accepted_login,
    export_handler,
    frigate_options,
    go2rtc_options,
    withheld_reason,
)
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.follower import ConsumerSettings
from twisted_detector.outputs.frigate.document import FrigateTopics
from twisted_detector.outputs.players import Player
from twisted_detector.outputs.stream_choice import CameraLogins, SecretTags
from twisted_detector.outputs.sync.board import SyncBoard
from twisted_detector.outputs.sync.consumer import Destinations
from twisted_detector.outputs.sync.seams import InThread, ISyncDestination
from twisted_detector.outputs.sync_service import SyncService
from twisted_detector.outputs.topics import Topics
from twisted_detector.outputs.voice import Voice
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IStateStore

# What writes to Frigate and go2rtc is imported where one is configured: most daemons have none, and it takes 1 MB.


def _in_thread(context: MakerContext) -> InThread:
    """Disks may be slow, and YAML of a thousand cameras takes seconds: neither on the reactor's thread."""
    from twisted_detector.outputs.sync.own_thread import OwnThread

    return OwnThread(partial(deferToThreadPool, context.reactor, context.reactor.getThreadPool()))


def frigate_destinations(context: MakerContext, section: FrigateSection) -> Destinations:
    """The file and the API of one Frigate, as its settings name them."""
    if section.config_path is None and not section.url:
        return Destinations(variables=_variables(context, section, needed=False))
    from twisted_detector.outputs.frigate.api import FrigateApi
    from twisted_detector.outputs.frigate.merging import merge_configuration
    from twisted_detector.outputs.sync.file import FileDestination
    from twisted_detector.outputs.sync.http import HttpClient

    consumer, secret = section.consumer, context.config.publish_credentials
    found: list[ISyncDestination] = []
    if section.config_path is not None:
        name, merge = consumer.destination("file"), merge_configuration
        file = FileDestination(name, section.config_path, merge=merge, in_thread=_in_thread(context), secret=secret)
        found.append(file)
    if section.url:
        found.append(
            FrigateApi(
                HttpClient(context.reactor, section.url, insecure=section.tls_insecure),
                in_thread=_in_thread(context),
                monotonic=time.monotonic,
                consumer=consumer,
                user=section.user,
                password=section.password,
                token=section.token,
                restart=section.restart,
            )
        )
    return Destinations(entries=found, variables=_variables(context, section, needed=bool(found)))


def go2rtc_destinations(
    context: MakerContext, section: Go2rtcSection, *, tags: SecretTags | None = None
) -> Destinations:
    """The file and the API of one go2rtc, as its settings name them.

    :param tags: make what is remembered of a source; None: nothing is.
    """
    if section.config_path is None and not section.url:
        return Destinations(variables=_variables(context, section, needed=False))
    from twisted_detector.outputs.go2rtc.api import Go2rtcApi, tag_source
    from twisted_detector.outputs.sync.file import FileDestination
    from twisted_detector.outputs.sync.http import HttpClient, basic_auth
    from twisted_detector.outputs.sync.merging import is_ours, merge_section

    consumer, publish = section.consumer, context.config.publish_credentials
    files: list[ISyncDestination] = []
    apis: list[ISyncDestination] = []
    if section.config_path is not None:
        name, merge = consumer.destination("file"), partial(merge_section, "streams", prefix=section.prefix)
        file = FileDestination(name, section.config_path, merge=merge, in_thread=_in_thread(context), secret=publish)
        files.append(file)
    if section.url:
        apis.append(
            Go2rtcApi(
                HttpClient(context.reactor, section.url),
                is_ours=partial(is_ours, prefix=section.prefix),
                keep_logins=publish,
                headers=basic_auth(section.user, section.password),
                consumer=consumer,
                tag=partial(tag_source, tags) if tags is not None else lambda _: "",
            )
        )
    return Destinations(entries=files, variables=_variables(context, section, needed=bool(files)), live=apis)


def _variables(
    context: MakerContext, section: FrigateSection | Go2rtcSection, *, needed: bool
) -> tuple[ISyncDestination, ...]:
    """Where a program finds its passwords; on a disk only where something there refers to them."""
    config = context.config
    if config.publish_credentials or not (section.env_path or needed):
        return ()
    from twisted_detector.outputs.sync.env_file import EnvDestination

    path = variables_path(section, config.state_dir)
    return (EnvDestination(section.consumer.destination("env"), path, in_thread=_in_thread(context)),)


def shared_topic(
    context: MakerContext, consumer: Consumer, topics: FrigateTopics, mqtt: MqttService
) -> ISyncDestination:
    """Frigate's configuration on the broker, which all nodes write together."""
    from twisted_detector.outputs.frigate.topic import TopicDestination

    def forget() -> None:
        mqtt.outbox.discard(lambda topic: topic == topics.configuration)

    ends: list[Callable[[], None]] = []

    def ask() -> None:
        """To a new subscription the broker says what is retained."""
        while ends:
            ends.pop()()
        ends.append(mqtt.subscribe(topics.configuration, topic.receive))

    def connection_changed(change: ConnectionChange) -> None:
        if change.event in ("connected", "disconnected", "stopped"):
            topic.set_connected(change.event == "connected")

    topic = TopicDestination(
        context.clock,
        consumer,
        topics,
        publish=context.publish,
        forget=forget,
        ask=ask,
        in_thread=_in_thread(context),
    )
    topic.set_connected(mqtt.state is ConnectionState.CONNECTED)
    mqtt.add_state_listener(connection_changed)
    ask()
    return topic


def consumers(
    context: MakerContext,
    topics: Topics,
    *,
    shared_by: MqttService | None = None,
    tags: SecretTags | None = None,
) -> list[ConsumerSettings]:
    """All that are to be told: also a Frigate with neither file nor API, that of the topic.

    :param shared_by: the connection by which several nodes write that topic; None: this daemon writes it alone, and has
        no need to remember by ``tags`` what it wrote.
    """
    config: Config = context.config
    publish = config.publish_credentials
    of_frigate = FrigateTopics(topics.frigate_cameras, topics.below_prefix(config.frigate.reload_topic))
    found = []
    for one in config.frigates:
        if not one.update_enabled:
            continue
        places, own_topics = frigate_destinations(context, one), None if one.name else of_frigate
        if own_topics is not None and shared_by is not None:
            places = replace(places, topics=(shared_topic(context, one.consumer, own_topics, shared_by),))
            own_topics = None
        options = frigate_options(one, publish=publish)
        found.append(ConsumerSettings(one.consumer, options, places, one.choice, own_topics, one.dry_run, one.page))
    found += [
        ConsumerSettings(
            one.consumer,
            go2rtc_options(one, publish=publish),
            go2rtc_destinations(context, one, tags=tags if shared_by is not None else None),
            one.choice,
            page=one.page,
        )
        for one in config.go2rtcs
    ]
    return found


def players_handler(
    find: Callable[[str], Camera | None], players: Callable[[Camera], Sequence[Player]]
) -> Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
    """Handler of the request ``players``, ``{"camera_id": …}``: the pages on which programs that hold a camera show it.

    :param find: the camera of an id.
    """

    async def answer(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        camera = find(str(fields.get("camera_id", "")))
        if camera is None:
            raise RemoteError("camera_id: there is no camera with that id")
        return {
            "camera_id": camera.id,
            "players": [
                {"program": one.consumer.program, "name": one.consumer.name, "url": one.url} for one in players(camera)
            ],
        }

    return answer


def _camera_logins(registry: Registry, budget: LoginBudget) -> CameraLogins:
    """What the login budget lets be told of the cameras that the registry has."""

    def device_of(camera: Camera) -> Candidate | None:
        key = registry.key_of_camera(camera.id)
        return None if key is None else registry.candidate(key)

    return CameraLogins(
        accepted=lambda camera: accepted_login(budget, camera, device_of(camera)),
        withheld=lambda camera: withheld_reason(budget, camera, device_of(camera)),
        tags=budget.fingerprints,
    )


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class SyncMaker:
    """Keeps in step Frigate's topic, files and API, go2rtc's file and API."""

    name = "followers"
    needs = (Registry, LoginBudget, IStateStore, Topics, SyncBoard, Voice, MqttService)
    provides = SyncService

    def make(
        self,
        context: MakerContext,
        registry: Registry,
        budget: LoginBudget,
        store: IStateStore,
        topics: Topics,
        board: SyncBoard,
        voice: Voice,
        mqtt: MqttService,
    ) -> SyncService:
        """See :class:`IMaker`."""
        logins = _camera_logins(registry, budget)
        shared_by = mqtt if voice.is_shared else None
        service = SyncService(
            context.clock,
            consumers(context, topics, shared_by=shared_by, tags=logins.tags),
            cameras=registry.cameras,
            logins=logins,
            store=store,
            publish=context.publish,
            random=random.random,
            voice=voice,
        )
        board.add(service)
        return service


@implementer(IPlugin, IServiceExtension)
class SyncRequestsMaker:
    """The requests ``players`` and ``export``; it is no part of its own."""

    name = "followers_requests"
    needs = (Registry, LoginBudget, RequestRouter, optional(SyncService))

    def make(
        self,
        context: MakerContext,
        registry: Registry,
        budget: LoginBudget,
        router: RequestRouter,
        service: SyncService | None,
    ) -> None:
        """See :class:`IMaker`."""
        if service is None:
            return
        logins = _camera_logins(registry, budget)
        router.register("players", players_handler(registry.camera, service.players))
        router.register(
            "export",
            export_handler(
                registry.cameras,
                logins.accepted,
                context.config,
                service.preview_frigate,
                tags=logins.tags,
                withheld=logins.withheld,
            ),
        )


sync = SyncMaker()
sync_requests = SyncRequestsMaker()
