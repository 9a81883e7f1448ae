"""Adapter of paho-mqtt: one MQTT session on a given socket, with paho's callbacks as a queue of events.

The only module that imports paho. It is used as codec and protocol engine and nothing more: it opens no socket, owns no
thread, keeps no queue and decides no reconnect. What it does badly by itself is noted, with how it is avoided, at each
line below. Every attempt has a new client, so nothing of an earlier connection can be sent again without the outbox.
paho neither sends our messages nor reads their acknowledgements: :mod:`wire.mqtt` does, which is several times as fast,
and leaves paho no queue of its own to send again, drop or count wrongly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from paho.mqtt import client as paho  # noqa: TID251  this is the one place
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: TID251
from paho.mqtt.packettypes import PacketTypes  # noqa: TID251
from paho.mqtt.properties import Properties  # noqa: TID251
from paho.mqtt.reasoncodes import ReasonCode  # noqa: TID251

from twisted_detector.model import Message
from twisted_detector.mqtt.network.buffered_socket import MAX_INBOUND_PACKET, BufferedSocket, describe_error
from twisted_detector.mqtt.network.patience import Patiences
from twisted_detector.mqtt.network.will import WillLimits
from twisted_detector.mqtt.seams import Cause
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.wire import mqtt as wire

#: CONNACK codes (MQTT 5, 3.2.2.2; paho translates those of 3.1.1) that waiting a little does not cure.
_TERMINAL = {
    0x84: "the broker does not speak this version of MQTT",
    0x85: "the broker does not accept the client id",
    0x86: "wrong user name or password",
    0x87: "the broker does not authorize this client",
    0x8A: "the broker has banned this client",
    0x8C: "the broker does not accept this way of logging in",
}
_UNSUPPORTED_VERSION = 0x84
#: CONNACK codes of a broker that does not take our will as it is.
_RETAIN_REFUSED, _QOS_REFUSED = 0x9A, 0x9B

#: Of these, those by which a broker refuses who we are. What it asks for that (a password file, a database, Home
#: Assistant) may not be up yet, and then it says the same of a login that is right.
_OF_LOGIN = frozenset({0x85, 0x86, 0x87, 0x8C})

#: Reasons in a PUBACK (MQTT 5, 3.4.2.1) that are none of the message: unspecified, of the broker's implementation, of a
#: packet identifier, of a quota.
PASSING = frozenset({0x80, 0x83, 0x91, 0x97})

#: DISCONNECT (MQTT 5, 3.14.2.1): another client has connected with our client id.
_TAKEN_OVER = 0x8E
#: That, and others with which a broker ends a connection for nothing that we sent: busy, shutting down, no keepalive.
_NOTHING_OF_OURS = frozenset({0x89, 0x8B, 0x8D, _TAKEN_OVER})

#: The two versions of the protocol as CONNECT names them.
MQTT_3_1_1 = 4
MQTT_5 = 5

#: CONNACK of 3.1.1 with code 1, unacceptable protocol version: paho would try MQTT 3.1 by itself, or hide the code.
_CONNACK_VERSION_REFUSED = b"\x20\x02\x00\x01"

#: Packet identifiers of messages begin here: below it they are paho's, for SUBSCRIBE and UNSUBSCRIBE.
_FIRST_IDENTIFIER = 16_384

#: PINGREQ (MQTT 3.1.1, 3.12). Ours go past paho, which would send one only after a whole keepalive of silence.
_PINGREQ = b"\xc0\x00"


@dataclass(frozen=True, slots=True)
class Job:
    """Parameters of one connection attempt; ``protocol`` is :data:`MQTT_3_1_1` or :data:`MQTT_5`.

    ``client_id`` is that of the settings, or another one where that is in use.

    :ivar will_limits: what the broker takes of a will, as far as that is known.
    """

    settings: MqttSettings
    protocol: int
    session: int
    will: bytes | None
    addresses: tuple[tuple[int, Any], ...]
    client_id: str
    will_limits: WillLimits = field(default_factory=WillLimits)
    patience: Patiences = field(default_factory=Patiences)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt or a connection ended.

    :ivar accepted: whether there was a connection.
    :ivar fallback: whether an older version of MQTT may be the cure; ``will_limits``: whether these are.
    :ivar closed: whether the broker closed the connection, perhaps for what we sent (CONNECT, if it had not answered).
    :ivar address: at which somebody accepted TCP.
    """

    reason: str
    terminal: bool = False
    accepted: bool = False
    fallback: bool = False
    cause: Cause = Cause.OTHER
    will_limits: WillLimits | None = None
    closed: bool = False
    address: tuple[int, Any] | None = None


