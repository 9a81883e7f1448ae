"""A trial connects once, ends at once, and tells what an attempt of the real connection would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.network.loop import LoopReport
from twisted_detector.mqtt.network.paho_session import MQTT_3_1_1, MQTT_5, Connack, Ending
from twisted_detector.mqtt.seams import Cause
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.trial import TrialResult, try_broker

CONNACK = Connack(65535, 0, MQTT_3_1_1)


@dataclass
class Loop:
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


class Runner:
    """Attempts whose endings are written down; a broker that accepts sends its CONNACK first."""

    def __init__(self, endings: list[Ending]) -> None:
        self.endings = endings
        self.loops: list[Loop] = []
        self.attempts: list[dict[str, Any]] = []
        self.stopped = 0

    async def attempt(self, **given: Any) -> Ending:
        self.attempts.append(given)
        ending = self.endings.pop(0)
        loop = Loop()
        self.loops.append(loop)
        given["deliver"](loop, LoopReport())
        if ending.accepted:
            given["deliver"](loop, LoopReport(connack=CONNACK))
        return ending

    def close(self) -> None:
        """Nothing runs."""

    def stop(self) -> None:
        self.stopped += 1


class SlowRunner(Runner):
    """An attempt that ends some time after it was asked to."""

    def __init__(self) -> None:
        super().__init__([])
        self.ending: Deferred[Ending] = Deferred()
        self.asked = 0

    async def attempt(self, **given: Any) -> Ending:
        return await self.ending

    def close(self) -> None:
        self.asked += 1


class Trial(SynchronousTestCase):
    def trial(self, *endings: Ending, **settings: Any) -> TrialResult:
        self.runner = Runner(list(endings))
        made = MqttSettings(host="b", client_id="trial", **settings)
        trying = try_broker(None, made, make_runner=lambda *_, **__: self.runner)  # type: ignore[arg-type, return-value]
        result: TrialResult = self.successResultOf(Deferred.fromCoroutine(trying))
        self.assertEqual(1, self.runner.stopped)
        return result

    def test_accepted(self) -> None:
        """It disconnects as soon as the broker has accepted, and has no will."""
        self.assertEqual(TrialResult(True), self.trial(Ending("closed by this program", accepted=True)))
        self.assertEqual([1], [one.closed for one in self.runner.loops])
        self.assertEqual([(MQTT_3_1_1, None)], [(one["protocol"], one["will"]) for one in self.runner.attempts])

    def test_refused(self) -> None:
        """A broker that refuses who we are is there, which is told; with the setting to look at."""
        found = self.trial(Ending("wrong user name or password", terminal=True, cause=Cause.LOGIN))
        self.assertEqual((False, True), (found.accepted, found.refused))
        self.assertEqual("set MQTT_USERNAME and MQTT_PASSWORD", found.advice)
        self.assertEqual([0], [one.closed for one in self.runner.loops])

    def test_who_waits_goes(self) -> None:
        """A trial that nobody waits for any more is asked to end; its thread is joined when it has, and not before."""
        runner = SlowRunner()
        made = MqttSettings(host="b", client_id="trial")
        waiting = Deferred.fromCoroutine(try_broker(None, made, make_runner=lambda *_, **__: runner))  # type: ignore[arg-type, return-value]
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual((1, 0), (runner.asked, runner.stopped))
        runner.ending.callback(Ending("closed by this program"))
        self.assertEqual(1, runner.stopped)

    def test_nobody(self) -> None:
        """Where nothing answers there is no broker."""
        found = self.trial(Ending("nothing listens there (connection refused)"))
        self.assertEqual((False, False), (found.accepted, found.refused))
        self.assertIn("MQTT_PORT", found.advice)

    def test_versions(self) -> None:
        """With ``auto`` the older version is tried after the newer, once; otherwise the one that is set."""
        older = Ending("the broker does not speak this version of MQTT", fallback=True)
        accepted = Ending("closed by this program", accepted=True)
        self.assertTrue(self.trial(older, accepted, protocol="auto").accepted)
        self.assertEqual([MQTT_5, MQTT_3_1_1], [one["protocol"] for one in self.runner.attempts])
        self.assertEqual("set MQTT_PROTOCOL=auto", self.trial(older, protocol="5").advice)
        self.assertEqual([MQTT_5], [one["protocol"] for one in self.runner.attempts])
