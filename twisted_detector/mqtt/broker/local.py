"""Broker of an installation that names none: one that answers on this machine, else the embedded one.

Rules

1. Where the port of MQTT_PORT is free, the embedded broker takes it; nobody is asked anything.
2. Where it is taken, one CONNECT without a login tells by whom. A broker that accepts is used.
3. One that was used is waited for at the next starts: were its port taken, it could not come back.
4. Else the embedded broker takes another port, the same at each start, and what to type is said.
5. The embedded broker of another camdetect, or of an earlier run, is not used: it ends with its daemon.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.mqtt.broker.listener import is_embedded_broker
from twisted_detector.mqtt.broker.place import BrokerPlace, KeptPlace, read_kept_place
from twisted_detector.mqtt.broker.programs import HOST, is_free
from twisted_detector.mqtt.settings import MqttSettings

if TYPE_CHECKING:
    from twisted_detector.mqtt.broker.broker import EmbeddedBroker
    from twisted_detector.mqtt.trial import TrialResult

#: What to do about a broker that is not used, or not there; ``port``: of the embedded one.
_LOGIN = (
    f"set MQTT_BROKER={HOST} and MQTT_USERNAME/MQTT_PASSWORD; until then camdetect's own broker is used on port"
    " {port}"
)
_AWAY = "start it, or set MQTT_PORT to another port for a broker of camdetect's own"
#: Seconds in which the broker of a daemon that was killed has gone, and how often that is looked at.
_LEFT_OVER_SECONDS, _POLL = 1.0, 0.1


async def _try_broker(reactor: Any, settings: MqttSettings) -> TrialResult:
    from twisted_detector.mqtt.trial import try_broker  # rarely needed

    return await try_broker(reactor, settings)


def _make_embedded(*args: Any, **named: Any) -> EmbeddedBroker:
    from twisted_detector.mqtt.broker.broker import EmbeddedBroker  # only where MQTT_BROKER is not set

    return EmbeddedBroker(*args, **named)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a broker is not used, and what to do about it; "" and "" where there is none."""

    note: str = ""
    advice: str = ""


class LocalBroker:
    """Chooser of the broker on this machine, and owner of the embedded one, which runs on over restarts.

    :param try_broker: one connection (:func:`mqtt.trial.try_broker`).
    :param is_embedded: whether a camdetect's embedded broker listens on a port.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        try_broker: Callable[[Any, MqttSettings], Awaitable[TrialResult]] = _try_broker,
        is_free: Callable[[int], bool] = is_free,
        is_embedded: Callable[[int], bool] = is_embedded_broker,
        make_embedded: Callable[..., EmbeddedBroker] = _make_embedded,
    ) -> None:
        self._reactor = reactor
        self._try_broker = try_broker
        self._is_free = is_free
        self._is_embedded = is_embedded
        self._make_embedded = make_embedded
        self._embedded: EmbeddedBroker | None = None
        self._place = BrokerPlace("", 0)

    async def find(self, state_dir: Path, port: int) -> BrokerPlace:
        """The broker to be used; the embedded one runs then, if it is that.

        :param port: where one is expected, and where the embedded one listens when it is free.
        :raises BrokerError: the embedded one does not start.
        """
        kept = read_kept_place(state_dir, port)
        embedded = self._make_embedded(
            self._reactor, state_dir=state_dir, port=port, kept=kept.port if kept and kept.port != port else 0
        )
        if self._embedded is not None:
            if self._embedded.stands_for(embedded):
                return self._place
            await self.stop()
        was_used = kept is not None and kept.is_found
        refusal = await self._why_not(port, was_used=was_used)
        if refusal is None:
            place = BrokerPlace(HOST, port, "found")
            if was_used and self._is_free(port):
                place = replace(place, note=f"{HOST}:{port}, which was used before, does not answer", advice=_AWAY)
            self.log.info(
                "MQTT_BROKER is not set: the broker at {host}:{port}, which wants no login, is used; for one of"
                " camdetect's own set MQTT_PORT to another port",
                host=HOST,
                port=port,
            )
        else:
            self.log.info("MQTT_BROKER is not set: starting an embedded broker")
            endpoint = await embedded.start()
            self._embedded = embedded
            for line in embedded.describe():
                self.log.info("{line}", line=line)
            advice = refusal.advice.format(port=endpoint.port)
            place = BrokerPlace(endpoint.host, endpoint.port, "embedded", refusal.note, advice)
        if place.told:
            self.log.warn("{told}", told=place.told)
        self._place = place
        chosen = KeptPlace(port, place.port, is_found=refusal is None)
        if chosen != kept:
            try:
                chosen.write(state_dir)
            except OSError as error:
                self.log.warn("The broker's port cannot be kept for the next start: {error}", error=str(error))
        return place

    async def stop(self) -> None:
        """End the embedded broker, if it runs."""
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            await embedded.stop()

    async def _why_not(self, port: int, *, was_used: bool) -> _Refusal | None:
        """Why the broker at that port is not the one to use, if there is one; None: it is."""
        for _ in range(round(_LEFT_OVER_SECONDS / _POLL)):
            if self._is_free(port):
                return None if was_used else _Refusal()
            if not self._is_embedded(port):
                break
            await deferLater(self._reactor, _POLL)
        else:
            return _Refusal(f"port {port} has the embedded broker of another camdetect, which ends with that one")
        client_id = f"camdetect-look-{secrets.token_hex(4)}"
        result = await self._try_broker(self._reactor, MqttSettings(host=HOST, port=port, client_id=client_id))
        if result.accepted:
            return None
        if result.refused:
            return _Refusal(f"{HOST}:{port} answers and wants a login", _LOGIN)
        return None if was_used else _Refusal()
