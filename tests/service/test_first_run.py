"""The brokers of this machine that the page offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.trial import TrialResult
from twisted_detector.service.first_run import brokers_here


class BrokersHereTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[MqttSettings] = []
        self.answer = TrialResult(True)

    def found(self, in_use: BrokerPlace) -> Sequence[Mapping[str, Any]]:
        async def try_broker(settings: MqttSettings) -> TrialResult:
            self.asked.append(settings)
            return self.answer

        return self.successResultOf(Deferred.fromCoroutine(brokers_here(try_broker, in_use)))

    def test_in_use(self) -> None:
        """The one in use is not asked: offered as such when it was found here, and not at all otherwise."""
        here = {"host": "127.0.0.1", "port": 1883, "login": False, "used": True}
        self.assertEqual([here], list(self.found(BrokerPlace("127.0.0.1", 1883, "found"))))
        for place in (BrokerPlace("127.0.0.1", 1883), BrokerPlace("127.0.0.1", 1883, "embedded")):
            self.assertEqual([], list(self.found(place)))
        self.assertEqual([], self.asked)

    def test_beside_it(self) -> None:
        """Another one is asked once, without a login; what is no broker is not offered."""
        embedded = BrokerPlace("127.0.0.1", 39385, "embedded")
        for answer, logins in (
            (TrialResult(True), [False]),
            (TrialResult(False, "not authorized", refused=True), [True]),
            (TrialResult(False, "no answer"), []),
        ):
            self.answer = answer
            self.assertEqual(logins, [one["login"] for one in self.found(embedded)])
        self.assertEqual({("127.0.0.1", 1883, "")}, {(one.host, one.port, one.username) for one in self.asked})
        self.assertEqual(3, len(self.asked))
