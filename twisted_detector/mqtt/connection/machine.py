"""The table of the connection's states: what each input does, schedules and notifies.

The machine proper, as ``docs/machines`` draws it. :mod:`mqtt.connection.connection` guards it: it never receives an
input of an old epoch, nor one for which its state has no transition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from automat import TypeMachineBuilder

from twisted_detector.mqtt.connection.backoff import Backoff, Delays
from twisted_detector.mqtt.connection.experience import CERTAIN_WAIT
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState, ConnectionTimer, IConnectionActions


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """When to give up, to slow down and to begin anew; durations in seconds.

    :ivar stable_after: a connection that lasted so long resets the backoff (a flapping broker is not hammered).
    :ivar max_attempts: attempts without a success until FAILED; 0: no maximum.
    :ivar slow_retry: time between attempts in FAILED; None: none until the next start.
    :ivar attempt_timeout: the longest attempt, name lookup, TCP, TLS and CONNACK together. Each has its own, shorter
        bound where it is made; this one catches a thread that does not come back.
    :ivar degraded_after: a first connection that takes longer is announced as ``degraded``.
    :ivar refusals_doubted: so long a broker may refuse what it had accepted before we believe it. A small machine that
        starts with all its services needs two or three minutes; and whoever really changed the password has no more of
        our attempts in his log than these, the last of which says FAILED.
    :ivar hopeful: delays in FAILED for as long, when nothing was accepted before: we may have started together with the
        broker, or before our clock was set. They double, so that a wrong password locks nobody out: seven attempts.
    :ivar contest: delays while another client takes our client id away: each attempt of ours throws the other off.
    """

    backoff: Backoff = field(default_factory=Backoff)
    stable_after: float = 30.0
    max_attempts: int = 0
    slow_retry: float | None = 300.0
    attempt_timeout: float = 45.0
    degraded_after: float = 10.0
    refusals_doubted: float = 300.0
    contest: Backoff = field(default_factory=lambda: Backoff(base=1.0, cap=CERTAIN_WAIT))
    hopeful: Backoff = field(default_factory=lambda: Backoff(base=4.0, cap=128.0))


class Inputs(Protocol):
    """The inputs of the machine proper; :class:`Connection` turns what is reported into these."""

    def begin(self, now: float) -> None:
        """Connect from now on."""

    def succeed(self, session: int, now: float) -> None:
        """The broker accepted the attempt."""

    def fail(self, reason: str, now: float) -> None:
        """The attempt failed; another may do better."""

    def give_up(self, reason: str, passing: bool, now: float) -> None:
        """The attempt failed in a way that no soon repetition cures, or it was the last one allowed.

        ``passing``: a repetition in some seconds may all the same.
        """

    def lose(self, reason: str, longest_wait: float, now: float) -> None:
        """The connection broke; ``longest_wait`` > 0: by another client with our client id, so wait up to so long."""

    def retry(self, now: float) -> None:
        """The wait is over."""

    def halt(self, now: float) -> None:
        """Disconnect and stay so."""


class FirstConnection(Enum):
    """Whether there was a connection since the start."""

    PENDING = 1
    OVERDUE = 2  #: still pending, and this was notified as ``degraded``
    DONE = 3  #: there was one, or nobody waits for one


@dataclass
class Core:
    """What outlives the machine's states.

    :ivar state: as it was notified last. It cannot differ from automat's own: every transition notifies.
    :ivar attempts: since the last success.
    :ivar down_since: when the outage began, with the loss or with the start.
    """

    actions: IConnectionActions
    policy: ConnectionPolicy
    delays: Delays
    contest: Delays
    hopeful: Delays
    state: ConnectionState = ConnectionState.DISCONNECTED
    epoch: int = 0
    session: int = 0
    attempts: int = 0
    reason: str = ""
    down_since: float = 0.0
    first: FirstConnection = FirstConnection.DONE

    def notify(
        self, state: ConnectionState, event: str, duration: float, reason: str = "", *, delay: float | None = None
    ) -> None:
        """Notify that ``event`` led to ``state``."""
        self.state = state
        self.actions.notify(
            ConnectionChange(
                event=event,
                state=state,
                reason=reason,
                duration=max(0.0, duration),
                attempts=self.attempts,
                session=self.session,
                epoch=self.epoch,
                delay=delay,
            )
        )

    def attempt(self, now: float) -> None:
        """Begin the next attempt."""
        self.epoch += 1
        self.attempts += 1
        self.notify(ConnectionState.CONNECTING, "connecting", now - self.down_since)
        self.actions.schedule(ConnectionTimer.ATTEMPT, self.policy.attempt_timeout)
        self.actions.attempt(self.epoch)

    def schedule_retry(self, delay: float) -> float:
        """Have the next attempt timed; returns ``delay``."""
        self.actions.schedule(ConnectionTimer.RETRY, delay)
        return delay


@dataclass(frozen=True, slots=True)
class Since:
    """Data of CONNECTING and of CONNECTED: when the state was entered."""

    at: float


def _attempt_begins(inputs: Inputs, core: Core, now: float) -> Since:
    return Since(now)


def _session_begins(inputs: Inputs, core: Core, session: int, now: float) -> Since:
    return Since(now)


_builder = TypeMachineBuilder(Inputs, Core)
_disconnected = _builder.state("DISCONNECTED")
_connecting = _builder.state("CONNECTING", _attempt_begins)
_connected = _builder.state("CONNECTED", _session_begins)
_reconnecting = _builder.state("RECONNECTING")
_failed = _builder.state("FAILED")


@_disconnected.upon(Inputs.begin).to(_connecting)
def first_attempt(inputs: Inputs, core: Core, now: float) -> None:
    """Attempt at once, with the delays and the outage begun anew."""
    core.down_since = now
    core.attempts = 0
    core.delays.reset()
    core.contest.reset()
    core.hopeful.reset()
    core.first = FirstConnection.PENDING
    core.actions.schedule(ConnectionTimer.DEGRADED, core.policy.degraded_after)
    core.attempt(now)


@_reconnecting.upon(Inputs.retry).to(_connecting)
@_failed.upon(Inputs.retry).to(_connecting)
def next_attempt(inputs: Inputs, core: Core, now: float) -> None:
    """The wait is over; after FAILED somebody may have cured the reason."""
    core.attempt(now)


@_connecting.upon(Inputs.succeed).to(_connected)
def accepted(inputs: Inputs, core: Core, attempt: Since, session: int, now: float) -> None:
    """The outage is over."""
    core.actions.cancel(ConnectionTimer.ATTEMPT)
    core.actions.cancel(ConnectionTimer.DEGRADED)
    core.session = session
    core.reason = ""
    core.first = FirstConnection.DONE
    core.hopeful.reset()
    core.notify(ConnectionState.CONNECTED, "connected", now - core.down_since)
    core.attempts = 0


@_connecting.upon(Inputs.fail).to(_reconnecting)
def wait_longer(inputs: Inputs, core: Core, attempt: Since, reason: str, now: float) -> None:
    """Attempt again after the next delay."""
    core.actions.cancel(ConnectionTimer.ATTEMPT)
    core.reason = reason
    delay = core.schedule_retry(core.delays.next())
    core.notify(ConnectionState.RECONNECTING, "refused", now - attempt.at, reason, delay=delay)


@_connecting.upon(Inputs.give_up).to(_failed)
def notify_failure(inputs: Inputs, core: Core, attempt: Since, reason: str, passing: bool, now: float) -> None:
    """Notify that it is given up, and attempt again after the slow retry's interval, if there is one."""
    core.actions.cancel(ConnectionTimer.ATTEMPT)
    core.reason = reason
    delay = core.policy.slow_retry
    if delay is not None:
        # A site whose broker was misconfigured for everybody must not come back all at once.
        slow = core.delays.spread(delay)
        delay = core.schedule_retry(min(slow, core.hopeful.next()) if passing else slow)
    core.notify(ConnectionState.FAILED, "refused", now - attempt.at, reason, delay=delay)
    core.notify(ConnectionState.FAILED, "failed", now - core.down_since, reason, delay=delay)


