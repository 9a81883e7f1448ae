"""Conversion of the configuration into the terms of the parts: MQTT connection, registry, detector."""

from __future__ import annotations

from dataclasses import fields, replace
from math import ceil

from twisted_detector.config.config import Config
from twisted_detector.detector.schedule import Intervals, Schedule
from twisted_detector.model import Secret
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.service import MqttSettings
from twisted_detector.registry.freeze_detector import MIN_EQUAL, FreezeDetector

#: The first sweeps follow one another quickly: what is missed once (Wi-Fi power save) is found twenty seconds later.
INITIAL_PAUSE = 10.0
#: Seconds between the beginnings of two inspections. One takes some 20 ms of processor time: at this pace the first of
#: 100 cameras is known after a tenth of a second and not after all of them, and all 50 at a time run after half of one.
PACE = 0.01


def mqtt_settings(config: Config, broker: BrokerPlace, *, lwt_topic: str) -> MqttSettings:
    """The settings of the connection: all of the section ``mqtt`` that bear the same names there.

    A login goes to the broker that MQTT_BROKER names, and to no other: anybody on this machine may take a port.
    """
    shared = {each.name for each in fields(MqttSettings)} & {each.name for each in fields(config.mqtt)}
    settings = MqttSettings(host=broker.host, **{name: getattr(config.mqtt, name) for name in shared})
    if broker.kind != "configured":
        settings = replace(settings, username="", password=Secret(""))
    # Home Assistant's birth message is received by the announcer, which takes its time.
    return replace(
        settings,
        port=broker.port,
        lwt_topic=lwt_topic,
        node_id=config.node_id,
        service=config.service_id,
        republish_topic="",
    )


def missed_limit(config: Config) -> int:
    """OFFLINE_THRESHOLD as missed checks: stamps jump with the clock, counts do not."""
    return max(1, round(config.inspection.offline_threshold / config.inspection.health_check_interval))


def proof_every(config: Config) -> int:
    """FULL_PROOF_INTERVAL in checks."""
    return max(1, round(config.inspection.full_proof_interval / config.inspection.health_check_interval))


def freeze_detector(config: Config) -> FreezeDetector:
    """FROZEN_AFTER as equal pictures in a row, the first of which begins the time."""
    after = config.inspection.frozen_after

    def count(interval: float) -> int:
        return max(MIN_EQUAL, ceil(after / interval) + 1) if after and interval else 0

    return FreezeDetector(
        checks=count(config.inspection.full_proof_interval), pictures=count(config.inspection.snapshot_interval)
    )


def schedule(config: Config) -> Schedule:
    """When to sweep."""
    smart = config.discovery.smart_enabled
    return Schedule(
        Intervals(
            steady=config.discovery.steady_state_interval if smart else config.discovery.interval,
            quick=config.discovery.quick_check_interval,
            initial_count=config.discovery.initial_count,
            initial_pause=min(config.discovery.interval, INITIAL_PAUSE),
            smart=smart,
        )
    )
