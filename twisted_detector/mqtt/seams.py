"""Interfaces inside the MQTT room (machine's actions, outbox, journal), and the values that pass through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from zope.interface import Attribute, Interface

from twisted_detector.model import JournalRecord, Message
from twisted_detector.model.observers import Observers


class ConnectionState(StrEnum):
    """State of the MQTT connection."""

    DISCONNECTED = "disconnected"  #: not started, or stopped
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  #: waiting before the next attempt
    FAILED = "failed"  #: given up for a reason that waiting does not cure; retried slowly


class ConnectionTimer(StrEnum):
    """Timers of the connection machine; at most one of each kind runs."""

    RETRY = "retry"
    ATTEMPT = "attempt"  #: the attempt takes too long
    DEGRADED = "degraded"  #: the first connection takes too long


class Cause(StrEnum):
    """What kind of end an attempt or a connection had, as far as what follows depends on it."""

    OTHER = "other"
    LOGIN = "login"  #: the broker refuses who we are: for good, or until it has finished starting
    TERMS = "terms"  #: one of both refuses the other's certificate or version of MQTT: for good, or until then
    CLOSED = "closed"  #: the broker closed a connection that stood, and did not say why
    TAKEN_OVER = "taken over"  #: another client connected with our client id; this is certain


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """One change of the MQTT connection, as listeners receive it.

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


class IConnectionActions(Interface):
    """Effects of the connection machine, carried out by the client. None of these may raise."""

    def attempt(epoch: int) -> None:
        """Begin connection attempt number ``epoch``; answer with ``connected`` and ``ended``, or only ``ended``."""

    def abandon(epoch: int) -> None:
        """End attempt or connection ``epoch``, an established one with DISCONNECT; later reports of it are ignored."""

    def schedule(timer: ConnectionTimer, delay: float) -> None:
        """Call ``timer_expired(timer)`` in ``delay`` seconds; replaces a running timer of that kind."""

    def cancel(timer: ConnectionTimer) -> None:
        """Forget a timer, running or not."""

    def notify(change: ConnectionChange) -> None:
        """Pass ``change`` on to log, metrics, listeners and bus."""


class IOutbox(Interface):
    """Queue of messages until the broker has acknowledged them. On the reactor's thread only."""

    ready: Observers[[]] = Attribute("Observers of each message that became sendable: the sender is one.")

    def take(limit: int) -> Sequence[OutboxItem]:
        """The next messages to send in order, at most ``limit``; from now on they are in flight.

        The window is what is in flight plus ``limit``: the outbox may keep a share of it free for high priorities.
        """

    def acknowledged(tokens: Sequence[int]) -> None:
        """The broker has acknowledged these."""

    def refused(token: int, reason: str) -> None:
        """The broker, or the protocol, does not accept this one; it is not sent again."""

    def postponed(tokens: Sequence[int], reason: str) -> None:
        """The broker does not take these for now; they go back to the queue, and are sent again."""

    def connection_lost() -> None:
        """Everything in flight goes back to the queue, in order."""

    def next_due() -> float | None:
        """Seconds until a message that is held back may be taken.

        None: there is none, or not before what is in flight is answered (a message that is sent alone).
        """

    def depth() -> int:
        """How many messages are kept, in flight or not."""

    def republish(topics: Iterable[str] | None = None) -> None:
        """Queue every remembered document (or those of ``topics``) again: the broker may have lost it."""


class Journal(Protocol):
    """The outbox on disk. Every call returns at once; what is removed before it was written is never written.

    A typing protocol and not an interface: the store provides it without importing this room.
    """

    committed: Observers[[Sequence[int]]]  #: get the ids of what survives ``kill -9`` from now on
    renewed: Observers[[]]  #: called when the disk has lost everything: append all of it again

    def append(self, record: JournalRecord) -> None:
        """Write ``record`` soon."""

    def remove(self, ids: Sequence[int]) -> None:
        """Forget these records, not before the ``append`` that came before it."""

    def retain(self, message: Message) -> None:
        """Remember ``message`` as the latest acknowledged document of its topic."""

    def forget(self, topic: str) -> None:
        """Remember nothing on ``topic`` any more."""
