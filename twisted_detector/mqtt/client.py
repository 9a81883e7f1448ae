"""Service of one MQTT connection: it carries out what the connection machine decides, and joins the room's parts.

This is the reactor's side. The network thread is :mod:`mqtt.network.loop`; paho is in :mod:`mqtt.network.paho_session`
only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, TimeoutError as DeferredTimeout
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import ConnectionEvent, Event
from twisted_detector.interfaces import ISubscriber
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.advice import advice
from twisted_detector.mqtt.connection.connection import make_connection
from twisted_detector.mqtt.connection.experience import USED_TWICE
from twisted_detector.mqtt.metrics import ConnectionLog, MqttMetrics
from twisted_detector.mqtt.network.attempts import AttemptRunner
from twisted_detector.mqtt.network.buffered_socket import MAX_INBOUND_PACKET
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.network.paho_session import MQTT_3_1_1, MQTT_5, Connack, Ending
from twisted_detector.mqtt.opening import Opening
from twisted_detector.mqtt.presence import Presence, PresenceIdentity
from twisted_detector.mqtt.seams import (
    Cause,
    ConnectionChange,
    ConnectionState,
    ConnectionTimer,
    IConnectionActions,
    IOutbox,
)
from twisted_detector.mqtt.sender import OutboxSender
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.mqtt.subscriptions import Subscriptions

__all__ = ["MqttClient", "MqttMetrics", "MqttSettings"]

#: Topics of messages that were too large for us and that the log names, and characters of each.
MAX_NAMED, MAX_SHOWN = 16, 200

#: A connection that the broker closed within so many seconds was taken over, when another daemon with our NODE_ID is
#: known to be there: as long as that one may have waited before it came back.
CONTESTED = 75.0

#: Seconds that a stop grants the network thread to send DISCONNECT, after the broker had its time.
DISCONNECT_TIMEOUT = 1.0


@implementer(ISubscriber, IConnectionActions)
class MqttClient(Service):
    """Keeps one MQTT connection and sends what the outbox holds. On the reactor's thread only.

    :param presence: who says on ``settings.lwt_topic`` that he is there: will, birth, clean end.
    :param emit: called with every ConnectionEvent: connected, disconnected, failed.
    :param random: gives a number in [0, 1), for the jitter.
    :param monotonic: seconds of a clock that never jumps.
    :param runner_factory: makes the runner of attempts; in tests one with doubles.
    :ivar metrics: figures for the health document.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        settings: MqttSettings,
        outbox: IOutbox,
        presence: PresenceIdentity,
        emit: Callable[[Event], None],
        random: Callable[[], float],
        monotonic: Callable[[], float],
        runner_factory: Callable[..., AttemptRunner] = AttemptRunner,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._outbox = outbox
        self._emit = emit
        self._monotonic = monotonic
        self._identity = presence
        self.metrics = MqttMetrics()
        self._machine = make_connection(self, settings, random)
        self._sender = OutboxSender(reactor, outbox=outbox, window=settings.window, metrics=self.metrics)
        self._presence = Presence(
            settings.lwt_topic, presence.encode, self._sender.send_first, instance=presence.instance
        )
        self._runner = runner_factory(reactor, settings=settings, monotonic=monotonic)
        self._subscriptions = Subscriptions(
            reactor,
            on_filters_changed=lambda added, removed: self._opening.change(added, removed),
            on_progress=self._handlers_progressed,
            standing=[topic for topic in (settings.lwt_topic, settings.republish_topic) if topic],
        )
        self._opening = Opening(
            reactor,
            self._subscriptions,
            birth=self._presence.begin,
            birth_topic=settings.lwt_topic,
            flow=self._flow,
        )
        self._named: set[str] = set()
        self._listeners: Observers[[ConnectionChange]] = Observers("a change of the MQTT connection")
        self._timers: dict[ConnectionTimer, Any] = {}
        self._protocol = MQTT_3_1_1 if settings.protocol == "3.1.1" else MQTT_5
        self._attempting: Deferred[None] | None = None
        self._limits = Connack(65535, 0, self._protocol)
        self._delivered = 0
        self._accepted_at = 0.0
        self._was_closed = False
        self._makes_room = False
        self._alias_refused = False
        self._log = ConnectionLog(settings)

    @property
    def state(self) -> ConnectionState:
        """State of the connection."""
        return self._machine.state

    @property
    def reason(self) -> str:
        """Why it is not connected, in plain words; "" when it is."""
        return self._machine.reason

    @property
    def advice(self) -> str:
        """What to do about :attr:`reason`, settings named; "" for nothing."""
        return advice(self.reason, self._settings)

    @property
    def warning(self) -> str:
        """What is not as it should be although there may be a connection, in plain words; "" for nothing."""
        now = self._monotonic()
        rival = self._presence.rival(now)
        if not rival:
            if left_out := "; ".join(filter(None, (self._opening.warning, self._runner.warning))):
                return left_out
            lost = self.metrics.last_disconnect_reason
            new = self.state is ConnectionState.CONNECTED and now - self._accepted_at < CONTESTED
            return lost if new and USED_TWICE in lost and not self._makes_room else ""
        return (
            f"another daemon with the same NODE_ID is at this broker (instance {rival!r}, this one is"
            f" {self._presence.instance!r}): give each its own NODE_ID"
        )

    def add_state_listener(self, listener: Callable[[ConnectionChange], None]) -> Callable[[], None]:
        """Notify ``listener`` of every change; see :class:`Observers`."""
        return self._listeners.add(listener)

    def subscribe(
        self,
        topic_filter: str,
        handler: Callable[[str, bytes], Awaitable[None] | None],
        *,
        retained: Callable[[str, bytes], Awaitable[None] | None] | None = None,
        only: TopicSet | None = None,
    ) -> Callable[[], None]:
        return self._subscriptions.subscribe(topic_filter, handler, retained=retained, only=only)

    def resume(self, session: int) -> None:
        """Continue after session number ``session``, the last of an earlier run; before the start only."""
        self._presence.resume(session)
        self.metrics.session = session

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
        """Publish ``offline``, send what is queued (bounded), disconnect, join the thread: less than 4 s in all."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self.state is ConnectionState.CONNECTED:
            waits: list[Deferred[None]] = [self._sender.drained()]
            goodbye = self._presence.publish_goodbye()
            if goodbye is not None:
                waits.append(goodbye)
            await self._within(self._settings.stop_timeout, DeferredList(waits, consumeErrors=True))
        self._machine.stop(self._monotonic())
        if self._attempting is not None:
            await self._within(DISCONNECT_TIMEOUT, self._attempting)
        self._sender.stop()
        self._runner.stop()

    async def _within(self, seconds: float, waiting: Deferred[Any]) -> None:
        """Wait for ``waiting``, whatever its result, at most ``seconds``; it is not cancelled."""
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

    # --- IConnectionActions: what the machine has done ---

    def attempt(self, epoch: int) -> None:
        self._attempting = Deferred.fromCoroutine(self._attempt(epoch))

    def abandon(self, epoch: int) -> None:
        self._runner.close()

    def schedule(self, timer: ConnectionTimer, delay: float) -> None:
        self.cancel(timer)
        self._timers[timer] = self._reactor.callLater(delay, self._expired, timer)

    def cancel(self, timer: ConnectionTimer) -> None:
        call = self._timers.pop(timer, None)
        if call is not None:
            call.cancel()

    def _expired(self, timer: ConnectionTimer) -> None:
        del self._timers[timer]
        self._machine.timer_expired(timer, self._monotonic())

    def notify(self, change: ConnectionChange) -> None:
        self.metrics.changed(change, self._reactor.seconds())
        self._log.record(change, stopping=not self.running)
        if change.event == "connected":
            self._begin_session()
        elif change.event == "disconnected":
            self._opening.lost(closed=self._was_closed)
            self._sender.detach()
            self._subscriptions.pacer.detach(closed=self._was_closed)
        self._listeners.notify(change)
        if change.event in ("connected", "disconnected", "failed"):
            self._emit_event(change)

    def _emit_event(self, change: ConnectionChange) -> None:
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
            self.log.failure("A connection event could not be reported")

    # --- one attempt ---

    async def _attempt(self, epoch: int) -> None:
        machine = self._machine
        client_id = self._choose_client_id()
        try:
            will = self._presence.next_will(self._monotonic())
            self._identity.save_session(self._presence.session)
            ending = await self._runner.attempt(
                protocol=self._protocol,
                session=self._presence.session,
                will=will,
                wanted=lambda: machine.epoch == epoch and machine.state is ConnectionState.CONNECTING,
                deliver=lambda loop, report: self._deliver(epoch, loop, report),
                client_id=client_id,
            )
        except Exception:
            # Whatever went wrong, the fault ours or paho's, the machine gets a report: else it would wait for one.
            self.log.failure("A connection attempt failed because of an internal error")
            machine.ended(epoch, "an internal error of camdetect; see its log", self._monotonic())
            return
        self.metrics.threads_lost = self._runner.threads_lost
        if self._settings.protocol == "auto" and ending.fallback:
            self._protocol = MQTT_3_1_1 if self._protocol == MQTT_5 else MQTT_5
            ending = replace(ending, terminal=False)
        ending = self._consider_rival(ending, client_id)
        self._was_closed = ending.closed
        machine.ended(epoch, ending.reason, self._monotonic(), ending.terminal, ending.cause)

    def _choose_client_id(self) -> str:
        """Ours; or ours with this process' name behind it, while a later daemon uses ours.

        A second id, and not a long wait: each attempt with the same one would throw the other off, once a minute for
        ever, and whatever either has to say would come late. With two both are heard, both say what is wrong, and
        nothing is lost until the operator gives one of them another NODE_ID. Then it is ours again.
        """
        self._makes_room = self._makes_room and self._presence.yields(self._monotonic())
        ours = self._settings.client_id
        return f"{ours}-{self._presence.instance[:6]}" if self._makes_room else ours

    def _consider_rival(self, ending: Ending, client_id: str) -> Ending:
        """``ending``, with what is known of another daemon that has our NODE_ID."""
        now = self._monotonic()
        if client_id != self._settings.client_id:
            if ending.cause is not Cause.LOGIN:
                return ending
            # Rights by client id: we have to share the one that we have, and wait long between attempts.
            self._alias_refused = True
            self._makes_room = False
            return replace(ending, terminal=False, cause=Cause.OTHER, reason=f"{ending.reason} as {client_id}")
        if ending.cause is Cause.CLOSED and self._presence.rival(now) and now - self._accepted_at < CONTESTED:
            ending = replace(ending, cause=Cause.TAKEN_OVER)
        if ending.cause is Cause.TAKEN_OVER and not self._alias_refused:
            self._makes_room = self._presence.yields(now)
        return ending

    def _deliver(self, epoch: int, loop: NetworkLoop, report: LoopReport) -> None:
        """Receive the report of one turn of the network thread."""
        machine = self._machine
        if epoch != machine.epoch:
            return
        if report.connack is not None:
            self._limits = report.connack
            self.metrics.protocol = "5" if report.connack.protocol == MQTT_5 else "3.1.1"
            self._delivered, self._accepted_at, self._was_closed = 0, self._monotonic(), False
            machine.connected(epoch, self._presence.session, self._monotonic())
        if machine.state is not ConnectionState.CONNECTED:
            return
        self.metrics.malformed += report.malformed
        for topic in report.too_large:
            self._count_too_large(topic)
        self._sender.receive(report)
        if report.subscribed:
            self.metrics.subscriptions_refused += len(report.filters_refused)
            self._opening.answered(report.subscribed, report.filters_refused)
            self._subscriptions.pacer.answered(report.subscribed)
        for topic, payload, retained in report.messages:
            self._received(topic, payload, retained)
        if report.messages:
            self._delivered += len(report.messages)
            loop.handled(self._delivered - self._subscriptions.pending)

    def _begin_session(self) -> None:
        """Send subscriptions, birth, every remembered document, then what waits."""
        loop = self._runner.loop
        if loop is not None:
            self._sender.attach(loop, self._limits.receive_maximum, own_only=self._opening.is_cautious)
            self._opening.begin(loop, takes_wildcards=self._limits.wildcards)

    def _flow(self, loop: NetworkLoop) -> None:
        """What a connection begins with has been sent: now all else."""
        self._subscriptions.pacer.attach(loop)
        self._republish()
        self._sender.release()

    def _republish(self) -> None:
        try:
            self._outbox.republish()
        except Exception:
            self.log.failure("The retained documents could not be published again")

    # --- what the broker sends ---

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        self.metrics.received += 1
        settings = self._settings
        if topic == settings.lwt_topic:
            self._presence.receive(payload, retained=retained, now=self._monotonic())
            self.metrics.wills_healed = self._presence.healed
        elif topic == settings.republish_topic and payload == b"online" and not retained:
            self._republish()
            self._sender.schedule()
        self._subscriptions.dispatch(topic, payload, retained=retained)
        self.metrics.handler_failures = self._subscriptions.failures

    def _count_too_large(self, topic: str) -> None:
        """Count a message that was passed over; the log has each topic once, and not more than there is use for."""
        self.metrics.too_large += 1
        if topic in self._named or len(self._named) > MAX_NAMED:
            return
        self._named.add(topic)
        if len(self._named) > MAX_NAMED:
            self.log.warn("There are more such topics; from now on they are only counted (too_large)")
            return
        self.log.warn(
            "A message on {topic} has more than {most} bytes and was passed over, unread; if it is retained it comes "
            "again with every connection: remove it with an empty retained message",
            topic=repr(topic[:MAX_SHOWN]),
            most=MAX_INBOUND_PACKET,
        )

    def _handlers_progressed(self) -> None:
        self.metrics.handler_failures = self._subscriptions.failures
        if self._runner.loop is not None:
            self._runner.loop.handled(self._delivered - self._subscriptions.pending)
