"""The connection machine: attempts, timers and paired notifications, for inputs in any order."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.mqtt.connection.backoff import Backoff, Jitter
from twisted_detector.mqtt.connection.connection import Connection, make_connection
from twisted_detector.mqtt.connection.machine import ConnectionPolicy, connection_machine
from twisted_detector.mqtt.seams import Cause, ConnectionChange, ConnectionState, ConnectionTimer
from twisted_detector.mqtt.settings import MqttSettings

STATE = ConnectionState
RETRY, ATTEMPT, DEGRADED = ConnectionTimer.RETRY, ConnectionTimer.ATTEMPT, ConnectionTimer.DEGRADED
STEADY = Backoff(base=1.0, cap=8.0, spread=0.0)


class Recorder:
    """Notes every action."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.abandoned: list[int] = []
        self.timers: dict[ConnectionTimer, float] = {}
        self.changes: list[ConnectionChange] = []
        self.on_attempt = lambda epoch: None

    def attempt(self, epoch: int) -> None:
        self.attempts.append(epoch)
        self.on_attempt(epoch)

    def abandon(self, epoch: int) -> None:
        self.abandoned.append(epoch)

    def schedule(self, timer: ConnectionTimer, delay: float) -> None:
        self.timers[timer] = delay

    def cancel(self, timer: ConnectionTimer) -> None:
        self.timers.pop(timer, None)

    def notify(self, change: ConnectionChange) -> None:
        self.changes.append(change)

    @property
    def events(self) -> list[str]:
        return [change.event for change in self.changes]


def make(**policy: object) -> tuple[Connection, Recorder]:
    recorder = Recorder()
    policy.setdefault("backoff", STEADY)
    return Connection(recorder, policy=ConnectionPolicy(**policy), random=lambda: 0.5), recorder


