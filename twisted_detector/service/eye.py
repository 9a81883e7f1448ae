"""Composition of an eye: what listens on its links, the forwarder, and its connection to the broker.

No login, no database, no page, and nothing of what asks cameras is loaded: an eye is small, and holds nothing worth
stealing but its own key.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

from twisted_detector import __version__
from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.multicast.discoverer import MulticastSettings
from twisted_detector.discovery.neighbours.table import LOOKUP_PACKETS, KernelNeighbours
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.discovery.overhearing import PacketCapture
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.ssdp import SSDP
from twisted_detector.discovery.vendors.discoverer import VendorDiscovery
from twisted_detector.discovery.wsdiscovery.discoverer import WSDiscovery
from twisted_detector.errors import CamdetectError
from twisted_detector.model import Mac, Message, Sighting
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.eyes import EyeKey
from twisted_detector.mqtt.client import MqttClient
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.mqtt.presence import PresenceIdentity, presence_payload
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.operations.eyes.forwarder import Forwarder, Identity
from twisted_detector.service.eye_config import EyeConfig
from twisted_detector.wire.eyes.topics import EyeTopics
from twisted_detector.wire.vendors.catalog import PROTOCOLS

SERVICE = "camera_detector_eye"
#: Seconds between two signs of life.
ALIVE_INTERVAL = 60.0
#: Seconds between the first searches after an invitation: what is missed once (Wi-Fi power save) is found then.
INITIAL_PAUSE = 10.0
#: Reports that wait for the broker: a burst of them and a bit, at most four mebibytes; none is older than a minute.
LIMITS = Limits(messages=2_000, octets=4 * 1024 * 1024, retained=4, retained_octets=4_096)


def mqtt_settings(config: EyeConfig, key: EyeKey, topics: EyeTopics) -> MqttSettings:
    """The settings of the connection: those of the section ``mqtt`` that bear the same names there."""
    names = {each.name for each in fields(MqttSettings)} & {each.name for each in fields(config.mqtt)}
    given = {name: getattr(config.mqtt, name) for name in names - {"client_id"}}
    own = config.mqtt.client_id if "mqtt_client_id" in config.sources else f"camdetect-eye-{key.name}"
    return MqttSettings(
        host=config.mqtt.broker,
        client_id=own,
        lwt_topic=topics.lwt,
        node_id=key.name,
        service=SERVICE,
        republish_topic="",
        **given,
    )


class Connection:
    """Connection of an eye: its queue is in memory, and short.

    :ivar client: the connection itself.
    """

    def __init__(self, reactor: Any, settings: MqttSettings) -> None:
        instance = secrets.token_hex(6)

        def encode(status: str, session: int, reason: str | None) -> bytes:
            return presence_payload(
                settings.node_id,
                status,
                at=reactor.seconds(),
                session=session,
                reason=reason,
                service=settings.service,
                instance=instance,
            )

        self._outbox = Outbox(time.monotonic, wall=reactor.seconds, limits=LIMITS)
        self.client = MqttClient(
            reactor,
            settings=settings,
            outbox=self._outbox,
            presence=PresenceIdentity(encode, instance),
            emit=lambda _event: None,
            random=random.random,
            monotonic=time.monotonic,
        )

    @property
    def is_connected(self) -> bool:
        """Whether the broker has let us in."""
        return self.client.state is ConnectionState.CONNECTED

    def publish(self, message: Message) -> Deferred[None]:
        """See :class:`IPublisher`."""
        return self._outbox.put(message).acknowledged

    async def stop(self) -> None:
        """Say goodbye and disconnect."""
        if self.client.running:
            await self.client.stopService()
        self._outbox.stop()


class Searches:
    """Searches of an eye by all its discoverers: some in a row when its node invites it, and then now and then.

    :param interval: seconds between two of them in the long run; ``initial``: how many come first.
    """

    log = make_logger()

    def __init__(
        self, reactor: Any, discoverers: Sequence[Any], sink: Callable[[], Any], *, interval: float, initial: int
    ) -> None:
        self._reactor = reactor
        self._discoverers = discoverers
        self._sink = sink
        self._interval = interval
        self._initial = self._left = initial
        self._running: Deferred[Any] | None = None
        self._next: IDelayedCall | None = None
        self._stopped = False

    def begin(self) -> None:
        """Search now, and some times more in a row; a search that is under way is not doubled."""
        self._left = self._initial
        if self._running is None:
            self._cancel()
            self._search()

    def stop(self) -> Deferred[Any]:
        """Search no more; fires when the search under way has ended."""
        self._stopped = True
        self._cancel()
        running = self._running
        if running is None:
            return maybeDeferred(lambda: None)
        ended: Deferred[Any] = Deferred()
        running.addBoth(lambda _: ended.callback(None))
        running.cancel()
        return ended

    def _cancel(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _search(self) -> None:
        self._left -= 1
        sink = self._sink()
        searching = [Deferred.fromCoroutine(one.sweep(sink)).addErrback(self._failed, one) for one in self._discoverers]
        self._running = DeferredList(searching)
        self._running.addBoth(self._ended)

    def _ended(self, _: Any) -> None:
        self._running = None
        if not self._stopped:
            self._next = self._reactor.callLater(INITIAL_PAUSE if self._left > 0 else self._interval, self._search)

    def _failed(self, failure: Any, discoverer: Any) -> None:
        if failure.check(OSError, CamdetectError) is not None:
            self.log.warn(
                "The search by {method} failed: {error}", method=discoverer.name, error=failure.getErrorMessage()
            )
        elif not self._stopped:
            self.log.failure("The search by {method} failed", failure=failure, method=discoverer.name)


async def _no_mac(_: str) -> Mac | None:
    """MAC_TRACKING_ENABLED is off: no MAC is looked up, or reported."""
    return None


class Eye(Service):
    """Service of one eye.

    :param reactor: from :func:`monotonic_reactor`.
    :raises LocalError: settings of the connection that do not go together.
    """

    log = make_logger()

    def __init__(self, reactor: Any, config: EyeConfig) -> None:
        self._reactor = reactor
        (key,) = config.discovery.eye_keys
        self._name = key.name
        for warning in config.warnings:
            self.log.warn("{warning}", warning=warning)
        topics = EyeTopics(config.mqtt.topic_prefix, key.name)
        discovery = config.discovery
        limiter = PacketRateLimiter(discovery.scan_rate, time.monotonic, reactor)
        excluded = Exclusions(discovery.scan_exclude)
        self._neighbours = KernelNeighbours(
            reactor,
            excluded=excluded.__contains__,
            acquire=partial(limiter.acquire, by="neighbours.lookup", packets=LOOKUP_PACKETS),
        )
        common: dict[str, Any] = {
            "settings": MulticastSettings(listen=min(3.0, discovery.timeout)),
            "limiter": limiter,
        }
        made = (
            (discovery.onvif_enabled, lambda: WSDiscovery(reactor, self._neighbours, excluded=excluded, **common)),
            (discovery.mdns_enabled, lambda: MDNS(reactor, self._neighbours, **common)),
            (discovery.ssdp_enabled, lambda: SSDP(reactor, self._neighbours, **common)),
            (
                discovery.vendor_discovery_enabled,
                lambda: VendorDiscovery(reactor, self._neighbours, protocols=PROTOCOLS, excluded=excluded, **common),
            ),
        )
        discoverers = [make() for is_wanted, make in made if is_wanted]
        of_macs: tuple[Any, ...] = ()
        if discovery.mac_tracking_enabled:
            captures = (PacketCapture(kind, reactor, self._neighbours, excluded=excluded) for kind in ("dhcp", "arp"))
            of_macs = (*captures, NeighbourWatcher(reactor, self._neighbours))
        self._watchers = (*discoverers, *of_macs)
        self._has_macs = bool(of_macs)
        self._connection = Connection(reactor, mqtt_settings(config, key, topics))
        self._forwarder = Forwarder(
            Identity(key, topics, secrets.token_hex(16)),
            mac_of=self._neighbours.mac_of if self._has_macs else _no_mac,
            publish=self._connection.publish,
            monotonic=time.monotonic,
            invited=self._invited,
        )
        self._searches = Searches(
            reactor,
            discoverers,
            lambda: self._forwarder,
            interval=discovery.interval,
            initial=discovery.initial_count,
        )
        self._connection.client.subscribe(topics.invitation, self._forwarder.receive_invitation)
        self._alive = LoopingCall(self._say_alive)
        self._alive.clock = reactor
        self._told = False

    @property
    def methods(self) -> tuple[str, ...]:
        """By what it hears of devices."""
        return tuple(watcher.name for watcher in self._watchers)

    def startService(self) -> None:
        """Listen on the links, and connect.

        :raises OSError, LocalError: the kernel gives no netlink socket, or this is not Linux.
        """
        super().startService()  # type: ignore[no-untyped-call]
        self._neighbours.start()
        for watcher in self._watchers:
            try:
                watcher.startWatching(self._forwarder)
            except Exception:
                self.log.failure("{watcher} cannot listen", watcher=watcher.name)
        self.log.info("The eye {name} listens: {methods}", name=self._name, methods=", ".join(self.methods))
        self._alive.start(ALIVE_INTERVAL, now=False)
        self._connection.client.startService()

    def stopService(self) -> Deferred[None]:
        """Stop listening, say goodbye, disconnect."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._alive.running:
            self._alive.stop()
        self._forwarder.stop()
        await DeferredList(
            [self._searches.stop(), *(maybeDeferred(watcher.stopWatching) for watcher in self._watchers)],
            consumeErrors=True,
        )
        await self._connection.stop()
        self._neighbours.stop()

    def _say_alive(self) -> None:
        self._forwarder.say_alive(__version__)
        if not self._forwarder.is_invited and not self._told and self._connection.is_connected:
            self._told = True
            self.log.warn(
                "No node has invited this eye: the camdetect that is to hear it must be at this broker, with the same"
                " MQTT_TOPIC_PREFIX, and have this eye's line in EYE_KEYS"
            )

    def _invited(self) -> None:
        """A node listens that knows nothing yet."""
        self._forwarder.say_alive(__version__)
        now = self._reactor.seconds()
        for address, mac in self._neighbours.known().items() if self._has_macs else ():
            self._forwarder.sighted(Sighting("neighbours", address, now, mac=mac))
        self._searches.begin()
