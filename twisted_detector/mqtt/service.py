"""Service for any Twisted program: one MQTT connection that comes back, and an outbox that loses no message.

    service = MqttService(reactor, MqttSettings(host="broker", client_id="kitchen"), state_dir=Path("state"))
    service.subscribe("kitchen/light/set", on_command)
    service.setServiceParent(application)
    service.publish_json("kitchen/temperature", {"celsius": 21.5})

It joins the connection with back-off and state machine, will and birth (``settings.lwt_topic``), the outbox on disk by
priority, the republishing of retained documents after every connect, restored subscriptions and metrics.
"""

from __future__ import annotations

import random as random_module
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import CamdetectError, Dropped, PublishError, QueueFull, Stopped
from twisted_detector.events import Event
from twisted_detector.interfaces import IPublisher, ISubscriber
from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, stamp_or_none
from twisted_detector.mqtt.client import MqttClient, MqttSettings
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.mqtt.outbox.receipt import Receipt
from twisted_detector.mqtt.presence import PresenceIdentity, presence_payload
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.store.store import Store

__all__ = ["MqttService", "MqttSettings"]

#: Messages that are accepted before the state on disk has been read (some milliseconds after the start).
MAX_EARLY = 1000


@implementer(IPublisher, ISubscriber)
class MqttService(Service):
    """Publisher and subscriber over one MQTT connection. On the reactor's thread only.

    :param reactor: Twisted's; from :func:`monotonic_reactor` when no jump of the wall clock shall
        hold up its timers (set back by an hour, an ordinary reactor reconnects and commits an hour later).
    :param state_dir: folder in which accepted messages survive the process; None: they are in memory only.
    :param store: instead of ``state_dir``: an open store that is shared, and closed by its owner.
    :param emit: called with every connection event.
    :param abandons: whether states of a topic that an earlier run left are not to be published again unless they are
        published anew.
    :ivar client: the connection, with its metrics and ``add_state_listener``.
    :ivar outbox: the queue of messages, with its figures.
    :ivar instance: random name of this process, as will and birth have it.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        settings: MqttSettings,
        *,
        state_dir: Path | None = None,
        store: Store | None = None,
        emit: Callable[[Event], None] = lambda _event: None,
        abandons: Callable[[str], bool] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._own_store = store is None and state_dir is not None
        self._store = Store(reactor, state_dir) if store is None and state_dir is not None else store
        self._abandons = abandons
        self.instance = instance = secrets.token_hex(6)

        def encode_presence(status: str, session: int, reason: str | None) -> bytes:
            return presence_payload(
                settings.node_id or settings.client_id,
                status,
                at=reactor.seconds(),
                session=session,
                reason=reason,
                service=settings.service,
                instance=instance,
            )

        limits = Limits(messages=settings.queue_size)
        self.outbox = Outbox(monotonic, wall=reactor.seconds, journal=self._store, limits=limits)
        self.client = MqttClient(
            reactor,
            settings=settings,
            outbox=self.outbox,
            presence=PresenceIdentity(encode_presence, instance, self._save_session),
            emit=emit,
            random=random,
            monotonic=monotonic,
        )
        self._early: list[tuple[Message, Receipt]] = []
        self._ready = False
        self._stopped = False
        self._starting: Deferred[None] | None = None

    # --- start and stop --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Restore the outbox from the disk, then connect."""
        super().startService()  # type: ignore[no-untyped-call]
        self._starting = Deferred.fromCoroutine(self.start())
        self._starting.addErrback(lambda failure: self.log.failure("MQTT could not be started", failure=failure))

    async def start(self) -> None:
        """As :meth:`startService`; returns when the outbox is restored and connecting has begun.

        :raises StateRefused: somebody else may write ``state_dir``, or planted a file in it.
        """
        if self._store is not None:
            if self._own_store:
                await self._store.open()
            records = await self._store.load_outbox()
            await self._store.load_retained(self.outbox.restore_document)
            session = (await self._store.load_values("session")).get("last", "0")
            self.outbox.restore(records)
            if self._abandons is not None:
                self.outbox.discard(self._abandons)
            self.client.resume(int(session) if session.isdecimal() else 0)
        self._ready = True
        early, self._early = self._early, []
        for message, receipt in early:
            try:
                self.outbox.put(message, receipt)
            except PublishError as error:  # the message fails, not the start
                receipt.fail(partial(type(error), error.what))
        if not self._stopped:
            self.client.startService()

    def stopService(self) -> Deferred[None]:
        """Publish ``offline``, send what is queued (bounded), disconnect; then close an own store."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self.stop())

    async def stop(self) -> None:
        """As :meth:`stopService`."""
        self._stopped = True
        if self._starting is not None:
            await self._starting
        if self.client.running:
            await self.client.stopService()
        self.outbox.stop()
        early, self._early = self._early, []
        for _, receipt in early:
            receipt.fail(Stopped)
        if self._own_store and self._store is not None:
            await self._store.close()

    def _save_session(self, number: int) -> None:
        if self._store is not None:
            # What the disk refuses is the store's to report; a number that is lost costs nothing.
            self._store.save_value("session", "last", str(number)).addErrback(
                lambda failure: failure.trap(CamdetectError) and None
            )

    # --- publishing ------------------------------------------------------------------------------------------------

    def publish(self, message: Message) -> Deferred[None]:
        """See :class:`IPublisher`."""
        if self._stopped:
            raise Stopped()
        if self._ready:
            return self.outbox.put(message).acknowledged
        early = Receipt()
        if len(self._early) < MAX_EARLY:
            self._early.append((message, early))
        elif message.priority is Priority.CRITICAL:
            raise QueueFull("too many messages before the start")
        else:
            early.fail(partial(Dropped, "too many messages before the start"))
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
        """Publish ``document`` as JSON with QoS 1; see :class:`model.Message` for the rest."""
        return self.publish(
            Message(topic, encode(document), retain=retain, priority=priority, expires_after=expires_after)
        )

    def subscribe(
        self,
        topic_filter: str,
        handler: Callable[[str, bytes], Awaitable[None] | None],
        *,
        retained: Callable[[str, bytes], Awaitable[None] | None] | None = None,
        only: TopicSet | None = None,
    ) -> Callable[[], None]:
        """See :class:`ISubscriber`; ``only``: see :meth:`Subscriptions.subscribe`."""
        return self.client.subscribe(topic_filter, handler, retained=retained, only=only)

    def republish(self, topics: Iterable[str]) -> None:
        """Publish the latest document of each of these retained topics again, though nothing has changed."""
        self.outbox.republish(topics)

    # --- state ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """State of the connection."""
        return self.client.state

    def add_state_listener(self, listener: Callable[[ConnectionChange], None]) -> Callable[[], None]:
        """Notify ``listener`` of every change of the connection; the returned function ends that."""
        return self.client.add_state_listener(listener)

    @property
    def degraded(self) -> str:
        """In plain words why messages are not as safe as they should be; "" when they are."""
        if self._store is not None and self._store.degraded:
            return self._store.degraded
        if self.client.state is not ConnectionState.CONNECTED:
            return f"MQTT is not connected: {self.client.reason}" if self.client.reason else "MQTT is connecting"
        return self.client.warning

    def document(self) -> dict[str, Any]:
        """The ``mqtt`` block of the health document."""
        figures = self.outbox.figures()
        metrics = self.client.metrics
        return metrics.snapshot() | {
            "reason": self.client.reason,
            "advice": self.client.advice,
            "warning": self.client.warning,
            "queue_depth": dict(figures.depth),
            "in_flight": figures.in_flight,
            "held": figures.held,
            "resay": figures.to_republish,
            "queued_bytes": figures.octets,
            "oldest_queued_s": round(figures.oldest_s, 3),
            "coalesced": figures.coalesced,
            "unchanged": figures.unchanged,
            "dropped": dict(figures.dropped),
            "connected_since": stamp_or_none(metrics.connected_since or 0.0),
            "success_rate": None if figures.success_rate is None else round(figures.success_rate, 6),
        }