@_connected.upon(Inputs.lose).to(_reconnecting)
def wait_and_return(inputs: Inputs, core: Core, session: Since, reason: str, longest_wait: float, now: float) -> None:
    """An outage begins; attempt again after the next delay, the first one if the connection was stable."""
    lasted = now - session.at
    if lasted >= core.policy.stable_after:
        core.delays.reset()
    if lasted >= 2 * core.policy.contest.cap:  # a rival that waits as long as we do gives us no more than its wait
        core.contest.reset()
    core.reason = reason
    core.down_since = now
    delay = core.delays.next()
    if longest_wait:
        delay = max(delay, min(longest_wait, core.contest.next()))
    core.schedule_retry(delay)
    core.notify(ConnectionState.RECONNECTING, "disconnected", now - session.at, reason, delay=delay)


_STOPPED = "stopped by this program"


@_reconnecting.upon(Inputs.halt).to(_disconnected)
@_failed.upon(Inputs.halt).to(_disconnected)
def stop_waiting(inputs: Inputs, core: Core, now: float) -> None:
    """Stopped: no timer is left."""
    core.reason = _STOPPED
    core.first = FirstConnection.DONE
    for timer in ConnectionTimer:
        core.actions.cancel(timer)
    core.notify(ConnectionState.DISCONNECTED, "stopped", now - core.down_since, _STOPPED)


@_connecting.upon(Inputs.halt).to(_disconnected)
def abandon_attempt(inputs: Inputs, core: Core, attempt: Since, now: float) -> None:
    """Stopped during an attempt: it counts as refused."""
    core.actions.abandon(core.epoch)
    core.notify(ConnectionState.DISCONNECTED, "refused", now - attempt.at, _STOPPED)
    stop_waiting(inputs, core, now)


@_connected.upon(Inputs.halt).to(_disconnected)
def disconnect(inputs: Inputs, core: Core, session: Since, now: float) -> None:
    """Stopped while connected: disconnect, with the DISCONNECT that makes the broker drop the will."""
    core.actions.abandon(core.epoch)
    core.down_since = now
    core.notify(ConnectionState.DISCONNECTED, "disconnected", now - session.at, _STOPPED)
    stop_waiting(inputs, core, now)


#: Makes a machine from a :class:`Core`; its ``asDigraph()`` is the drawing in ``docs/machines``.
connection_machine = _builder.build()
