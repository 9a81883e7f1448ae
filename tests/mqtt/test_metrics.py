"""The lines of the log about the connection: few, each once, with what to do."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.metrics import ConnectionLog
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.settings import MqttSettings

STATE = ConnectionState
REFUSED = "wrong user name or password"


class Log(SynchronousTestCase):
    def setUp(self) -> None:
        self.logged: list[tuple[Any, str | None]] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        self.log = ConnectionLog(MqttSettings(host="b", client_id="c", username="u"))

    def observe(self, event: dict[str, Any]) -> None:
        self.logged.append((event["log_level"], formatEvent(event)))

    def record(self, event: str, state: ConnectionState, reason: str = "", delay: float | None = None) -> None:
        change = ConnectionChange(event, state, reason, 0.0, 1, 1, 1, delay)
        self.log.record(change, stopping=False)

    def at(self, *levels: Any) -> list[str | None]:
        return [text for level, text in self.logged if level in levels]

    def test_ordinary(self) -> None:
        """A start is two lines."""
        self.record("connecting", STATE.CONNECTING)
        self.record("connected", STATE.CONNECTED)
        self.assertEqual(["connecting to b:1883", "connected to b:1883"], self.at(LogLevel.info))
        self.assertEqual(2, len(self.logged))

    def test_refused_login(self) -> None:
        """It is refused and failed at once, and one warning, which names the settings."""
        self.record("connecting", STATE.CONNECTING)
        self.record("refused", STATE.FAILED, REFUSED, 300.0)
        self.record("failed", STATE.FAILED, REFUSED, 300.0)
        told = f"cannot connect to b:1883: {REFUSED}; check MQTT_USERNAME and MQTT_PASSWORD; next attempt in 300.0 s"
        self.assertEqual([told], self.at(LogLevel.warn))

    def test_refused_login_that_is_tried_again_soon(self) -> None:
        """It is one warning however often it is refused, and another one when it is tried again slowly only."""
        for delay in (4.0, 8.0, 16.0, 20.0):
            self.record("connecting", STATE.CONNECTING)
            self.record("refused", STATE.FAILED, REFUSED, delay)
            self.record("failed", STATE.FAILED, REFUSED, delay)
        self.assertEqual(1, len(self.at(LogLevel.warn)))
        for _ in range(2):
            self.record("connecting", STATE.CONNECTING)
            self.record("refused", STATE.FAILED, REFUSED, 300.0)
            self.record("failed", STATE.FAILED, REFUSED, 300.0)
        told = [str(each).rpartition("in ")[2] for each in self.at(LogLevel.warn)]
        self.assertEqual(["4.0 s", "300.0 s", "300.0 s"], told)

    def test_still_not(self) -> None:
        """That it lasts is told when nothing was told of why, and not once more with the reason that was."""
        self.record("connecting", STATE.CONNECTING)
        self.record("refused", STATE.FAILED, REFUSED, 300.0)
        self.record("failed", STATE.FAILED, REFUSED, 300.0)
        self.record("degraded", STATE.FAILED, REFUSED)
        self.assertEqual(1, len(self.at(LogLevel.warn)))
        self.record("degraded", STATE.CONNECTING, "no answer")
        self.assertEqual(2, len(self.at(LogLevel.warn)))

    def test_long_outage(self) -> None:
        """The same refusal is one warning however often it comes, and another when it is given up."""
        for _ in range(5):
            self.record("connecting", STATE.CONNECTING)
            self.record("refused", STATE.RECONNECTING, "gone", 1.0)
        self.assertEqual(1, len(self.at(LogLevel.warn)))
        self.record("refused", STATE.FAILED, "gone", 300.0)
        self.record("failed", STATE.FAILED, "gone", 300.0)
        self.assertEqual(2, len(self.at(LogLevel.warn)))
        self.assertIn("again and again", str(self.at(LogLevel.warn)[-1]))
