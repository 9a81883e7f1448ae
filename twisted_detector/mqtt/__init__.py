"""A durable MQTT connection for any Twisted program: paho in one thread, the outbox on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_detector.mqtt.settings import MqttSettings as MqttSettings

if TYPE_CHECKING:
    from twisted_detector.mqtt.service import MqttService as MqttService


def __getattr__(name: str) -> Any:
    """The service is loaded when it is wanted: an eye has the connection alone, and no database."""
    if name != "MqttService":
        raise AttributeError(name)
    from twisted_detector.mqtt.service import MqttService

    return MqttService
