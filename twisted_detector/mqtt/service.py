"""Settings go in; a service comes out that keeps an MQTT connection and loses no message, for any Twisted program.

    service = MqttService(reactor, MqttSettings(host="broker", client_id="kitchen"), state_dir=Path("state"))
    service.subscribe("kitchen/light/set", on_command)
    service.setServiceParent(application)
    service.publish_json("kitchen/temperature", {"celsius": 21.5})

What it does for you: connection with back-off and a state machine, will and birth (``settings.lwt_topic``), an outbox
on disk by priority, retained documents said again after every connect, subscriptions restored, metrics.
"""

from __future__ import annotations

import random as random_module
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import PublishError, QueueFull, Stopped
from twisted_detector.events import Event
from twisted_detector.interfaces import IPublisher, ISubscriber
from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, stamp_or_none
from twisted_detector.mqtt.client import MqttClient, MqttSettings
from twisted_detector.mqtt.connection.connection import make_connection
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.mqtt.outbox.receipt import Receipt
from twisted_detector.mqtt.presence import SERVICE, presence
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.store.store import Store

__all__ = ["MqttService", "MqttSettings"]

#: Messages that are taken before the state on disk has been read (some milliseconds after the start).
MAX_EARLY = 1000


@implementer(IPublisher, ISubscriber)
class MqttService(Service):
    """One MQTT connection with everything around it. On the reactor's thread only.

    :param reactor: Twisted's; from :func:`monotonic_reactor` when no jump of the wall clock shall
        hold up its timers (set back by an hour, an ordinary reactor reconnects and commits an hour later).
    :param state_dir: where messages that were accepted survive the process; None: in memory only.
    :param store: instead of ``state_dir``: an open store that is shared, and closed by its owner.
    :param node_id: stands in will and birth; the client id when it is not given.
    :param service: stands there too.
    :param emit: told every connection event.
    :param queue_size: messages that are kept while the broker is away.
    :ivar mqtt: the connection, with its metrics and ``add_state_listener``.
    :ivar outbox: what waits, with its figures.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        settings: MqttSettings,
        *,
        state_dir: Path | None = None,
        store: Store | None = None,
        node_id: str = "",
        service: str = SERVICE,
        emit: Callable[[Event], None] = lambda _event: None,
        queue_size: int = 50_000,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._own_store = store is None and state_dir is not None
        self._store = Store(reactor, state_dir) if store is None and state_dir is not None else store
        node = node_id or settings.client_id

        def say(status: str, session: int, reason: str | None) -> bytes:
            return presence(node, status, at=reactor.seconds(), session=session, reason=reason, service=service)

        self.outbox = Outbox(monotonic, wall=reactor.seconds, journal=self._store, limits=Limits(messages=queue_size))
        self.mqtt = MqttClient(
            reactor,
            settings=settings,
            outbox=self.outbox,
            presence=say,
            connection=make_connection,
            emit=emit,
            random=random,
            monotonic=monotonic,
            save_session=self._save_session if self._store is not None else None,
        )
        self._early: list[tuple[Message, Receipt]] = []
        self._ready = False
        self._stopped = False
        self._starting: Deferred[None] | None = None

    # --- start and stop --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Read what an earlier life left behind, then connect."""
        super().startService()  # type: ignore[no-untyped-call]
        self._starting = Deferred.fromCoroutine(self.start())
        self._starting.addErrback(lambda failure: self.log.failure("MQTT could not be started", failure=failure))

    async def start(self) -> None:
        """As :meth:`startService`, and returns when what was left behind is in the outbox and connecting has begun."""
        if self._store is not None:
            if self._own_store:
                await self._store.open()
            records, retained = await self._store.load_outbox()
            session = (await self._store.load_values("session")).get("last", "0")
            self.outbox.restore(records, retained)
            self.mqtt.resume(int(session) if session.isdecimal() else 0)
        self._ready = True
        early, self._early = self._early, []
        for message, receipt in early:
            self._put_early(message, receipt)
        if not self._stopped:
            self.mqtt.startService()

    def stopService(self) -> Deferred[None]:
        """Say ``offline``, send what is queued (bounded), disconnect; then close an own store."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self.stop())

    def _put_early(self, message: Message, early: Receipt) -> None:
        try:
            receipt = self.outbox.put(message)
        except PublishError as error:  # its own fate, not that of the start
            early.fail(partial(type(error), error.what))
            return
        # Through a receipt and not Deferred to Deferred: a failure that nobody looks at is not an unhandled one.
        receipt.acknowledged.addCallbacks(
            lambda _: early.acknowledge(), lambda failure: early.fail(lambda: failure.value)
        )

    async def stop(self) -> None:
        """As :meth:`stopService`."""
        self._stopped = True
        if self._starting is not None:
            await self._starting
        if self.mqtt.running:
            await self.mqtt.stopService()
        self.outbox.stop()
        early, self._early = self._early, []
        for _, receipt in early:
            receipt.fail(Stopped)
        if self._own_store and self._store is not None:
            await self._store.close()

    def _save_session(self, number: int) -> None:
        if self._store is not None:
            self._store.save_value("session", "last", str(number))

    # --- publishing ------------------------------------------------------------------------------------------------

    def publish(self, message: Message) -> Deferred[None]:
        """See :class:`IPublisher`."""
        if self._stopped:
            raise Stopped()
        if self._ready:
            return self.outbox.put(message).acknowledged
        if len(self._early) >= MAX_EARLY:
            raise QueueFull("too many messages before the start")
        early = Receipt()
        self._early.append((message, early))
        return early.acknowledged

    def publish_json(
        self,
        topic: str,
        document: Mapping[str, Any],
        *,
        retain: bool = False,
        priority: Priority = Priority.EVENT,
        expires_after: float | None = None,
    ) -> Deferred[None]:
        """Publish ``document`` as JSON with QoS 1; see :class:`model.DnsMessage` for the rest."""
        return self.publish(
            Message(topic, encode(document), retain=retain, priority=priority, expires_after=expires_after)
        )

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], Awaitable[None] | None]
    ) -> Callable[[], None]:
        """See :class:`ISubscriber`."""
        return self.mqtt.subscribe(topic_filter, handler)

    def republish(self, topics: Iterable[str]) -> None:
        """Say what was said last on these retained topics once more, though nothing has changed."""
        self.outbox.republish(topics)

    # --- how it stands ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """How the connection stands."""
        return self.mqtt.state

    def add_state_listener(self, listener: Callable[[ConnectionChange], None]) -> Callable[[], None]:
        """Tell ``listener`` every change of the connection; the returned function ends that."""
        return self.mqtt.add_state_listener(listener)

    @property
    def degraded(self) -> str:
        """In plain words what keeps messages from being as safe as they should be; "" when nothing does."""
        if self._store is not None and self._store.degraded:
            return self._store.degraded
        if self.mqtt.state is not ConnectionState.CONNECTED:
            return f"MQTT is {self.mqtt.state.value}: {self.mqtt.reason}" if self.mqtt.reason else "MQTT is connecting"
        return ""

    def document(self) -> dict[str, Any]:
        """The ``mqtt`` block of the health document."""
        figures = self.outbox.figures()
        block = self.mqtt.metrics.snapshot()
        # What coalesced into newer state was not lost: the newer one says it all.
        lost = sum(count for reason, count in figures.dropped.items() if reason != "replaced")
        answered = figures.acknowledged + lost
        return block | {
            "queue_depth": dict(figures.depth),
            "in_flight": figures.in_flight,
            "held": figures.held,
            "resay": figures.resay,
            "queued_bytes": figures.octets,
            "oldest_queued_s": round(figures.oldest_s, 3),
            "coalesced": figures.coalesced,
            "unchanged": figures.unchanged,
            "dropped": dict(figures.dropped),
            "connected_since": stamp_or_none(self.mqtt.metrics.connected_since or 0.0),
            "success_rate": round(figures.acknowledged / answered, 6) if answered else 1.0,
        }
