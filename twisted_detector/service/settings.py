"""A Config goes in; the settings of MQTT, registry and conductor, in their own terms, come out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import ceil

from twisted_detector.config.config import Config
from twisted_detector.detector.schedule import Intervals, Schedule
from twisted_detector.model import Camera, EvidenceKind, Secret
from twisted_detector.mqtt.service import MqttSettings
from twisted_detector.registry.frozen import LEAST, FreezeDetector

#: The first sweeps follow one another quickly: what is missed once (Wi-Fi power save) is found twenty seconds later.
INITIAL_PAUSE = 10.0
#: Seconds between the beginnings of two inspections. One takes some 20 ms of processor time: at this pace the first of
#: 100 cameras is known after a tenth of a second and not after all of them, and all 50 at a time run after half of one.
PACE = 0.01


def mqtt_settings(config: Config, host: str, port: int, lwt_topic: str) -> MqttSettings:
    """How to reach the broker at ``host`` and ``port``, which may be the embedded one."""
    return MqttSettings(
        host=host,
        port=port,
        client_id=config.mqtt_client_id,
        keepalive=config.mqtt_keepalive,
        protocol=config.mqtt_protocol,
        username=config.mqtt_username,
        password=config.mqtt_password if config.mqtt_password != Secret("") else None,
        tls=config.mqtt_tls,
        tls_ca_path=str(config.tls_ca_path or ""),
        tls_cert_path=str(config.tls_cert_path or ""),
        tls_key_path=str(config.tls_key_path or ""),
        tls_insecure=config.tls_insecure,
        reconnect_min=config.mqtt_reconnect_min,
        reconnect_max=config.mqtt_reconnect_max,
        reconnect_jitter=config.mqtt_reconnect_jitter,
        max_attempts=config.mqtt_max_reconnect_attempts,
        lwt_topic=lwt_topic,
        # Home Assistant's birth message is heard by the announcer, which takes its time.
        resay_topic="",
    )


def missed_limit(config: Config) -> int:
    """OFFLINE_THRESHOLD as missed checks: stamps jump with the clock, counts do not."""
    return max(1, round(config.offline_threshold / config.health_check_interval))


def proof_every(config: Config) -> int:
    """FULL_PROOF_INTERVAL in checks."""
    return max(1, round(config.full_proof_interval / config.health_check_interval))


def stills(config: Config) -> FreezeDetector:
    """FROZEN_AFTER as equal pictures in a row, the first of which begins the time."""

    def count(interval: float) -> int:
        return max(LEAST, ceil(config.frozen_after / interval) + 1) if config.frozen_after and interval else 0

    return FreezeDetector(checks=count(config.full_proof_interval), pictures=count(config.snapshot_interval))


def schedule(config: Config) -> Schedule:
    """When to sweep."""
    smart = config.smart_discovery_enabled
    return Schedule(
        Intervals(
            steady=config.steady_state_interval if smart else config.discovery_interval,
            quick=config.quick_check_interval,
            initial_count=config.initial_discovery_count,
            initial_pause=min(config.discovery_interval, INITIAL_PAUSE),
            smart=smart,
        )
    )


def without_macs(cameras: Iterable[Camera]) -> tuple[Camera, ...]:
    """What an earlier run knew, but for what it saw at layer 2; their ids stay."""
    seen = (EvidenceKind.MAC, EvidenceKind.SHARED_MAC)
    return tuple(
        replace(one, mac=None, evidence=tuple(item for item in one.evidence if item.kind not in seen))
        for one in cameras
    )
