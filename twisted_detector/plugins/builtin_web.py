"""Maker of the built-in web page: the daemon's parts behind one facade, and the site that serves them."""

from __future__ import annotations

import os
import resource
import secrets
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from twisted.application.service import IService
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector import __version__
from twisted_detector.bus import Bus
from twisted_detector.interfaces import IServiceExtension, MakerContext, optional
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IHistory, IPictures
from twisted_detector.web.access import AccessControl
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.api import Api
from twisted_detector.web.application import Application
from twisted_detector.web.assets import read_files
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.history import MqttHistory
from twisted_detector.web.monitoring import MonitoringEndpoints
from twisted_detector.web.server import BoundedSite
from twisted_detector.web.service import PageEndpoint, WebService
from twisted_detector.web.sessions import Sessions

if TYPE_CHECKING:
    from twisted_detector.operations.prometheus import Metrics

#: Open pages at one time. A person has a few; a thousand is what the daemon must bear.
MAX_STREAMS = 1024


def _stream_capacity() -> int:
    """How many streams there is room for: discovery needs descriptors of its own, so at most a third of them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_STREAMS if soft < 0 else max(8, min(MAX_STREAMS, soft // 3))


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
    needs = (Bus, Registry, MqttService, HealthReport, RequestRouter, optional(IPictures), optional(IHistory))

    def make(
        self,
        context: MakerContext,
        bus: Bus,
        registry: Registry,
        mqtt: MqttService,
        report: HealthReport,
        router: RequestRouter,
        pictures: IPictures | None,
        history: IHistory | None,
    ) -> IService | None:
        """See :class:`IMaker`."""
        config, clock = context.config, context.clock
        if not config.web.enabled:
            return None
        facade = DaemonFacade(
            node_id=config.node_id,
            version=__version__,
            cameras=registry.cameras,
            camera=registry.camera,
            document=camera_document,
            wall=clock.seconds,
            mqtt=mqtt.document,
            discovery=report.discovery,
            dispatch=router.dispatch,
            handles=router.handlers.__contains__,
            pictures=pictures,
            history=history,
            metrics=_metrics(report, registry, history),
        )
        access = AccessControl(
            listen=config.web.listen[0],
            allowed=config.web.allowed_hosts,
            sessions=Sessions(config.web.token, clock.seconds, os.urandom) if config.web.token else None,
            monotonic=time.monotonic,
        )
        hub = EventHub(clock, time.monotonic, capacity=_stream_capacity(), boot=secrets.token_hex(4))
        mqtt_history, activity = MqttHistory(clock.seconds, mqtt.document), ActivityFeed(facade, hub)
        api = Api(facade, access=access, hub=hub, activity=activity, history=mqtt_history)
        monitoring = MonitoringEndpoints(facade)
        application = Application(clock, access=access, api=api, monitoring=monitoring, files=read_files())
        return WebService(
            clock,
            endpoint=PageEndpoint(context.reactor, *config.web.listen),
            site=BoundedSite(application.resource(), clock),
            facade=facade,
            hub=hub,
            activity=activity,
            history=mqtt_history,
            subscribe=bus.subscribe,
        )


web = WebMaker()
