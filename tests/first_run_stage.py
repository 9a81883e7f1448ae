"""Double of the commands of the first run and of settings, for the browser tests and the API's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.web.api.first_run import SETTINGS


class FirstRunStage:
    """A daemon that was set up before: the page does not open on the first run. Nothing is found, no broker answers."""

    def __init__(self) -> None:
        self._given = dict.fromkeys(SETTINGS, "")

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By the name of the command."""
        return {
            "first-run": self.first_run, "settings": self.settings, "broker-test": self.broker_test,
            "consumers": self.consumers,
        }  # fmt: skip

    async def first_run(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"open": False, "state": "earlier"}

    async def settings(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            if "\n" in value:
                raise RemoteError(f"{name}: must be one line")
            self._given[name] = value
        shown = {name: "***" if value and name.endswith("PASSWORD") else value for name, value in self._given.items()}
        documents = {
            name: {"value": value, "source": "page" if value else "", "fixed": "", "help": ""}
            for name, value in shown.items()
        }
        return {"settings": documents, "restarting": False, "fault": ""}

    async def broker_test(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"ok": False, "text": "nobody answers there", "advice": "check MQTT_BROKER", "setting": "MQTT_BROKER"}

    async def consumers(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"consumers": [], "brokers": [], "hosts": 1}
