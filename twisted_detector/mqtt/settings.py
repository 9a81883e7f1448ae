"""Settings of the MQTT connection, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.errors import LocalError
from twisted_detector.model import Secret
from twisted_detector.mqtt.presence import SERVICE

PROTOCOLS = ("3.1.1", "5", "auto")


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is and how to connect to it. Durations in seconds.

    :ivar client_id: stable over restarts: with a random one a dead session's will overwrites the new birth message.
    :ivar keepalive: sent to the broker, which fires the will after 1.5 times that (MQTT 3.1.1, 3.1.2.10). We notice
        silence sooner, whatever it is.
    :ivar protocol: ``3.1.1``, ``5``, or ``auto``: 5, and 3.1.1 where the broker does not speak it.
    :ivar lwt_topic: will and birth, retained; "" for neither.
    :ivar node_id: a field of both; "": the client id. ``service``: another.
    :ivar password: only with ``username``; None or an empty one: none.
    :ivar tls_ca_path: PEM file of the CAs; None or "": those of the system.
    :ivar republish_topic: after ``online`` there every retained document is published again (Home Assistant's birth
        message); "": never.
    :ivar tls_insecure: neither certificate nor host name of the broker is checked; logged as a warning at every start.
    :ivar max_attempts: attempts without success until FAILED; 0: no maximum.
    :ivar slow_retry: time between attempts in FAILED; None: none.
    :ivar queue_size: messages that are kept while the broker is away.
    :ivar window: messages that may be unacknowledged at once, on a connection that has proved itself.
    :ivar stop_timeout: the longest that a stop waits for the broker to take ``offline`` and what is queued.
    :raises LocalError: a value out of bounds.
    """

    host: str
    client_id: str
    port: int = 1883
    keepalive: int = 30
    protocol: str = "3.1.1"
    username: str = ""
    password: Secret | None = None
    tls: bool = False
    tls_ca_path: Path | str | None = None
    tls_cert_path: Path | str | None = None
    tls_key_path: Path | str | None = None
    tls_insecure: bool = False
    reconnect_min: float = 0.25
    reconnect_max: float = 3.0
    reconnect_jitter: str = "equal"
    max_attempts: int = 0
    slow_retry: float | None = 300.0
    lwt_topic: str = ""
    node_id: str = ""
    service: str = SERVICE
    republish_topic: str = "homeassistant/status"
    queue_size: int = 50_000
    window: int = 100
    stop_timeout: float = 2.0

    def __post_init__(self) -> None:
        faults = (
            (not self.host.strip(), "host", "not empty"),
            (not 1 <= self.port <= 65535, "port", "1 … 65535"),
            (not 1 <= len(self.client_id.encode("utf-8", "replace")) <= 65535, "client_id", "1 … 65535 bytes"),
            (not 5 <= self.keepalive <= 65535, "keepalive", "5 … 65535"),
            (self.protocol not in PROTOCOLS, "protocol", ", ".join(PROTOCOLS)),
            (self.max_attempts < 0, "max_attempts", "0 or more"),
            (self.slow_retry is not None and self.slow_retry < 1, "slow_retry", "1 or more"),
            (self.queue_size < 1, "queue_size", "1 or more"),
            (not 1 <= self.window <= 65535, "window", "1 … 65535"),
            (not 0 <= self.stop_timeout <= 60, "stop_timeout", "0 … 60"),
            (bool(self.tls_key_path) and not self.tls_cert_path, "tls_key_path", "only with tls_cert_path"),
            (bool(self.password) and not self.username, "password", "only with username (MQTT 3.1.1, 3.1.2.9)"),
        )
        for wrong, name, allowed in faults:
            if wrong:
                raise LocalError(f"MQTT setting {name}: allowed is {allowed}")
