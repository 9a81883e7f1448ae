"""What happened to the MQTT connection goes in; what to do next, and what to tell, comes out.

The machine decides and never acts: attempts, timers and announcements go out through
:class:`~twisted_detector.interfaces.IConnectionActions`; time (monotonic seconds) and chance are arguments.

Every attempt has a number, its epoch. What an attempt says after its end is dropped (paho calls ``on_disconnect``
twice on a keepalive time-out), so listeners can rely on pairs, as with the client of the AWS Common Runtime: each
``connecting`` is followed by exactly one ``connected`` or ``refused``, each ``connected`` by exactly one
``disconnected``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from zope.interface import implementer

from twisted_detector.errors import LocalError
from twisted_detector.mqtt.connection.backoff import Backoff, Jitter
from twisted_detector.mqtt.connection.machine import ConnectionPolicy, Core, connection_machine
from twisted_detector.mqtt.seams import ConnectionState, ConnectionTimer, IConnection, IConnectionActions


@implementer(IConnection)
class Connection:
    """The connection machine behind its guard: old epochs and inputs out of season do not reach it.

    Inputs that come while one is being acted on (an attempt that fails at once) wait for their turn, so listeners
    hear changes in order.

    :param random: gives a number in [0, 1), for the jitter.
    :ivar stale: how many inputs were dropped because their epoch was over.
    """

    def __init__(
        self, actions: IConnectionActions, *, policy: ConnectionPolicy | None = None, random: Callable[[], float]
    ) -> None:
        self._core = Core(actions, policy or ConnectionPolicy(), random)
        self._machine = connection_machine(self._core)
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False
        self.stale = 0

    @property
    def state(self) -> ConnectionState:
        return self._core.state

    @property
    def reason(self) -> str:
        return self._core.reason

    @property
    def degraded(self) -> bool:
        return self._core.degraded

    @property
    def epoch(self) -> int:
        return self._core.epoch

    def start(self, now: float) -> None:
        self._enter(lambda: self._start(now))

    def stop(self, now: float) -> None:
        self._enter(lambda: self._stop(now))

    def connected(self, epoch: int, session: int, now: float) -> None:
        self._enter(lambda: self._connected(epoch, session, now))

    def refused(self, epoch: int, reason: str, now: float, terminal: bool = False) -> None:
        self._enter(lambda: self._ended(epoch, reason, now, terminal))

    def lost(self, epoch: int, reason: str, now: float) -> None:
        self._enter(lambda: self._ended(epoch, reason, now, False))

    def timer_expired(self, timer: ConnectionTimer, now: float) -> None:
        self._enter(lambda: self._due(timer, now))

    def _enter(self, step: Callable[[], None]) -> None:
        self._waiting.append(step)
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                self._waiting.popleft()()
        finally:
            self._busy = False

    def _start(self, now: float) -> None:
        if self.state is ConnectionState.DISCONNECTED:
            self._machine.begin(now)

    def _stop(self, now: float) -> None:
        if self.state is not ConnectionState.DISCONNECTED:
            self._machine.halt(now)

    def _current(self, epoch: int, *states: ConnectionState) -> bool:
        current = epoch == self._core.epoch and self.state in states
        self.stale += not current
        return current

    def _connected(self, epoch: int, session: int, now: float) -> None:
        if self._current(epoch, ConnectionState.CONNECTING):
            self._machine.succeed(session, now)

    def _ended(self, epoch: int, reason: str, now: float, terminal: bool) -> None:
        if not self._current(epoch, ConnectionState.CONNECTING, ConnectionState.CONNECTED):
            return
        core = self._core
        most = core.policy.max_attempts
        if self.state is ConnectionState.CONNECTED:
            self._machine.lose(reason, now)
        elif terminal:
            self._machine.give_up(reason, now)
        elif most and core.attempts >= most:
            self._machine.give_up(f"gave up after {core.attempts} attempts: {reason}", now)
        else:
            self._machine.fail(reason, now)

    def _due(self, timer: ConnectionTimer, now: float) -> None:
        core = self._core
        if timer is ConnectionTimer.RETRY:
            if self.state in (ConnectionState.RECONNECTING, ConnectionState.FAILED):
                self._machine.retry(now)
        elif timer is ConnectionTimer.ATTEMPT:
            if self.state is ConnectionState.CONNECTING:
                core.actions.abandon(core.epoch)
                self._ended(core.epoch, f"no connection within {core.policy.attempt_timeout:g} s", now, False)
        elif core.awaiting_first and not core.degraded and self.state is not ConnectionState.DISCONNECTED:
            core.degraded = True
            core.tell("degraded", now - core.down_since, core.reason)


class ReconnectSettings(Protocol):
    """The settings that :func:`make_connection` reads; ``MqttSettings`` has them."""

    @property
    def reconnect_min(self) -> float:
        """First delay, seconds."""

    @property
    def reconnect_max(self) -> float:
        """Longest delay, seconds."""

    @property
    def reconnect_jitter(self) -> str:
        """``equal``, ``full`` or ``decorrelated``."""

    @property
    def max_attempts(self) -> int:
        """Attempts until FAILED; 0: for ever."""

    @property
    def slow_retry(self) -> float | None:
        """Seconds between attempts in FAILED; None: none."""


def make_connection(
    actions: IConnectionActions, settings: ReconnectSettings, random: Callable[[], float]
) -> Connection:
    """The machine as ``settings`` want it.

    :raises LocalError: when they are out of bounds.
    """
    try:
        jitter = Jitter(settings.reconnect_jitter)
    except ValueError:
        raise LocalError("the jitter is 'equal', 'full' or 'decorrelated'", shown=settings.reconnect_jitter) from None
    policy = ConnectionPolicy(
        backoff=Backoff(base=settings.reconnect_min, cap=settings.reconnect_max, jitter=jitter),
        max_attempts=settings.max_attempts,
        slow_retry=settings.slow_retry,
    )
    return Connection(actions, policy=policy, random=random)
