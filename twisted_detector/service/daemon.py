"""The daemon as one Twisted service: its parts, and the order in which they start and stop.

:meth:`Daemon._start` is that order. Each part that was started leaves the way to stop it in a list, and a stop works
through that list from its end, each step awaited: timers and sweeps, control socket, plugins, connections to cameras,
MQTT (``offline`` is published and acknowledged), an embedded broker, the kernel's tables, the store.
"""

from __future__ import annotations

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
from twisted_detector.config.config import Config
from twisted_detector.errors import BrokerError, CamdetectError, StateRefused
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IInspectorMaker,
    IListenerMaker,
    IOutputMaker,
    IServiceExtension,
    IWatcherMaker,
    MakerContext,
)
from twisted_detector.mqtt.broker.broker import EmbeddedBroker
from twisted_detector.operations.control_socket import ControlSocket
from twisted_detector.operations.daemon_pointer import DaemonPointer
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.service.adoption import make_first_run_watch, restore_known
from twisted_detector.service.detection import Methods, detection_offers, make_detection
from twisted_detector.service.garbage import begin_collecting
from twisted_detector.service.ground import make_ground
from twisted_detector.service.knowledge import expect_answers, known_before, make_knowledge
from twisted_detector.service.operations import make_operations
from twisted_detector.service.plugin_assembly import PluginAssembly
from twisted_detector.service.process_hardening import is_open_to_inspection
from twisted_detector.service.publishing import make_publishing
from twisted_detector.store.camera_saver import CameraSaver

#: A clean stop may take so long in all; a supervisor that sent SIGTERM usually waits ten.
STOP_SECONDS = 4.5


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

        # What all stands on: the disk, the kernel's tables, a broker.
        ground = make_ground(reactor, config)
        store, neighbours = ground.store, ground.neighbours
        await self._run("store", store.open, store.close)
        await self._run("neighbours", neighbours.start, neighbours.stop)
        broker = await self._broker()

        # What is known, and how it is published: bus → outputs → outbox → MQTT.
        knowledge = await make_knowledge(reactor, config, ground)
        bus, registry = knowledge.bus, knowledge.registry
        publishing = await make_publishing(reactor, config, ground, knowledge, broker)
        mqtt = publishing.mqtt
        await self._run("mqtt", mqtt.start, mqtt.stop)
        self._undo.append(("connections to cameras", knowledge.access.locks.close_all_kept))

        # Plugins take the longest turn of all to load, when nobody is served yet: what else takes long comes with them.
        known = await known_before(config, store)
        expect_answers(known)
        # What plugins make, ours among them, of the parts that their makers need.
        plugins = PluginAssembly(MakerContext(reactor, config, {}, mqtt.publish, mqtt.subscribe))
        plugins.offer({**ground.offers, **knowledge.offers, **publishing.offers})
        (outputs,) = plugins.make(IOutputMaker)
        bus.subscribe(OutputDispatcher(outputs, publish=mqtt.publish))
        bus.subscribe(CameraSaver(store))
        bus.subscribe(EventLog())
        await self._run("history", knowledge.history.start, knowledge.history.stop)
        bus.subscribe(knowledge.history)
        methods = Methods(*plugins.make(IDiscovererMaker, IWatcherMaker, IInspectorMaker))
        detection = make_detection(reactor, config, ground, knowledge, methods)
        operations = make_operations(reactor, config, ground, knowledge, publishing, detection)
        plugins.offer({**detection_offers(detection), **operations.offers})
        listeners, extensions = plugins.make(IListenerMaker, IServiceExtension)
        for listener in listeners:
            bus.subscribe(listener)

        # The cameras of an earlier run are published before the first sweep.
        left = await restore_known(reactor, registry, knowledge.adoption, knowledge.budget, known)
        names = [one.name for one in methods.discoverers]
        first_run = make_first_run_watch(reactor, config, registry, knowledge.adoption, names)
        bus.subscribe(first_run)
        await self._run("first run", partial(first_run.start, left), first_run.stop)
        for extension in extensions:
            try:
                extension.startService()
            except Exception:
                self.log.failure("{extension} could not be started and is left out", extension=repr(extension))
                continue
            self._undo.append((repr(extension), extension.stopService))
        # What the kernel knows already must not look like news.
        with suppress(CamdetectError):
            await neighbours.interfaces()
        control = ControlSocket(reactor, config.state_dir, operations.router.handlers)
        await self._run("control", control.start, control.stop)
        pointer = DaemonPointer(config.runtime_dirs, config.state_dir)
        await self._run("pointer", pointer.write, pointer.remove)
        await self._run("detector", detection.detector.start, detection.detector.stop)
        await self._run("lag", operations.lag.start, operations.lag.stop)
        await self._run("heartbeat", operations.heartbeat.start, operations.heartbeat.stop)

        begin_collecting()

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
        self.log.info("MQTT_BROKER is not set: starting an embedded broker")
        endpoint = await broker.start()
        self._undo.append(("broker", broker.stop))
        for line in broker.describe():
            self.log.info("{line}", line=line)
        return endpoint.host, endpoint.port

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
