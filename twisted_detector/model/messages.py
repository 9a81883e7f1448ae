"""MQTT messages: as outputs make them, and as records of the outbox's journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from twisted_detector.errors import LocalError


class Priority(IntEnum):
    """Order in which queued messages leave; lower leaves first, FIFO within one class."""

    CRITICAL = 0
    STATE = 1
    EVENT = 2
    TELEMETRY = 3


#: MQTT 3.1.1 section 1.5.3: a UTF-8 string has at most 65 535 bytes.
MAX_TOPIC_BYTES = 65_535

#: MQTT 3.1.1 section 2.2.3: remaining length is at most 268 435 455; the topic and its length come off it.
MAX_PAYLOAD_BYTES = 268_435_455 - MAX_TOPIC_BYTES - 4


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message to be published.

    :ivar qos: 0 or 1. QoS 2 is refused: with many in flight at a reconnect, paho and mosquitto reconnect for ever.
    :ivar retain: the message is the *state* of its topic: a newer one replaces it in the outbox.
    :ivar expires_after: seconds after which it is not worth publishing, None for never.
    :ivar durable: it is on the disk until the broker has it. False for what is made anew at each start and replaced a
        minute later: on a board's card that would be most of what is written.
    :raises LocalError: wildcards, NUL or nothing in the topic; payload too large; QoS other than 0 or 1.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    priority: Priority = Priority.EVENT
    expires_after: float | None = None
    durable: bool = True

    def __post_init__(self) -> None:
        topic = self.topic
        if not topic or "#" in topic or "+" in topic or "\0" in topic:  # not any(): this runs for every message
            raise LocalError("a topic must be non-empty and free of '#', '+' and NUL", shown=repr(topic[:80]))
        try:
            encoded = topic.encode("utf-8")
        except UnicodeEncodeError:
            raise LocalError("a topic must be valid Unicode", shown=ascii(topic[:80])) from None
        if len(encoded) > MAX_TOPIC_BYTES:
            raise LocalError("a topic has at most 65 535 bytes", shown=f"{len(encoded)} bytes")
        if not isinstance(self.payload, bytes):
            raise LocalError("a payload is bytes", shown=type(self.payload).__name__)
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            raise LocalError("a payload is too large for MQTT", shown=f"{len(self.payload)} bytes")
        if self.qos not in (0, 1):
            raise LocalError("QoS must be 0 or 1", shown=repr(self.qos))


class JournalRecord(NamedTuple):
    """One message in the journal of the outbox: ``id`` rises in order of acceptance, ``queued_at`` is wall seconds."""

    id: int
    message: Message
    queued_at: float
