"""The screen of a daemon's health."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import status as status_module
from twisted_detector.cli.status import status
from twisted_detector.mqtt.broker.place import BrokerPlace


class Screen(SynchronousTestCase):
    def shown(self, phase: str = "steady", broker: Any = None, **mqtt: Any) -> str:
        """What is shown of a daemon."""
        block = {
            "state": "connected", "reason": "", "advice": "", "last_disconnect_reason": "", "acknowledged": 0,
            "queue_depth": {"state": 24}, "success_rate": None, "ack_latency_ms": {"p50": None, "p99": None},
        }  # fmt: skip
        blocks = {
            "status": "online", "reason": "", "stats": {"by_status": {}}, "mqtt": block | mqtt,
            "discovery": {"phase": phase, "sweeping": False, "last_sweep": {}},
            "reactor": {"lag_ms": {"p99": 1.0}}, "resources": {"rss_mb": 1, "cpu_percent": 1, "fds": 1},
        }  # fmt: skip
        blocks |= {"broker": broker} if broker else {}
        self.patch(status_module, "send_request", lambda directory, request: blocks)
        out = io.StringIO()
        self.assertEqual(0, status(Path("x"), use_json=False, quiet=False, out=out, err=io.StringIO()))
        return out.getvalue()

    def test_share_of_nothing(self) -> None:
        """While no message was answered there is no success, and no failure either."""
        self.assertRegex(self.shown(), r"success +–")
        self.assertRegex(self.shown(success_rate=0.5), r"success +50\.000%")

    def test_broker_away(self) -> None:
        """Why there is no connection, and what to do, stand below its state."""
        told = self.shown(state="failed", reason="wrong user name or password", advice="check MQTT_USERNAME")
        self.assertRegex(told, r"MQTT +failed")
        self.assertIn("wrong user name or password; check MQTT_USERNAME", told)

    def test_which_broker(self) -> None:
        """Which broker it is, with the port that it really has, and what to type; a daemon of before says nothing."""
        self.assertNotIn("broker", self.shown())
        place = BrokerPlace("127.0.0.1", 39385, "embedded", "127.0.0.1:1883 wants a login", "set " + "MQTT" * 50)
        told = self.shown(broker=place.document())
        self.assertRegex(told, r"broker +127\.0\.0\.1, port 39385 \(camdetect's own broker\)")
        self.assertIn("127.0.0.1:1883 wants a login: set " + "MQTT" * 50, told)

    def test_phase(self) -> None:
        """A phase is told in words; one of a newer daemon by its name."""
        self.assertIn("scanning often", self.shown("aggressive"))
        self.assertIn("newest", self.shown("newest"))
