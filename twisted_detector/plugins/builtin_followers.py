"""Frigate and go2rtc as extensions of the daemon: where the configuration wants them, their parts are joined here."""

from __future__ import annotations

import random
from functools import partial
from typing import Any, cast

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.cli_export import login_of
from twisted_detector.desk import Desk
from twisted_detector.exporting import frigate_options, go2rtc_options, handler
from twisted_detector.following import IDelivery, IFollowing
from twisted_detector.interfaces import ILoginBudget, IServiceExtension, IStateStore, MakerContext
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry import Registry
from twisted_detector.service_followers import Followers


@implementer(IPlugin, IServiceExtension)
class FollowersMaker:
    """Whoever follows the cameras: Frigate's topic, files and API, go2rtc's file and API; and ``export``."""

    name = "followers"

    def make(self, context: MakerContext) -> Followers:
        """See :class:`IMaker`."""
        config, parts = context.config, cast("dict[Any, Any]", context.parts)
        registry, budget = parts[Registry], parts[ILoginBudget]
        publish = config.publish_credentials
        find_login = partial(login_of, budget)
        topics: Topics = parts[Topics]
        followers = Followers(
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
        parts[IFollowing] = followers
        parts[Desk].seat("export", handler(registry.cameras, find_login, config, followers.what_would_change))
        return followers


def _deliveries(context: MakerContext) -> dict[str, list[IDelivery]]:
    """Where the configuration wants Frigate or go2rtc to be told, by the files or the URLs that it names."""
    config = context.config
    frigate = (config.frigate_config_path, config.frigate_url, config.frigate_env_path)
    go2rtc = (config.go2rtc_config_path, config.go2rtc_url, config.go2rtc_env_path)
    if not any((*(frigate if config.frigate_update_enabled else ()), *go2rtc)):
        return {}
    from twisted_detector.service_deliveries import of_frigate, of_go2rtc  # most do without

    return {**of_frigate(context), **of_go2rtc(context)}


followers = FollowersMaker()
