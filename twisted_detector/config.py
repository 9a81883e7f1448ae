"""Environment and files go in; one frozen Config comes out, or one ConfigError that lists every fault.

Each setting is declared once: name, type, default, bounds, line of help. The environment variable is the field's name
in upper case, the key of the TOML file is the field's name. Nothing is silently corrected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

from twisted_detector.config_checks import Checks
from twisted_detector.config_kinds import (
    FLAG,
    HOST,
    LISTEN,
    LOGINS,
    NAME,
    NAMES,
    NETWORKS,
    PATH,
    PORT,
    SCAN_NETWORKS,
    SECRET,
    TEXT,
    TOPIC,
    Refused,
    Setting,
    choice,
    seconds,
    setting,
    setting_of,
    whole,
)
from twisted_detector.config_reader import Reader, ReadFile, Reading, must_be, read_file as read_file_from_disk
from twisted_detector.errors import ConfigError
from twisted_detector.model import Login, Secret

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting with its value. Secrets mask themselves, so a Config may be shown.

    :ivar mqtt_broker: "" means the embedded broker.
    :ivar scan_networks: CIDR texts; the word ``interfaces`` stands for the networks of this machine's interfaces.
    :ivar camera_credentials: all logins in the order in which they may be tried; the first is ``camera_username`` with
        ``camera_password`` when those are given.
    :ivar plugin_settings: the tables ``[plugins.<name>]`` of the TOML file, by name.
    :ivar warnings: what is allowed but probably not meant; to be logged at start.
    """

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

    node_id: str = setting(
        NAME,
        "camdetect",
        "Name of this machine in topics and payloads.",
        default_text="BALENA_DEVICE_UUID, else the host name",
        heading="This machine",
    )
    service_id: str = setting(
        NAME,
        "camera-detector",
        "Name of this service.",
        default_text="`camera-detector-` and NODE_ID",
        pending=True,
    )
    state_dir: Path = setting(
        PATH,
        Path("/var/lib/camdetect"),
        "Directory of what must survive a restart.",
        default_text="/var/lib/camdetect for root, else camdetect in XDG_STATE_HOME or ~/.local/state",
    )
    log_level: str = setting(
        choice("debug", "info", "warn", "error", "critical", aliases={"warning": "warn"}), "info", "Least level logged."
    )
    camdetect_config: Path | None = setting(
        PATH, None, "TOML file with settings in lower case. (Only in the environment.)", example="/etc/camdetect.toml"
    )
    plugins: tuple[str, ...] = setting(
        NAMES,
        (),
        "Names of the plugins to load. (Only in the environment: in the file, plugins are tables.)",
        default_text="all that are found",
        example="addresses,jsonl",
    )

    discovery_interval: float = setting(
        seconds(1, 7 * _DAY),
        300.0,
        "Time between sweeps without SMART_DISCOVERY_ENABLED; with it, the longest between the first ones.",
        heading="Looking",
    )
    discovery_timeout: float = setting(seconds(0.5, 3600), 30.0, "Longest duration of one sweep of one method.")
    smart_discovery_enabled: bool = setting(FLAG, True, "Sweep some times in a row at the start, and less often after.")
    initial_discovery_count: int = setting(
        whole(1, 1000), 3, "Sweeps at the start, before STEADY_STATE_INTERVAL applies."
    )
    steady_state_interval: float = setting(
        seconds(1, 30 * _DAY), 1800.0, "Time between sweeps after the first ones, with SMART_DISCOVERY_ENABLED."
    )
    quick_check_interval: float = setting(
        seconds(1, _DAY), 60.0, "Time between quick looks for what is known, with SMART_DISCOVERY_ENABLED."
    )
    max_concurrent_discovery: int = setting(whole(1, 1000), 50, "Devices that are inspected at the same time.")
    onvif_enabled: bool = setting(FLAG, True, "Look by WS-Discovery and ask by ONVIF.")
    mdns_enabled: bool = setting(FLAG, True, "Look by multicast DNS.")
    ssdp_enabled: bool = setting(FLAG, True, "Look by SSDP (UPnP).")
    network_scan_enabled: bool = setting(FLAG, True, "Sweep networks for open RTSP ports.")
    mac_tracking_enabled: bool = setting(
        FLAG, True, "Read MAC addresses from the kernel's neighbour table.", pending=True
    )
    scan_networks: tuple[str, ...] = setting(
        SCAN_NETWORKS,
        ("interfaces",),
        "Networks to sweep; the word interfaces means those of this machine's interfaces. Loopback is swept only when"
        " named here.",
        default_text="interfaces",
        example="interfaces,10.20.0.0/24",
    )
    scan_exclude: tuple[str, ...] = setting(NETWORKS, (), "Never send anything there.", example="192.168.1.1")
    scan_rate: int = setting(whole(1, 100_000), 10_000, "Packets per second of a sweep, at most.")
    scan_half_open: int = setting(whole(1, 10_000), 512, "TCP connects of a sweep at the same time, at most.")
    rtsp_port: int = setting(PORT, 554, "RTSP port that is tried besides the built-in ones.")
    onvif_port: int = setting(PORT, 80, "ONVIF port that is tried besides the built-in ones.")
    http_port: int = setting(PORT, 80, "HTTP port that is tried besides the built-in ones.")

    camera_username: str = setting(TEXT, "", "User name of the login that is tried first.", heading="The cameras")
    camera_password: Secret = setting(SECRET, Secret(""), "Its password.", secret=True)
    camera_credentials: tuple[Login, ...] = setting(
        LOGINS,
        (),
        "Logins to try, in this order.",
        default_text="none: no password is ever guessed",
        example="admin:s3cret,viewer:look",
        secret=True,
        private_file=True,
    )
    allow_basic_auth: str = setting(
        choice("never", "known", "always"),
        "known",
        "Send a password in clear (HTTP or RTSP Basic): never, only to devices whose MAC this machine sees, or always.",
    )
    onvif_timeout: float = setting(seconds(0.1, 600), 5.0, "Longest wait for an ONVIF answer.")
    rtsp_timeout: float = setting(seconds(0.1, 600), 10.0, "Longest duration of a stream check.")
    health_check_interval: float = setting(seconds(1, _DAY), 60.0, "Time between checks of a known camera.")
    offline_threshold: float = setting(seconds(1, 7 * _DAY), 180.0, "Silence after which a camera is offline.")

    health_report_interval: float = setting(
        seconds(1, _DAY), 60.0, "Time between health reports.", heading="What is told"
    )
    frigate_update_enabled: bool = setting(FLAG, True, "Publish a Frigate configuration.", pending=True)
    frigate_config_path: Path | None = setting(
        PATH, None, "File that gets it, too.", default_text="no file", pending=True
    )
    frigate_reload_topic: str = setting(
        TOPIC, "frigate/config/reload", "Topic that tells Frigate to read it again.", pending=True
    )
    publish_credentials: bool = setting(
        FLAG,
        False,
        "Put user and password into published stream URLs, as the predecessor did. Whoever may read the topics gets"
        " them.",
        pending=True,
    )
    web_listen: tuple[str, int] = setting(
        LISTEN, ("127.0.0.1", 8787), "Where the web page listens.", default_text="127.0.0.1:8787", pending=True
    )
    web_token: Secret = setting(
        SECRET,
        Secret(""),
        "Token that the web page asks for; required when it listens beyond loopback.",
        secret=True,
        pending=True,
    )

    plugin_settings: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, hash=False
    )
    warnings: tuple[str, ...] = ()

    @property
    def named_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of SCAN_NETWORKS that the operator wrote out: what stands there is meant."""
        return tuple(ip_network(text, strict=False) for text in self.scan_networks if text != "interfaces")

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """All settings by field name, in the order of declaration."""
        found = ((each.name, setting_of(each.metadata)) for each in fields(cls))
        return {name: declared for name, declared in found if declared is not None}

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        hostname: str,
        superuser: bool | None = None,
        read_file: ReadFile = read_file_from_disk,
    ) -> Config:
        """Read the whole configuration.

        :param environ: the environment variables.
        :param hostname: this machine's name: the last resort for NODE_ID.
        :param superuser: whether this is root, for the default of STATE_DIR; None: look.
        :param read_file: how files are read.
        :raises ConfigError: with every fault.
        """
        reading = Reader(cls.settings(), environ, read_file=read_file).read()
        values = reading.values
        _derive(reading, environ, hostname, os.geteuid() == 0 if superuser is None else superuser)
        config = cls(**values)
        checks = Checks(config, cls.settings(), reading, read_file)
        faults = (*reading.faults, *checks.faults())
        if faults:
            raise ConfigError(faults)
        first = (Login(config.camera_username, config.camera_password),) if config.camera_username else ()
        values["camera_credentials"] = tuple(dict.fromkeys((*first, *config.camera_credentials)))
        return cls(
            **values,
            plugin_settings=reading.plugin_settings,
            warnings=(*reading.warnings, *checks.warnings()),
        )


def _derive(reading: Reading, environ: Mapping[str, str], hostname: str, superuser: bool) -> None:
    """Fill in the defaults that depend on the machine or on another setting."""
    values = reading.values
    if "node_id" not in reading.given:
        device = environ.get("BALENA_DEVICE_UUID", "")
        source = "BALENA_DEVICE_UUID" if device else "NODE_ID, from the host name"
        try:
            values["node_id"] = NAME.read(device or hostname)
        except Refused as refusal:
            reading.refuse(source, ascii(device or hostname), must_be(NAME, refusal))
    node_id = values.get("node_id", "camdetect")
    values.setdefault("service_id", f"camera-detector-{node_id}")
    values.setdefault("mqtt_client_id", f"camdetect-{node_id}")
    if values.get("mqtt_tls"):
        values.setdefault("mqtt_port", 8883)
    if "state_dir" not in reading.given:
        home = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else "")
        if superuser:
            values["state_dir"] = Path("/var/lib/camdetect")
        elif home:
            values["state_dir"] = Path(home) / "camdetect"
        else:
            reading.refuse("STATE_DIR", "", "must be set where there is neither XDG_STATE_HOME nor HOME")


def config_or_exit(environ: Mapping[str, str], *, hostname: str, stderr: TextIO) -> Config:
    """What every root does: the Config, or one message on ``stderr`` and exit status 2."""
    try:
        return Config.from_environment(environ, hostname=hostname)
    except ConfigError as error:
        stderr.write(f"camdetect: {error}\n")
        raise SystemExit(2) from None
