"""Trial of a broker: one real connection, with the network thread, TLS and words of the real one, and its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from twisted_detector.mqtt.advice import advice
from twisted_detector.mqtt.network.attempts import AttemptRunner
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.network.paho_session import MQTT_3_1_1, MQTT_5, Ending
from twisted_detector.mqtt.seams import Cause
from twisted_detector.mqtt.settings import MqttSettings


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of it.

    :ivar accepted: whether the broker let us in.
    :ivar reason: why not, "" when it did; ``advice``: which setting to look at, "" where none can mend it.
    :ivar refused: whether a broker is there, and refused who we are.
    """

    accepted: bool
    reason: str = ""
    advice: str = ""
    refused: bool = False


async def try_broker(
    reactor: Any,
    settings: MqttSettings,
    *,
    make_runner: Callable[..., AttemptRunner] = AttemptRunner,
) -> TrialResult:
    """Connect, and disconnect as soon as the broker has accepted; some seconds at most. Nothing is published.

    :param settings: without a will, and with a client id that nobody uses: a broker ends the session of the other.
    """
    runner = make_runner(reactor, settings=settings, monotonic=time.monotonic)
    trial = Deferred.fromCoroutine(_try(runner, settings))
    # Whoever waits may be cancelled (a browser that leaves); the network thread is not: it is asked to end, and joined.
    result: Deferred[TrialResult] = Deferred(lambda _: runner.close())

    def ended(outcome: Any) -> None:
        if not result.called:
            result.callback(outcome)

    trial.addBoth(ended)
    return await result


async def _try(runner: AttemptRunner, settings: MqttSettings) -> TrialResult:
    is_accepted = False

    def deliver(loop: NetworkLoop, report: LoopReport) -> None:
        nonlocal is_accepted
        if report.connack is not None:
            is_accepted = True
            loop.close()

    async def attempt(protocol: int) -> Ending:
        return await runner.attempt(protocol=protocol, session=0, will=None, wanted=lambda: True, deliver=deliver)

    try:
        ending = await attempt(MQTT_3_1_1 if settings.protocol == "3.1.1" else MQTT_5)
        if settings.protocol == "auto" and ending.fallback and not is_accepted:
            ending = await attempt(MQTT_3_1_1)
    finally:
        runner.close()
        runner.stop()
    if is_accepted or ending.accepted:
        return TrialResult(True)
    return TrialResult(False, ending.reason, advice(ending.reason, settings), refused=ending.cause is Cause.LOGIN)
