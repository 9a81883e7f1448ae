"""Will, birth, and the heartbeat."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import __version__
from twisted_detector.errors import Dropped, QueueFull
from twisted_detector.model import Priority
from twisted_detector.mqtt.presence import presence_payload
from twisted_detector.operations.heartbeat import Heartbeat
from twisted_detector.testing.doubles import RecordingPublisher


class PresenceTests(SynchronousTestCase):
    def test_will_birth_and_clean_end(self) -> None:
        """The fields of the contract and the session; a reason where there is one."""
        self.assertEqual(
            {
                "node_id": "n",
                "service": "camera_detector",
                "status": "offline",
                "session": 7,
                "timestamp": "1970-01-01T00:00:01.000Z",
            },
            json.loads(presence_payload("n", "offline", at=1.0, session=7)),
        )
        clean = json.loads(presence_payload("n", "offline", at=1.0, session=7, reason="shutdown"))
        self.assertEqual("shutdown", clean["reason"])


class HeartbeatTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.publisher = RecordingPublisher()
        self.status = "ok"
        self.fail = False
        self.heartbeat = Heartbeat(
            self.clock,
            node_id="n",
            topics=("shared", "shared/n"),
            interval=60,
            blocks=self.blocks,
            publish=self.publisher.publish,
            monotonic=self.clock.seconds,
        )
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))
        self.addCleanup(self.heartbeat.stop)

    def blocks(self) -> Mapping[str, Any]:
        if self.fail:
            raise ZeroDivisionError("a block")
        return {"status": self.status, "stats": {"cameras": 1}}

    def test_at_once_and_at_every_interval(self) -> None:
        """The document is said at the start and then every interval, retained, QoS 1, on both topics."""
        self.heartbeat.start()
        self.clock.pump([30, 30, 60])
        self.assertEqual(["shared", "shared/n"] * 3, [message.topic for message in self.publisher.messages])
        for message in self.publisher.messages:
            self.assertEqual((1, True, Priority.STATE), (message.qos, message.retain, message.priority))
        document = json.loads(self.publisher.messages[-1].payload)
        self.assertEqual(
            {
                "node_id": "n",
                "service": "camera_detector",
                "timestamp": "1970-01-01T00:02:00.000Z",
                "version": __version__,
                "uptime_s": 120.0,
                "status": "ok",
                "stats": {"cameras": 1},
            },
            document,
        )

    def test_change_of_status(self) -> None:
        """A new status is said at once, the same is not said again, and nothing before the start or after the stop."""
        self.heartbeat.publish_if_changed()
        self.heartbeat.start()
        self.heartbeat.publish_if_changed()
        self.status = "degraded"
        self.heartbeat.publish_if_changed()
        self.heartbeat.publish_if_changed()
        self.heartbeat.stop()
        self.status = "ok"
        self.heartbeat.publish_if_changed()
        self.assertEqual(
            ["ok", "degraded"], [json.loads(message.payload)["status"] for message in self.publisher.messages[::2]]
        )

    def test_a_failing_block(self) -> None:
        """A block that fails is logged, also when the status is read, and the heartbeat goes on."""
        self.heartbeat.start()
        self.fail = True
        self.clock.advance(60)
        self.heartbeat.publish_if_changed()
        self.fail = False
        self.clock.advance(60)
        self.assertEqual(4, len(self.publisher.messages))
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_a_refusing_publisher(self) -> None:
        """A status that could not be said counts as not said."""
        self.heartbeat.start()
        self.status, self.publisher.problem = "degraded", QueueFull()
        self.heartbeat.publish_if_changed()
        self.publisher.problem = None
        self.heartbeat.publish_if_changed()
        self.assertEqual("degraded", json.loads(self.publisher.messages[-1].payload)["status"])

    def test_a_message_that_is_dropped_later(self) -> None:
        """What becomes of it is the outbox's to report: no Deferred is left that Twisted would complain about."""
        self.heartbeat._publish = lambda _message: fail(Dropped("the outbox is full"))
        self.heartbeat.start()
        gc.collect()
        self.assertEqual([], self.flushLoggedErrors())
