"""The section ``config.discovery``: where, how and how often cameras are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from twisted_detector.config.declarations import setting
from twisted_detector.config.eyes import EYE_KEYS
from twisted_detector.config.kinds import FLAG, NETWORKS, PORT, SCAN_NETWORKS, SHARED_NETWORKS, seconds, whole
from twisted_detector.model.eyes import EyeKey

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySection:
    """Sweeps and the networks that they may touch.

    :ivar scan_networks: CIDR texts; the word ``interfaces`` stands for the networks of this machine's interfaces.
    """

    interval: float = setting(
        "DISCOVERY_INTERVAL",
        seconds(1, 7 * _DAY),
        300.0,
        "Time between sweeps without SMART_DISCOVERY_ENABLED; with it, the longest between the first ones.",
        heading="Looking",
    )
    timeout: float = setting(
        "DISCOVERY_TIMEOUT",
        seconds(0.5, 3600),
        30.0,
        "Longest duration of one sweep of one method. A sweep that gets on may take twenty times as long.",
    )
    smart_enabled: bool = setting(
        "SMART_DISCOVERY_ENABLED", FLAG, True, "Sweep some times in a row at the start, and less often after."
    )
    initial_count: int = setting(
        "INITIAL_DISCOVERY_COUNT", whole(1, 1000), 3, "Sweeps at the start, before STEADY_STATE_INTERVAL applies."
    )
    steady_state_interval: float = setting(
        "STEADY_STATE_INTERVAL",
        seconds(1, 30 * _DAY),
        1800.0,
        "Time between sweeps after the first ones, with SMART_DISCOVERY_ENABLED.",
    )
    quick_check_interval: float = setting(
        "QUICK_CHECK_INTERVAL",
        seconds(1, _DAY),
        60.0,
        "Time between quick looks for what is known, with SMART_DISCOVERY_ENABLED.",
    )
    max_concurrent: int = setting(
        "MAX_CONCURRENT_DISCOVERY", whole(1, 1000), 50, "Devices that are inspected at the same time."
    )
    max_new_cameras_per_hour: int = setting(
        "MAX_NEW_CAMERAS_PER_HOUR",
        whole(1, 65_536),
        500,
        "Cameras that are published anew in one hour, at most; those that play and those that do not are counted apart."
        " The first hour of an installation takes 2 048.",
    )
    onvif_enabled: bool = setting("ONVIF_ENABLED", FLAG, True, "Look by WS-Discovery and ask by ONVIF.")
    mdns_enabled: bool = setting("MDNS_ENABLED", FLAG, True, "Look by multicast DNS.")
    ssdp_enabled: bool = setting("SSDP_ENABLED", FLAG, True, "Look by SSDP (UPnP).")
    vendor_discovery_enabled: bool = setting(
        "VENDOR_DISCOVERY_ENABLED",
        FLAG,
        True,
        "Look by the manufacturers' own discovery protocols (Hikvision, Dahua, XM, Reolink, Hanwha, TVT, TP-Link,"
        " Ubiquiti and others).",
    )
    network_scan_enabled: bool = setting("NETWORK_SCAN_ENABLED", FLAG, True, "Sweep networks for open RTSP ports.")
    mac_tracking_enabled: bool = setting(
        "MAC_TRACKING_ENABLED",
        FLAG,
        True,
        "Look up MAC addresses and tell cameras apart by them. Without it a camera is known by its EndpointReference or"
        " serial number, moves are seen later, and logins go only to networks that SCAN_NETWORKS names.",
    )
    scan_networks: tuple[str, ...] = setting(
        "SCAN_NETWORKS",
        SCAN_NETWORKS,
        ("interfaces",),
        "Networks to sweep; the word interfaces means those of this machine's interfaces. Only when named here are"
        " asked: loopback, 169.254/16 and public addresses that are no link's of this machine, and cameras that speak"
        " on a link from an address of another network.",
        default_text="interfaces",
        example="interfaces,10.20.0.0/24",
    )
    shared_networks: tuple[str, ...] = setting(
        "NODES_NETWORKS",
        SHARED_NETWORKS,
        (),
        "Networks that several nodes could search, on each of them: one does, another one when that is away"
        " (`docs/operations/sites.md`). Without NODES_ENABLED as those of SCAN_NETWORKS.",
        example="10.20.0.0/24",
    )
    scan_exclude: tuple[str, ...] = setting(
        "SCAN_EXCLUDE",
        NETWORKS,
        (),
        "Never send anything there, whatever announces itself from there.",
        example="192.168.1.1",
    )
    scan_rate: int = setting(
        "SCAN_RATE", whole(1, 100_000), 10_000, "Packets per second of all looking together, at most."
    )
    scan_half_open: int = setting(
        "SCAN_HALF_OPEN", whole(1, 10_000), 512, "TCP connects of a sweep at the same time, at most."
    )
    rtsp_port: int = setting("RTSP_PORT", PORT, 554, "RTSP port that is tried besides the built-in ones.")
    onvif_port: int = setting("ONVIF_PORT", PORT, 80, "ONVIF port that is tried besides the built-in ones.")
    http_port: int = setting("HTTP_PORT", PORT, 80, "HTTP port that is tried besides the built-in ones.")
    eye_keys: tuple[EyeKey, ...] = setting(
        "EYE_KEYS",
        EYE_KEYS,
        (),
        "Keys of the eyes whose reports are taken (`camdetect eye`, `docs/operations/eye.md`).",
        default_text="none: there are no eyes",
        secret=True,
        private_file=True,
    )

    @property
    def named_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of SCAN_NETWORKS and NODES_NETWORKS that the operator wrote out: what stands there is meant."""
        texts = dict.fromkeys((*self.scan_networks, *self.shared_networks))
        return tuple(ip_network(text, strict=False) for text in texts if text != "interfaces")
