"""The daemon as one Twisted service: its parts, and the order in which they start and stop.

:meth:`Daemon._start` is that order. Each part that was started leaves the way to stop it in a list, and a stop works
through that list from its end, each step awaited: timers and sweeps, control socket, plugins, connections to cameras,
MQTT (``offline`` is published and acknowledged), an embedded broker, the kernel's tables, the store.
"""

from __future__ import annotations

import gc
import signal
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
from twisted_detector.detector.inspection_runner import InspectionRunner
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.errors import BrokerError, CamdetectError, StateRefused
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IListenerMaker,
    IOutputMaker,
    IServiceExtension,
    MakerContext,
    Parts,
)
from twisted_detector.mqtt.broker.broker import EmbeddedBroker
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.control_socket import ControlSocket
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.outputs.topics import Topics
from twisted_detector.service import plugin_loader
from twisted_detector.service.adoption import make_first_run_watch, restore_known
from twisted_detector.service.detection import make_detector
from twisted_detector.service.operations import make_operations
from twisted_detector.service.parts import known_before, make_neighbours, make_parts
from twisted_detector.service.process_hardening import is_open_to_inspection
from twisted_detector.service.settings import mqtt_settings
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.store.store import Store

#: A clean stop may take so long in all; a supervisor that sent SIGTERM usually waits ten.
STOP_SECONDS = 4.5
#: Full garbage collections: one for so many of the middle generation. Measured: with 20 000 queued messages one stalled
#: the reactor for 30 to 95 ms, and for 7 when what was there at the start was left out.
FULL_COLLECTION = 100


def makeService(config: Config, reactor: Any) -> IService:
    """The whole daemon as a service."""
    service: IService = Daemon(config, reactor)
    return service


class Daemon(Service):
    """Service that starts every part in :meth:`_start` and stops them in :meth:`_stop`.

    :ivar exit_status: 1 when the daemon ended because it could not start; 2 when no later try can help.
    """

    log = make_logger()

    def __init__(self, config: Config, reactor: Any) -> None:
        self._config = config
        self._reactor = reactor
        self._starting: Deferred[None] | None = None
        #: (part, how to stop it) in the order of starting.
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
        self.exit_status = 2 if failure.check(StateRefused) else 1
        if failure.check(BrokerError, StateRefused):
            self.log.critical("{error}", error=failure.getErrorMessage())
        else:
            self.log.failure("camdetect cannot start", failure=failure)
        self._reactor.callLater(0, self._stop_reactor)

    async def _start(self) -> None:
        """Make and start every part. The order of this page, from its end, is the order of stopping."""
        config, reactor = self._config, self._reactor
        self.log.info("camdetect {version} starts as node {node}", version=__version__, node=config.node_id)
        for warning in config.warnings:
            self.log.warn("{warning}", warning=warning)
        if is_open_to_inspection():
            self.log.warn(
                "Other processes of this user can read the memory of this one, and the cameras' passwords in it: "
                "PR_SET_DUMPABLE was not set or is refused here. Run camdetect as a user of its own"
            )

        # The ground: the disk, the kernel's tables, a broker.
        store = Store(reactor, config.state_dir)
        await self._run("store", store.open, store.close)
        neighbours, limits = make_neighbours(reactor, config)
        watcher = NeighbourWatcher(reactor, neighbours)
        await self._run("neighbours", neighbours.start, neighbours.stop)
        host, port = await self._broker()

        # What is known, and how it is published: bus → outputs → outbox → MQTT.
        bus = Bus()
        parts = await make_parts(reactor, config, store, neighbours, bus, limits=limits)
        mqtt = MqttService(
            reactor,
            mqtt_settings(config.mqtt, host=host, port=port, lwt_topic=parts[Topics].lwt),
            store=store,
            node_id=config.node_id,
            service=config.service_id,
            emit=bus.emit,
            queue_size=config.mqtt.queue_size,
        )
        await self._run("mqtt", mqtt.start, mqtt.stop)
        parts[MqttService] = mqtt
        self._undo.append(("connections to cameras", parts[DeviceLocks].close_all_kept))

        # What plugins make, ours among them.
        make = self._find_plugins(mqtt, parts)
        bus.subscribe(OutputDispatcher(make(IOutputMaker), publish=mqtt.publish))
        bus.subscribe(CameraSaver(store))
        bus.subscribe(EventLog())
        for listener in make(IListenerMaker):
            bus.subscribe(listener)
        discoverers = make(IDiscovererMaker)
        detector, runner, inspections = make_detector(
            reactor, config, parts, make, discoverers=discoverers, neighbour_watcher=watcher
        )
        parts |= {Detector: detector, InspectionRunner: runner}
        lag, heartbeat = make_operations(reactor, config, parts, inspections)

        # The cameras of an earlier run are published before the first sweep.
        left = await restore_known(reactor, parts, await known_before(config, store))
        first_run = make_first_run_watch(reactor, config, parts, [one.name for one in discoverers])
        await self._run("first run", partial(first_run.start, left), first_run.stop)
        for extension in make(IServiceExtension):
            try:
                extension.startService()
            except Exception:
                self.log.failure("{extension} could not be started and is left out", extension=repr(extension))
                continue
            self._undo.append((repr(extension), extension.stopService))
        # What the kernel knows already must not look like news.
        with suppress(CamdetectError):
            await neighbours.interfaces()
        control = ControlSocket(reactor, config.state_dir, parts[RequestRouter].handlers)
        await self._run("control", control.start, control.stop)
        await self._run("detector", detector.start, detector.stop)
        await self._run("lag", lag.start, lag.stop)
        await self._run("heartbeat", heartbeat.start, heartbeat.stop)

        # The root switched collections off. What is here now lives as long as the process: it is never looked through.
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION)
        gc.enable()

    async def _run(self, name: str, start: Callable[[], Any], stop: Callable[[], Any]) -> None:
        """Start a part; once it runs, a stop of the daemon stops it."""
        await maybeDeferred(start)
        self._undo.append((name, stop))

    async def _broker(self) -> tuple[str, int]:
        """Host and port of the configured broker, or of one that is started here."""
        config = self._config
        if config.mqtt.broker:
            return config.mqtt.broker, config.mqtt.port
        broker = EmbeddedBroker(self._reactor, state_dir=config.state_dir, port=config.mqtt.port)
        self.log.info("MQTT_BROKER is not set: a broker is started here")
        endpoint = await broker.start()
        self._undo.append(("broker", broker.stop))
        for line in broker.describe():
            self.log.info("{line}", line=line)
        return endpoint.host, endpoint.port

    def _find_plugins(self, mqtt: MqttService, parts: Parts) -> Callable[[Any], list[Any]]:
        """What makes all parts of one kind, by the plugins that are there; broken files are reported."""
        context = MakerContext(
            reactor=self._reactor,
            config=self._config,
            settings={},
            publish=mqtt.publish,
            subscribe=mqtt.subscribe,
            parts=parts,
        )
        make = plugin_loader.loader(context)
        for file, fault in plugin_loader.broken(self._config.plugins).items():
            self.log.error("Plugin {file} is left out: {fault}", file=file, fault=fault)
        return make

    # --- stopping --------------------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Take everything apart, each step awaited, in less than STOP_SECONDS."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopping = Deferred.fromCoroutine(self._stop())
        stopping.addTimeout(STOP_SECONDS, self._reactor)
        stopping.addErrback(lambda failure: self.log.failure("camdetect did not stop cleanly", failure=failure))
        return stopping

    async def _stop(self) -> None:
        """Undo what was started, from the end; a step that fails is logged, and the next one taken."""
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
