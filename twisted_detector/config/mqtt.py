"""The section ``config.mqtt``: how the broker is reached, and how much is kept for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.config.declarations import setting
from twisted_detector.config.kinds import FLAG, HOST, NAME, PATH, PORT, SECRET, TEXT, TOPIC, choice, seconds, whole
from twisted_detector.model import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSection:
    """The MQTT connection. What ``MqttSettings`` has as well bears the same name there.

    :ivar broker: "" means one of this machine (``mqtt/broker/local.py``).
    """

    broker: str = setting(
        "MQTT_BROKER",
        HOST,
        "",
        "Host of the MQTT broker.",
        default_text="one of this machine that wants no login, else camdetect's own",
        example="mqtt.example.org",
        heading="The broker",
    )
    port: int = setting(
        "MQTT_PORT",
        PORT,
        1883,
        "Its port; without MQTT_BROKER that where one is looked for, and where camdetect's own listens.",
        default_text="1883; 8883 with MQTT_TLS",
    )
    tls: bool = setting("MQTT_TLS", FLAG, False, "Speak TLS with the broker.")
    tls_ca_path: Path | None = setting(
        "TLS_CA_PATH",
        PATH,
        None,
        "PEM file of the CAs that the broker's certificate is judged by.",
        default_text="the system's CAs",
    )
    tls_cert_path: Path | None = setting("TLS_CERT_PATH", PATH, None, "PEM file of our certificate, with TLS_KEY_PATH.")
    tls_key_path: Path | None = setting("TLS_KEY_PATH", PATH, None, "PEM file of its key, without a passphrase.")
    tls_insecure: bool = setting(
        "TLS_INSECURE", FLAG, False, "Check neither the broker's certificate nor its host name."
    )
    username: str = setting("MQTT_USERNAME", TEXT, "", "User name at the broker.")
    password: Secret = setting("MQTT_PASSWORD", SECRET, Secret(""), "Password at the broker.", secret=True)
    topic_prefix: str = setting(
        "MQTT_TOPIC_PREFIX", TOPIC, "", "Stands before every topic, with a slash between.", example="site/north"
    )
    client_id: str = setting(
        "MQTT_CLIENT_ID",
        NAME,
        "",
        "MQTT client id. It must stay the same over restarts.",
        default_text="`camdetect-` and NODE_ID",
    )
    protocol: str = setting(
        "MQTT_PROTOCOL", choice("3.1.1", "5", "auto", native=(int,)), "3.1.1", "MQTT version; auto tries 5 first."
    )
    keepalive: int = setting("MQTT_KEEPALIVE", whole(5, 3600), 30, "Keep-alive in seconds.")
    reconnect_min: float = setting(
        "MQTT_RECONNECT_MIN", seconds(0.05, 3600), 0.25, "Wait before the first reconnect, doubled after."
    )
    reconnect_max: float = setting("MQTT_RECONNECT_MAX", seconds(0.05, 3600), 3.0, "Longest wait before a reconnect.")
    reconnect_jitter: str = setting(
        "MQTT_RECONNECT_JITTER",
        choice("equal", "full", "decorrelated"),
        "equal",
        "How waits are varied at random, so that many clients do not come back at once: by a quarter up or down, down"
        " to nothing, or by the wait before.",
    )
    max_attempts: int = setting(
        "MQTT_MAX_RECONNECT_ATTEMPTS",
        whole(0, 1_000_000),
        0,
        "Failures in a row after which the connection is reported as failed and tried every five minutes only.",
        default_text="0: never",
    )
    nodes: bool = setting(
        "NODES_ENABLED",
        FLAG,
        False,
        "Share the cameras with the other nodes of this prefix that have this setting: each is published by one of"
        " them (`docs/operations/sites.md`).",
    )
    queue_size: int = setting(
        "MQTT_QUEUE_SIZE",
        whole(100, 1_000_000),
        50_000,
        "Messages that are kept while the broker is away; what is dropped is counted.",
    )
