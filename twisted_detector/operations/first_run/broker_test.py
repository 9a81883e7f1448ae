"""The command ``broker-test``: a connection with settings that are not saved yet, and the answer in words."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted_detector.config.config import Config
from twisted_detector.errors import RemoteError
from twisted_detector.model import Secret
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.operations.first_run.settings import SettingsCommand

if TYPE_CHECKING:
    from twisted_detector.mqtt.trial import TrialResult

_NAME = re.compile(r"\b(?:MQTT|TLS)_[A-Z_]+\b")

#: Makes one connection (:func:`mqtt.trial.try_broker`).
TryBroker = Callable[[MqttSettings], "Awaitable[TrialResult]"]


class BrokerTest:
    """Handler of ``broker-test``: its fields are those of ``settings``; nothing is saved.

    A password that is saved goes only where it goes already: for another host, port or TLS it has to be given again.

    :param embedded: where the broker of this machine is, for settings without one; None: none is in use.
    """

    def __init__(
        self, settings: SettingsCommand, try_broker: TryBroker, *, embedded: Callable[[], tuple[str, int] | None]
    ) -> None:
        self._settings = settings
        self._try_broker = try_broker
        self._embedded = embedded
        self._is_testing = False

    async def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """``ok``, and in words what came of it; ``setting``: the one to look at, "" for none.

        :raises RemoteError: a value is refused, or a test runs already.
        """
        config = self._settings.candidate(fields).config
        place = (config.mqtt.broker, config.mqtt.port) if config.mqtt.broker else self._embedded()
        if place is None:
            text = "camdetect will use a broker of this machine that wants no login, else its own"
            return {"ok": True, "text": text, "advice": "", "setting": ""}
        if self._is_testing:
            raise RemoteError("another test is still running; try again in a few seconds")
        self._is_testing = True
        try:
            result = await self._try_broker(trial_settings(config, *place))
        finally:
            self._is_testing = False
        where = f"{place[0]}, port {place[1]}"
        if result.accepted:
            return {"ok": True, "text": f"connected to {where}", "advice": "", "setting": ""}
        named = _NAME.search(result.advice)
        return {
            "ok": False,
            "text": f"{where}: {result.reason}",
            "advice": result.advice,
            "setting": named[0] if named else "",
        }


def trial_client_id() -> str:
    """A client id that nobody uses: a broker ends the session of the other."""
    return f"camdetect-test-{secrets.token_hex(4)}"


def trial_settings(config: Config, host: str, port: int) -> MqttSettings:
    """Settings of a connection that disturbs none: without a will, under a name of its own.

    A login goes to the broker that is named, and to no other: anybody on this machine may take a port.
    """
    mqtt = config.mqtt
    return MqttSettings(
        host=host,
        port=port,
        client_id=trial_client_id(),
        keepalive=mqtt.keepalive,
        protocol=mqtt.protocol,
        username=mqtt.username if mqtt.broker else "",
        password=mqtt.password if mqtt.broker else Secret(""),
        tls=mqtt.tls,
        tls_ca_path=mqtt.tls_ca_path,
        tls_cert_path=mqtt.tls_cert_path,
        tls_key_path=mqtt.tls_key_path,
        tls_insecure=mqtt.tls_insecure,
    )
