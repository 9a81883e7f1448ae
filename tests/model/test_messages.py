"""MQTT messages: what is refused, and the order of priorities."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.model import (
    MAX_TOPIC_BYTES,
    Message,
    Priority,
)


class MessageTests(SynchronousTestCase):
    def test_topics(self) -> None:
        """Wildcards, NUL, nothing, half a surrogate pair and too long a topic are faults of ours."""
        for topic in ("", "#", "a/#", "+/a", "a\0b", "\ud800", "x" * (MAX_TOPIC_BYTES + 1), "ü" * 32_768):
            with self.assertRaises(LocalError, msg=repr(topic[:10])):
                Message(topic, b"")
        self.assertEqual("x" * MAX_TOPIC_BYTES, Message("x" * MAX_TOPIC_BYTES, b"").topic)

    def test_payload_and_qos(self) -> None:
        """A payload is bytes; QoS 2 is refused."""
        with self.assertRaises(LocalError):
            Message("a", "text")  # type: ignore[arg-type]
        for qos in (-1, 2, 3):
            with self.assertRaises(LocalError):
                Message("a", b"", qos=qos)
        message = Message("a", b"")
        self.assertEqual(
            (1, False, Priority.EVENT, None), (message.qos, message.retain, message.priority, message.expires_after)
        )

    def test_faults_do_not_show_everything(self) -> None:
        """A fault shows at most 200 characters of what was wrong."""
        with self.assertRaises(LocalError) as caught:
            Message("#" * 1000, b"")
        self.assertLess(len(str(caught.exception)), 300)

    def test_priorities(self) -> None:
        """Critical leaves first, telemetry last."""
        order = sorted([Priority.TELEMETRY, Priority.EVENT, Priority.CRITICAL, Priority.STATE])
        self.assertEqual(["CRITICAL", "STATE", "EVENT", "TELEMETRY"], [priority.name for priority in order])
