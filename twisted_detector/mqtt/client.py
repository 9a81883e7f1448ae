"""Messages of an outbox go in; acknowledgements, and what the broker has to say to handlers, come out.

:class:`MqttClient` is the reactor's side: it acts for the connection machine and tells everybody how things stand. The
network thread is :mod:`mqtt.network.loop`; paho is in :mod:`mqtt.network.paho_session` only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, TimeoutError as DeferredTimeout
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import ConnectionEvent, Event
from twisted_detector.interfaces import ISubscriber
from twisted_detector.mqtt.connection_log import ConnectionLog
from twisted_detector.mqtt.metrics import MqttMetrics
from twisted_detector.mqtt.network.attempts import Network
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.network.paho_session import FIVE, THREE_ONE_ONE
from twisted_detector.mqtt.network.resolver import Resolver
from twisted_detector.mqtt.network.thread import OneThread
from twisted_detector.mqtt.presence import Presence, Wording
from twisted_detector.mqtt.seams import (
    ConnectionChange,
    ConnectionState,
    ConnectionTimer,
    IConnection,
    IConnectionActions,
    IOutbox,
)
from twisted_detector.mqtt.sender import OutboxSender
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.subscriptions import Subscriptions

__all__ = ["MqttClient", "MqttMetrics", "MqttSettings"]

#: Seconds that a stop grants the network thread to say goodbye, after the broker had its time.
GOODBYE = 1.0


@implementer(ISubscriber, IConnectionActions)
class MqttClient(Service):
    """A service that keeps one MQTT connection and sends what the outbox holds. On the reactor's thread only.

    :param presence: words the messages on ``settings.lwt_topic``, where whoever wants to know reads if we are here.
    :param connection: makes the connection machine (:func:`make_connection`).
    :param emit: told every ConnectionEvent: connected, disconnected, failed.
    :param random: gives a number in [0, 1), for the jitter.
    :param monotonic: seconds of a clock that never jumps.
    :param first_session: number of the last session before this start; each attempt gets the next.
    :param save_session: told the number of each new session.
    :param client_factory: makes the network side of one attempt; a double in tests, as ``thread_factory`` and
        ``resolver`` may be.
    :ivar metrics: numbers for the health document.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        settings: MqttSettings,
        outbox: IOutbox,
        presence: Wording,
        connection: Callable[[IConnectionActions, MqttSettings, Callable[[], float]], IConnection],
        emit: Callable[[Event], None],
        random: Callable[[], float],
        monotonic: Callable[[], float],
        first_session: int = 0,
        save_session: Callable[[int], object] | None = None,
        client_factory: Callable[..., NetworkLoop] = NetworkLoop,
        thread_factory: Callable[[], OneThread] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._outbox = outbox
        self._emit = emit
        self._monotonic = monotonic
        self._save_session = save_session
        self.metrics = MqttMetrics(session=first_session)
        self._machine: IConnection = connection(self, settings, random)
        self._sender = OutboxSender(reactor, outbox=outbox, window=settings.window, metrics=self.metrics)
        self._presence = Presence(settings.lwt_topic, presence, self._sender.say, first_session)
        self._network = Network(
            reactor,
            settings=settings,
            monotonic=monotonic,
            client_factory=client_factory,
            thread_factory=thread_factory,
            resolver=resolver,
        )
        self._subscriptions = Subscriptions(
            reactor, changed=self._filters_changed, progressed=self._handlers_progressed
        )
        self._listeners: list[Callable[[ConnectionChange], None]] = []
        self._timers: dict[ConnectionTimer, Any] = {}
        self._protocol = THREE_ONE_ONE if settings.protocol == "3.1.1" else FIVE
        self._attempting: Deferred[None] | None = None
        self._receive_maximum = 0
        self._delivered = 0
        self._log = ConnectionLog(settings.host, settings.port)

    @property
    def state(self) -> ConnectionState:
        """How the connection stands."""
        return self._machine.state

    @property
    def reason(self) -> str:
        """Why it is not connected, in plain words; "" when it is."""
        return self._machine.reason

    def add_state_listener(self, listener: Callable[[ConnectionChange], None]) -> Callable[[], None]:
        """Tell ``listener`` every change; the returned function ends that. What it raises is logged."""
        self._listeners.append(listener)

        def remove() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return remove

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], Awaitable[None] | None]
    ) -> Callable[[], None]:
        return self._subscriptions.add(topic_filter, handler)

    def resume(self, session: int) -> None:
        """Continue after session number ``session``; before the start only."""
        self._presence.session = self.metrics.session = session

    # --- start and stop ---

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if self._settings.tls and self._settings.tls_insecure:
            self.log.warn(
                "TLS_INSECURE is set: the certificate of {host} is NOT checked; whoever answers there is believed",
                host=self._settings.host,
            )
        self._machine.start(self._monotonic())

    def stopService(self) -> Deferred[None]:
        """Say ``offline``, send what is queued (bounded), disconnect, join the thread: less than 4 s in all."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self.state is ConnectionState.CONNECTED:
            waits: list[Deferred[None]] = [self._sender.drained()]
            goodbye = self._presence.goodbye()
            if goodbye is not None:
                waits.append(goodbye)
            await self._within(self._settings.stop_timeout, DeferredList(waits, consumeErrors=True))
        self._machine.stop(self._monotonic())
        if self._attempting is not None:
            await self._within(GOODBYE, self._attempting)
        self._sender.stop()
        self._network.stop()

    async def _within(self, seconds: float, waiting: Deferred[Any]) -> None:
        """Wait for ``waiting``, whatever its result, at most so long; it is not cancelled."""
        over: Deferred[None] = Deferred()

        def ended(result: Any) -> Any:
            if not over.called:
                over.callback(None)
            return result

        waiting.addBoth(ended)
        over.addTimeout(seconds, self._reactor)
        try:
            await over
        except DeferredTimeout:
            self.log.info("Stopping: not waiting any longer than {seconds} s", seconds=seconds)

    # --- what the machine wants done (IConnectionActions) ---

    def attempt(self, epoch: int) -> None:
        self._attempting = Deferred.fromCoroutine(self._attempt(epoch))

    def abandon(self, epoch: int) -> None:
        self._network.close()

    def schedule(self, timer: ConnectionTimer, delay: float) -> None:
        self.cancel(timer)
        self._timers[timer] = self._reactor.callLater(delay, self._due, timer)

    def cancel(self, timer: ConnectionTimer) -> None:
        call = self._timers.pop(timer, None)
        if call is not None:
            call.cancel()

    def _due(self, timer: ConnectionTimer) -> None:
        del self._timers[timer]
        self._machine.timer_expired(timer, self._monotonic())

    def announce(self, change: ConnectionChange) -> None:
        self.metrics.changed(change, self._reactor.seconds())
        self._log.tell(change, stopping=not self.running)
        if change.event == "connected":
            self._begin()
        elif change.event == "disconnected":
            self._sender.end()
        for listener in tuple(self._listeners):
            try:
                listener(change)
            except Exception:
                self.log.failure("A listener of the connection's state failed")
        if change.event in ("connected", "disconnected", "failed"):
            self._tell(change)

    def _tell(self, change: ConnectionChange) -> None:
        event = ConnectionEvent(
            at=self._reactor.seconds(),
            event=change.event,
            reason=change.reason,
            state=change.state.value,
            duration=change.duration,
            attempts=change.attempts,
            session=change.session,
        )
        try:
            self._emit(event)
        except Exception:
            self.log.failure("A connection event could not be told")

    # --- one attempt ---

    async def _attempt(self, epoch: int) -> None:
        machine = self._machine
        try:
            will = self._presence.will()
            if self._save_session is not None:
                self._save_session(self._presence.session)
            ending = await self._network.attempt(
                protocol=self._protocol,
                session=self._presence.session,
                will=will,
                wanted=lambda: machine.epoch == epoch and machine.state is ConnectionState.CONNECTING,
                deliver=lambda link, report: self._deliver(epoch, link, report),
            )
        except Exception as error:
            # Whatever went wrong, ours or paho's, the machine hears of it: an attempt never ends in silence.
            self.log.failure("A connection attempt failed by a fault of this program")
            machine.lost(epoch, f"a fault of this program: {type(error).__name__}", self._monotonic())
            return
        self.metrics.threads_lost = self._network.threads_lost
        terminal = ending.terminal
        if self._settings.protocol == "auto" and ending.fallback:
            self._protocol = THREE_ONE_ONE if self._protocol == FIVE else FIVE
            terminal = False
        if ending.accepted:
            machine.lost(epoch, ending.reason, self._monotonic())
        else:
            machine.refused(epoch, ending.reason, self._monotonic(), terminal)

    def _deliver(self, epoch: int, link: NetworkLoop, report: LoopReport) -> None:
        """What one turn of the network thread brought."""
        machine = self._machine
        if epoch != machine.epoch:
            return
        if report.accepted is not None:
            self._receive_maximum = report.accepted.receive_maximum
            self.metrics.protocol = "5" if report.accepted.protocol == FIVE else "3.1.1"
            self._delivered = 0
            machine.connected(epoch, self._presence.session, self._monotonic())
        if machine.state is not ConnectionState.CONNECTED:
            return
        self.metrics.malformed += report.malformed
        if report.subscriptions_refused:
            self.metrics.subscriptions_refused += report.subscriptions_refused
            self.log.warn("The broker refused {count} subscriptions", count=report.subscriptions_refused)
        self._sender.report(report)
        for topic, payload, retained in report.messages:
            self._received(topic, payload, retained)
        if report.messages:
            self._delivered += len(report.messages)
            link.handled(self._delivered - self._subscriptions.pending)

    def _begin(self) -> None:
        """A session begins: birth, subscriptions, everything retained once more, then what waits."""
        link = self._network.link
        if link is None:
            return
        self._sender.begin(link, self._receive_maximum)
        own = [topic for topic in (self._settings.lwt_topic, self._settings.resay_topic) if topic]
        self._presence.birth()
        link.subscribe(list(dict.fromkeys([*own, *self._subscriptions.filters])))
        self._resay()
        self._sender.ready()

    def _resay(self) -> None:
        try:
            self._outbox.republish()
        except Exception:
            self.log.failure("The retained documents could not be said again")

    # --- what the broker says ---

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        self.metrics.received += 1
        settings = self._settings
        if topic == settings.lwt_topic:
            self._presence.heard(payload)
            self.metrics.wills_healed = self._presence.healed
        elif topic == settings.resay_topic and payload == b"online" and not retained:
            self._resay()
            self._sender.ready()
        self._subscriptions.dispatch(topic, payload)
        self.metrics.handler_failures = self._subscriptions.failures

    def _filters_changed(self, added: list[str], removed: list[str]) -> None:
        link = self._network.link
        if link is None or self.state is not ConnectionState.CONNECTED:
            return
        own = (self._settings.lwt_topic, self._settings.resay_topic)
        if added:
            link.subscribe(added)
        gone = [each for each in removed if each not in own]
        if gone:
            link.unsubscribe(gone)

    def _handlers_progressed(self) -> None:
        self.metrics.handler_failures = self._subscriptions.failures
        if self._network.link is not None:
            self._network.link.handled(self._delivered - self._subscriptions.pending)
