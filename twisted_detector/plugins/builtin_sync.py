"""Frigate and go2rtc as extensions of the daemon: where the configuration wants them, their parts are joined here."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Any, cast

from twisted.internet.threads import deferToThreadPool
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.interfaces import IServiceExtension, MakerContext
from twisted_detector.operations.export import frigate_options, go2rtc_options, handler, login_of
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.frigate.document import fit
from twisted_detector.outputs.go2rtc.api import Go2rtcApi
from twisted_detector.outputs.sync.env_file import EnvDelivery
from twisted_detector.outputs.sync.file import FileDelivery
from twisted_detector.outputs.sync.http import Http, basic
from twisted_detector.outputs.sync.merging import difference, is_ours, merge_section, without_logins
from twisted_detector.outputs.sync.seams import IDelivery, ISyncStatus
from twisted_detector.outputs.sync_service import SyncService
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IStateStore


def _in_thread(context: MakerContext) -> Any:
    """Disks may be slow, and YAML of a thousand cameras takes seconds: neither on the reactor's thread."""
    return partial(deferToThreadPool, context.reactor, context.reactor.getThreadPool())


def of_frigate(context: MakerContext) -> dict[str, list[IDelivery]]:
    """Its files and its API, as the configuration names them."""
    config = context.config
    if not config.frigate_update_enabled:
        return {}
    merge = partial(merge_section, "cameras")
    in_thread = _in_thread(context)
    found: dict[str, list[IDelivery]] = {"frigate_env": [], "frigate": []}
    if config.frigate_config_path is not None:
        path = config.frigate_config_path
        found["frigate"].append(FileDelivery("frigate-file", path, merge=merge, differ=difference, in_thread=in_thread))
    if config.frigate_url:
        found["frigate"].append(
            FrigateApi(
                Http(context.reactor, config.frigate_url, insecure=config.frigate_tls_insecure),
                config.frigate_url,
                merge=merge,
                differ=difference,
                fit=fit,
                clean=without_logins,
                in_thread=in_thread,
                monotonic=time.monotonic,
                user=config.frigate_user,
                password=config.frigate_password,
                token=config.frigate_token,
                restart=config.frigate_restart,
            )
        )
    # Passwords are put on a disk only where something there refers to them.
    wanted = config.frigate_env_path or (config.state_dir / "frigate.env" if found["frigate"] else None)
    if wanted is not None and not config.publish_credentials:
        found["frigate_env"].append(EnvDelivery("frigate-env", wanted, in_thread=in_thread))
    return found


def of_go2rtc(context: MakerContext) -> dict[str, list[IDelivery]]:
    """Its file and its API, as the configuration names them."""
    config = context.config
    in_thread = _in_thread(context)
    found: dict[str, list[IDelivery]] = {"go2rtc_env": [], "go2rtc": [], "go2rtc_live": []}
    if config.go2rtc_config_path is not None:
        found["go2rtc"].append(
            FileDelivery(
                "go2rtc-file",
                config.go2rtc_config_path,
                merge=partial(merge_section, "streams", prefix=config.go2rtc_prefix),
                differ=difference,
                in_thread=in_thread,
            )
        )
    if config.go2rtc_url:
        found["go2rtc_live"].append(
            Go2rtcApi(
                Http(context.reactor, config.go2rtc_url),
                config.go2rtc_url,
                ours=partial(is_ours, prefix=config.go2rtc_prefix),
                keep_logins=config.publish_credentials,
                login=basic(config.go2rtc_user, config.go2rtc_password),
            )
        )
    wanted = config.go2rtc_env_path or (config.state_dir / "go2rtc.env" if found["go2rtc"] else None)
    if wanted is not None and not config.publish_credentials:
        found["go2rtc_env"].append(EnvDelivery("go2rtc-env", wanted, in_thread=in_thread))
    return found


@implementer(IPlugin, IServiceExtension)
class SyncMaker:
    """Whoever follows the cameras: Frigate's topic, files and API, go2rtc's file and API; and ``export``."""

    name = "followers"

    def make(self, context: MakerContext) -> SyncService:
        """See :class:`IMaker`."""
        config, parts = context.config, cast("dict[Any, Any]", context.parts)
        registry, budget = parts[Registry], parts[ILoginBudget]
        publish = config.publish_credentials
        find_login = partial(login_of, budget)
        topics: Topics = parts[Topics]
        followers = SyncService(
            context.clock,
            cameras=registry.cameras,
            login_of=find_login,
            store=parts[IStateStore],
            publish=context.publish,
            random=random.random,
            frigate_options=frigate_options(config, publish=publish) if config.frigate_update_enabled else None,
            go2rtc_options=go2rtc_options(config, publish=publish),
            topics=(topics.frigate_cameras, topics.below_prefix(config.frigate_reload_topic)),
            deliveries=_deliveries(context),
            dry=config.frigate_dry_run,
        )
        parts[Bus].subscribe(followers)
        parts[ISyncStatus] = followers
        parts[RequestRouter].seat("export", handler(registry.cameras, find_login, config, followers.what_would_change))
        return followers


def _deliveries(context: MakerContext) -> dict[str, list[IDelivery]]:
    """Where the configuration wants Frigate or go2rtc to be told, by the files or the URLs that it names."""
    config = context.config
    frigate = (config.frigate_config_path, config.frigate_url, config.frigate_env_path)
    go2rtc = (config.go2rtc_config_path, config.go2rtc_url, config.go2rtc_env_path)
    if not any((*(frigate if config.frigate_update_enabled else ()), *go2rtc)):
        return {}
    return {**of_frigate(context), **of_go2rtc(context)}


followers = SyncMaker()
