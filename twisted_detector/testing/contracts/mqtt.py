"""Contracts of the MQTT connection: :class:`IPublisher` and :class:`ISubscriber`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.errors import Dropped, QueueFull, Stopped
from twisted_detector.interfaces import IPublisher, ISubscriber
from twisted_detector.model import Message, Priority
from twisted_detector.testing.contracts.case import Contract

#: More messages than one turn of a sender takes.
_MANY = 20


class PublisherStage(Protocol):
    """A publisher that was started, and a broker that is away.

    :ivar capacity: so many messages are kept while the broker is away.
    """

    @property
    def publisher(self) -> Any: ...

    @property
    def capacity(self) -> int: ...

    def connect(self) -> None:
        """The broker takes what is published, from now on, and acknowledges nothing yet."""

    def disconnect(self) -> None:
        """The broker goes away, without an answer to what it has not acknowledged."""

    def sent(self) -> Sequence[Message]:
        """All that reached the broker, in order."""

    def acknowledge(self) -> None:
        """The broker acknowledges what reached it on this connection."""

    def refuse(self) -> None:
        """The broker does not authorise us to publish what reached it on this connection."""

    def stop(self) -> None:
        """The publisher stops."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def publisher_contract(build: Callable[[], PublisherStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IPublisher`: each message gets one answer, in order of priority, and none is lost."""

    class PublisherContract(Contract):
        def setUp(self) -> None:
            self.stage = build()
            self.advance = self.stage.advance
            self.answers: list[str] = []
            self.addCleanup(self.stage.stop)

        def publish(self, name: str, **more: Any) -> Deferred[None]:
            """Publish; the answer is kept under this name."""
            publishing: Deferred[None] = self.stage.publisher.publish(Message(f"t/{name}", name.encode(), **more))

            def answered(result: Failure | None) -> None:
                error = "" if result is None else f" {type(result.value).__name__}"
                self.answers.append(f"{name}{error}")

            publishing.addBoth(answered)
            return publishing

        def sent(self) -> list[str]:
            self.pass_time(0)
            return [message.payload.decode() for message in self.stage.sent() if message.topic.startswith("t/")]

        def connect(self) -> None:
            self.stage.connect()
            self.pass_time(0)

        def acknowledge(self) -> None:
            self.pass_time(0)
            self.stage.acknowledge()
            self.pass_time(0)

        def test_interface(self) -> None:
            """It provides IPublisher."""
            verifyObject(IPublisher, self.stage.publisher)

        def test_acknowledged(self) -> None:
            """The answer comes with the acknowledgement and not before; the message reaches the broker as it is."""
            message = Message("t/a", b"\0\xff", qos=1, retain=True, priority=Priority.CRITICAL)
            publishing = self.stage.publisher.publish(message)
            self.pass_time(0)
            self.assert_waiting(publishing)
            self.connect()
            self.assert_waiting(publishing)
            assert [one for one in self.stage.sent() if one.topic == "t/a"] == [message]
            self.acknowledge()
            assert self.successResultOf(publishing) is None

        def test_order(self) -> None:
            """Critical messages leave first, then state, events, telemetry: within each in the order of publishing."""
            for name in "ab":
                for priority in reversed(Priority):
                    self.publish(f"{priority.name}-{name}", priority=priority)
            self.connect()
            wanted = [f"{priority.name}-{name}" for priority in Priority for name in "ab"]
            while len(self.sent()) < len(wanted):
                before = len(self.sent())
                self.acknowledge()
                assert len(self.sent()) > before
            self.acknowledge()
            assert self.sent() == wanted
            assert sorted(self.answers) == sorted(wanted)

        def test_state(self) -> None:
            """Of the retained messages of a topic that wait, the newest is sent, and all get its acknowledgement."""
            publish = self.stage.publisher.publish
            publishing = [publish(Message("t/s", payload, retain=True)) for payload in (b"1", b"2", b"3")]
            self.connect()
            assert self.sent() == ["3"]
            self.acknowledge()
            assert [self.successResultOf(one) for one in publishing] == [None] * 3

        def test_connection_lost(self) -> None:
            """What was not acknowledged is sent again, in its order, and gets one answer."""
            self.connect()
            for name in "abc":
                self.publish(name)
            assert self.sent() == ["a", "b", "c"]
            self.stage.disconnect()
            self.publish("d")
            self.pass_time(0)
            assert self.answers == []
            self.connect()
            assert self.sent()[3:] == ["a", "b", "c", "d"]
            self.acknowledge()
            assert self.answers == ["a", "b", "c", "d"]

        def test_refused(self) -> None:
            """What the broker does not authorise fails with NotAuthorized, and is not sent again."""
            self.connect()
            self.publish("a")
            self.pass_time(0)
            self.stage.refuse()
            assert self.answers == ["a NotAuthorized"]
            self.stage.disconnect()
            self.connect()
            assert self.sent() == ["a"]

        def test_no_room(self) -> None:
            """Without room an event fails with Dropped; only a critical message raises QueueFull, at the end."""
            for number in range(self.stage.capacity + _MANY):
                self.publish(f"event-{number}")
            assert len(self.answers) == _MANY
            assert {answer.partition(" ")[2] for answer in self.answers} == {Dropped.__name__}

            def fill() -> None:
                for number in range(self.stage.capacity + _MANY):
                    self.publish(f"critical-{number}", priority=Priority.CRITICAL)

            self.assert_raises(QueueFull, fill)
            self.answers.clear()
            self.publish("telemetry", priority=Priority.TELEMETRY)
            assert self.answers == ["telemetry Dropped"]

        def test_stopped(self) -> None:
            """At the stop, what waits fails with Stopped; from then on publish raises it, and nothing is sent."""
            self.publish("a")
            self.stage.stop()
            self.pass_time(0)
            assert self.answers == ["a Stopped"]
            self.assert_raises(Stopped, lambda: self.publish("b"))
            assert self.sent() == []

        def test_unwatched(self) -> None:
            """A failure at which nobody looks is not logged as an unhandled error."""
            self.stage.publisher.publish(Message("t/a", b""))
            self.stage.stop()
            self.pass_time(0)
            gc.collect()
            assert self.logged_errors() == []

        def test_publish_when_answered(self) -> None:
            """Who gets an answer may publish at once."""
            numbers = count()

            def again(_: object) -> None:
                if next(numbers) < _MANY:
                    self.stage.publisher.publish(Message("t/x", b"x")).addBoth(again)

            self.connect()
            again(None)
            for _ in range(_MANY):
                self.acknowledge()
            assert len(self.sent()) == _MANY

        def test_cancelled(self) -> None:
            """Who cancels waits no more; the message is sent all the same."""
            publishing = self.publish("a")
            publishing.cancel()
            self.publish("b")
            self.connect()
            self.acknowledge()
            assert self.sent() == ["a", "b"]
            assert self.answers == ["a CancelledError", "b"]

    return PublisherContract


