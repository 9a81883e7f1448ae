"""The settings of the MQTT connection go in as declarations; their part of the Config comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.config.kinds import (
    FLAG,
    HOST,
    NAME,
    PATH,
    PORT,
    SECRET,
    TEXT,
    TOPIC,
    choice,
    seconds,
    setting,
    whole,
)
from twisted_detector.model import Secret


@dataclass(init=False, repr=False, eq=False, frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """How the broker is reached, and how much is kept for it."""

    mqtt_broker: str = setting(
        HOST,
        "",
        "Host of the MQTT broker.",
        default_text="the embedded broker",
        example="mqtt.example.org",
        heading="The broker",
    )
    mqtt_port: int = setting(PORT, 1883, "Its port.", default_text="1883; 8883 with MQTT_TLS")
    mqtt_tls: bool = setting(FLAG, False, "Speak TLS with the broker.")
    tls_ca_path: Path | None = setting(
        PATH, None, "PEM file of the CAs that the broker's certificate is judged by.", default_text="the system's CAs"
    )
    tls_cert_path: Path | None = setting(PATH, None, "PEM file of our certificate, with TLS_KEY_PATH.")
    tls_key_path: Path | None = setting(PATH, None, "PEM file of its key, without a passphrase.")
    tls_insecure: bool = setting(FLAG, False, "Check neither the broker's certificate nor its host name.")
    mqtt_username: str = setting(TEXT, "", "User name at the broker.")
    mqtt_password: Secret = setting(SECRET, Secret(""), "Password at the broker.", secret=True)
    mqtt_topic_prefix: str = setting(
        TOPIC, "", "Stands before every topic, with a slash between.", example="site/north"
    )
    mqtt_client_id: str = setting(
        NAME, "", "MQTT client id. It must stay the same over restarts.", default_text="`camdetect-` and NODE_ID"
    )
    mqtt_protocol: str = setting(
        choice("3.1.1", "5", "auto", native=(int,)), "3.1.1", "MQTT version; auto tries 5 first."
    )
    mqtt_keepalive: int = setting(whole(5, 3600), 30, "Keep-alive in seconds.")
    mqtt_reconnect_min: float = setting(seconds(0.05, 3600), 0.25, "Wait before the first reconnect, doubled after.")
    mqtt_reconnect_max: float = setting(seconds(0.05, 3600), 3.0, "Longest wait before a reconnect.")
    mqtt_reconnect_jitter: str = setting(
        choice("equal", "full", "decorrelated"),
        "equal",
        "How waits are varied at random, so that many clients do not come back at once: by a quarter up or down, down"
        " to nothing, or by the wait before.",
    )
    mqtt_max_reconnect_attempts: int = setting(
        whole(0, 1_000_000),
        0,
        "Failures in a row after which the connection is reported as failed and tried every five minutes only.",
        default_text="0: never",
    )
    mqtt_queue_size: int = setting(
        whole(100, 1_000_000), 50_000, "Messages that are kept while the broker is away; what is dropped is counted."
    )
