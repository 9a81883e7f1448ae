"""The MQTT client over a scripted network: what it sends, notifies and survives. No sockets, no threads."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.doubles.mqtt import FakeLoop, FakeResolver, FakeThread, ThreadlessReactor
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import ISubscriber
from twisted_detector.model import Message, Secret
from twisted_detector.mqtt.client import MAX_NAMED, MqttClient, MqttSettings
from twisted_detector.mqtt.connection.machine import ConnectionPolicy
from twisted_detector.mqtt.network.attempts import MAX_THREADS_LOST, AttemptRunner
from twisted_detector.mqtt.network.buffered_socket import AttemptFailed
from twisted_detector.mqtt.network.loop import LoopReport
from twisted_detector.mqtt.network.paho_session import Connack, Ending
from twisted_detector.mqtt.network.will import DOUBTED_AFTER, PROOFS, SUSPICIOUS, WillLimits
from twisted_detector.mqtt.opening import FRUITLESS
from twisted_detector.mqtt.presence import PresenceIdentity
from twisted_detector.mqtt.seams import Cause, ConnectionState, IConnectionActions
from twisted_detector.mqtt.sender import FIRST_PAUSE
from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.testing.outbox import MemoryOutbox

STATE = ConnectionState
LWT = "site/lwt"


def presence(status: str, session: int, reason: str | None) -> bytes:
    return json.dumps({"status": status, "session": session, "reason": reason}).encode()


class MqttTestCase(SynchronousTestCase):
    """A service with everything around it made of memory."""

    def setUp(self) -> None:
        self.reactor = ThreadlessReactor()
        self.outbox = MemoryOutbox()
        self.resolver = FakeResolver()
        self.loops: list[FakeLoop] = []
        self.threads: list[FakeThread] = []
        self.events: list[Any] = []
        self.changes: list[Any] = []
        self.sessions: list[int] = []

    def make(self, **settings: Any) -> MqttClient:
        def loop(*arguments: Any, **keywords: Any) -> FakeLoop:
            self.loops.append(FakeLoop(*arguments, **keywords))
            return self.loops[-1]

        def thread() -> FakeThread:
            self.threads.append(FakeThread())
            return self.threads[-1]

        self.mqtt = MqttClient(
            self.reactor,
            settings=MqttSettings(**{"host": "broker", "client_id": "c", "lwt_topic": LWT, **settings}),
            outbox=self.outbox,
            presence=PresenceIdentity(presence, save_session=self.sessions.append),
            emit=self.events.append,
            random=lambda: 0.5,
            monotonic=self.reactor.seconds,
            runner_factory=partial(AttemptRunner, loop_factory=loop, thread_factory=thread, resolver=self.resolver),
        )
        self.mqtt.resume(40)
        self.mqtt.add_state_listener(self.changes.append)
        return self.mqtt

    def connect(self, receive_maximum: int = 65535, **settings: Any) -> FakeLoop:
        self.make(**settings).startService()
        return self.accept(receive_maximum)

    def accept(self, receive_maximum: int = 65535) -> FakeLoop:
        loop = self.loops[-1]
        loop.accept(receive_maximum)
        self.reactor.advance(0)
        return loop

    def put(self, count: int, topic: str = "t", **fields: Any) -> None:
        for number in range(count):
            self.outbox.put(Message(topic, b"%d" % number, **fields))
        self.reactor.advance(0)

    def emitted(self) -> list[str]:
        return [event.event for event in self.events]


class SessionTests(MqttTestCase):
    def test_it_is_what_it_says(self) -> None:
        """It provides ISubscriber and the actions of the machine."""
        verifyObject(ISubscriber, self.make())
        verifyObject(IConnectionActions, self.mqtt)

    def test_nothing_is_sent_before_the_broker_accepted(self) -> None:
        """Messages wait for CONNACK: sent earlier they would overtake the backlog."""
        self.make().startService()
        self.put(3)
        self.assertEqual(self.loops[0].calls, [])
        self.accept()
        self.assertEqual(len(self.loops[0].items), 4)

    def test_birth_leaves_first(self) -> None:
        """A session begins with the retained birth, then the subscriptions, then everything retained, then the rest."""
        self.make()
        self.outbox.retained["r"] = Message("r", b"1", retain=True)
        self.mqtt.subscribe("in/#", lambda topic, payload: None)
        self.put(1)
        self.mqtt.startService()
        loop = self.accept()
        birth, *others = [item.message for item in loop.items]
        self.assertEqual((birth.topic, birth.qos, birth.retain), (LWT, 1, True))
        self.assertEqual(json.loads(birth.payload), {"status": "online", "session": 41, "reason": None})
        self.assertEqual([message.topic for message in others], ["t", "r"])
        self.assertEqual(loop.filters, [LWT, "homeassistant/status", "in/#"])
        self.assertEqual(self.outbox.republished, 1)

    def test_every_attempt_has_a_new_session(self) -> None:
        """Will and birth carry a number that was raised, and saved, before the attempt."""
        self.make().startService()
        self.threads[0].end(Ending("nobody there"))
        self.reactor.advance(0.25)
        self.assertEqual(self.sessions, [41, 42])
        self.assertEqual([json.loads(loop.job.will)["session"] for loop in self.loops], [41, 42])
        self.accept()
        self.assertEqual(self.events[-1].session, 42)

    def test_events_and_metrics(self) -> None:
        """Connection and loss are notified with reason and duration, and counted."""
        loop = self.connect()
        self.reactor.advance(7)
        self.threads[0].end(Ending("the broker closed the connection", accepted=True))
        self.assertEqual(self.emitted(), ["connected", "disconnected"])
        lost = self.events[-1]
        self.assertEqual((lost.reason, lost.duration), ("the broker closed the connection", 7.0))
        self.assertEqual(lost.state, "reconnecting")
        self.assertIn("dispose", loop.calls)
        self.reactor.advance(0.25)
        self.accept()
        figures = self.mqtt.metrics.snapshot()
        self.assertEqual((figures["connects"], figures["disconnects"], figures["state"]), (2, 1, "connected"))
        self.assertEqual(figures["reconnect_seconds"], {"last": 0.25, "max": 0.25})
        self.assertEqual(figures["last_disconnect_reason"], "the broker closed the connection")

    def test_terminal_refusal_is_notified(self) -> None:
        """A wrong password is notified as failed with its reason, and tried again after about five minutes."""
        self.make(username="joe", password=Secret("s3cret")).startService()
        self.threads[0].end(Ending("wrong user name or password", terminal=True))
        self.assertEqual(self.emitted(), ["failed"])
        self.assertIs(self.mqtt.state, STATE.FAILED)
        self.assertEqual(self.mqtt.reason, "wrong user name or password")
        self.assertNotIn("s3cret", repr(self.events) + repr(self.changes) + repr(self.loops[0].job))
        self.reactor.advance(299)
        self.assertEqual(len(self.loops), 1)
        self.reactor.advance(1)
        self.assertEqual(len(self.loops), 2)

    def test_name_that_is_not_resolved(self) -> None:
        """A name that is not known is a refused attempt, with the reason, and tried again."""
        self.resolver.failure = AttemptFailed("the name 'broker' is not known")
        self.make().startService()
        self.assertIs(self.mqtt.state, STATE.RECONNECTING)
        self.assertEqual(self.mqtt.reason, "the name 'broker' is not known")
        self.resolver.failure = None
        self.reactor.advance(0.25)
        self.accept()
        self.assertIs(self.mqtt.state, STATE.CONNECTED)

    def test_dead_thread_is_an_ordinary_loss(self) -> None:
        """An exception that ends the network thread is logged, notified as a loss or refusal, and cured by a retry."""
        self.make().startService()
        self.threads[0].end(UnicodeError("idna"))
        self.assertEqual(self.mqtt.reason, "the network thread failed because of an internal error; see the log")
        self.reactor.advance(0.25)
        self.accept()
        self.threads[0].end(ZeroDivisionError())
        self.assertEqual(self.emitted(), ["connected", "disconnected"])
        self.assertEqual(len(self.flushLoggedErrors(UnicodeError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.reactor.advance(1)
        self.assertEqual(len(self.loops), 3)

    def test_thread_that_hangs_is_replaced(self) -> None:
        """A thread that does not come back costs one attempt; another takes its place, but not without end."""
        self.make().startService()
        late = ConnectionPolicy().attempt_timeout
        for lost in range(MAX_THREADS_LOST):
            self.reactor.advance(late)
            self.assertEqual(self.loops[-1].calls, ["close"])
            self.reactor.pump([3.0])
            self.assertEqual(len(self.threads), lost + 2)
        self.reactor.advance(late)
        self.reactor.pump([3.0] * 3)
        self.assertEqual(len(self.threads), MAX_THREADS_LOST + 1)
        self.assertEqual(self.mqtt.reason, "the network threads do not come back")
        self.threads[-1].end(Ending("at last"))
        self.reactor.pump([3.0])
        self.accept()
        self.assertIs(self.mqtt.state, STATE.CONNECTED)

    def test_report_of_an_old_attempt_is_dropped(self) -> None:
        """Acknowledgements and CONNACKs of an attempt that is over change nothing."""
        old = self.connect()
        self.put(1)
        self.threads[0].end(Ending("gone", accepted=True))
        self.reactor.advance(0.25)
        old.accept()
        old.acknowledge()
        self.assertIs(self.mqtt.state, STATE.CONNECTING)
        self.assertEqual(self.outbox.delivered, [])

    def test_auto_falls_back_and_comes_back(self) -> None:
        """``auto`` tries 5, then 3.1.1 when the broker does not speak it, and never gives up for that reason."""
        self.make(protocol="auto").startService()
        self.threads[0].end(Ending("the broker does not speak this version of MQTT", terminal=True, fallback=True))
        self.assertIs(self.mqtt.state, STATE.RECONNECTING)
        self.reactor.advance(0.25)
        self.assertEqual([loop.job.protocol for loop in self.loops], [5, 4])

    def test_next_address(self) -> None:
        """Where somebody accepts TCP and lets nobody in, the next attempt begins elsewhere; where one did, there."""
        one, two, three = ((2, (f"192.0.2.{number}", 1883)) for number in (1, 2, 3))
        self.resolver.addresses = (one, two, three)
        self.make().startService()
        orders = []
        for address, accepted in ((one, False), (two, False), (three, False), (one, False), (None, False), (two, True)):
            orders.append(self.loops[-1].job.addresses)
            if accepted:
                self.accept()
            self.threads[0].end(Ending("gone", accepted=accepted, address=address))
            self.reactor.advance(3.0)
        orders.append(self.loops[-1].job.addresses)
        self.assertEqual([each[0] for each in orders], [one, two, three, one, two, two, two])
        self.assertEqual(orders[1], (two, three, one))
        self.assertEqual(orders[-1], (two, three, one))

    def test_will_that_is_refused(self) -> None:
        """A broker that takes no retained will, or none of its QoS, gets another one at the next attempt."""
        self.make(protocol="5").startService()
        limits = WillLimits(qos=0, retain=False)
        self.assertEqual(self.loops[-1].job.will_limits, WillLimits())
        self.threads[0].end(Ending("retain not supported", will_limits=limits))
        self.reactor.advance(0.25)
        self.assertEqual(self.loops[-1].job.will_limits, limits)
        self.threads[0].end(Ending("gone"))
        self.reactor.advance(3.0)
        self.assertEqual(self.loops[-1].job.will_limits, limits)

    def test_will_that_the_broker_closes_for(self) -> None:
        """It is left out, or changed, once another was let in right after ours, often; ours again after an hour."""
        self.make().startService()
        closed = Ending("the broker closed the connection instead of answering CONNECT", closed=True)
        ours: list[WillLimits] = []
        for _ in range(SUSPICIOUS + PROOFS - 1):
            ours.append(self.loops[-1].job.will_limits)
            self.threads[0].end(closed)
            if len(ours) >= SUSPICIOUS:
                trial = self.loops[-1]
                self.assertEqual(trial.job.will_limits, WillLimits(retain=False))
                trial.accept()
                self.assertIs(self.mqtt.state, STATE.CONNECTING, "that is no connection")
                self.assertEqual((trial.calls, trial.filters), (["close"], []))
                self.threads[0].end(Ending("closed by this program", accepted=True))
            self.assertIs(self.mqtt.state, STATE.RECONNECTING)
            self.assertIn("instead of answering CONNECT", self.mqtt.reason)
            self.reactor.advance(3.0)
        self.assertEqual(ours, [WillLimits()] * (SUSPICIOUS + PROOFS - 1))
        self.assertEqual(self.loops[-1].job.will_limits, WillLimits(retain=False))
        self.accept()
        self.assertIs(self.mqtt.state, STATE.CONNECTED)
        self.assertIn("the broker does not take our will as it is; it takes nothing retained", self.mqtt.warning)
        for told in (WillLimits(), WillLimits(retain=False)):
            self.reactor.advance(DOUBTED_AFTER if told == WillLimits() else 3.0)
            self.threads[0].end(Ending("gone", accepted=told == WillLimits(), closed=told == WillLimits()))
            self.reactor.advance(3.0)
            self.assertEqual(self.loops[-1].job.will_limits, told)
            if told == WillLimits():
                self.threads[0].end(closed)
                self.reactor.advance(3.0)
                self.assertEqual(self.loops[-1].job.will_limits, WillLimits(retain=False))
        self.accept()
        self.threads[0].end(Ending("gone", accepted=True))
        self.reactor.advance(DOUBTED_AFTER)
        self.threads[0].end(Ending("gone"))
        self.reactor.advance(3.0)
        self.accept()
        self.assertEqual((self.loops[-1].job.will_limits, self.mqtt.warning), (WillLimits(), ""))

    def test_told_limits_end(self) -> None:
        """What an MQTT 5 broker told of a will holds until it lets us in and names no such limit."""
        self.make(protocol="5").startService()
        self.threads[0].end(Ending("retain not supported", will_limits=WillLimits(retain=False)))
        self.reactor.advance(0.25)
        loop = self.loops[-1]
        loop.deliver(loop, LoopReport(connack=Connack(10, 0, 5, retains=False)))  # type: ignore[arg-type]
        self.assertIn("nothing retained", self.mqtt.warning)
        loop.deliver(loop, LoopReport(connack=Connack(10, 0, 5)))  # type: ignore[arg-type]
        self.assertEqual(self.mqtt.warning, "")

    def test_who_ended_it(self) -> None:
        """A filter is suspected when the broker closes the connection, not when it falls silent."""
        for closed in (False, True):
            self.make().startService()
            for _ in range(FRUITLESS):
                self.accept()
                self.threads[-1].end(Ending("gone", accepted=True, closed=closed))
                self.reactor.advance(5.0)
            self.accept()
            self.assertEqual(self.loops[-1].filters == [LWT], closed)

    def test_stop_during_such_a_trial(self) -> None:
        """A stop ends it as any attempt."""
        self.make().startService()
        for _ in range(SUSPICIOUS):
            self.threads[0].end(Ending("closed", closed=True))
            if len(self.loops) <= SUSPICIOUS:
                self.reactor.advance(3.0)
        self.assertEqual(self.loops[-1].job.will_limits, WillLimits(retain=False))
        stopping = self.mqtt.stopService()
        self.assertEqual(self.loops[-1].calls, ["close"])
        self.threads[0].end(Ending("abandoned"))
        self.successResultOf(stopping)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_patience_is_kept_over_attempts(self) -> None:
        """What one attempt learns of how long the broker takes is known in the next."""
        self.make().startService()
        first = self.loops[-1].job.patience
        self.threads[0].end(Ending("silent"))
        self.reactor.advance(0.25)
        self.assertIs(self.loops[-1].job.patience, first)

    def test_failing_listeners_hurt_nobody(self) -> None:
        """A state listener and an event sink that raise are logged; the connection goes on."""

        def broken(_: object) -> None:
            raise ZeroDivisionError

        self.make()
        self.mqtt.add_state_listener(broken)
        self.mqtt._emit = broken
        self.mqtt.startService()
        self.accept()
        self.assertIs(self.mqtt.state, STATE.CONNECTED)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_settings_out_of_bounds(self) -> None:
        """Wrong settings are refused at once, and the error does not show the password."""
        for wrong in ({"port": 0}, {"keepalive": 1}, {"protocol": "4"}, {"host": " "}, {"window": 0}):
            with self.assertRaises(LocalError):
                MqttSettings(**{"host": "h", "client_id": "c", **wrong})
        with self.assertRaises(LocalError) as raised:
            MqttSettings(host="h", client_id="c", password=Secret("s3cret"))
        self.assertNotIn("s3cret", str(raised.exception))


class SendingTests(MqttTestCase):
    def test_window_is_narrow_first_and_widens(self) -> None:
        """After a connect at most 20 messages are unacknowledged; with acknowledgements it becomes 100."""
        loop = self.connect(lwt_topic="")
        self.put(500)
        self.assertEqual(len(loop.items), 20)
        seen = [20]
        while self.outbox.depth() > 150:
            loop.acknowledge()
            self.reactor.advance(0)
            seen.append(len(loop.items))
        self.assertEqual(seen[:4], [20, 40, 80, 100])
        self.assertEqual(max(seen), 100)

    def test_receive_maximum_is_kept(self) -> None:
        """The broker's Receive Maximum bounds the window, birth included."""
        loop = self.connect(receive_maximum=3)
        self.put(50)
        for _ in range(10):
            self.assertEqual(len(loop.items), 3)
            loop.acknowledge()
            self.reactor.advance(0)

    def test_loss_gives_everything_back(self) -> None:
        """What was in flight is sent again after the next connect, before what was not, in a narrow window again."""
        loop = self.connect(lwt_topic="")
        self.put(60)
        loop.acknowledge(10)
        self.threads[0].end(Ending("gone", accepted=True))
        self.assertEqual(self.outbox.losses, 1)
        self.reactor.advance(0.25)
        again = self.accept()
        self.assertEqual([int(item.message.payload) for item in again.items], list(range(10, 30)))

    def test_every_acknowledgement_reaches_the_outbox(self) -> None:
        """All messages are acknowledged once, in order, whatever the size of the batches."""
        loop = self.connect()
        self.put(333)
        sizes = iter([1, 2, 3, 50, 7, 1, 100] * 50)
        while self.outbox.depth():
            loop.acknowledge(next(sizes))
            self.reactor.advance(0)
        self.assertEqual([int(message.payload) for message in self.outbox.delivered], list(range(333)))
        self.assertEqual(self.mqtt.metrics.acknowledged, 333)
        self.assertEqual(self.mqtt.metrics.snapshot()["ack_latency_ms"], {"p50": 10.0, "p99": 10.0})

    def test_refusal_is_passed_on(self) -> None:
        """A message that the broker refuses is reported with the reason and frees its place in the window."""
        loop = self.connect(receive_maximum=1, lwt_topic="")
        self.put(2)
        item = loop.items.pop()
        loop.deliver(loop, LoopReport(refused=[(item.token, "the broker says: not authorized")]))
        self.assertEqual(self.outbox.refusals[0][1], "the broker says: not authorized")
        self.assertEqual(len(loop.items), 1)
        self.assertEqual(self.mqtt.metrics.refused, 1)

    def test_put_off(self) -> None:
        """A broker that takes nothing for now is left in peace, ever longer, and gets it all in its order."""
        loop = self.connect(lwt_topic="")
        self.put(6)
        for wait in (FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE):
            items, loop.items = loop.items, []
            self.assertEqual([int(item.message.payload) for item in items], list(range(6)))
            loop.deliver(loop, LoopReport(postponed=[(item.token, "quota exceeded") for item in items]))
            self.reactor.advance(wait - 0.1)
            self.assertEqual(loop.items, [])
            self.reactor.advance(0.1)
        loop.acknowledge()
        self.put(1)
        item = loop.items.pop()
        loop.deliver(loop, LoopReport(postponed=[(item.token, "quota exceeded")]))
        self.reactor.advance(FIRST_PAUSE)
        loop.acknowledge()
        self.assertEqual([int(message.payload) for message in self.outbox.delivered], [*range(6), 0])
        self.assertEqual((self.outbox.refusals, self.reactor.getDelayedCalls()), ([], []))

    def test_pause_ends_with_the_connection(self) -> None:
        """A new connection is not held up by what the last one was told; a stop leaves no timer."""
        loop = self.connect(lwt_topic="")
        self.put(1)
        item = loop.items.pop()
        loop.deliver(loop, LoopReport(postponed=[(item.token, "quota exceeded")]))
        self.threads[0].end(Ending("gone", accepted=True))
        self.reactor.advance(0.25)
        self.assertEqual(len(self.accept().acknowledge()), 1)

    def test_birth_that_is_put_off(self) -> None:
        """A message of our own is not tried again: the next connection has its own."""
        loop = self.connect()
        (birth,) = loop.items
        loop.deliver(loop, LoopReport(postponed=[(birth.token, "quota exceeded")]))
        self.reactor.advance(FIRST_PAUSE)
        self.put(1)
        self.assertEqual([item.message.topic for item in loop.items[1:]], ["t"])

    def test_broken_outbox_is_contained(self) -> None:
        """An outbox that raises is logged and does not end the connection."""
        loop = self.connect(lwt_topic="")

        def take(_: int) -> list[Any]:
            raise ZeroDivisionError

        self.outbox.take = take
        self.put(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        del self.outbox.take
        self.put(1)
        self.assertEqual(len(loop.items), 2)

    def test_one_turn_one_batch(self) -> None:
        """A hundred messages of one reactor turn leave in one command."""
        loop = self.connect(lwt_topic="")
        before = loop.calls.count("send")
        self.put(15)
        self.assertEqual(loop.calls.count("send"), before + 1)


class PresenceTests(MqttTestCase):
    def test_late_will_is_answered(self) -> None:
        """An ``offline`` of an old session on our own topic is answered with ``online``, one answer at a time."""
        loop = self.connect()
        loop.acknowledge()
        for _ in range(3):
            loop.deliver_message(LWT, presence("offline", 12, None))
        self.reactor.advance(0)
        self.assertEqual([json.loads(item.message.payload)["status"] for item in loop.items], ["online"])
        loop.acknowledge()
        loop.deliver_message(LWT, presence("offline", 12, None))
        self.reactor.advance(0)
        self.assertEqual(len(loop.items), 1)
        self.assertEqual(self.mqtt.metrics.wills_healed, 2)

    def test_healing_survives_a_loss(self) -> None:
        """An answer that was lost with the connection does not keep the next session from answering."""
        loop = self.connect()
        loop.deliver_message(LWT, presence("offline", 12, None))
        self.threads[0].end(Ending("gone", accepted=True))
        self.reactor.advance(0.25)
        loop = self.accept()
        loop.acknowledge()
        loop.deliver_message(LWT, presence("offline", 12, None))
        self.reactor.advance(0)
        self.assertEqual(len(loop.items), 1)

    def test_nonsense_on_our_topic(self) -> None:
        """What is not an ``offline`` document is not answered."""
        loop = self.connect()
        loop.acknowledge()
        for payload in (b"", b"\xff", b"[]", b"1", b'"offline"', b'{"status":1}', b"[" * 100_000):
            loop.deliver_message(LWT, payload)
        loop.deliver_message(LWT, presence("online", 12, None))
        self.reactor.advance(0)
        self.assertEqual(loop.items, [])

    def test_home_assistant_birth(self) -> None:
        """A live ``online`` of Home Assistant has all documents republished; a retained or another message does not."""
        loop = self.connect()
        self.assertEqual(self.outbox.republished, 1)
        loop.deliver_message("homeassistant/status", b"online", retained=True)
        loop.deliver_message("homeassistant/status", b"offline")
        self.assertEqual(self.outbox.republished, 1)
        loop.deliver_message("homeassistant/status", b"online")
        self.assertEqual(self.outbox.republished, 2)


class TwinTests(MqttTestCase):
    """Another daemon with our NODE_ID, and so with our client id."""

    ours = "aaaaaaaaaaaa"

    def make(self, **settings: Any) -> MqttClient:
        mqtt = super().make(**settings)
        mqtt._presence.instance = self.ours
        return mqtt

    def twin(self, status: str, session: int) -> bytes:
        return json.dumps({"status": status, "session": session, "instance": "bbbb"}).encode()

    def thrown_off(self, delay: float) -> None:
        self.threads[0].end(Ending("the broker closed the connection", accepted=True, cause=Cause.CLOSED))
        self.reactor.advance(delay)

    def ids(self) -> list[str]:
        return [loop.job.client_id for loop in self.loops]

    def meet(self) -> None:
        """A later one throws us off twice; between we find his will."""
        self.connect()
        self.reactor.advance(100)
        self.thrown_off(0.25)
        self.accept().deliver_message(LWT, self.twin("offline", 1), retained=True)
        self.thrown_off(1.0)

    def test_subscribed_before_the_birth(self) -> None:
        """What stands on our topic is asked for before our birth replaces it."""
        loop = self.connect()
        self.assertEqual(loop.calls[:2], ["subscribe", "send"])

    def test_room_is_made_and_given_back(self) -> None:
        """We go on with a client id of our own, say so while connected, and take ours again when he has gone."""
        self.meet()
        self.assertEqual(self.ids(), ["c", "c", "c-aaaaaa"])
        self.assertIn("another client uses the client id c too", self.changes[-2].reason)
        loop = self.accept()
        loop.acknowledge()
        loop.deliver_message(LWT, self.twin("online", 2))
        self.reactor.advance(1000)
        self.assertIn("NODE_ID", self.mqtt.warning)
        self.assertIn("'bbbb'", self.mqtt.warning)
        loop.deliver_message(LWT, self.twin("offline", 2))
        self.assertEqual(self.mqtt.warning, "")
        self.thrown_off(1.0)
        self.assertEqual(self.ids()[-1], "c")

    def test_rights_by_client_id(self) -> None:
        """A broker that does not let the other id in has us share ours, with ever longer waits, and never FAILED."""
        self.meet()
        self.threads[0].end(Ending("the broker does not authorize this client", terminal=True, cause=Cause.LOGIN))
        self.assertEqual(self.mqtt.reason, "the broker does not authorize this client as c-aaaaaa")
        self.assertIs(self.mqtt.state, STATE.RECONNECTING)
        self.reactor.advance(4)
        waits = []
        for session in range(2, 8):
            self.accept().deliver_message(LWT, self.twin("offline", session), retained=True)
            self.threads[0].end(Ending("the broker closed the connection", accepted=True, cause=Cause.CLOSED))
            waits.append(self.changes[-1].delay)
            self.reactor.advance(waits[-1])
        self.assertEqual(set(self.ids()[3:]), {"c"})
        self.assertEqual(waits[-1], 60.0)

    def test_restart_of_the_broker_is_no_takeover(self) -> None:
        """A connection that had lasted was not taken over, also where there is another daemon."""
        loop = self.connect()
        loop.deliver_message(LWT, self.twin("online", 2))
        self.reactor.advance(1000)
        self.thrown_off(0.25)
        self.assertEqual(self.ids(), ["c", "c"])
        self.assertEqual(self.changes[-2].reason, "the broker closed the connection")

    def test_another_program_with_our_client_id(self) -> None:
        """One that says nothing on our topic is told of while we are connected, too, until it has let us be."""
        self.connect()
        self.threads[0].end(Ending("session taken over", accepted=True, cause=Cause.TAKEN_OVER))
        self.reactor.advance(2)
        self.accept()
        self.assertEqual(self.mqtt.warning, "session taken over; another client uses the client id c too")
        self.assertEqual(self.ids(), ["c", "c"])
        self.reactor.advance(100)
        self.assertEqual(self.mqtt.warning, "")


class StopTests(MqttTestCase):
    def test_order_of_a_clean_stop(self) -> None:
        """Retained ``offline`` with its reason, the queue, DISCONNECT, thread: in this order, each awaited."""
        loop = self.connect()
        loop.acknowledge()
        self.put(30)
        stopped = self.mqtt.stopService()
        self.reactor.advance(0)
        while loop.items:
            self.assertNotIn("close", loop.calls)
            self.assertNoResult(stopped)
            acknowledged = loop.acknowledge()
            self.reactor.advance(0)
        self.assertEqual(len(self.outbox.delivered), 30)
        self.assertEqual(loop.calls[-1], "close")
        self.assertNoResult(stopped)
        self.assertFalse(self.threads[0].stopped)
        self.threads[0].end(Ending("closed by this program", accepted=True))
        self.successResultOf(stopped)
        self.assertTrue(self.threads[0].stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.emitted(), ["connected", "disconnected"])
        self.assertTrue(acknowledged)

    def test_goodbye_is_an_offline_with_reason(self) -> None:
        """The goodbye is retained, leaves before what is queued, and its own echo is not answered."""
        loop = self.connect()
        loop.acknowledge()
        self.mqtt.stopService()
        self.reactor.advance(0)
        goodbye = loop.items[0].message
        self.assertEqual(json.loads(goodbye.payload), {"status": "offline", "session": 41, "reason": "shutdown"})
        self.assertEqual((goodbye.topic, goodbye.qos, goodbye.retain), (LWT, 1, True))
        loop.deliver_message(LWT, goodbye.payload)
        self.reactor.advance(0)
        self.assertEqual(len(loop.items), 1)

    def test_silent_broker_cannot_hold_up_a_stop(self) -> None:
        """With a broker that answers nothing and a thread that never ends, a stop takes three seconds."""
        loop = self.connect()
        self.put(5)
        stopped = self.mqtt.stopService()
        self.reactor.advance(2)
        self.assertIn("close", loop.calls)
        self.assertNoResult(stopped)
        self.reactor.advance(1)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.outbox.depth(), 5)

    def test_loss_during_a_stop(self) -> None:
        """A connection that breaks during the stop ends it; there is no reconnect."""
        self.connect()
        self.put(5)
        stopped = self.mqtt.stopService()
        self.threads[0].end(Ending("gone", accepted=True))
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertIs(self.mqtt.state, STATE.DISCONNECTED)

    def test_stop_while_waiting_and_start_again(self) -> None:
        """A stop between attempts is immediate; a later start connects."""
        self.make().startService()
        self.threads[-1].end(Ending("nobody there"))
        self.successResultOf(self.mqtt.stopService())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.mqtt.startService()
        self.accept()
        self.assertIs(self.mqtt.state, STATE.CONNECTED)

    def test_stop_during_an_attempt(self) -> None:
        """A stop during an attempt abandons it, and is over when the thread is."""
        self.make().startService()
        stopped = self.mqtt.stopService()
        self.assertEqual(self.loops[0].calls, ["close"])
        self.threads[0].end(Ending("abandoned"))
        self.successResultOf(stopped)
        self.assertEqual(self.events, [])


