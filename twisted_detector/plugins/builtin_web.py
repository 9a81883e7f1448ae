"""Maker of the built-in web page: the daemon's parts behind one facade, and the site that serves them."""

from __future__ import annotations

import os
import resource
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from twisted.plugin import IPlugin
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector import __version__
from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import INeighbours, IServiceExtension, MakerContext, optional
from twisted_detector.model import Secret
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IHistory, IPictures
from twisted_detector.web.access import AccessControl
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.api.handlers import Api
from twisted_detector.web.application import Application
from twisted_detector.web.assets import read_files
from twisted_detector.web.entry.login_codes import LoginCodes
from twisted_detector.web.entry.page_links import PageLinks
from twisted_detector.web.entry.token_file import NAME, read_or_make_token
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.history import MqttHistory
from twisted_detector.web.monitoring import MonitoringEndpoints
from twisted_detector.web.server import BoundedSite
from twisted_detector.web.service import PageEndpoint, WebService
from twisted_detector.web.sessions import Sessions

if TYPE_CHECKING:
    from twisted_detector.operations.prometheus import Metrics

log = make_logger()

#: Open pages at one time. A person has a few; a thousand is what the daemon must bear.
MAX_STREAMS = 1024


def _stream_capacity() -> int:
    """How many streams there is room for: discovery needs descriptors of its own, so at most a third of them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_STREAMS if soft < 0 else max(8, min(MAX_STREAMS, soft // 3))


async def _no_page(_: Mapping[str, Any]) -> Mapping[str, Any]:
    raise RemoteError("there is no web page: WEB_ENABLED is false")


@dataclass(frozen=True, slots=True)
class _Token:
    """The token that visitors must know, none where ``secret`` is empty; ``file`` has it where nobody set one."""

    secret: Secret
    file: Path | None = None


def _token(config: Config) -> _Token:
    """That of the configuration, or the one in STATE_DIR, which is made where the page listens beyond loopback."""
    if config.web.token or ip_address(config.web.listen[0]).is_loopback:
        return _Token(config.web.token)
    text, notice = read_or_make_token(config.state_dir, os.urandom)
    if notice:
        log.warn("{notice}", notice=notice)
    return _Token(Secret(text), config.state_dir / NAME)


def _metrics(report: HealthReport, registry: Registry, history: IHistory | None) -> Callable[[], tuple[bytes, str]]:
    """The figures for Prometheus. Its library is loaded at the first scrape: not every daemon is scraped."""

    @cache
    def metrics() -> Metrics:
        from twisted_detector.operations.prometheus import HistoryFigures, Metrics

        return Metrics(report.blocks, HistoryFigures(registry.cameras, history) if history is not None else None)

    return lambda: (metrics().exposition(), metrics().content_type)


@implementer(IPlugin, IServiceExtension)
class WebMaker:
    """The page and its API, unless they are switched off."""

    name = "web"
    needs = (Bus, Registry, INeighbours, HealthReport, RequestRouter, optional(IPictures), optional(IHistory))

    def make(
        self,
        context: MakerContext,
        bus: Bus,
        registry: Registry,
        neighbours: INeighbours,
        report: HealthReport,
        router: RequestRouter,
        pictures: IPictures | None,
        history: IHistory | None,
    ) -> IService | None:
        """See :class:`IMaker`."""
        config, clock = context.config, context.clock
        if not config.web.enabled:
            router.register("page", _no_page)
            return None
        facade = DaemonFacade(
            node_id=config.node_id,
            version=__version__,
            cameras=registry.cameras,
            camera=registry.camera,
            document=camera_document,
            wall=clock.seconds,
            mqtt=report.mqtt,
            discovery=report.discovery,
            dispatch=router.dispatch,
            handles=router.handlers.__contains__,
            pictures=pictures,
            history=history,
            metrics=_metrics(report, registry, history),
        )
        token = _token(config)
        sessions = Sessions(token.secret, clock.seconds, os.urandom) if token.secret else None
        codes = LoginCodes(time.monotonic, os.urandom) if sessions is not None else None
        access = AccessControl(
            listen=config.web.listen[0],
            allowed=config.web.allowed_hosts,
            sessions=sessions,
            monotonic=time.monotonic,
            codes=codes,
            ingress=config.web.ingress,
        )
        links = PageLinks(config.web.listen, neighbours.interfaces, codes=codes, token_file=token.file)
        router.register("page", links.answer)
        hub = EventHub(clock, time.monotonic, capacity=_stream_capacity(), boot=secrets.token_hex(4))
        mqtt_history, activity = MqttHistory(clock.seconds, report.mqtt), ActivityFeed(facade, hub)
        api = Api(facade, access=access, hub=hub, activity=activity, history=mqtt_history)
        monitoring = MonitoringEndpoints(facade)
        application = Application(
            clock, access=access, api=api, monitoring=monitoring, files=read_files(), pages=config.pages
        )
        return WebService(
            clock,
            endpoint=PageEndpoint(context.reactor, config.web.listen, links=links),
            site=BoundedSite(application.handler(), clock),
            facade=facade,
            hub=hub,
            activity=activity,
            history=mqtt_history,
            subscribe=bus.subscribe,
        )


web = WebMaker()
