"""A Config goes in; the daemon as one Twisted service comes out: all joining, the order of start and stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from txaio.tx import make_logger, set_global_log_level

from twisted_detector import __version__
from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detector
from twisted_detector.detector.examiner import InspectionRunner
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import BrokerError, CamdetectError
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.interfaces import IListenerMaker, IOutputMaker, IServiceExtension, MakerContext
from twisted_detector.model.addresses import Exclusions
from twisted_detector.mqtt.broker.broker import EmbeddedBroker
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.control_socket import ControlSocket
from twisted_detector.operations.handlers import seat_answers
from twisted_detector.operations.heartbeat import Heartbeat
from twisted_detector.operations.process_stats import ProcessStats, ReactorLag
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.registry import Registry
from twisted_detector.service import garbage as collector, plugin_loader
from twisted_detector.service.detection import make_detector
from twisted_detector.service.settings import mqtt_settings
from twisted_detector.service.state import known_before, make_knowledge, make_neighbours
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.store.store import Store

#: A clean stop may take so long in all; a supervisor that sent SIGTERM usually waits ten.
STOP_SECONDS = 4.5


def makeService(config: Config, reactor: Any) -> IService:
    """The whole daemon as a service."""
    service: IService = Daemon(config, reactor)
    return service


class Daemon(Service):
    """Everything, joined in :meth:`_start` and taken apart in :meth:`_stop`.

    :ivar exit_status: 1 when the daemon ended because it could not start.
    """

    log = make_logger()

    def __init__(self, config: Config, reactor: Any) -> None:
        self._config = config
        self._reactor = reactor
        self._starting: Deferred[None] | None = None
        #: How to undo what was started, in the order of starting; taken apart from the end.
        self._undo: list[tuple[str, Callable[[], Any]]] = []
        self.exit_status = 0

    # --- starting --------------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Begin to start; the reactor may not be running yet."""
        super().startService()  # type: ignore[no-untyped-call]
        set_global_log_level(self._config.log_level)
        # One line for each connection of Twisted's own would bury everything else.
        Factory.noisy = False
        self._reactor.callWhenRunning(self._catch_signals)
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._cannot_start)

    def _catch_signals(self) -> None:
        """End with status 0 on a signal that asks for it; twistd would kill itself by the signal once more."""

        def stop(*_: object) -> None:
            self._reactor.callFromThread(self._stop_reactor)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)

    def _stop_reactor(self) -> None:
        # A second signal may come while the first is being obeyed.
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def _cannot_start(self, failure: Failure) -> None:
        self.exit_status = 1
        if failure.check(BrokerError):
            self.log.critical("{error}", error=failure.getErrorMessage())
        else:
            self.log.failure("camdetect cannot start", failure=failure)
        self._reactor.callLater(0, self._stop_reactor)

    def _started(self, name: str, undo: Callable[[], Any]) -> None:
        self._undo.append((name, undo))

    async def _start(self) -> None:
        config, reactor = self._config, self._reactor
        self.log.info("camdetect {version} starts as node {node}", version=__version__, node=config.node_id)
        for warning in config.warnings:
            self.log.warn("{warning}", warning=warning)

        # What others need first: the disk, the kernel's tables, a broker.
        store = Store(reactor, config.state_dir)
        await store.open()
        self._started("store", lambda: Deferred.fromCoroutine(store.close()))
        neighbours, politeness = make_neighbours(reactor, config)
        neighbour_watch = NeighbourWatcher(reactor, neighbours)
        neighbours.start()
        self._started("neighbours", neighbours.stop)
        host, port = await self._broker()

        # Knowing; and telling: bus → outputs → outbox → MQTT.
        bus = Bus()
        parts = await make_knowledge(config, store, neighbours, bus, politeness)
        registry, topics = parts[Registry], parts[Topics]
        mqtt = MqttService(
            reactor,
            mqtt_settings(config, host, port, topics.lwt),
            store=store,
            node_id=config.node_id,
            service=config.service_id,
            emit=bus.emit,
            queue_size=config.mqtt_queue_size,
        )
        await mqtt.start()
        self._started("mqtt", lambda: Deferred.fromCoroutine(mqtt.stop()))

        parts[MqttService] = mqtt
        self._started("connections to cameras", parts[DeviceLocks].drop_all)

        # Seeing and asking, made by plugins, ours among them.
        context = MakerContext(
            reactor=reactor,
            config=config,
            settings={},
            publish=mqtt.publish,
            subscribe=mqtt.subscribe,
            parts=parts,
        )
        self._find_plugins()
        bus.subscribe(OutputDispatcher(self._make(IOutputMaker, context), publish=mqtt.publish))
        bus.subscribe(CameraSaver(store))
        bus.subscribe(EventLog())
        for listener in self._make(IListenerMaker, context):
            bus.subscribe(listener)
        detector, examiner, inspections = make_detector(
            reactor, config, parts, partial(self._make, context=context), neighbour_watch=neighbour_watch
        )
        commands = MqttCommands(
            reactor,
            detector=detector,
            registry=registry,
            node_id=config.node_id,
            topic=topics.command_result,
            publish=mqtt.publish,
            excluded=parts[Exclusions],
        )
        mqtt.subscribe(topics.command, commands.handle)

        lag = ReactorLag(reactor, time.monotonic)
        resources = ProcessStats(time.monotonic)
        report = HealthReport(
            registry=registry,
            detector=detector,
            examiner=examiner,
            inspections=inspections,
            mqtt=mqtt,
            lag=lag,
            resources=resources,
            pacer=parts[PacketRateLimiter],
        )
        desk = RequestRouter()
        parts |= {
            Detector: detector,
            InspectionRunner: examiner,
            HealthReport: report,
            RequestRouter: desk,
            MqttCommands: commands,
        }
        seat_answers(desk, reactor, config, parts)

        # What an earlier run knew is said before anything is looked for.
        registry.restore(await known_before(config, store))
        for extension in self._make(IServiceExtension, context):
            try:
                extension.startService()
            except Exception:
                self.log.failure("{extension} could not be started and is left out", extension=repr(extension))
                continue
            self._started(repr(extension), extension.stopService)
        # What the kernel knows already must not look like news.
        with suppress(CamdetectError):
            await neighbours.interfaces()
        control = ControlSocket(reactor, config.state_dir, desk.handlers)
        control.start()
        self._started("control", lambda: Deferred.fromCoroutine(control.stop()))
        detector.start()
        self._started("detector", lambda: Deferred.fromCoroutine(detector.stop()))

        # Telling how we are.
        lag.start()
        self._started("lag", lag.stop)
        heartbeat = Heartbeat(
            reactor,
            node_id=config.node_id,
            service=config.service_id,
            topics=topics.health,
            interval=config.health_report_interval,
            blocks=report.blocks,
            publish=mqtt.publish,
            monotonic=time.monotonic,
        )
        mqtt.add_state_listener(lambda _change: heartbeat.status_may_have_changed())
        heartbeat.start()
        self._started("heartbeat", heartbeat.stop)
        collector.calm()

    async def _broker(self) -> tuple[str, int]:
        config = self._config
        if config.mqtt_broker:
            return config.mqtt_broker, config.mqtt_port
        broker = EmbeddedBroker(self._reactor, state_dir=config.state_dir, port=config.mqtt_port)
        self.log.info("MQTT_BROKER is not set: a broker is started here")
        endpoint = await broker.start()
        self._started("broker", lambda: Deferred.fromCoroutine(broker.stop()))
        for line in broker.describe():
            self.log.info("{line}", line=line)
        return endpoint.host, endpoint.port

    def _find_plugins(self) -> None:
        plugin_loader.look_in([plugin_loader.CHECKOUT_PLUGINS])
        for file, fault in plugin_loader.broken().items():
            self.log.error("Plugin {file} is broken and left out: {fault}", file=file, fault=fault)

    def _make(self, kind: Any, context: MakerContext) -> list[Any]:
        config = self._config
        return plugin_loader.make_all(kind, context, settings=config.plugin_settings, wanted=config.plugins)

    # --- stopping --------------------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Take everything apart, each step awaited, in less than STOP_SECONDS."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopping = Deferred.fromCoroutine(self._stop())
        stopping.addTimeout(STOP_SECONDS, self._reactor)
        stopping.addErrback(lambda failure: self.log.failure("camdetect did not stop cleanly", failure=failure))
        return stopping

    async def _stop(self) -> None:
        """From the end: first nothing is looked for any more, then ``offline`` is said, then the disk is closed."""
        if self._starting is not None:
            self._starting.cancel()
            await DeferredList([self._starting], consumeErrors=True)
        while self._undo:
            name, undo = self._undo.pop()
            try:
                await maybeDeferred(undo)
            except Exception:
                self.log.failure("{name} did not stop cleanly", name=name)
        self.log.info("camdetect has stopped")
