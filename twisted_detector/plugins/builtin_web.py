"""The built-in web page, declared as a plugin's would be: joins what the daemon knows to the site that shows it."""

from __future__ import annotations

import os
import resource
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.task import LoopingCall
from twisted.plugin import IPlugin
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector import __version__
from twisted_detector.bus import Bus
from twisted_detector.interfaces import IServiceExtension, MakerContext
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictures
from twisted_detector.web.access import AccessControl
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.history import INTERVAL, MqttHistory
from twisted_detector.web.listener import Door
from twisted_detector.web.sessions import Sessions
from twisted_detector.web.sources import Sources

#: Open pages at one time. A person has a few; a thousand is what the daemon must bear.
MAX_STREAMS = 1024
#: Connections besides those of open pages.
MAX_OTHERS = 64
#: Seconds between looks at the sweep while a page is open.
LOOK = 1.0


def _room() -> int:
    """How many streams there is room for: discovery needs descriptors of its own, so at most a third of them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_STREAMS if soft < 0 else max(8, min(MAX_STREAMS, soft // 3))


@implementer(IPlugin, IServiceExtension)
class WebMaker:
    """The page and its API, unless they are switched off."""

    name = "web"

    def make(self, context: MakerContext) -> IService | None:
        """See :class:`IMaker`."""
        config, parts = context.config, context.parts
        if not config.web_enabled:
            return None
        registry, report, desk, mqtt = parts[Registry], parts[HealthReport], parts[RequestRouter], parts[MqttService]
        sources = Sources(
            node_id=config.node_id,
            version=__version__,
            wall=context.clock.seconds,
            monotonic=time.monotonic,
            cameras=registry.cameras,
            camera=registry.camera,
            document=camera_document,
            mqtt=mqtt.document,
            discovery=report.discovery,
            ask=desk.ask,
            seated=desk.handlers.__contains__,
            pictures=lambda: parts.get(IPictures),
            metrics=_exposition(report.blocks),
        )
        hub = EventHub(context.clock, time.monotonic, capacity=_room(), boot=secrets.token_hex(4))
        history = MqttHistory(context.clock.seconds, mqtt.document)
        deltas = ActivityFeed(sources, hub)
        guard = AccessControl(
            listen=config.web_listen[0],
            allowed=config.web_allowed_hosts,
            sessions=Sessions(config.web_token, context.clock.seconds, os.urandom) if config.web_token else None,
            monotonic=time.monotonic,
        )
        door = Door(
            context.reactor,
            config.web_listen,
            load=_load,
            build=lambda made: made(context.clock, sources, guard=guard, hub=hub, deltas=deltas, history=history),
            capacity=hub.capacity + MAX_OTHERS,
            closed=hub.stop,
        )
        return Web(context.clock, parts[Bus], door, hub=hub, deltas=deltas, history=history, sources=sources)


def _exposition(blocks: Callable[[], Mapping[str, Any]]) -> Callable[[], tuple[bytes, str]]:
    """Figures for Prometheus, made by its library only when somebody asks."""
    made: list[Any] = []

    def exposition() -> tuple[bytes, str]:
        from twisted_detector.operations.prometheus import Metrics

        if not made:
            made.append(Metrics(blocks))
        return made[0].exposition(), made[0].content_type

    return exposition


def _load() -> Callable[..., Any]:
    """On a thread: import what is heavy, and read the page's files."""
    from twisted_detector.web.api import Api
    from twisted_detector.web.application import Application
    from twisted_detector.web.assets import read_files
    from twisted_detector.web.probes import Probes
    from twisted_detector.web.server import BoundedSite

    files = read_files()

    def build(clock: Any, sources: Sources, *, guard: AccessControl, **parts: Any) -> Callable[..., Any]:
        api = Api(sources, guard=guard, **parts)
        operations = Probes(sources)
        application = Application(clock, guard=guard, api=api, operations=operations, files=files)
        site = BoundedSite(application.resource(), clock)
        protocol: Callable[..., Any] = site.buildProtocol
        return protocol

    return build


class Web(MultiService):
    """The door, and what gathers the figures that its pages show."""

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        bus: Bus,
        door: Door,
        *,
        hub: EventHub,
        deltas: ActivityFeed,
        history: MqttHistory,
        sources: Sources,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        door.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._bus = bus
        self._hub = hub
        self._history = history
        self._listeners = (deltas, history)
        self._sources = sources
        self._unsubscribe: list[Callable[[], None]] = []
        self._swept: Any = None
        self._loops = [(LoopingCall(self._sample), INTERVAL), (LoopingCall(self._look), LOOK)]
        for loop, _ in self._loops:
            loop.clock = clock

    def __repr__(self) -> str:
        return "the web page"

    def startService(self) -> None:
        """Listen to the bus and on the port."""
        super().startService()  # type: ignore[no-untyped-call]
        self._unsubscribe = [self._bus.subscribe(listener) for listener in self._listeners]
        for loop, interval in self._loops:
            loop.start(interval, now=True)

    def stopService(self) -> Any:
        """End both."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for loop, _ in self._loops:
            if loop.running:
                loop.stop()
        return super().stopService()  # type: ignore[no-untyped-call]

    def _sample(self) -> None:
        try:
            row = self._history.sample()
            self._hub.tell("mqtt", "", lambda: {"row": list(row), "now": dict(self._sources.mqtt())})
        except Exception:
            self.log.failure("The figures of MQTT could not be looked at")

    def _look(self) -> None:
        """While somebody looks: tell how the sweep stands, when it stands otherwise."""
        if not len(self._hub):
            return
        try:
            found = self._sources.discovery()
        except Exception:
            self.log.failure("The sweep could not be looked at")
            return
        # Not the counters of packets: they change all the time, and nobody looks at them.
        stands = {name: found.get(name) for name in ("phase", "sweeping", "sweeps", "last_sweep")}
        if stands != self._swept:
            self._swept = stands
            self._hub.tell("discovery", "", lambda: found)


web = WebMaker()