class _Client(paho.Client):
    """paho on a given socket. ``_create_socket`` is the one private name that is relied on; a test watches it."""

    given_socket: BufferedSocket

    def _create_socket(self) -> Any:
        return self.given_socket


class PahoSession:
    """One MQTT connection on one socket. Every call in the network thread.

    :ivar events: calls of paho's callbacks, the oldest at the left: ``("connack", code, properties)``,
        ``("message", message)``, ``("suback", mid, codes)``, ``("gone", flags, code)``.
    """

    def __init__(self, job: Job, sock: BufferedSocket) -> None:
        settings = job.settings
        self.events: deque[tuple[Any, ...]] = deque()
        self._packets: deque[tuple[int, bytes]] = deque()
        self._sent: list[tuple[int, int]] = []
        self._last = _FIRST_IDENTIFIER - 1
        self._sock = sock
        self._five = job.protocol == MQTT_5
        self._will_limits = job.will_limits if job.will is not None else None
        self._client = client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=job.client_id,
            clean_session=None if self._five else True,
            protocol=MQTTProtocolVersion(job.protocol),
            reconnect_on_failure=False,  # else paho connects anew, by itself, on some refusals
        )
        client.given_socket = sock
        if settings.username:
            client.username_pw_set(settings.username, settings.password.reveal() if settings.password else None)
        if job.will is not None:
            limits = job.will_limits
            client.will_set(settings.lwt_topic, job.will, qos=limits.qos, retain=limits.retain)
        note = self.events.append
        client.on_connect = lambda _client, _data, _flags, code, properties: note(("connack", code, properties))
        client.on_disconnect = lambda _client, _data, flags, code, _properties: note(("gone", flags, code))
        client.on_message = lambda _client, _data, message: note(("message", message))
        client.on_subscribe = lambda _client, _data, mid, codes, _properties: note(("suback", mid, codes))
        # Having this callback makes paho queue packets instead of writing each within publish().
        client.on_socket_register_write = lambda _client, _data, _sock: None
        properties = None
        if self._five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_INBOUND_PACKET
        client.connect_async(settings.host, settings.port, settings.keepalive, clean_start=True, properties=properties)

    def is_alive(self) -> bool:
        """Whether there is a connection."""
        return self.has_socket() and not self._sock.error

    def has_socket(self) -> bool:
        """Whether paho has the socket: there may be something to read although sending has failed."""
        return self._client.socket() is not None

    def connect(self) -> None:
        """Send CONNECT."""
        self._client.reconnect()

    def publish(self, message: Message) -> int:
        """Queue a PUBLISH; returns its packet identifier (with QoS 0 a number from the same range).

        :raises LocalError: the protocol has no room for it.
        """
        expiry = None
        if self._five and message.expires_after is not None:
            expiry = max(1, min(int(message.expires_after), 0xFFFFFFFF))
        self._last = self._last + 1 if self._last < 0xFFFF else _FIRST_IDENTIFIER
        self._packets.append(
            (
                self._last if message.qos == 0 else 0,
                wire.publish(
                    message.topic,
                    message.payload,
                    qos=message.qos,
                    retain=message.retain,
                    identifier=self._last,
                    five=self._five,
                    expiry=expiry,
                ),
            )
        )
        return self._last

    def subscribe(self, filters: Sequence[str], qos: int) -> int:
        """Queue a SUBSCRIBE for these filters; returns its packet identifier."""
        _, mid = self._client.subscribe([(each, qos) for each in filters])
        return mid or 0

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Queue an UNSUBSCRIBE."""
        self._client.unsubscribe(list(filters))

    def ping(self) -> None:
        """Buffer a PINGREQ. The socket gets whole packets only, so it cannot fall into the middle of one.

        Where so much waits that there is no room for two octets more, that itself is what the broker hears of us.
        """
        with suppress(BlockingIOError):
            self._sock.send(_PINGREQ)

    def read(self) -> None:
        """Read what the socket has, at most about as many packets as are unacknowledged."""
        self._client.loop_read()

    def acknowledgements(self) -> list[tuple[int, int]]:
        """``(packet identifier, reason code)`` of what was acknowledged, or, with QoS 0, passed to the socket."""
        taken = self._sock.acknowledged + self._sent
        self._sock.acknowledged = []
        self._sent = []
        return taken

    def write(self) -> None:
        """Pass queued packets to the socket: paho's first, they are few and short."""
        while self._client.want_write() and self.is_alive():
            before = self._sock.unsent
            self._client.loop_write()
            if self._sock.unsent == before:
                return
        packets = self._packets
        with suppress(BlockingIOError):
            while packets:
                identifier, packet = packets[0]
                self._sock.send(packet)
                packets.popleft()
                if identifier:
                    self._sent.append((identifier, 0))

    def keepalive(self) -> None:
        """paho's own keepalive; ours notices sooner, so it only fires when ours is wrong."""
        self._client.loop_misc()

    def puback_reason(self, code: int) -> str:
        """What the failure in a PUBACK means (MQTT 5, 3.4.2.1)."""
        try:
            name = ReasonCode(PacketTypes.PUBACK, identifier=code).getName().lower()
        except (KeyError, AssertionError):
            name = f"reason {code:#04x}"
        return f"the broker says: {name}"

    def disconnect(self) -> None:
        """Send DISCONNECT and close: the broker drops the will."""
        self._client.disconnect()
        self._client.loop_write()

    def close(self) -> None:
        """Close without DISCONNECT: the broker fires the will."""
        self._sock.close()

    def connack_ending(self, code: ReasonCode) -> Ending:
        """How an attempt ends with a CONNACK that reports failure."""
        words = _TERMINAL.get(code.value)
        is_version = code.value == _UNSUPPORTED_VERSION
        return Ending(
            words or f"the broker refused the connection: {code.getName().lower()}",
            terminal=words is not None,
            fallback=self._five and is_version,
            cause=Cause.LOGIN if code.value in _OF_LOGIN else Cause.TERMS if is_version else Cause.OTHER,
            will_limits=self._lower_limits(code.value),
        )

    def _lower_limits(self, code: int) -> WillLimits | None:
        """Limits for the next will when the broker refused this one for its QoS, or for being retained."""
        limits = self._will_limits
        if limits is None or code not in (_RETAIN_REFUSED, _QOS_REFUSED):
            return None
        return replace(limits, retain=False) if code == _RETAIN_REFUSED else replace(limits, qos=0)

    def ending(self, accepted: bool) -> Ending:
        """How the connection ended, from what paho and the socket report."""
        for kind, *details in self.events:
            if kind == "gone" and details[0].is_disconnect_packet_from_server and details[1] is not None:
                taken = accepted and details[1].value == _TAKEN_OVER
                return Ending(
                    f"the broker ended the connection: {details[1].getName().lower()}",
                    accepted=accepted,
                    cause=Cause.TAKEN_OVER if taken else Cause.OTHER,
                    closed=accepted and details[1].value not in _NOTHING_OF_OURS,
                )
        if not accepted and self._sock.first_octets == _CONNACK_VERSION_REFUSED:
            return Ending(_TERMINAL[_UNSUPPORTED_VERSION], terminal=True, fallback=self._five, cause=Cause.TERMS)
        fallback = self._five and not accepted
        if self._sock.error:
            reason, terminal = describe_error(self._sock.error)
            reset = accepted and isinstance(self._sock.error, (ConnectionResetError, BrokenPipeError))
            cause = Cause.CLOSED if reset else Cause.TERMS if terminal else Cause.OTHER
            closed = reset or isinstance(self._sock.error, ConnectionResetError)
            return Ending(reason, terminal, accepted, fallback and not terminal, cause, closed=closed)
        if self._sock.eof:
            when = "" if accepted else " instead of answering CONNECT"
            cause = Cause.CLOSED if accepted else Cause.OTHER
            reason = f"the broker closed the connection{when}"
            return Ending(reason, accepted=accepted, fallback=fallback, cause=cause, closed=True)
        return Ending("the broker sent what MQTT does not allow", accepted=accepted, fallback=fallback)


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's limits in its CONNACK; ``maximum_packet`` 0: none beyond the protocol's.

    :ivar maximum_qos: a PUBLISH with more ends the connection. :ivar retains: one with RETAIN does, unless this is so.
    :ivar wildcards: a SUBSCRIBE with one does, unless this is so.
    """

    receive_maximum: int
    maximum_packet: int
    protocol: int
    maximum_qos: int = 2
    retains: bool = True
    wildcards: bool = True


def connack_from(properties: Any, protocol: int) -> Connack:
    """The limits in the properties of a CONNACK (MQTT 5, 3.2.2.3)."""
    return Connack(
        int(getattr(properties, "ReceiveMaximum", 65535)),
        int(getattr(properties, "MaximumPacketSize", 0)),
        protocol,
        int(getattr(properties, "MaximumQoS", 2)),
        bool(getattr(properties, "RetainAvailable", 1)),
        bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
    )
