"""MqttService without a broker and without a disk: the fate of messages that are published before the start."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.mqtt import ThreadlessReactor
from twisted_detector.errors import Dropped, QueueFull, Stopped
from twisted_detector.interfaces import IPublisher, ISubscriber
from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.service import MAX_EARLY, MqttService, MqttSettings


class Early(SynchronousTestCase):
    def setUp(self) -> None:
        self.service = self.make()

    def make(self, **settings: int) -> MqttService:
        return MqttService(ThreadlessReactor(), MqttSettings(host="localhost", client_id="early", **settings))

    def test_instance(self) -> None:
        """Each has a random name, that of will and birth."""
        self.assertNotEqual(self.make().instance, self.service.instance)
        self.assertEqual(self.service.instance, self.service.client._identity.instance)

    def begin(self) -> None:
        """The start as far as the outbox; nothing connects."""
        self.service.client.startService = lambda: None  # type: ignore[method-assign]
        self.successResultOf(Deferred.fromCoroutine(self.service.start()))

    def test_interfaces(self) -> None:
        """It is a publisher and a subscriber."""
        self.assertTrue(IPublisher.providedBy(self.service))
        self.assertTrue(ISubscriber.providedBy(self.service))

    def test_order(self) -> None:
        """Messages from before the start are queued in their order, and acknowledged as any other."""
        published = [self.service.publish(Message(f"t/{number}", b"")) for number in range(3)]
        self.begin()
        items = self.service.outbox.take(10)
        self.assertEqual(["t/0", "t/1", "t/2"], [item.message.topic for item in items])
        self.assertNoResult(published[0])
        self.service.outbox.acknowledged([item.token for item in items])
        for each in published:
            self.assertIsNone(self.successResultOf(each))

    def test_stopped(self) -> None:
        """At a stop they fail with Stopped, and what nobody looks at is no unhandled error."""
        watched = self.service.publish(Message("t", b""))
        self.service.publish(Message("t", b""))
        self.begin()
        self.successResultOf(self.service.stopService())
        self.failureResultOf(watched, Stopped)
        self.assertEqual([], self.flushLoggedErrors())

    def test_stopped_without_start(self) -> None:
        """They fail with Stopped, too, when there never was a start."""
        watched = self.service.publish(Message("t", b""))
        self.service.publish(Message("t", b""))
        self.successResultOf(self.service.stopService())
        self.failureResultOf(watched, Stopped)
        self.assertRaises(Stopped, self.service.publish, Message("t", b""))

    def test_no_room(self) -> None:
        """A critical one that finds no room fails by itself, and does not hinder the start."""
        self.service = self.make(queue_size=1)
        published = [self.service.publish(Message("t", b"", priority=Priority.CRITICAL)) for _ in range(3)]
        self.begin()
        self.assertNoResult(published[0])
        self.failureResultOf(published[1], QueueFull)
        self.failureResultOf(published[2], QueueFull)

    def test_bounded(self) -> None:
        """Not more than a bounded number is taken; as later, only a critical one raises QueueFull."""
        for _ in range(MAX_EARLY):
            self.service.publish(Message("t", b""))
        self.failureResultOf(self.service.publish(Message("t", b"")), Dropped)
        self.assertRaises(QueueFull, self.service.publish, Message("t", b"", priority=Priority.CRITICAL))
