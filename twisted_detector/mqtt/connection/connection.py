"""The connection machine behind its guard: reports of the network become inputs, in order and of the current epoch.

The rules are in :mod:`twisted_detector.mqtt.connection`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted_detector.errors import LocalError
from twisted_detector.mqtt.connection.backoff import Backoff, Delays, Jitter
from twisted_detector.mqtt.connection.experience import Experience
from twisted_detector.mqtt.connection.machine import ConnectionPolicy, Core, FirstConnection, connection_machine
from twisted_detector.mqtt.seams import Cause, ConnectionState, ConnectionTimer, IConnectionActions
from twisted_detector.mqtt.settings import MqttSettings


class Connection:
    """Decides when to connect. ``now`` is monotonic seconds.

    :param random: gives a number in [0, 1), for the jitter.
    :param client_id: named in reasons that have to do with it.
    :ivar stale: how many inputs were dropped because their epoch was over.
    """

    def __init__(
        self,
        actions: IConnectionActions,
        *,
        policy: ConnectionPolicy | None = None,
        random: Callable[[], float],
        client_id: str = "",
    ) -> None:
        policy = policy or ConnectionPolicy()
        delays, contest, hopeful = (Delays(one, random) for one in (policy.backoff, policy.contest, policy.hopeful))
        self._core = Core(actions, policy, delays, contest, hopeful)
        self._experience = Experience(client_id, policy.refusals_doubted)
        self._machine = connection_machine(self._core)
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False
        self.stale = 0

    @property
    def state(self) -> ConnectionState:
        """As notified last."""
        return self._core.state

    @property
    def reason(self) -> str:
        """Why it is not connected, in plain words; "" when it is."""
        return self._core.reason

    @property
    def degraded(self) -> bool:
        """Whether the first connection is overdue."""
        return self._core.first is FirstConnection.OVERDUE

    @property
    def epoch(self) -> int:
        """Number of the latest attempt."""
        return self._core.epoch

    def start(self, now: float) -> None:
        """Connect from now on."""
        self._enter(lambda: self._start(now))

    def stop(self, now: float) -> None:
        """Disconnect, and attempt no more."""
        self._enter(lambda: self._stop(now))

    def connected(self, epoch: int, session: int, now: float) -> None:
        """The broker accepted attempt ``epoch``."""
        self._enter(lambda: self._connected(epoch, session, now))

    def ended(self, epoch: int, reason: str, now: float, terminal: bool = False, cause: Cause = Cause.OTHER) -> None:
        """Attempt ``epoch`` failed, or its connection broke; ``terminal``: trying again soon will not help."""
        self._enter(lambda: self._ended(epoch, reason, now, terminal, cause))

    def timer_expired(self, timer: ConnectionTimer, now: float) -> None:
        """A timer that was scheduled has expired."""
        self._enter(lambda: self._expired(timer, now))

    def _enter(self, step: Callable[[], None]) -> None:
        """Do ``step``, after those that arrived before it."""
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

    def _is_current(self, epoch: int, *states: ConnectionState) -> bool:
        current = epoch == self._core.epoch and self.state in states
        self.stale += not current
        return current

    def _connected(self, epoch: int, session: int, now: float) -> None:
        if self._is_current(epoch, ConnectionState.CONNECTING):
            self._experience.record_success(now)
            self._machine.succeed(session, now)

    def _ended(self, epoch: int, reason: str, now: float, terminal: bool, cause: Cause = Cause.OTHER) -> None:
        if not self._is_current(epoch, ConnectionState.CONNECTING, ConnectionState.CONNECTED):
            return
        core = self._core
        most = core.policy.max_attempts
        if self.state is ConnectionState.CONNECTED:
            loss = self._experience.judge_loss(reason, cause, now)
            self._machine.lose(loss.reason, loss.longest_wait, now)
            return
        failure = self._experience.judge_attempt(reason, terminal, cause, now)
        is_last = bool(most) and core.attempts >= most
        if failure.terminal:
            self._machine.give_up(failure.reason, failure.passing and not is_last, now)
        elif is_last:
            self._machine.give_up(f"gave up after {core.attempts} attempts: {failure.reason}", False, now)
        else:
            self._machine.fail(failure.reason, now)

    def _expired(self, timer: ConnectionTimer, now: float) -> None:
        core = self._core
        if timer is ConnectionTimer.RETRY:
            if self.state in (ConnectionState.RECONNECTING, ConnectionState.FAILED):
                self._machine.retry(now)
        elif timer is ConnectionTimer.ATTEMPT:
            if self.state is ConnectionState.CONNECTING:
                core.actions.abandon(core.epoch)
                self._ended(core.epoch, f"no connection within {core.policy.attempt_timeout:g} s", now, False)
        elif core.first is FirstConnection.PENDING:
            core.first = FirstConnection.OVERDUE
            core.notify(core.state, "degraded", now - core.down_since, core.reason)


def make_connection(actions: IConnectionActions, settings: MqttSettings, random: Callable[[], float]) -> Connection:
    """A machine with the policy that ``settings`` describe.

    :raises LocalError: the back-off's settings are out of bounds.
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
    return Connection(actions, policy=policy, random=random, client_id=settings.client_id)
