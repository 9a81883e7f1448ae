"""The test of a broker: with what is typed, without disturbing the session, and in words that name the setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from tests.operations.first_run.test_settings import SettingsCase
from twisted_detector.errors import RemoteError
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.trial import TrialResult
from twisted_detector.operations.first_run.broker_test import BrokerTest


class BrokerTests(SettingsCase):
    def setUp(self) -> None:
        super().setUp()
        self.tried: list[MqttSettings] = []
        self.result = TrialResult(True)
        self.waits: Deferred[None] | None = None
        self.embedded: tuple[str, int] | None = ("127.0.0.1", 33123)

    async def try_broker(self, settings: MqttSettings) -> TrialResult:
        self.tried.append(settings)
        if self.waits is not None:
            await self.waits
        return self.result

    @property
    def test(self) -> BrokerTest:
        return BrokerTest(self.command, self.try_broker, embedded=lambda: self.embedded)

    def ask(self, **values: object) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.done(self.test.answer(values))
        return answer

    def test_what_is_typed(self) -> None:
        """One connection with what is typed; nothing is saved, published or announced, and no session is ended."""
        answer = self.ask(MQTT_BROKER="b", MQTT_PORT="1884", MQTT_USERNAME="u", MQTT_PASSWORD="kanarie")
        self.assertEqual({"ok": True, "text": "connected to b, port 1884", "advice": "", "setting": ""}, answer)
        tried = self.tried[0]
        password = tried.password.reveal() if tried.password else ""
        self.assertEqual(
            ("b", 1884, "u", "kanarie", ""), (tried.host, tried.port, tried.username, password, tried.lwt_topic)
        )
        self.assertNotEqual(self.load().mqtt.client_id, tried.client_id)
        self.assertFalse((self.folder / "overrides").exists())

    def test_words(self) -> None:
        """What came of it, what to do, and at which field."""
        self.result = TrialResult(False, "wrong user name or password", "check MQTT_USERNAME and MQTT_PASSWORD")
        answer = self.ask(MQTT_BROKER="b", MQTT_USERNAME="u", MQTT_PASSWORD="kanarie")
        self.assertEqual((False, "MQTT_USERNAME"), (answer["ok"], answer["setting"]))
        self.assertEqual("b, port 1883: wrong user name or password", answer["text"])
        self.assertNotIn("kanarie", str(answer))
        self.result = TrialResult(False, "self-signed certificate", "set TLS_CA_PATH to the certificate")
        self.assertEqual("TLS_CA_PATH", self.ask(MQTT_BROKER="b", MQTT_TLS="true")["setting"])

    def test_a_saved_password(self) -> None:
        """It is used where it goes already, and nowhere else."""
        self.set(MQTT_BROKER="b", MQTT_USERNAME="u", MQTT_PASSWORD="kanarie")
        self.begin()
        self.ask()
        self.ask(MQTT_BROKER="evil")
        self.ask(MQTT_PORT="1884")
        given = [(one.host, one.username, bool(one.password)) for one in self.tried]
        self.assertEqual([("b", "u", True), ("evil", "", False), ("b", "", False)], given)

    def test_embedded(self) -> None:
        """Without a broker in the settings the embedded one is tried, if it runs."""
        self.ask(MQTT_USERNAME="u", MQTT_PASSWORD="kanarie")
        tried = self.tried[0]
        self.assertEqual((33123, "", False), (tried.port, tried.username, bool(tried.password)))
        self.embedded = None
        answer = self.ask()
        self.assertEqual((True, True), (answer["ok"], "else its own" in answer["text"]))
        self.assertEqual(1, len(self.tried))

    def test_one_at_a_time(self) -> None:
        """A second test while one runs is refused; a value that is wrong is refused before anything is sent."""
        self.waits = Deferred()
        test = self.test
        first = Deferred.fromCoroutine(test.answer({}))
        self.failureResultOf(Deferred.fromCoroutine(test.answer({})), RemoteError)
        self.waits.callback(None)
        self.successResultOf(first)
        self.done(test.answer({}))
        count = len(self.tried)
        refused = self.failureResultOf(Deferred.fromCoroutine(test.answer({"MQTT_PORT": "0"})), RemoteError)
        self.assertTrue(str(refused.value).startswith("MQTT_PORT: must be"))
        self.assertEqual(count, len(self.tried))
