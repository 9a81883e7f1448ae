"""A script goes in; an MQTT 3.1.1 broker that misbehaves by it, and a record of what it was told, come out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import Factory, Protocol

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13

#: A packet that announces more is not ours.
MAX_PACKET = 1_048_576


@dataclass
class Script:
    """What it does; may be changed while connections stand. Seconds.

    :ivar connack: after so long; None: never. :ivar code: of the CONNACK (MQTT 3.1.1, 3.2.2.3).
    :ivar greeting: bytes that are sent before anything is heard, as a web server's. :ivar answer: instead of CONNACK.
    :ivar acknowledge: PUBLISH with PUBACK. :ivar acknowledge_after: so late.
    :ivar pong: PINGREQ with PINGRESP. :ivar lifetime: then the connection is reset; 0: never.
    :ivar closes_for: topics and filters; who publishes or subscribes to one is thrown off without a word.
    :ivar read_rate: bytes per second that are read at most; 0: all.
    :ivar garbage: bytes that are said after the first PUBLISH.
    :ivar large: remaining length of a message that is begun after the first PUBLISH; 0: none. ``large_octets`` of it
        are sent in ``large_seconds``, and until they have gone nothing else is, as a broker must.
    """

    connack: float | None = 0.0
    code: int = 0
    greeting: bytes = b""
    answer: bytes = b""
    acknowledge: bool = True
    acknowledge_after: float = 0.0
    pong: bool = True
    lifetime: float = 0.0
    closes_for: tuple[str, ...] = ()
    read_rate: float = 0.0
    garbage: bytes = b""
    large: int = 0
    large_octets: int = 0
    large_seconds: float = 0.0


@dataclass
class Record:
    """What it heard; ``published``: topic, payload, DUP in the order of arrival, repetitions included."""

    published: list[tuple[str, bytes, bool]] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    taken_over: int = 0


class _Session(Protocol):
    client_id = ""

    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.script = broker.script
        self._buffer = b""
        self._calls: list[Any] = []
        self._large_left = 0
        self._held = b""
        self._dawdled = False

    @property
    def dawdling(self) -> bool:
        """In the middle of a large message."""
        return self._large_left > 0

    def _say(self, data: bytes) -> None:
        """Send it, behind a large message if one is under way."""
        if self._dawdled and (self._large_left or self.script.large > self.script.large_octets):
            self._held += data
        else:
            self.transport.write(data)

    def _begin_large(self) -> None:
        script = self.script
        length = bytes(script.large >> 7 * n & 0x7F | (0x80 if n < 3 else 0) for n in range(4))
        head = bytes((PUBLISH << 4 | 2,)) + length + b"\x00\x05f/big\x00\x07"
        self.transport.write(head)
        self._dawdled = True
        self._large_left = script.large_octets - 9
        self._dawdle(max(1, self._large_left // round(script.large_seconds / 0.1)))

    def _dawdle(self, step: int) -> None:
        self.transport.write(bytes(min(step, self._large_left)))
        self._large_left -= min(step, self._large_left)
        if self._large_left:
            self._later(0.1, self._dawdle, step)
        elif self.script.large == self.script.large_octets:
            held, self._held = self._held, b""
            self.transport.write(held)

    def connectionMade(self) -> None:
        self.broker.sessions.add(self)
        if self.script.greeting:
            self.transport.write(self.script.greeting)

    def connectionLost(self, reason: Any) -> None:
        self.broker.sessions.discard(self)
        for call in self._calls:
            if call.active():
                call.cancel()

    def _later(self, delay: float, function: Any, *arguments: Any) -> None:
        if delay:
            self._calls = [call for call in self._calls if call.active()]
            self._calls.append(self.broker.reactor.callLater(delay, function, *arguments))
        else:
            function(*arguments)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if self.script.read_rate:
            self.transport.pauseProducing()
            self._later(len(data) / self.script.read_rate, self.transport.resumeProducing)
        while (packet := self._packet()) is not None:
            self._heard(*packet)

    def _packet(self) -> tuple[int, int, bytes] | None:
        """Type, flags and content of the next packet (MQTT 3.1.1, 2.2)."""
        length, shift, at = 0, 0, 1
        while True:
            if at >= len(self._buffer):
                return None
            octet = self._buffer[at]
            length |= (octet & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not octet & 0x80:
                break
        assert length <= MAX_PACKET, "no client of ours sends that"
        if len(self._buffer) < at + length:
            return None
        first, content = self._buffer[0], self._buffer[at : at + length]
        self._buffer = self._buffer[at + length :]
        return first >> 4, first & 0x0F, content

    def _heard(self, kind: int, flags: int, content: bytes) -> None:
        if kind == CONNECT:
            size = int.from_bytes(content[10:12], "big")
            self._connect(content[12 : 12 + size].decode())
        elif kind == PUBLISH:
            size = int.from_bytes(content[:2], "big")
            topic, rest = content[2 : 2 + size].decode(), content[2 + size :]
            if topic in self.script.closes_for:
                self.transport.loseConnection()
                return
            if flags & 6:
                identifier, rest = rest[:2], rest[2:]
                if self.script.acknowledge:
                    self._later(self.script.acknowledge_after, self._say, bytes((PUBACK << 4, 2)) + identifier)
            self.broker.record.published.append((topic, rest, bool(flags & 8)))
            if self.script.garbage:
                self.transport.write(self.script.garbage)
            if self.script.large and not self._dawdled:
                self._begin_large()
        elif kind == SUBSCRIBE:
            filters = list(_filters(content[2:]))
            if any(each in self.script.closes_for for each in filters):
                self.transport.loseConnection()
                return
            self.transport.write(bytes((SUBACK << 4, 2 + len(filters))) + content[:2] + b"\x01" * len(filters))
        elif kind == PINGREQ and self.script.pong:
            self._say(bytes((PINGRESP << 4, 0)))

    def _connect(self, client_id: str) -> None:
        self.client_id = client_id
        self.broker.record.connects.append(client_id)
        for other in tuple(self.broker.sessions):
            if other is not self and other.client_id == client_id:  # MQTT 3.1.1, 3.1.4-2
                self.broker.record.taken_over += 1
                other.transport.loseConnection()
        script = self.script
        if script.connack is not None:
            answer = script.answer or bytes((CONNACK << 4, 2, 0, script.code))
            self._later(script.connack, self.transport.write, answer)
            if script.code:
                self._later(script.connack + 0.01, self.transport.loseConnection)
        if script.lifetime:
            self._later(script.lifetime, self.transport.abortConnection)


def _filters(content: bytes) -> Iterator[str]:
    """The filters of a SUBSCRIBE (MQTT 3.1.1, 3.8.3), each with its QoS behind it."""
    while content:
        size = int.from_bytes(content[:2], "big")
        yield content[2 : 2 + size].decode()
        content = content[3 + size :]


class FakeBroker:
    """Listens on a port of its own. :ivar script: for connections to come. :ivar record: what it heard."""

    def __init__(self, reactor: Any, script: Script | None = None) -> None:
        self.reactor = reactor
        self.script = script or Script()
        self.record = Record()
        self.sessions: set[_Session] = set()
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda _address: _Session(self)  # type: ignore[method-assign,assignment]
        self._listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.port: int = self._listening.getHost().port

    def reset(self) -> None:
        """RST to everybody."""
        for session in tuple(self.sessions):
            session.transport.abortConnection()

    async def stop(self) -> None:
        """Close everything."""
        self.reset()
        await maybeDeferred(self._listening.stopListening)
