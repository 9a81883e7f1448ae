"""The configuration in the terms of the parts."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.config import Config
from twisted_detector.config.declarations import filled
from twisted_detector.model import Secret
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.service.settings import mqtt_settings


class Connection(SynchronousTestCase):
    """The settings of the MQTT connection."""

    def test_defaults(self) -> None:
        """With little set there is neither login nor TLS; host, port and will are those that the daemon decides."""
        config = filled(Config, {"mqtt_client_id": "c", "mqtt_broker": "b"})
        made = mqtt_settings(config, BrokerPlace("h", 1884), lwt_topic="l")
        self.assertEqual(("h", 1884, "c", "l"), (made.host, made.port, made.client_id, made.lwt_topic))
        self.assertEqual("", made.republish_topic)
        self.assertEqual((False, "", False), (bool(made.password), made.username, made.tls))
        self.assertFalse(made.tls_ca_path or made.tls_cert_path or made.tls_key_path)

    def test_all_that_is_set(self) -> None:
        """Every setting of the section that the connection knows is handed on."""
        given = {
            "mqtt_username": "u",
            "mqtt_password": Secret("p"),
            "mqtt_client_id": "c",
            "mqtt_keepalive": 20,
            "mqtt_protocol": "5",
            "mqtt_tls": True,
            "tls_ca_path": Path("/ca.pem"),
            "tls_cert_path": Path("/cert.pem"),
            "tls_key_path": Path("/key.pem"),
            "tls_insecure": True,
            "mqtt_reconnect_min": 1.0,
            "mqtt_reconnect_max": 9.0,
            "mqtt_reconnect_jitter": "full",
            "mqtt_max_reconnect_attempts": 7,
            "mqtt_queue_size": 1234,
        }
        made = mqtt_settings(filled(Config, given), BrokerPlace("h", 1), lwt_topic="")
        expected = {key.removeprefix("mqtt_"): value for key, value in given.items()}
        expected["max_attempts"] = expected.pop("max_reconnect_attempts")
        self.assertEqual(expected, {name: getattr(made, name) for name in expected})

    def test_login_of_the_named_broker_only(self) -> None:
        """A login goes to the broker that MQTT_BROKER names; anybody may listen on a port of this machine."""
        config = filled(Config, {"mqtt_client_id": "c", "mqtt_username": "u", "mqtt_password": Secret("p")})
        for kind in ("found", "embedded"):
            made = mqtt_settings(config, BrokerPlace("127.0.0.1", 1883, kind), lwt_topic="")  # type: ignore[arg-type]
            self.assertEqual(("", ""), (made.username, str(made.password or "")))
