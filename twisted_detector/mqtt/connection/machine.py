"""Inputs in order go in; the transitions of the MQTT connection, with what each has done and told, come out.

The machine proper, as ``docs/machines`` draws it. :mod:`mqtt.connection.connection` guards it: it never sees an input
of an old epoch, nor one for which its state has no transition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from automat import TypeMachineBuilder

from twisted_detector.mqtt.connection.backoff import Backoff
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState, ConnectionTimer, IConnectionActions


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """How stubbornly to connect; durations in seconds.

    :ivar stable_after: a connection that lasted so long resets the backoff (a flapping broker is not hammered).
    :ivar max_attempts: attempts without a success until FAILED; 0: no maximum.
    :ivar slow_retry: time between attempts in FAILED; None: none until the next start.
    :ivar attempt_timeout: the longest attempt, name lookup, TCP, TLS and CONNACK together. Each has its own, shorter
        bound where it is made; this one catches a thread that does not come back.
    :ivar degraded_after: a first connection that takes longer is announced as ``degraded``.
    """

    backoff: Backoff = field(default_factory=Backoff)
    stable_after: float = 30.0
    max_attempts: int = 0
    slow_retry: float | None = 300.0
    attempt_timeout: float = 20.0
    degraded_after: float = 10.0


class Inputs(Protocol):
    """The inputs of the machine proper; :class:`Connection` turns what is reported into these."""

    def begin(self, now: float) -> None:
        """Connect from now on."""

    def succeed(self, session: int, now: float) -> None:
        """The broker accepted the attempt."""

    def fail(self, reason: str, now: float) -> None:
        """The attempt failed; another may do better."""

    def give_up(self, reason: str, now: float) -> None:
        """The attempt failed in a way that no soon repetition cures, or it was the last one allowed."""

    def lose(self, reason: str, now: float) -> None:
        """The connection broke."""

    def retry(self, now: float) -> None:
        """The wait is over."""

    def halt(self, now: float) -> None:
        """Disconnect and stay so."""


@dataclass
class Core:
    """What the machine remembers besides its state."""

    actions: IConnectionActions
    policy: ConnectionPolicy
    random: Callable[[], float]
    state: ConnectionState = ConnectionState.DISCONNECTED
    epoch: int = 0
    session: int = 0
    attempts: int = 0
    failures: int = 0
    delay: float = 0.0
    reason: str = ""
    down_since: float = 0.0
    up_since: float = 0.0
    attempt_since: float = 0.0
    awaiting_first: bool = True
    degraded: bool = False

    def tell(self, event: str, duration: float, reason: str = "", *, delay: float | None = None) -> None:
        self.actions.announce(
            ConnectionChange(
                event=event,
                state=self.state,
                reason=reason,
                duration=max(0.0, duration),
                attempts=self.attempts,
                session=self.session,
                epoch=self.epoch,
                delay=delay,
            )
        )

    def attempt(self, now: float) -> None:
        self.state = ConnectionState.CONNECTING
        self.epoch += 1
        self.attempts += 1
        self.attempt_since = now
        self.tell("connecting", now - self.down_since)
        self.actions.schedule(ConnectionTimer.ATTEMPT, self.policy.attempt_timeout)
        self.actions.attempt(self.epoch)

    def wait(self) -> float:
        """Choose the next delay and have it timed."""
        self.delay = self.policy.backoff.delay(self.failures, self.delay, self.random)
        self.failures += 1
        self.actions.schedule(ConnectionTimer.RETRY, self.delay)
        return self.delay


_builder = TypeMachineBuilder(Inputs, Core)
_disconnected = _builder.state("DISCONNECTED")
_connecting = _builder.state("CONNECTING")
_connected = _builder.state("CONNECTED")
_reconnecting = _builder.state("RECONNECTING")
_failed = _builder.state("FAILED")


@_disconnected.upon(Inputs.begin).to(_connecting)
def first_attempt(inputs: Inputs, core: Core, now: float) -> None:
    """Nothing stands yet: attempt at once."""
    core.down_since = now
    core.attempts = core.failures = 0
    core.delay = 0.0
    core.awaiting_first = True
    core.actions.schedule(ConnectionTimer.DEGRADED, core.policy.degraded_after)
    core.attempt(now)


@_reconnecting.upon(Inputs.retry).to(_connecting)
def next_attempt(inputs: Inputs, core: Core, now: float) -> None:
    """The wait is over: attempt again."""
    core.attempt(now)


@_failed.upon(Inputs.retry).to(_connecting)
def slow_attempt(inputs: Inputs, core: Core, now: float) -> None:
    """Given up long enough: perhaps somebody cured it."""
    core.attempt(now)


@_connecting.upon(Inputs.succeed).to(_connected)
def accepted(inputs: Inputs, core: Core, session: int, now: float) -> None:
    """The broker took us."""
    core.state = ConnectionState.CONNECTED
    core.actions.cancel(ConnectionTimer.ATTEMPT)
    core.actions.cancel(ConnectionTimer.DEGRADED)
    core.session = session
    core.up_since = now
    core.reason = ""
    core.awaiting_first = core.degraded = False
    core.tell("connected", now - core.down_since)
    core.attempts = 0


@_connecting.upon(Inputs.fail).to(_reconnecting)
def wait_longer(inputs: Inputs, core: Core, reason: str, now: float) -> None:
    """Attempt again after a delay."""
    core.state = ConnectionState.RECONNECTING
    core.actions.cancel(ConnectionTimer.ATTEMPT)
    core.reason = reason
    core.tell("refused", now - core.attempt_since, reason, delay=core.wait())


@_connecting.upon(Inputs.give_up).to(_failed)
def announce_failure(inputs: Inputs, core: Core, reason: str, now: float) -> None:
    """Say that it is given up, and come back slowly."""
    core.state = ConnectionState.FAILED
    core.actions.cancel(ConnectionTimer.ATTEMPT)
    core.reason = reason
    delay = core.policy.slow_retry
    if delay is not None:
        # A site whose broker was misconfigured for everybody must not come back all at once.
        spread = core.policy.backoff.spread
        delay *= 1 + spread * (2 * core.random() - 1)
        core.actions.schedule(ConnectionTimer.RETRY, delay)
    core.tell("refused", now - core.attempt_since, reason, delay=delay)
    core.tell("failed", now - core.down_since, reason, delay=delay)


@_connected.upon(Inputs.lose).to(_reconnecting)
def wait_and_return(inputs: Inputs, core: Core, reason: str, now: float) -> None:
    """The connection is gone: come back after a delay."""
    core.state = ConnectionState.RECONNECTING
    if now - core.up_since >= core.policy.stable_after:
        core.failures = 0
        core.delay = 0.0
    core.reason = reason
    core.down_since = now
    core.tell("disconnected", now - core.up_since, reason, delay=core.wait())


_STOPPED = "stopped by this program"


def _halt(core: Core, now: float) -> None:
    core.state = ConnectionState.DISCONNECTED
    core.reason = _STOPPED
    core.degraded = False
    for timer in ConnectionTimer:
        core.actions.cancel(timer)
    core.tell("stopped", now - core.down_since, _STOPPED)


@_connecting.upon(Inputs.halt).to(_disconnected)
def abandon_attempt(inputs: Inputs, core: Core, now: float) -> None:
    """Stopped during an attempt: it counts as refused."""
    core.state = ConnectionState.DISCONNECTED
    core.actions.abandon(core.epoch)
    core.tell("refused", now - core.attempt_since, _STOPPED)
    _halt(core, now)


@_connected.upon(Inputs.halt).to(_disconnected)
def disconnect(inputs: Inputs, core: Core, now: float) -> None:
    """Stopped while connected: say goodbye."""
    core.state = ConnectionState.DISCONNECTED
    core.actions.abandon(core.epoch)
    core.down_since = now
    core.tell("disconnected", now - core.up_since, _STOPPED)
    _halt(core, now)


@_reconnecting.upon(Inputs.halt).to(_disconnected)
def stop_waiting(inputs: Inputs, core: Core, now: float) -> None:
    """Stopped during a wait."""
    _halt(core, now)


@_failed.upon(Inputs.halt).to(_disconnected)
def stop_retrying(inputs: Inputs, core: Core, now: float) -> None:
    """Stopped after it was given up."""
    _halt(core, now)


#: Makes a machine from a :class:`Core`; its ``asDigraph()`` is the drawing in ``docs/machines``.
connection_machine = _builder.build()
