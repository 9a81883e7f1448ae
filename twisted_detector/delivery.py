"""What the outbox, the connection machine and the network thread tell one another, as frozen values."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from twisted_detector.model import Message
from twisted_detector.records import dataclass


class ConnectionState(StrEnum):
    """How the MQTT connection stands."""

    DISCONNECTED = "disconnected"  #: not started, or stopped
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  #: waits before the next attempt
    FAILED = "failed"  #: given up for a reason that waiting does not cure; retried slowly


class ConnectionTimer(StrEnum):
    """What the connection machine waits for; at most one timer of each kind runs."""

    RETRY = "retry"
    ATTEMPT = "attempt"  #: the attempt takes too long
    DEGRADED = "degraded"  #: the first connection takes too long


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """One thing that happened to the MQTT connection.

    :ivar event: ``connecting``; then exactly one of ``connected`` or ``refused``; after ``connected`` exactly one
        ``disconnected``. Besides these ``failed`` (given up), ``stopped`` and ``degraded`` (no first connection yet).
    :ivar reason: in plain words, "" where there is none.
    :ivar duration: seconds that ended with it: without a connection for ``connected`` and ``failed``, with one for
        ``disconnected``, of the attempt for ``refused``.
    :ivar attempts: attempts since the last success, this one included.
    :ivar delay: seconds until the next attempt, None when none is planned.
    """

    event: str
    state: ConnectionState
    reason: str
    duration: float
    attempts: int
    session: int
    epoch: int
    delay: float | None = None


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A queued message as it is handed out to be sent; ``token`` (positive) names it in the answer."""

    token: int
    message: Message


class JournalRecord(NamedTuple):
    """One message as it stands on the disk: ``id`` rises in order of acceptance, ``queued_at`` is wall seconds."""

    id: int
    message: Message
    queued_at: float
