"""Every topic as its old consumers read it: names, types, retained flag, QoS, stamps, prefix."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contract import TOPICS, faults, known
from tests.facts import PLAYS, A, inspection, sighting, stream
from tests.outputs.case import CAMERA_EVENTS, TOPIC_CAMERA as CAMERA
from twisted_detector.bus import Bus
from twisted_detector.config.load import load
from twisted_detector.errors import ConfigError
from twisted_detector.events import CameraEvent, ConnectionEvent, Event
from twisted_detector.model import Message
from twisted_detector.mqtt.presence import presence_payload
from twisted_detector.operations.process_stats import ProcessStats, ReactorLag
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.registry import Registry


class ContractCase(SynchronousTestCase):
    def said(self, *events: Event, prefix: str = "") -> list[Message]:
        output = TopicsOutput(Topics(prefix=prefix, node_id="node"))
        return [message for event in events for message in output.messages(event)]

    def sound(self, messages: list[Message]) -> None:
        self.assertTrue(messages)
        for message in messages:
            self.assertEqual([], faults(message.topic, message.payload, retained=message.retain, qos=message.qos))


class CheckerTests(SynchronousTestCase):
    """The reader of this test itself stumbles where a consumer would."""

    def test_it_can_fail(self) -> None:
        """Each kind of fault is found."""
        document = json.loads(presence_payload("n", "online", at=1.0, session=1))
        topic = "system/camera_detector_health/n/lwt"

        def of(document: Any, *, topic: str = topic, retained: bool = True, qos: int = 1) -> int:
            text = (
                document if isinstance(document, str) else json.dumps(document, sort_keys=True, separators=(",", ":"))
            )
            return len(faults(topic, text, retained=retained, qos=qos))

        self.assertEqual(0, of(document))
        for wrong in (
            of(document, retained=False),
            of(document, qos=0),
            of(document, topic="camera/other/x"),
            of(document | {"timestamp": "2026-01-01T00:00:00+00:00Z"}),
            of(document | {"status": 7}),
            of({key: value for key, value in document.items() if key != "service"}),
            of(json.dumps(document)),
            of(""),
        ):
            self.assertEqual(1, wrong)


class TopicTests(ContractCase):
    def of(self, pattern: str, *events: Event) -> list[Message]:
        messages = [message for message in self.said(*events) if known(message.topic) == pattern]
        self.sound(messages)
        return messages

    EVENTS: tuple[CameraEvent, ...] = tuple(event for event, _, _ in CAMERA_EVENTS)

    def test_discovery(self) -> None:
        """camera/discovery/<id> of every event; empty and retained when the camera is forgotten."""
        messages = self.of("camera/discovery/*", *self.EVENTS)
        self.assertEqual(1, sum(not message.payload for message in messages))

    def test_status(self) -> None:
        """camera/status/<id> of every event, with ip_changed unretained before the state of a move."""
        messages = self.of("camera/status/*", *self.EVENTS)
        self.assertEqual(1, sum(not message.retain for message in messages))
        self.assertEqual(1, sum(not message.payload for message in messages))

    def test_event(self) -> None:
        """camera/event/<id> of every event, among them all that the contract names."""
        messages = self.of("camera/event/*", *self.EVENTS)
        kinds = {json.loads(message.payload)["event"] for message in messages}
        self.assertLessEqual(
            {"discovered", "moved", "online", "offline", "stream_changed", "credential_accepted", "credential_refused",
             "clock_skew", "identity_conflict"},
            kinds,
        )  # fmt: skip

    def test_presence(self) -> None:
        """Will, birth and clean end."""
        topic = Topics(prefix="", node_id="node").lwt
        for status, reason in (("offline", None), ("online", None), ("offline", "shutdown")):
            payload = presence_payload("node", status, at=1.0, session=3, reason=reason)
            self.assertEqual([], faults(topic, payload, retained=True, qos=1))
            document = json.loads(payload)
            self.assertEqual(("camera_detector", status), (document["service"], document["status"]))
            self.assertEqual(reason, document.get("reason"))

    def test_connection(self) -> None:
        """Every change of the connection."""
        self.of(
            "system/camera_detector_health/*/connection",
            *(ConnectionEvent(1.0, event, "", "x", 0.5, 1, 2) for event in ("connected", "disconnected", "failed")),
        )

    def test_every_topic_is_named_so(self) -> None:
        """What the names of our topics are made of gives every line of the contract's table."""
        topics = Topics(prefix="", node_id="node")
        made = (
            *(make("x") for make in (topics.discovery, topics.status, topics.event)),
            *topics.health, topics.lwt, topics.connection, topics.command_result,
        )  # fmt: skip
        self.assertEqual(set(TOPICS), {known(topic) for topic in made})

    def test_prefix(self) -> None:
        """With a prefix every topic is the same below it."""
        plain, below = self.said(*self.EVENTS), self.said(*self.EVENTS, prefix="site/north")
        self.assertEqual(
            [(f"site/north/{message.topic}", message.payload) for message in plain],
            [(message.topic, message.payload) for message in below],
        )

    def test_prefixes_that_are_refused(self) -> None:
        """Wildcards and control characters in the prefix stop the start."""
        for prefix in ("a/#", "+", "a\x01b", "a\x7f", "/a", "a/"):
            with self.assertRaises(ConfigError, msg=repr(prefix)):
                load({"MQTT_TOPIC_PREFIX": prefix}, hostname="here")

    def test_parts_of_the_health_document(self) -> None:
        """Lag and resources have their figures from the first moment, when nothing was measured yet."""
        clock = Clock()
        self.assertEqual({"p50", "p99", "max"}, set(ReactorLag(clock, clock.seconds).document()))
        self.assertEqual({"cpu_percent", "rss_mb", "fds"}, set(ProcessStats(clock.seconds).document()))


class LifeTests(ContractCase):
    def test_a_life(self) -> None:
        """All messages of a camera that is found, moves, fails, goes and is forgotten are as they should be."""
        messages: list[Message] = []
        output = TopicsOutput(Topics(prefix="", node_id="node"))

        class Speaker:
            def handle(_, event: Event) -> None:
                messages.extend(output.messages(event))

        bus = Bus()
        bus.subscribe(Speaker())  # type: ignore[arg-type]
        registry = Registry(bus.emit, missed_limit=1)
        seen = registry.record_sighting(sighting("10.0.0.5", A, scopes=("onvif://x",)), 1.0)
        assert seen is not None
        key = seen.key
        registry.record_inspection(
            key, inspection("10.0.0.5", stream(codec="H264"), clock_offset=99.0, login="admin"), 2.0
        )
        registry.record_check(key, {"rtsp://10.0.0.5:554/main": PLAYS}, 3.0)
        registry.record_sighting(sighting("10.0.0.6", A), 4.0)
        registry.record_auth_required(key, "it wants a login", 5.0)
        registry.record_busy(key, "453", 6.0)
        registry.record_departure("10.0.0.6", 7.0)
        self.assertTrue(registry.forget(registry.cameras()[0].id, 8.0))
        self.sound(messages)
        statuses = [json.loads(m.payload)["status"] for m in messages if "/status/" in m.topic and m.payload]
        self.assertLessEqual({"online", "ip_changed", "auth_required", "busy", "offline"}, set(statuses))
        self.assertEqual(CAMERA.mac, A)
