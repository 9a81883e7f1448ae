"""Seams inside the MQTT room: the connection machine, the outbox, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from zope.interface import Attribute, Interface

from twisted_detector.model import Message


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


class IConnectionActions(Interface):
    """What the connection machine has done for it. None of these may raise."""

    def attempt(epoch: int) -> None:
        """Begin connection attempt number ``epoch``; answer with ``connected``, ``refused`` or ``lost``."""

    def abandon(epoch: int) -> None:
        """End attempt or connection ``epoch``: with DISCONNECT when it stands; what it says later is ignored."""

    def schedule(timer: ConnectionTimer, delay: float) -> None:
        """Call ``due(timer)`` in ``delay`` seconds; replaces a running timer of that kind."""

    def cancel(timer: ConnectionTimer) -> None:
        """Forget a timer, running or not."""

    def announce(change: ConnectionChange) -> None:
        """Tell everybody who wants to know."""


class IConnection(Interface):
    """Decides when to connect. ``now`` is monotonic seconds; inputs of an old epoch are dropped."""

    state: ConnectionState = Attribute("How it stands.")
    reason: str = Attribute("Why it is not connected, in plain words.")
    degraded: bool = Attribute("Whether the first connection is overdue.")
    epoch: int = Attribute("Number of the latest attempt.")

    def start(now: float) -> None:
        """Connect from now on."""

    def stop(now: float) -> None:
        """Disconnect and stay so."""

    def connected(epoch: int, session: int, now: float) -> None:
        """The broker accepted attempt ``epoch``."""

    def refused(epoch: int, reason: str, now: float, terminal: bool = False) -> None:
        """Attempt ``epoch`` failed; ``terminal``: trying again soon will not help."""

    def lost(epoch: int, reason: str, now: float) -> None:
        """Connection ``epoch`` broke."""

    def timer_expired(timer: ConnectionTimer, now: float) -> None:
        """A timer ran out."""


class IOutbox(Interface):
    """Keeps messages until the broker has acknowledged them. On the reactor's thread only."""

    on_ready: Callable[[], None] = Attribute("Set by the sender; called when a message became sendable.")

    def take(limit: int) -> Sequence[OutboxItem]:
        """The next messages to send in order, at most ``limit``; from now on they are in flight.

        The window is what is in flight plus ``limit``: the outbox may keep a share of it free for high priorities.
        """

    def acknowledged(tokens: Sequence[int]) -> None:
        """The broker has these."""

    def refused(token: int, reason: str) -> None:
        """The broker, or the protocol, does not take this one; it is not to be sent again."""

    def connection_lost() -> None:
        """Everything in flight goes back to the queue, in order."""

    def next_due() -> float | None:
        """Seconds until a message that is held back may be taken; None: there is none, or not before something lands.

        :meth:`take` may give less than there is when one is to be sent alone; what it gives then lands first.
        """

    def depth() -> int:
        """How many messages are kept, in flight or not."""

    def republish(topics: Iterable[str] | None = None) -> None:
        """Queue every retained document that is known (or those of ``topics``) again: the broker may have lost it."""
