"""The settings of this machine and of the search go in as declarations; their part of the Config comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.config.kinds import (
    FLAG,
    NAME,
    NAMES,
    NETWORKS,
    PATH,
    PORT,
    SCAN_NETWORKS,
    choice,
    seconds,
    setting,
    whole,
)
from twisted_detector.config.mqtt import MqttSettings

_DAY = 86_400


@dataclass(init=False, repr=False, eq=False, frozen=True, slots=True, kw_only=True)
class LookingSettings(MqttSettings):
    """This machine, and where, how and how often cameras are looked for."""

    node_id: str = setting(
        NAME,
        "camdetect",
        "Name of this machine in topics and payloads.",
        default_text="BALENA_DEVICE_UUID, else the host name",
        heading="This machine",
    )
    service_id: str = setting(
        NAME, "camera_detector", "Name of this service: the field `service` of health documents and of the MQTT will."
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
        FLAG,
        True,
        "Look up MAC addresses and tell cameras apart by them. Without it a camera is known by its EndpointReference or"
        " serial number, moves are seen later, and logins go only to networks that SCAN_NETWORKS names.",
    )
    scan_networks: tuple[str, ...] = setting(
        SCAN_NETWORKS,
        ("interfaces",),
        "Networks to sweep; the word interfaces means those of this machine's interfaces. Loopback is swept only when"
        " named here.",
        default_text="interfaces",
        example="interfaces,10.20.0.0/24",
    )
    scan_exclude: tuple[str, ...] = setting(
        NETWORKS, (), "Never send anything there, whatever announces itself from there.", example="192.168.1.1"
    )
    scan_rate: int = setting(whole(1, 100_000), 10_000, "Packets per second of all looking together, at most.")
    scan_half_open: int = setting(whole(1, 10_000), 512, "TCP connects of a sweep at the same time, at most.")
    rtsp_port: int = setting(PORT, 554, "RTSP port that is tried besides the built-in ones.")
    onvif_port: int = setting(PORT, 80, "ONVIF port that is tried besides the built-in ones.")
    http_port: int = setting(PORT, 80, "HTTP port that is tried besides the built-in ones.")
