"""The daemon as one Twisted service: its parts, and the order in which they start and stop.

:meth:`Daemon._start` is that order. Each part that was started leaves the way to stop it in a list, and a stop works
through that list from its end, each step awaited: timers and sweeps, control socket, plugins, connections to cameras,
MQTT (``offline`` is published and acknowledged), an embedded broker, the kernel's tables, the store.

A restart (:meth:`Daemon.restart`) is that stop and another start in the same process. Only the embedded broker runs on,
for others retain messages in it; it is stopped when the new configuration has another, and that start has succeeded.
"""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from txaio.tx import make_logger, set_global_log_level

from twisted_detector import __version__
from twisted_detector.config.config import Config
from twisted_detector.errors import BrokerError, CamdetectError, ConfigError, StateRefused
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IInspectorMaker,
    IListenerMaker,
    IOutputMaker,
    IServiceExtension,
    IWatcherMaker,
    MakerContext,
)
from twisted_detector.mqtt.broker.local import LocalBroker
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.operations.clock_watch import ClockWatch
from twisted_detector.operations.control_socket import ControlSocket
from twisted_detector.operations.daemon_pointer import DaemonPointer
from twisted_detector.operations.first_run.restart import ConfigLoader, RestartRequest, SoftRestart
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.service.adoption import make_first_run_watch, restore_known
from twisted_detector.service.detection import Methods, detection_offers, make_detection
from twisted_detector.service.extensions.assembly import PluginAssembly
from twisted_detector.service.extensions.report import PluginReport
from twisted_detector.service.first_run import make_first_run
from twisted_detector.service.garbage import begin_collecting, collect_frozen, share_heap
from twisted_detector.service.ground import make_ground
from twisted_detector.service.handover import make_handover
from twisted_detector.service.knowledge import expect_answers, known_before, make_knowledge
from twisted_detector.service.operations import make_operations
from twisted_detector.service.plugin_inventory import inventory, problems
from twisted_detector.service.process_hardening import is_open_to_inspection
from twisted_detector.service.publishing import make_publishing
from twisted_detector.service.reload import Reloader
from twisted_detector.store.camera_saver import CameraSaver

#: A clean stop may take so long in all; a supervisor that sent SIGTERM usually waits ten.
STOP_SECONDS = 4.5
#: Seconds from a request to restart until the first part is stopped: who asked is answered meanwhile.
ANSWER_SECONDS = 0.25


def makeService(config: Config, reactor: Any, load: ConfigLoader) -> IService:
    """The whole daemon as a service.

    :param load: reads the configuration again, as it is then.
    """
    share_heap()  # before the first thread
    service: IService = Daemon(config, reactor, load)
    return service


def exit_with_status(service: Any) -> None:
    """Let the process end with the status of a daemon that cannot start: twistd itself ends with 0 in any case."""

    def end() -> None:
        if service.exit_status:
            os._exit(service.exit_status)

    atexit.register(end)


