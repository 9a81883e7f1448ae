"""Loader of the configuration of an eye: the settings of the daemon that it has a use for, and no others.

The whole configuration takes more than a mebibyte of the thirty that an eye may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from twisted_detector.config.declarations import declared, filled, section, setting
from twisted_detector.config.discovery import DiscoverySection
from twisted_detector.config.kinds import LEVEL
from twisted_detector.config.mqtt import MqttSection
from twisted_detector.config.reader import Reader, ReadFile, read_file as read_file_from_disk
from twisted_detector.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class EyeConfig:
    """Settings of an eye.

    :ivar sources: where each setting that was given was found, by key.
    :ivar warnings: what is probably not meant; to be logged at start.
    """

    mqtt: MqttSection = section(MqttSection)
    discovery: DiscoverySection = section(DiscoverySection)
    log_level: str = setting("LOG_LEVEL", LEVEL, "info", "Minimum log level.")
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False, hash=False)
    warnings: tuple[str, ...] = ()


def load_eye(environ: Mapping[str, str], *, read_file: ReadFile = read_file_from_disk) -> EyeConfig:
    """Read the settings of an eye, of the environment and of the file that CAMDETECT_CONFIG names.

    :raises ConfigError: with every fault.
    """
    settings = {one.key: one for _, one in declared(EyeConfig)}
    reading = Reader(settings, environ, read_file=read_file).read()
    if reading.values.get("mqtt_tls"):
        reading.values.setdefault("mqtt_port", 8883)
    config = filled(EyeConfig, reading.values)
    faults = list(reading.faults)
    if len(config.discovery.eye_keys) != 1 and "eye_keys" not in reading.faulty:
        faults.append("one key is needed, and no other: --key-file FILE (camdetect eye --new-key FILE makes one)")
    if not config.mqtt.broker and "mqtt_broker" not in reading.faulty:
        faults.append("a broker is needed: --broker HOST[:PORT], or MQTT_BROKER")
    if faults:
        raise ConfigError(tuple(faults))
    return replace(config, sources=MappingProxyType(reading.sources), warnings=tuple(reading.warnings))