class SubscribingTests(MqttTestCase):
    def test_handlers_get_what_matches(self) -> None:
        """A handler gets what its filter matches until it ends its subscription; the broker gets both."""
        loop = self.connect(lwt_topic="", republish_topic="")
        received: list[tuple[str, bytes]] = []
        end = self.mqtt.subscribe("a/+", lambda topic, payload: received.append((topic, payload)))
        second = self.mqtt.subscribe("a/+", lambda topic, payload: None)
        loop.deliver_message("a/b", b"1")
        loop.deliver_message("a/b/c", b"2")
        self.assertEqual((received, loop.filters), ([("a/b", b"1")], ["a/+"]))
        end()
        end()
        self.assertEqual(loop.unsubscribed, [])
        second()
        loop.deliver_message("a/b", b"3")
        self.assertEqual((len(received), loop.unsubscribed), (1, ["a/+"]))

    def test_overlapping_filters(self) -> None:
        """The broker gets no filter that another covers: it might send a copy for each, and every handler get each."""
        loop = self.connect(lwt_topic="site/lwt", republish_topic="")
        received: list[str] = []
        ends = {
            wanted: self.mqtt.subscribe(wanted, lambda topic, payload, wanted=wanted: received.append(wanted))
            for wanted in ("site/+", "site/#", "b", "site/x")
        }
        # What is covered is subscribed for a moment all the same: else nobody would send what is retained.
        self.assertEqual(loop.filters, ["site/lwt", "site/+", "site/#", "b", "site/x"])
        self.assertEqual(loop.unsubscribed, ["site/lwt", "site/+", "site/x"])
        loop.deliver_message("site/x", b"")
        self.assertEqual(received, ["site/+", "site/#", "site/x"])
        self.threads[0].end(Ending("gone", accepted=True))
        self.reactor.advance(0.25)
        loop = self.accept()
        self.assertEqual(loop.filters, ["site/#", "b"])
        ends["site/#"]()
        self.assertEqual((loop.filters[2:], loop.unsubscribed), (["site/+"], ["site/#"]))
        ends["site/+"]()
        self.assertEqual((loop.filters[3:], loop.unsubscribed[1:]), (["site/lwt", "site/x"], ["site/+"]))
        ends["site/x"]()
        ends["b"]()
        self.assertEqual(loop.unsubscribed[2:], ["site/x", "b"])

    def test_single_topics(self) -> None:
        """Of what thousands match the broker is asked topic by topic, in each connection, last; what comes of any topic
        that matches is heard."""
        loop = self.connect(lwt_topic="", republish_topic="")
        wanted = TopicSet()
        wanted.add(["many/1"])
        heard: list[str] = []
        end = self.mqtt.subscribe("many/+", lambda topic, payload: heard.append(topic), only=wanted)
        self.mqtt.subscribe("one", lambda topic, payload: None)
        self.assertEqual(loop.qos, {"many/1": 0, "one": 1})
        loop.deliver(loop, LoopReport(subscribed=["many/1", "one"]))
        wanted.add(["many/2"])
        loop.deliver_message("many/1", b"")
        self.assertEqual((loop.filters[2:], heard), (["many/2"], ["many/1"]))
        self.threads[0].end(Ending("gone", accepted=True))
        wanted.add(["many/3"])
        self.reactor.advance(0.25)
        loop = self.accept()
        self.assertEqual(loop.filters, ["one", "many/1", "many/2", "many/3"])
        end()
        end()
        loop.deliver_message("many/1", b"")
        self.assertEqual((loop.unsubscribed, heard), (["many/1", "many/2", "many/3"], ["many/1"]))

    def test_own_topics(self) -> None:
        """The end of somebody's subscription to a topic of our own does not end ours."""
        loop = self.connect(republish_topic="")
        self.mqtt.subscribe(LWT, lambda topic, payload: None)()
        self.assertEqual((loop.filters, loop.unsubscribed), ([LWT], []))

    def test_retained(self) -> None:
        """What was retained goes to the handler for that, where there is one; the others get it as any message."""
        loop = self.connect(lwt_topic="")
        received: list[tuple[str, bytes]] = []
        self.mqtt.subscribe(
            "x",
            lambda topic, payload: received.append(("obeyed", payload)),
            retained=lambda topic, payload: received.append(("retained", payload)),
        )
        self.mqtt.subscribe("x", lambda topic, payload: received.append(("other", payload)))
        loop.deliver_message("x", b"1", retained=True)
        loop.deliver_message("x", b"2")
        self.assertEqual(received, [("retained", b"1"), ("other", b"1"), ("obeyed", b"2"), ("other", b"2")])

    def test_messages_that_were_too_large(self) -> None:
        """They are counted; a topic is named once, and not more topics than anybody reads."""
        loop = self.connect(lwt_topic="")
        lines: list[str] = []

        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.warn:
                lines.append(formatEvent(event) or "")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        loop.deliver(loop, LoopReport(too_large=["a\nb", "a\nb"]))
        self.assertEqual([len(lines), "\n" in lines[0], "'a\\nb'" in lines[0]], [1, False, True])
        loop.deliver(loop, LoopReport(too_large=[f"t{number}" for number in range(100)]))
        self.assertEqual((len(lines), self.mqtt.metrics.too_large), (MAX_NAMED + 1, 102))
        self.assertIn("only counted", lines[-1])
        self.assertEqual(self.mqtt.metrics.snapshot()["too_large"], 102)
        self.assertEqual(self.mqtt.state, STATE.CONNECTED)

    def test_restored_after_a_reconnect(self) -> None:
        """Each filter is subscribed once more after every connect: the broker has forgotten it."""
        self.connect(lwt_topic="", republish_topic="")
        self.mqtt.subscribe("a/#", lambda topic, payload: None)
        self.threads[0].end(Ending("gone", accepted=True))
        self.mqtt.subscribe("b/#", lambda topic, payload: None)
        self.reactor.advance(0.25)
        self.assertEqual(self.accept().filters, ["a/#", "b/#"])

    def test_failing_handler_is_counted(self) -> None:
        """A handler that raises, at once or later, is logged and counted; the others hear the message."""
        loop = self.connect(lwt_topic="")
        received: list[bytes] = []

        def raises(topic: str, payload: bytes) -> None:
            raise ZeroDivisionError

        async def raises_later(topic: str, payload: bytes) -> None:
            raise ZeroDivisionError

        self.mqtt.subscribe("#", raises)
        self.mqtt.subscribe("#", raises_later)
        self.mqtt.subscribe("#", lambda topic, payload: received.append(payload))
        loop.deliver_message("x", b"1")
        loop.deliver_message("x", b"2")
        self.assertEqual(received, [b"1", b"2"])
        self.assertEqual(self.mqtt.metrics.handler_failures, 4)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)
        self.assertEqual(loop.handled_total, 2)

    def test_slow_handler_is_visible_to_the_thread(self) -> None:
        """Messages that wait for a handler are not reported as handled; order is kept; the rest follow when it ends."""
        loop = self.connect(lwt_topic="")
        gates: list[Deferred[None]] = []
        received: list[bytes] = []

        async def slow(topic: str, payload: bytes) -> None:
            gates.append(Deferred())
            await gates[-1]
            received.append(payload)

        self.mqtt.subscribe("x", slow)
        for number in range(5):
            loop.deliver_message("x", b"%d" % number)
        self.assertEqual((len(gates), loop.handled_total), (1, 0))
        for done in range(5):
            gates[done].callback(None)
            self.assertEqual(loop.handled_total, done + 1)
        self.assertEqual(received, [b"0", b"1", b"2", b"3", b"4"])

    def test_endless_handler_is_cancelled(self) -> None:
        """A handler that does not end is cancelled after a minute, counted, and the next message is handled."""
        loop = self.connect(lwt_topic="")
        received: list[bytes] = []

        async def endless(topic: str, payload: bytes) -> None:
            received.append(payload)
            await Deferred()

        self.mqtt.subscribe("x", endless)
        loop.deliver_message("x", b"1")
        loop.deliver_message("x", b"2")
        self.reactor.advance(60)
        self.assertEqual(received, [b"1", b"2"])
        self.assertEqual(self.mqtt.metrics.handler_failures, 1)

    def test_wrong_filters_are_refused(self) -> None:
        """A filter that MQTT does not allow is an error at the call."""
        self.make()
        for wrong in ("", "a#", "#/a", "a/b+", "a\0", "+a/b"):
            with self.assertRaises(LocalError):
                self.mqtt.subscribe(wrong, lambda topic, payload: None)