class ConnectionTests(SynchronousTestCase):
    def test_start_attempts_at_once(self) -> None:
        """A start makes the first attempt without a delay, with both watch timers running."""
        connection, seen = make()
        connection.start(100.0)
        self.assertEqual((seen.attempts, seen.events), ([1], ["connecting"]))
        self.assertEqual(set(seen.timers), {ATTEMPT, DEGRADED})
        connection.start(101.0)
        self.assertEqual(seen.attempts, [1])

    def test_success_is_announced_with_its_figures(self) -> None:
        """``connected`` says how long there was no connection, and after how many attempts there is one."""
        connection, seen = make()
        connection.start(100.0)
        connection.ended(1, "nobody there", 101.0)
        del seen.timers[RETRY]
        connection.timer_expired(RETRY, 102.0)
        connection.connected(2, 7, 103.5)
        change = seen.changes[-1]
        self.assertEqual((change.event, change.state, change.reason), ("connected", STATE.CONNECTED, ""))
        self.assertEqual((change.duration, change.attempts, change.session), (3.5, 2, 7))
        self.assertEqual(seen.timers, {})
        self.assertEqual(connection.reason, "")

    def test_delays_grow_and_are_reset_by_a_stable_connection_only(self) -> None:
        """A connection that breaks within 30 s goes on with the backoff; one that lasted begins it anew."""
        connection, seen = make()
        connection.start(0.0)
        connection.connected(1, 1, 0.0)
        delays = []
        now = 0.0
        for epoch, lasted in ((1, 1.0), (2, 29.9), (3, 1.0), (4, 30.0), (5, 1.0)):
            now += lasted
            connection.ended(epoch, "gone", now)
            delays.append(seen.timers[RETRY])
            connection.timer_expired(RETRY, now)
            connection.connected(epoch + 1, 1, now)
        self.assertEqual(delays, [1.0, 2.0, 4.0, 1.0, 2.0])

    def test_old_epochs_are_dropped(self) -> None:
        """What an attempt says after its end changes nothing and is counted."""
        connection, seen = make()
        connection.start(0.0)
        connection.connected(1, 1, 1.0)
        connection.ended(1, "gone", 2.0)
        before = list(seen.changes)
        connection.ended(1, "gone again", 2.0)
        connection.connected(1, 1, 2.0)
        connection.timer_expired(RETRY, 3.0)
        connection.ended(1, "old", 3.0)
        connection.ended(0, "older", 3.0)
        self.assertEqual(seen.changes[: len(before)], before)
        self.assertEqual(seen.events[len(before) :], ["connecting"])
        self.assertEqual(connection.stale, 4)
        self.assertIs(connection.state, STATE.CONNECTING)

    def test_terminal_refusal_fails_and_comes_back_slowly(self) -> None:
        """A refusal that waiting does not cure is announced as failed, and tried again after five minutes."""
        connection, seen = make()
        connection.start(0.0)
        connection.ended(1, "wrong user name or password", 0.5, terminal=True)
        self.assertEqual(seen.events, ["connecting", "refused", "failed"])
        self.assertEqual((connection.state, connection.reason), (STATE.FAILED, "wrong user name or password"))
        self.assertEqual(seen.timers[RETRY], 300.0)
        connection.timer_expired(RETRY, 300.5)
        self.assertEqual(seen.attempts, [1, 2])
        connection.connected(2, 2, 301.0)
        self.assertIs(connection.state, STATE.CONNECTED)

    def test_refusal_of_a_login_that_was_let_in(self) -> None:
        """A broker that starts refuses a right login: retried with the ordinary delays, and FAILED after minutes."""
        connection, seen = make(slow_retry=300.0)
        connection.start(0.0)
        connection.connected(1, 1, 0.0)
        connection.ended(1, "the broker closed the connection", 60.0, cause=Cause.CLOSED)
        now = 60.0
        while connection.state is STATE.RECONNECTING:
            self.assertLessEqual(seen.timers[RETRY], STEADY.cap)
            now += seen.timers.pop(RETRY)
            connection.timer_expired(RETRY, now)
            connection.ended(connection.epoch, "wrong user name or password", now, True, Cause.LOGIN)
            if now < 300.0:
                self.assertIs(connection.state, STATE.RECONNECTING)
                self.assertIn("perhaps it is still starting", connection.reason)
        self.assertIs(connection.state, STATE.FAILED)
        self.assertLess(now, 60.0 + 300.0 + 2 * STEADY.cap)
        self.assertEqual(seen.timers[RETRY], 300.0)
        connection.timer_expired(RETRY, now + 300.0)
        connection.ended(connection.epoch, "nothing listens there", now + 300.0)
        self.assertIs(connection.state, STATE.RECONNECTING)

    def test_refusal_at_the_first_start(self) -> None:
        """A login that was never let in is FAILED at once, and tried again within seconds for the first minutes.

        The waits double, so that a wrong password is told to a broker seven times in five minutes.
        """
        connection, seen = make()
        connection.start(0.0)
        now, delays = 0.0, []
        while now < 400.0:
            connection.ended(connection.epoch, "wrong user name or password", now, True, Cause.LOGIN)
            self.assertEqual((connection.state, connection.reason), (STATE.FAILED, "wrong user name or password"))
            delays.append(seen.timers.pop(RETRY))
            now += delays[-1]
            connection.timer_expired(RETRY, now)
        self.assertEqual(delays, [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 128.0, 300.0])
        connection.connected(connection.epoch, 1, now)
        connection.ended(connection.epoch, "gone", now + 1)
        self.assertIs(connection.state, STATE.RECONNECTING)

    def test_start_before_the_broker(self) -> None:
        """Some seconds too early we are let in within 20 s, whatever the jitter."""
        source = Random(1)
        for number in range(200):
            willing = 8.0 + number / 50
            recorder = Recorder()
            connection = Connection(recorder, random=source.random)
            connection.start(0.0)
            now = 0.0
            while now < willing:
                connection.ended(connection.epoch, "wrong user name or password", now, True, Cause.LOGIN)
                now += recorder.timers.pop(RETRY)
                connection.timer_expired(RETRY, now)
            self.assertLessEqual(now - willing, 20.0)

    def test_limits_of_that_hope(self) -> None:
        """No slow retry, a shorter one, and a maximum of attempts hold all the same."""
        for policy, delay in (({"slow_retry": None}, None), ({"slow_retry": 1.0}, 1.0), ({"max_attempts": 1}, 300.0)):
            connection, seen = make(**policy)
            connection.start(0.0)
            connection.ended(1, "wrong user name or password", 0.0, True, Cause.LOGIN)
            self.assertIs(connection.state, STATE.FAILED)
            self.assertEqual(seen.timers.get(RETRY), delay)

    def test_taken_over_by_another_client(self) -> None:
        """Each attempt throws the other off, so the delays grow to a minute, and begin anew when he has gone."""
        connection, seen = make()
        connection.start(0.0)
        delays = []
        now = 0.0
        for lasted in (100.0, *[0.3] * 8, 130.0):
            connection.connected(connection.epoch, 1, now)
            now += lasted
            connection.ended(connection.epoch, "session taken over", now, cause=Cause.TAKEN_OVER)
            delays.append(seen.timers[RETRY])
            now += delays[-1]
            connection.timer_expired(RETRY, now)
        self.assertEqual(delays[-3:], [60.0, 60.0, 1.0])
        self.assertEqual(delays, [*sorted(delays[:-1]), 1.0])
        self.assertIn("another client uses the client id", connection.reason)

    def test_failed_stays_without_slow_retry(self) -> None:
        """Without a slow retry FAILED waits for the next start."""
        connection, seen = make(slow_retry=None)
        connection.start(0.0)
        connection.ended(1, "banned", 0.5, terminal=True)
        self.assertNotIn(RETRY, seen.timers)
        connection.stop(1.0)
        connection.start(2.0)
        self.assertEqual(seen.attempts, [1, 2])

    def test_maximum_of_attempts(self) -> None:
        """The last allowed attempt ends in FAILED, and the reason says both how many and why."""
        connection, _ = make(max_attempts=3)
        connection.start(0.0)
        for epoch in (1, 2, 3):
            connection.ended(epoch, "nobody there", 0.0)
            connection.timer_expired(RETRY, 0.0) if epoch < 3 else None
        self.assertIs(connection.state, STATE.FAILED)
        self.assertEqual(connection.reason, "gave up after 3 attempts: nobody there")

    def test_attempt_that_never_answers_is_abandoned(self) -> None:
        """An attempt that is silent for too long is abandoned and counts as refused; what it says later is dropped."""
        connection, seen = make(attempt_timeout=20.0)
        connection.start(0.0)
        connection.timer_expired(ATTEMPT, 20.0)
        self.assertEqual((seen.abandoned, connection.state), ([1], STATE.RECONNECTING))
        self.assertEqual(connection.reason, "no connection within 20 s")
        connection.connected(1, 1, 21.0)
        self.assertIs(connection.state, STATE.RECONNECTING)

    def test_late_first_connection_is_degraded(self) -> None:
        """A first connection that takes too long is announced once; the state clears with the connection."""
        connection, seen = make()
        connection.start(0.0)
        self.assertEqual(seen.timers[DEGRADED], 10.0)
        connection.ended(1, "nobody there", 1.0)
        connection.timer_expired(DEGRADED, 10.0)
        connection.timer_expired(DEGRADED, 10.0)
        self.assertEqual((seen.events.count("degraded"), connection.degraded), (1, True))
        self.assertEqual(seen.changes[-1].reason, "nobody there")
        connection.timer_expired(RETRY, 11.0)
        connection.connected(2, 1, 12.0)
        self.assertFalse(connection.degraded)

    def test_stop_in_every_state(self) -> None:
        """A stop ends in DISCONNECTED with no timer left, completes the pair that is open, and abandons the attempt."""

        def connecting(connection: Connection) -> None:
            connection.start(0.0)

        def connected(connection: Connection) -> None:
            connection.start(0.0)
            connection.connected(1, 1, 0.0)

        def reconnecting(connection: Connection) -> None:
            connected(connection)
            connection.ended(1, "gone", 1.0)

        def failed(connection: Connection) -> None:
            connection.start(0.0)
            connection.ended(1, "banned", 0.0, terminal=True)

        for prepare, last, abandoned in (
            (connecting, "refused", [1]),
            (connected, "disconnected", [1]),
            (reconnecting, "disconnected", []),
            (failed, "failed", []),
        ):
            connection, seen = make()
            prepare(connection)
            connection.stop(5.0)
            self.assertIs(connection.state, STATE.DISCONNECTED)
            self.assertEqual((seen.events[-2:], seen.timers), ([last, "stopped"], {}))
            self.assertEqual("stopped by this program", connection.reason)
            self.assertEqual(seen.abandoned, abandoned)
            connection.timer_expired(RETRY, 6.0)
            connection.stop(6.0)
            self.assertEqual(len(seen.attempts), 1)

    def test_attempt_that_fails_at_once_is_announced_in_order(self) -> None:
        """An attempt that is refused while it is being made is announced after its beginning."""
        connection, seen = make()
        seen.on_attempt = lambda epoch: connection.ended(epoch, "no thread", 0.0)
        connection.start(0.0)
        self.assertEqual(seen.events, ["connecting", "refused"])
        self.assertIs(connection.state, STATE.RECONNECTING)

    def test_settings_become_policy(self) -> None:
        """The machine is made as the settings say, and unknown jitter is an error at once."""
        seen = Recorder()
        wanted = MqttSettings(host="h", client_id="c", reconnect_min=2.0, reconnect_max=9.0, reconnect_jitter="full")
        connection = make_connection(seen, wanted, lambda: 0.75)
        connection.start(0.0)
        connection.ended(1, "nobody there", 0.0)
        self.assertEqual(seen.timers[RETRY], 1.5)
        self.assertEqual([each.value for each in Jitter], ["equal", "full", "decorrelated"])
        with self.assertRaises(LocalError):
            make_connection(seen, MqttSettings(host="h", client_id="c", reconnect_jitter="some"), lambda: 0.5)

    def test_drawing_is_of_this_machine(self) -> None:
        """docs/machines/connection.dot is what the code gives now."""
        folder = Path(__file__).resolve().parents[2] / "docs" / "machines"
        specification = importlib.util.spec_from_file_location("draw", folder / "draw.py")
        assert specification is not None
        assert specification.loader is not None
        draw = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(draw)
        self.assertEqual((folder / "connection.dot").read_text(), draw.dot("connection", connection_machine))


