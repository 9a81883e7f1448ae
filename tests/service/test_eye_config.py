"""The configuration of an eye: a part of the daemon's, with the same names."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import Files
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import declared
from twisted_detector.errors import ConfigError
from twisted_detector.service.eye_config import EyeConfig, load_eye

GIVEN = {"EYE_KEYS": f"barn:{'0f' * 32}", "MQTT_BROKER": "b"}


class EyeConfigTests(SynchronousTestCase):
    def test_the_same_settings(self) -> None:
        """Each is declared as the daemon's is: name, kind, default and help."""
        theirs = Config.settings()
        for _, one in declared(EyeConfig):
            self.assertEqual(theirs[one.key], one)

    def test_sources(self) -> None:
        """The environment, a file, and a key in a file of its own; the port of TLS."""
        files = Files({"/c.toml": 'mqtt_broker = "b"\nmqtt_tls = true\n', "/k": f"barn:{'0f' * 32}\n"})
        config = load_eye({"CAMDETECT_CONFIG": "/c.toml", "EYE_KEYS_FILE": "/k", "LOG_LEVEL": "debug"}, read_file=files)
        self.assertEqual(
            ("b", 8883, "barn", "debug"),
            (config.mqtt.broker, config.mqtt.port, config.discovery.eye_keys[0].name, config.log_level),
        )
        self.assertEqual("file", config.sources["mqtt_broker"])

    def test_faults(self) -> None:
        """All are told at once; what is faulty is not missed as well."""
        found = self.assertRaises(ConfigError, load_eye, {"EYE_KEYS": "x", "MQTT_BROKER": "a b", "MQTT_PORT": "0"})
        self.assertEqual(3, len(found.faults), found.faults)
        self.assertEqual(2, len(self.assertRaises(ConfigError, load_eye, {}).faults))

    def test_warnings(self) -> None:
        """A name that is nearly one of ours is told."""
        config = load_eye({**GIVEN, "MQTT_HOST": "b"})
        self.assertIn("MQTT_HOST", config.warnings[0])
