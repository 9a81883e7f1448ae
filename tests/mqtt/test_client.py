"""A scripted network goes in; what the MQTT service sends, tells and survives comes out. No sockets, no threads."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.doubles.mqtt import FakeLink, FakeResolver, FakeThread, ThreadlessReactor
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import ISubscriber
from twisted_detector.model import Message, Secret
from twisted_detector.mqtt.client import MqttClient, MqttSettings
from twisted_detector.mqtt.connection.connection import make_connection
from twisted_detector.mqtt.network.attempts import MAX_THREADS_LOST
from twisted_detector.mqtt.network.buffered_socket import AttemptFailed
from twisted_detector.mqtt.network.loop import LoopReport
from twisted_detector.mqtt.network.paho_session import Ending
from twisted_detector.mqtt.seams import ConnectionState, IConnectionActions
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
        self.links: list[FakeLink] = []
        self.threads: list[FakeThread] = []
        self.events: list[Any] = []
        self.changes: list[Any] = []
        self.sessions: list[int] = []

    def make(self, **settings: Any) -> MqttClient:
        def link(*arguments: Any, **keywords: Any) -> FakeLink:
            self.links.append(FakeLink(*arguments, **keywords))
            return self.links[-1]

        def thread() -> FakeThread:
            self.threads.append(FakeThread())
            return self.threads[-1]

        self.mqtt = MqttClient(
            self.reactor,
            settings=MqttSettings(**{"host": "broker", "client_id": "c", "lwt_topic": LWT, **settings}),
            outbox=self.outbox,
            presence=presence,
            connection=make_connection,
            emit=self.events.append,
            random=lambda: 0.5,
            monotonic=self.reactor.seconds,
            first_session=40,
            save_session=self.sessions.append,
            client_factory=link,
            thread_factory=thread,
            resolver=self.resolver,
        )
        self.mqtt.add_state_listener(self.changes.append)
        return self.mqtt

    def connect(self, receive_maximum: int = 65535, **settings: Any) -> FakeLink:
        self.make(**settings).startService()
        return self.accept(receive_maximum)

    def accept(self, receive_maximum: int = 65535) -> FakeLink:
        link = self.links[-1]
        link.accept(receive_maximum)
        self.reactor.advance(0)
        return link

    def put(self, count: int, topic: str = "t", **fields: Any) -> None:
        for number in range(count):
            self.outbox.put(Message(topic, b"%d" % number, **fields))
        self.reactor.advance(0)

    def events_told(self) -> list[str]:
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
        self.assertEqual(self.links[0].calls, [])
        self.accept()
        self.assertEqual(len(self.links[0].items), 4)

    def test_birth_leaves_first(self) -> None:
        """A session begins with the retained birth, then the subscriptions, then everything retained, then the rest."""
        self.make()
        self.outbox.retained["r"] = Message("r", b"1", retain=True)
        self.mqtt.subscribe("in/#", lambda topic, payload: None)
        self.put(1)
        self.mqtt.startService()
        link = self.accept()
        birth, *others = [item.message for item in link.items]
        self.assertEqual((birth.topic, birth.qos, birth.retain), (LWT, 1, True))
        self.assertEqual(json.loads(birth.payload), {"status": "online", "session": 41, "reason": None})
        self.assertEqual([message.topic for message in others], ["t", "r"])
        self.assertEqual(link.filters, [LWT, "homeassistant/status", "in/#"])
        self.assertEqual(self.outbox.resaid, 1)

    def test_every_attempt_has_a_new_session(self) -> None:
        """Will and birth carry a number that was raised, and saved, before the attempt."""
        self.make().startService()
        self.threads[0].end(Ending("nobody there"))
        self.reactor.advance(0.25)
        self.assertEqual(self.sessions, [41, 42])
        self.assertEqual([json.loads(link.job.will)["session"] for link in self.links], [41, 42])
        self.accept()
        self.assertEqual(self.events[-1].session, 42)

    def test_events_and_metrics(self) -> None:
        """Connection and loss are told with reason and duration, and counted."""
        link = self.connect()
        self.reactor.advance(7)
        self.threads[0].end(Ending("the broker closed the connection", accepted=True))
        self.assertEqual(self.events_told(), ["connected", "disconnected"])
        lost = self.events[-1]
        self.assertEqual((lost.reason, lost.duration), ("the broker closed the connection", 7.0))
        self.assertEqual(lost.state, "reconnecting")
        self.assertIn("dispose", link.calls)
        self.reactor.advance(0.25)
        self.accept()
        figures = self.mqtt.metrics.snapshot()
        self.assertEqual((figures["connects"], figures["disconnects"], figures["state"]), (2, 1, "connected"))
        self.assertEqual(figures["reconnect_seconds"], {"last": 0.25, "max": 0.25})
        self.assertEqual(figures["last_disconnect_reason"], "the broker closed the connection")

    def test_terminal_refusal_is_told(self) -> None:
        """A wrong password is told as failed with its reason, and tried again after about five minutes."""
        self.make(username="joe", password=Secret("s3cret")).startService()
        self.threads[0].end(Ending("wrong user name or password", terminal=True))
        self.assertEqual(self.events_told(), ["failed"])
        self.assertIs(self.mqtt.state, STATE.FAILED)
        self.assertEqual(self.mqtt.reason, "wrong user name or password")
        self.assertNotIn("s3cret", repr(self.events) + repr(self.changes) + repr(self.links[0].job))
        self.reactor.advance(299)
        self.assertEqual(len(self.links), 1)
        self.reactor.advance(1)
        self.assertEqual(len(self.links), 2)

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
        """An exception that ends the network thread is logged, told as a loss or refusal, and cured by an attempt."""
        self.make().startService()
        self.threads[0].end(UnicodeError("idna"))
        self.assertEqual(self.mqtt.reason, "the network thread failed: UnicodeError")
        self.reactor.advance(0.25)
        self.accept()
        self.threads[0].end(ZeroDivisionError())
        self.assertEqual(self.events_told(), ["connected", "disconnected"])
        self.assertEqual(len(self.flushLoggedErrors(UnicodeError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.reactor.advance(1)
        self.assertEqual(len(self.links), 3)

    def test_thread_that_hangs_is_replaced(self) -> None:
        """A thread that does not come back costs one attempt; another takes its place, but not without end."""
        self.make().startService()
        for lost in range(MAX_THREADS_LOST):
            self.reactor.advance(20)
            self.assertEqual(self.links[-1].calls, ["close"])
            self.reactor.pump([3.0])
            self.assertEqual(len(self.threads), lost + 2)
        self.reactor.advance(20)
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
        self.assertEqual([link.job.protocol for link in self.links], [5, 4])

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
        link = self.connect(lwt_topic="")
        self.put(500)
        self.assertEqual(len(link.items), 20)
        seen = [20]
        while self.outbox.depth() > 150:
            link.acknowledge()
            self.reactor.advance(0)
            seen.append(len(link.items))
        self.assertEqual(seen[:4], [20, 40, 80, 100])
        self.assertEqual(max(seen), 100)

    def test_receive_maximum_is_kept(self) -> None:
        """The broker's Receive Maximum bounds the window, birth included."""
        link = self.connect(receive_maximum=3)
        self.put(50)
        for _ in range(10):
            self.assertEqual(len(link.items), 3)
            link.acknowledge()
            self.reactor.advance(0)

    def test_loss_gives_everything_back(self) -> None:
        """What was in flight is sent again after the next connect, before what was not, in a narrow window again."""
        link = self.connect(lwt_topic="")
        self.put(60)
        link.acknowledge(10)
        self.threads[0].end(Ending("gone", accepted=True))
        self.assertEqual(self.outbox.losses, 1)
        self.reactor.advance(0.25)
        again = self.accept()
        self.assertEqual([int(item.message.payload) for item in again.items], list(range(10, 30)))

    def test_every_acknowledgement_reaches_the_outbox(self) -> None:
        """All messages are acknowledged once, in order, whatever the size of the batches."""
        link = self.connect()
        self.put(333)
        sizes = iter([1, 2, 3, 50, 7, 1, 100] * 50)
        while self.outbox.depth():
            link.acknowledge(next(sizes))
            self.reactor.advance(0)
        self.assertEqual([int(message.payload) for message in self.outbox.delivered], list(range(333)))
        self.assertEqual(self.mqtt.metrics.acknowledged, 333)
        self.assertEqual(self.mqtt.metrics.snapshot()["ack_latency_ms"], {"p50": 10.0, "p99": 10.0})

    def test_refusal_is_passed_on(self) -> None:
        """A message that the broker refuses is reported with the reason and frees its place in the window."""
        link = self.connect(receive_maximum=1, lwt_topic="")
        self.put(2)
        item = link.items.pop()
        link.deliver(LoopReport(refused=[(item.token, "the broker says: not authorized")]))
        self.assertEqual(self.outbox.refusals[0][1], "the broker says: not authorized")
        self.assertEqual(len(link.items), 1)
        self.assertEqual(self.mqtt.metrics.refused, 1)

    def test_broken_outbox_is_contained(self) -> None:
        """An outbox that raises is logged and does not end the connection."""
        link = self.connect(lwt_topic="")

        def take(_: int) -> list[Any]:
            raise ZeroDivisionError

        self.outbox.take = take
        self.put(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        del self.outbox.take
        self.put(1)
        self.assertEqual(len(link.items), 2)

    def test_one_turn_one_batch(self) -> None:
        """A hundred messages of one reactor turn leave in one command."""
        link = self.connect(lwt_topic="")
        before = link.calls.count("send")
        self.put(15)
        self.assertEqual(link.calls.count("send"), before + 1)


class PresenceTests(MqttTestCase):
    def test_late_will_is_answered(self) -> None:
        """An ``offline`` of an old session on our own topic is answered with ``online``, one answer at a time."""
        link = self.connect()
        link.acknowledge()
        for _ in range(3):
            link.say(LWT, presence("offline", 12, None))
        self.reactor.advance(0)
        self.assertEqual([json.loads(item.message.payload)["status"] for item in link.items], ["online"])
        link.acknowledge()
        link.say(LWT, presence("offline", 12, None))
        self.reactor.advance(0)
        self.assertEqual(len(link.items), 1)
        self.assertEqual(self.mqtt.metrics.wills_healed, 2)

    def test_healing_survives_a_loss(self) -> None:
        """An answer that was lost with the connection does not keep the next session from answering."""
        link = self.connect()
        link.say(LWT, presence("offline", 12, None))
        self.threads[0].end(Ending("gone", accepted=True))
        self.reactor.advance(0.25)
        link = self.accept()
        link.acknowledge()
        link.say(LWT, presence("offline", 12, None))
        self.reactor.advance(0)
        self.assertEqual(len(link.items), 1)

    def test_nonsense_on_our_topic(self) -> None:
        """What is not an ``offline`` document is not answered."""
        link = self.connect()
        link.acknowledge()
        for payload in (b"", b"\xff", b"[]", b"1", b'"offline"', b'{"status":1}', b"[" * 100_000):
            link.say(LWT, payload)
        link.say(LWT, presence("online", 12, None))
        self.reactor.advance(0)
        self.assertEqual(link.items, [])

    def test_home_assistant_birth(self) -> None:
        """A live ``online`` of Home Assistant has everything retained said again; a retained or other one does not."""
        link = self.connect()
        self.assertEqual(self.outbox.resaid, 1)
        link.say("homeassistant/status", b"online", retained=True)
        link.say("homeassistant/status", b"offline")
        self.assertEqual(self.outbox.resaid, 1)
        link.say("homeassistant/status", b"online")
        self.assertEqual(self.outbox.resaid, 2)


class StopTests(MqttTestCase):
    def test_order_of_a_clean_stop(self) -> None:
        """Retained ``offline`` with its reason, the queue, DISCONNECT, thread: in this order, each awaited."""
        link = self.connect()
        link.acknowledge()
        self.put(30)
        stopped = self.mqtt.stopService()
        self.reactor.advance(0)
        while link.items:
            self.assertNotIn("close", link.calls)
            self.assertNoResult(stopped)
            acknowledged = link.acknowledge()
            self.reactor.advance(0)
        self.assertEqual(len(self.outbox.delivered), 30)
        self.assertEqual(link.calls[-1], "close")
        self.assertNoResult(stopped)
        self.assertFalse(self.threads[0].stopped)
        self.threads[0].end(Ending("closed by this program", accepted=True))
        self.successResultOf(stopped)
        self.assertTrue(self.threads[0].stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.events_told(), ["connected", "disconnected"])
        self.assertTrue(acknowledged)

    def test_goodbye_is_an_offline_with_reason(self) -> None:
        """The goodbye is retained, leaves before what is queued, and its own echo is not answered."""
        link = self.connect()
        link.acknowledge()
        self.mqtt.stopService()
        self.reactor.advance(0)
        goodbye = link.items[0].message
        self.assertEqual(json.loads(goodbye.payload), {"status": "offline", "session": 41, "reason": "shutdown"})
        self.assertEqual((goodbye.topic, goodbye.qos, goodbye.retain), (LWT, 1, True))
        link.say(LWT, goodbye.payload)
        self.reactor.advance(0)
        self.assertEqual(len(link.items), 1)

    def test_silent_broker_cannot_hold_up_a_stop(self) -> None:
        """With a broker that answers nothing and a thread that never ends, a stop takes three seconds."""
        link = self.connect()
        self.put(5)
        stopped = self.mqtt.stopService()
        self.reactor.advance(2)
        self.assertIn("close", link.calls)
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
        self.assertEqual(self.links[0].calls, ["close"])
        self.threads[0].end(Ending("abandoned"))
        self.successResultOf(stopped)
        self.assertEqual(self.events, [])


class SubscribingTests(MqttTestCase):
    def test_handlers_get_what_matches(self) -> None:
        """A handler gets what its filter matches until it ends its subscription; the broker is told both."""
        link = self.connect(lwt_topic="", resay_topic="")
        heard: list[tuple[str, bytes]] = []
        end = self.mqtt.subscribe("a/+", lambda topic, payload: heard.append((topic, payload)))
        second = self.mqtt.subscribe("a/+", lambda topic, payload: None)
        link.say("a/b", b"1")
        link.say("a/b/c", b"2")
        self.assertEqual((heard, link.filters), ([("a/b", b"1")], ["a/+"]))
        end()
        end()
        self.assertEqual(link.unsubscribed, [])
        second()
        link.say("a/b", b"3")
        self.assertEqual((len(heard), link.unsubscribed), (1, ["a/+"]))

    def test_restored_after_a_reconnect(self) -> None:
        """Each filter is subscribed once more after every connect: the broker has forgotten it."""
        self.connect(lwt_topic="", resay_topic="")
        self.mqtt.subscribe("a/#", lambda topic, payload: None)
        self.threads[0].end(Ending("gone", accepted=True))
        self.mqtt.subscribe("b/#", lambda topic, payload: None)
        self.reactor.advance(0.25)
        self.assertEqual(self.accept().filters, ["a/#", "b/#"])

    def test_failing_handler_is_counted(self) -> None:
        """A handler that raises, at once or later, is logged and counted; the others hear the message."""
        link = self.connect(lwt_topic="")
        heard: list[bytes] = []

        def raises(topic: str, payload: bytes) -> None:
            raise ZeroDivisionError

        async def raises_later(topic: str, payload: bytes) -> None:
            raise ZeroDivisionError

        self.mqtt.subscribe("#", raises)
        self.mqtt.subscribe("#", raises_later)
        self.mqtt.subscribe("#", lambda topic, payload: heard.append(payload))
        link.say("x", b"1")
        link.say("x", b"2")
        self.assertEqual(heard, [b"1", b"2"])
        self.assertEqual(self.mqtt.metrics.handler_failures, 4)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)
        self.assertEqual(link.handled_total, 2)

    def test_slow_handler_is_visible_to_the_thread(self) -> None:
        """Messages that wait for a handler are not reported as handled; order is kept; the rest follow when it ends."""
        link = self.connect(lwt_topic="")
        gates: list[Deferred[None]] = []
        heard: list[bytes] = []

        async def slow(topic: str, payload: bytes) -> None:
            gates.append(Deferred())
            await gates[-1]
            heard.append(payload)

        self.mqtt.subscribe("x", slow)
        for number in range(5):
            link.say("x", b"%d" % number)
        self.assertEqual((len(gates), link.handled_total), (1, 0))
        for done in range(5):
            gates[done].callback(None)
            self.assertEqual(link.handled_total, done + 1)
        self.assertEqual(heard, [b"0", b"1", b"2", b"3", b"4"])

    def test_endless_handler_is_cancelled(self) -> None:
        """A handler that does not end is cancelled after a minute, counted, and the next message is handled."""
        link = self.connect(lwt_topic="")
        heard: list[bytes] = []

        async def endless(topic: str, payload: bytes) -> None:
            heard.append(payload)
            await Deferred()

        self.mqtt.subscribe("x", endless)
        link.say("x", b"1")
        link.say("x", b"2")
        self.reactor.advance(60)
        self.assertEqual(heard, [b"1", b"2"])
        self.assertEqual(self.mqtt.metrics.handler_failures, 1)

    def test_wrong_filters_are_refused(self) -> None:
        """A filter that MQTT does not allow is an error at the call."""
        self.make()
        for wrong in ("", "a#", "#/a", "a/b+", "a\0", "+a/b"):
            with self.assertRaises(LocalError):
                self.mqtt.subscribe(wrong, lambda topic, payload: None)
