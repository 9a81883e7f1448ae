"""A durable MQTT connection for any Twisted program: paho in one thread, the outbox on disk."""

from twisted_detector.mqtt.service import MqttService as MqttService
from twisted_detector.mqtt.settings import MqttSettings as MqttSettings