class Daemon(Service):
    """Service that starts every part in :meth:`_start` and stops them in :meth:`_stop`.

    :ivar exit_status: 1 when the daemon ended because it could not start; 2 when no later try can help.
    """

    log = make_logger()

    def __init__(self, config: Config, reactor: Any, load: ConfigLoader) -> None:
        self._config = config
        self._reactor = reactor
        self._starting: Deferred[None] | None = None
        self._soft_restart = SoftRestart(load)
        self._soft_restart.requested.add(self._restart_soon)
        self._restart_call: IDelayedCall | None = None
        self._restarting: Deferred[None] | None = None
        self._reloader: Reloader | None = None
        self._reloads_later = False
        self._local_broker = LocalBroker(reactor)
        self._keeps_broker = False
        #: (part, how to stop it) in the order of starting.
        self._undo: list[tuple[str, Callable[[], Any]]] = []
        self.exit_status = 0

    # --- starting --------------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Begin to start; the reactor may not be running yet."""
        super().startService()  # type: ignore[no-untyped-call]
        # One line for each connection of Twisted's own would bury everything else.
        Factory.noisy = False
        self._reactor.callWhenRunning(self._catch_signals)
        self._starting = Deferred.fromCoroutine(self._start(self._config))
        self._starting.addErrback(self._cannot_start)

    def _catch_signals(self) -> None:
        """End with status 0 on a signal that asks for it, and read the configuration again on SIGHUP.

        twistd would kill itself by a signal that ends it once more. SIGHUP ends it when its terminal is closed.
        """
        had_terminal = os.isatty(0)

        def stop(*_: object) -> None:
            self._reactor.callFromThread(self._stop_reactor)

        def reload(*_: object) -> None:
            is_hung_up = had_terminal and not os.isatty(0)
            self._reactor.callFromThread(self._stop_reactor if is_hung_up else self._reload)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        signal.signal(signal.SIGHUP, reload)

    def _reload(self) -> None:
        if self._reloader is not None:
            self._reloader.reload_soon()
        else:
            self._reloads_later = True  # it is starting, or starting again

    def _begin_reloading(self, reloader: Reloader) -> None:
        self._reloader = reloader
        if self._reloads_later:
            self._reloads_later = False
            reloader.reload_soon()

    def _end_reloading(self) -> None:
        self._reloader = None

    def _stop_reactor(self) -> None:
        # A second signal may come while the first is being obeyed.
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def _cannot_start(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return  # it is being stopped
        self.exit_status = 2 if failure.check(StateRefused) else 1
        if failure.check(BrokerError, StateRefused):
            self.log.critical("{error}", error=failure.getErrorMessage())
        else:
            self.log.failure("camdetect cannot start", failure=failure)
        self._reactor.callLater(0, self._stop_reactor)

    async def _start(self, config: Config) -> None:
        """Make and start every part. The order of this page, from its end, is the order of stopping."""
        reactor = self._reactor
        set_global_log_level(config.log_level)
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
        config = await ground.open()
        self._undo.append(("store", store.close))
        self.log.info("camdetect {version} starts as node {node}", version=__version__, node=config.node_id)
        await self._run("neighbours", neighbours.start, neighbours.stop)
        broker = await self._find_broker(config)

        # What is known, and how it is published: bus → outputs → outbox → MQTT.
        knowledge = await make_knowledge(reactor, config, ground)
        bus, registry = knowledge.bus, knowledge.registry
        publishing = await make_publishing(reactor, config, ground, knowledge, broker)
        mqtt = publishing.mqtt
        handover = await make_handover(reactor, ground, knowledge, publishing)
        await self._run("mqtt", mqtt.start, mqtt.stop)
        self._undo.append(("connections to cameras", knowledge.access.locks.close_all_kept))

        # Plugins take the longest turn of all to load, when nobody is served yet: what else takes long comes with them.
        known = await known_before(config, store)
        expect_answers(known)
        # What plugins make, ours among them, of the parts that their makers need.
        entries = inventory(config)  # before the assembly leaves folders that are not trusted out of the search
        plugins = PluginAssembly(MakerContext(reactor, config, {}, mqtt.publish, mqtt.subscribe))
        self._undo.append(("watchdog of plugins", plugins.supervision.stop))
        plugin_report = PluginReport(entries, problems(config), plugins.supervision.records)
        plugins.offer({**ground.offers, **knowledge.offers, **publishing.offers})
        (outputs,) = plugins.make(IOutputMaker)
        if handover is not None:
            outputs = [*outputs, *handover.outputs]
        dispatcher = OutputDispatcher(outputs, publish=mqtt.publish, voice=publishing.voice)
        bus.subscribe(dispatcher)
        if publishing.nodes is not None:
            bus.subscribe(publishing.nodes)
        if handover is not None:
            bus.subscribe(handover.descriptions)
        bus.subscribe(CameraSaver(store))
        bus.subscribe(EventLog())
        await self._run("history", knowledge.history.start, knowledge.history.stop)
        bus.subscribe(knowledge.history)
        methods = Methods(*plugins.make(IDiscovererMaker, IWatcherMaker, IInspectorMaker))
        detection = make_detection(reactor, config, ground, knowledge, methods)
        operations = make_operations(
            reactor, config, ground, knowledge, publishing, detection, self._soft_restart, plugin_report
        )
        if handover is not None:
            handover.join(operations.commands, operations.router)
        first_run_page = make_first_run(reactor, config, ground, knowledge, publishing, self._soft_restart)
        await first_run_page.restore(operations.router, known=bool(known))
        plugins.offer({**detection_offers(detection), **operations.offers})
        listeners, extensions = plugins.make(IListenerMaker, IServiceExtension)
        for listener in listeners:
            bus.subscribe(listener)

        # The cameras of an earlier run are published before the first sweep.
        left = await restore_known(reactor, registry, knowledge.adoption, knowledge.budget, known)
        if publishing.nodes is not None:
            await self._run("nodes", partial(publishing.nodes.start, dispatcher.handle), publishing.nodes.stop)
        if handover is not None:
            await self._run("handover", handover.start, handover.stop)
        if publishing.shared_networks is not None:
            await self._run("networks", publishing.shared_networks.start, publishing.shared_networks.stop)
        await self._run("verdicts", operations.verdicts.start, operations.verdicts.stop)
        self._undo.append(("additions", operations.adding.add.stop))
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
        clock = ClockWatch(reactor, time.monotonic)
        clock.stepped.add(knowledge.history.clock_set)
        if handover is not None:
            clock.stepped.add(handover.descriptions.clock_set)
        clock.stepped.add(lambda by: registry.clock_set(by, reactor.seconds()))
        await self._run("clock", clock.start, clock.stop)
        control = ControlSocket(reactor, config.state_dir, operations.router.handlers)
        await self._run("control", control.start, control.stop)
        pointer = DaemonPointer(config.runtime_dirs, config.state_dir)
        await self._run("pointer", pointer.write, pointer.remove)
        await self._run("detector", detection.detector.start, detection.detector.stop)
        await self._run("lag", operations.lag.start, operations.lag.stop)
        await self._run("heartbeat", operations.heartbeat.start, operations.heartbeat.stop)
        await self._run("reload", partial(self._begin_reloading, operations.reloader), self._end_reloading)
        publishing.inbox.open(operations.commands)
        begin_collecting()

    async def _run(self, name: str, start: Callable[[], Any], stop: Callable[[], Any]) -> None:
        """Start a part; once it runs, a stop of the daemon stops it."""
        await maybeDeferred(start)
        self._undo.append((name, stop))

    async def _find_broker(self, config: Config) -> BrokerPlace:
        """The configured broker, or one of this machine, which is started here unless it runs already."""
        if config.mqtt.broker:
            return BrokerPlace(config.mqtt.broker, config.mqtt.port)
        place = await self._local_broker.find(config.state_dir, config.mqtt.port)
        self._undo.append(("broker", self._stop_broker))
        return place

    async def _stop_broker(self) -> None:
        if not self._keeps_broker:
            await self._local_broker.stop()

    # --- restarting ------------------------------------------------------------------------------------------------

    def _restart_soon(self, request: RestartRequest) -> None:
        if self._restart_call is not None and self._restart_call.active():
            self._restart_call.cancel()
        self._restart_call = self._reactor.callLater(ANSWER_SECONDS, self._begin_restart, request)

    def _begin_restart(self, request: RestartRequest) -> None:
        if self._restarting is not None and not self._restarting.called:
            self._restart_soon(request)  # after the one that is under way
            return
        self._restarting = Deferred.fromCoroutine(self.restart(request))
        self._restarting.addErrback(self._cannot_start)

    async def restart(self, request: RestartRequest) -> None:
        """Stop every part in order, and start all again in this process, with the configuration as it is now.

        One that cannot be loaded is refused, and all runs on. When the start with it fails, what was saved is put back,
        and the former configuration is started.
        """
        if self._starting is not None and not self._starting.called:
            await DeferredList([self._starting])
        if not self.running:
            return
        former, fault = self._config, ""
        try:
            config = self._soft_restart.load()
        except ConfigError as error:
            self.log.error(
                "The configuration cannot be loaded; the previous one stays in use: {error}", error=str(error)
            )
            self._soft_restart.end(str(error))
            return
        self.log.info(
            "Restarting because of a change of {names}", names=", ".join(request.settings) or "the configuration"
        )
        self._soft_restart.begin()
        self._keeps_broker = True
        await self._stop_all().addTimeout(STOP_SECONDS, self._reactor)
        try:
            await self._start_again(config)
        except CancelledError:
            raise
        except Exception as error:
            fault = f"camdetect does not start with the new settings, so the previous ones are used again: {error}"
            if isinstance(error, CamdetectError):
                self.log.error("{fault}", fault=fault)
            else:
                self.log.failure("{fault}", fault=fault)
            await self._stop_all().addTimeout(STOP_SECONDS, self._reactor)
            with suppress(CamdetectError):  # what the disk refuses it says at the next start
                await request.undo()
            await self._start_again(replace(former, warnings=(*former.warnings, fault)))
        self._keeps_broker = False
        self._soft_restart.end(fault)
        if self._config.mqtt.broker:
            await self._local_broker.stop()

    async def _start_again(self, config: Config) -> None:
        """:raises CancelledError: the daemon is being stopped."""
        collect_frozen()  # nobody is served now, and all that the former parts held is garbage
        if not self.running:
            raise CancelledError
        self._starting = Deferred.fromCoroutine(self._start(config))
        await self._starting
        self._config = config

    # --- stopping --------------------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Take everything apart, each step awaited, in less than STOP_SECONDS."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopping = Deferred.fromCoroutine(self._stop())
        stopping.addTimeout(STOP_SECONDS, self._reactor)
        stopping.addErrback(lambda failure: self.log.failure("camdetect did not stop cleanly", failure=failure))
        return stopping

    async def _stop(self) -> None:
        self._keeps_broker = False
        if self._restart_call is not None and self._restart_call.active():
            self._restart_call.cancel()
        for begun in (self._starting, self._restarting):
            if begun is not None:
                if begun is self._starting:  # parts that are being stopped for a restart are waited for
                    begun.cancel()
                await DeferredList([begun], consumeErrors=True)
        await self._stop_all()
        await self._local_broker.stop()
        self.log.info("camdetect has stopped")

    def _stop_all(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._undo_all())

    async def _undo_all(self) -> None:
        """Undo what was started, from the end; a step that fails is logged, and the next one taken."""
        while self._undo:
            name, undo = self._undo.pop()
            try:
                await maybeDeferred(undo)
            except Exception:
                self.log.failure("{name} did not stop cleanly", name=name)