class SubscriberStage(Protocol):
    """A subscriber whose broker sends what the test says."""

    @property
    def subscriber(self) -> Any: ...

    def deliver(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """The broker sends a message; ``retained``: one that it had before the subscription."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def subscriber_contract(build: Callable[[], SubscriberStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`ISubscriber`."""

    class SubscriberContract(Contract):
        def setUp(self) -> None:
            self.stage = build()
            self.advance = self.stage.advance
            self.calls: list[tuple[str, str, bytes]] = []

        def subscribe(self, topic_filter: str, name: str = "", **more: Any) -> Callable[[], None]:
            unsubscribe: Callable[[], None] = self.stage.subscriber.subscribe(
                topic_filter, lambda topic, payload: self.calls.append((name or topic_filter, topic, payload)), **more
            )
            return unsubscribe

        def names(self) -> list[str]:
            self.pass_time(0)
            names, self.calls = [name for name, _, _ in self.calls], []
            return names

        def test_interface(self) -> None:
            """It provides ISubscriber."""
            verifyObject(ISubscriber, self.stage.subscriber)

        def test_filters(self) -> None:
            """Each handler gets what its filter matches, once, with topic and payload as they came."""
            for topic_filter in ("a/b", "a/+", "a/#", "+/b", "x"):
                self.subscribe(topic_filter)
            self.stage.deliver("a/b", b"\0\xff")
            self.pass_time(0)
            assert {(topic, payload) for _, topic, payload in self.calls} == {("a/b", b"\0\xff")}
            assert sorted(self.names()) == ["+/b", "a/#", "a/+", "a/b"]
            self.stage.deliver("a", b"")
            assert self.names() == ["a/#"]
            self.stage.deliver("$SYS/b", b"")
            assert self.names() == []

        def test_unsubscribed(self) -> None:
            """A handler that was unsubscribed is called no more, however often it is; others are not concerned."""
            unsubscribe = self.subscribe("t", "first")
            self.subscribe("t", "second")
            unsubscribe()
            unsubscribe()
            self.stage.deliver("t", b"")
            assert self.names() == ["second"]

        def test_retained(self) -> None:
            """What was retained before goes to its own handler, where there is one."""
            self.subscribe("t", "plain")
            self.subscribe("t", "new", retained=lambda topic, payload: self.calls.append(("old", topic, payload)))
            self.stage.deliver("t", b"", retained=True)
            assert sorted(self.names()) == ["old", "plain"]
            self.stage.deliver("t", b"")
            assert sorted(self.names()) == ["new", "plain"]

        def test_failures(self) -> None:
            """What a handler raises is logged; it gets the next message, and the others get theirs."""

            def fail(topic: str, payload: bytes) -> None:
                self.calls.append(("failing", topic, payload))
                raise ValueError(topic)

            self.stage.subscriber.subscribe("t", fail)
            self.subscribe("t", "second")
            for _ in range(2):
                self.stage.deliver("t", b"")
                assert sorted(self.names()) == ["failing", "second"]
            assert len(self.logged_errors()) == 2

        def test_one_after_the_other(self) -> None:
            """A handler that takes its time has the next message when it is done, in the order in which they came."""
            waiting: list[Deferred[None]] = []

            async def handle(topic: str, payload: bytes) -> None:
                self.calls.append(("slow", topic, payload))
                waiting.append(Deferred())
                await waiting[-1]

            self.stage.subscriber.subscribe("t", handle)
            for payload in (b"1", b"2"):
                self.stage.deliver("t", payload)
            self.pass_time(0)
            assert [payload for _, _, payload in self.calls] == [b"1"]
            waiting[0].callback(None)
            self.pass_time(0)
            assert [payload for _, _, payload in self.calls] == [b"1", b"2"]
            waiting[1].callback(None)

        def test_subscribed_in_a_handler(self) -> None:
            """A handler may subscribe and unsubscribe: what comes after that goes by it."""
            ends: list[Callable[[], None]] = []

            def handle(topic: str, payload: bytes) -> None:
                self.subscribe("u")
                ends[0]()

            ends.append(self.stage.subscriber.subscribe("t", handle))
            self.stage.deliver("t", b"")
            self.pass_time(0)
            self.stage.deliver("t", b"")
            self.stage.deliver("u", b"")
            assert self.names() == ["u"]

    return SubscriberContract