class Pairing(RuleBasedStateMachine):
    """Whatever is reported in whatever order: pairs stay pairs, one attempt at a time, one way out of every state."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Recorder()
        self.now = 0.0
        policy = ConnectionPolicy(backoff=STEADY, max_attempts=3)
        self.connection = Connection(self.seen, policy=policy, random=lambda: 0.5)

    epochs = st.integers(0, 2)

    def _epoch(self, back: int) -> int:
        return self.connection.epoch - back

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start(self) -> None:
        self.connection.start(self.now)

    @rule()
    def stop(self) -> None:
        self.connection.stop(self.now)

    @rule(back=epochs)
    def connected(self, back: int) -> None:
        self.connection.connected(self._epoch(back), 1, self.now)

    @rule(back=epochs, terminal=st.booleans())
    def refused(self, back: int, terminal: bool) -> None:
        self.connection.ended(self._epoch(back), "no", self.now, terminal)

    @rule(back=epochs)
    def lost(self, back: int) -> None:
        self.connection.ended(self._epoch(back), "gone", self.now)

    @rule(back=epochs, terminal=st.booleans(), cause=st.sampled_from(Cause))
    def ended(self, back: int, terminal: bool, cause: Cause) -> None:
        self.connection.ended(self._epoch(back), "for a cause", self.now, terminal, cause)

    @rule(timer=st.sampled_from(ConnectionTimer))
    def due(self, timer: ConnectionTimer) -> None:
        self.seen.timers.pop(timer, None)
        self.connection.timer_expired(timer, self.now)

    @invariant()
    def pairs(self) -> None:
        """The announcements spell (connecting (refused | connected disconnected))*."""
        place = "idle"
        for event in self.seen.events:
            if event in ("failed", "stopped", "degraded"):
                continue
            allowed = {"idle": {"connecting"}, "connecting": {"connected", "refused"}, "connected": {"disconnected"}}
            assert event in allowed[place], self.seen.events
            place = event if event in ("connecting", "connected") else "idle"
        expected = {"connecting": STATE.CONNECTING, "connected": STATE.CONNECTED}
        if place in expected:
            assert self.connection.state is expected[place]
        else:
            assert self.connection.state not in expected.values()

    @invariant()
    def attempts_are_counted(self) -> None:
        """Each attempt has the next epoch, and each ``connecting`` is one attempt."""
        assert self.seen.attempts == list(range(1, len(self.seen.attempts) + 1))
        assert len(self.seen.attempts) == self.seen.events.count("connecting")

    @invariant()
    def never_stuck(self) -> None:
        """Exactly the states that should end by themselves have a timer that ends them."""
        timers = self.seen.timers
        waits = self.connection.state in (STATE.RECONNECTING, STATE.FAILED)
        assert (RETRY in timers) == waits
        assert (ATTEMPT in timers) == (self.connection.state is STATE.CONNECTING)
        assert timers == {} or self.connection.state is not STATE.DISCONNECTED

    @invariant()
    def figures_are_sane(self) -> None:
        for change in self.seen.changes:
            assert change.duration >= 0
            assert change.attempts >= 1 or change.event in ("disconnected", "stopped")
            assert change.epoch <= self.connection.epoch


class PairingTests(SynchronousTestCase):
    def test_any_order_of_inputs(self) -> None:
        """Whatever is reported in whatever order, the announcements stay paired and no state is a dead end."""
        run_state_machine_as_test(
            Pairing, settings=settings(max_examples=150, stateful_step_count=40, deadline=None, database=None)
        )
