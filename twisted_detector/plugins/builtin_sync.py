"""Maker of the service that keeps Frigate and go2rtc in step, where the configuration names a file or an API."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.interfaces import IServiceExtension, MakerContext
from twisted_detector.model import Camera, Candidate, Login
from twisted_detector.operations.export import (
    accepted_login,
    export_handler,
    frigate_options,
    go2rtc_options,
    withheld_reason,
)
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.go2rtc.api import Go2rtcApi
from twisted_detector.outputs.sync.env_file import EnvDestination
from twisted_detector.outputs.sync.file import FileDestination
from twisted_detector.outputs.sync.http import HttpClient, basic_auth
from twisted_detector.outputs.sync.merging import is_ours, merge_section
from twisted_detector.outputs.sync.seams import ISyncDestination, ISyncStatus
from twisted_detector.outputs.sync_service import SyncService, SyncSettings
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IStateStore


def _in_thread(context: MakerContext) -> Any:
    """Disks may be slow, and YAML of a thousand cameras takes seconds: neither on the reactor's thread."""
    return partial(deferToThreadPool, context.reactor, context.reactor.getThreadPool())


def frigate_destinations(context: MakerContext) -> dict[str, list[ISyncDestination]]:
    """Frigate's files and its API, as the configuration names them."""
    config = context.config
    if not config.frigate.update_enabled:
        return {}
    in_thread = _in_thread(context)
    found: list[ISyncDestination] = []
    if config.frigate.config_path is not None:
        path, merge = config.frigate.config_path, partial(merge_section, "cameras")
        secret = config.publish_credentials
        found.append(FileDestination("frigate-file", path, merge=merge, in_thread=in_thread, secret=secret))
    if config.frigate.url:
        found.append(
            FrigateApi(
                HttpClient(context.reactor, config.frigate.url, insecure=config.frigate.tls_insecure),
                in_thread=in_thread,
                monotonic=time.monotonic,
                user=config.frigate.user,
                password=config.frigate.password,
                token=config.frigate.token,
                restart=config.frigate.restart,
            )
        )
    env = _env_destinations(context, "frigate", config.frigate.env_path, needed=bool(found))
    return {"frigate_env": env, "frigate": found}


def go2rtc_destinations(context: MakerContext) -> dict[str, list[ISyncDestination]]:
    """go2rtc's file and its API, as the configuration names them."""
    config = context.config
    files: list[ISyncDestination] = []
    apis: list[ISyncDestination] = []
    if config.go2rtc.config_path is not None:
        path, merge = config.go2rtc.config_path, partial(merge_section, "streams", prefix=config.go2rtc.prefix)
        secret = config.publish_credentials
        files.append(FileDestination("go2rtc-file", path, merge=merge, in_thread=_in_thread(context), secret=secret))
    if config.go2rtc.url:
        apis.append(
            Go2rtcApi(
                HttpClient(context.reactor, config.go2rtc.url),
                is_ours=partial(is_ours, prefix=config.go2rtc.prefix),
                keep_logins=config.publish_credentials,
                headers=basic_auth(config.go2rtc.user, config.go2rtc.password),
            )
        )
    env = _env_destinations(context, "go2rtc", config.go2rtc.env_path, needed=bool(files))
    return {"go2rtc_env": env, "go2rtc": files, "go2rtc_live": apis}


def _env_destinations(
    context: MakerContext, program: str, path: Path | None, *, needed: bool
) -> list[ISyncDestination]:
    """Where a program finds its passwords; on a disk only where something there refers to them."""
    config = context.config
    wanted = path or (config.state_dir / f"{program}.env" if needed else None)
    if wanted is None or config.publish_credentials:
        return []
    return [EnvDestination(f"{program}-env", wanted, in_thread=_in_thread(context))]


@implementer(IPlugin, IServiceExtension)
class SyncMaker:
    """Keeps in step Frigate's topic, files and API, go2rtc's file and API; and answers ``export``."""

    name = "followers"

    def make(self, context: MakerContext) -> SyncService:
        """See :class:`IMaker`."""
        config, parts = context.config, context.parts
        registry, budget = parts[Registry], parts[LoginBudget]
        publish = config.publish_credentials

        def device_of(camera: Camera) -> Candidate | None:
            key = registry.key_of_camera(camera.id)
            return None if key is None else registry.candidate(key)

        def find_login(camera: Camera) -> Login | None:
            return accepted_login(budget, camera, device_of(camera))

        def withheld(camera: Camera) -> str:
            return withheld_reason(budget, camera, device_of(camera))

        topics: Topics = parts[Topics]
        settings = SyncSettings(
            frigate=frigate_options(config, publish=publish) if config.frigate.update_enabled else None,
            go2rtc=go2rtc_options(config, publish=publish),
            configuration_topic=topics.frigate_cameras,
            reload_topic=topics.below_prefix(config.frigate.reload_topic),
            dry_run=config.frigate.dry_run,
        )
        service = SyncService(
            context.clock,
            settings,
            cameras=registry.cameras,
            accepted_login=find_login,
            withheld=withheld,
            store=parts[IStateStore],
            publish=context.publish,
            random=random.random,
            destinations=_destinations(context),
        )
        parts[Bus].subscribe(service)
        parts[ISyncStatus] = service
        parts[RequestRouter].register(
            "export", export_handler(registry.cameras, find_login, config, service.preview_frigate, withheld=withheld)
        )
        return service


def _destinations(context: MakerContext) -> dict[str, list[ISyncDestination]]:
    """All destinations by kind; none where the configuration names no file and no URL."""
    config = context.config
    frigate = (config.frigate.config_path, config.frigate.url, config.frigate.env_path)
    go2rtc = (config.go2rtc.config_path, config.go2rtc.url, config.go2rtc.env_path)
    if not any((*(frigate if config.frigate.update_enabled else ()), *go2rtc)):
        return {}
    return {**frigate_destinations(context), **go2rtc_destinations(context)}


sync = SyncMaker()
