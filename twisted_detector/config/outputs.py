"""The sections ``config.homeassistant`` and ``config.web``."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from twisted_detector.config.declarations import setting
from twisted_detector.config.kinds import FLAG, HOST_NAMES, LISTEN, SECRET, TOPIC, choice, whole
from twisted_detector.model import Secret, host_for_url


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantSection:
    """MQTT discovery for Home Assistant."""

    enabled: bool = setting(
        "HOMEASSISTANT_ENABLED",
        FLAG,
        True,
        "Announce every camera to Home Assistant by MQTT discovery; without it, what was announced goes.",
    )
    prefix: str = setting("HOMEASSISTANT_PREFIX", TOPIC, "homeassistant", "Home Assistant's discovery prefix.")
    status_topic: str = setting(
        "HOMEASSISTANT_STATUS_TOPIC",
        TOPIC,
        "homeassistant/status",
        "Topic of its birth message, on which everything is said again.",
    )
    discovery: str = setting(
        "HOMEASSISTANT_DISCOVERY",
        choice("device", "component"),
        "device",
        "One message per camera, or one per entity for a Home Assistant before 2024.11.",
    )
    pictures: bool = setting(
        "HOMEASSISTANT_PICTURES",
        FLAG,
        False,
        "Give Home Assistant the latest picture of every camera over MQTT. Whoever may read the topics sees.",
    )
    picture_max_bytes: int = setting(
        "HOMEASSISTANT_PICTURE_MAX_BYTES", whole(1024, 4_194_304), 262_144, "Larger pictures are not said over MQTT."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSection:
    """The web page and its API."""

    enabled: bool = setting("WEB_ENABLED", FLAG, True, "Serve the web page and its API.")
    listen: tuple[str, int] = setting(
        "WEB_LISTEN",
        LISTEN,
        ("127.0.0.1", 8787),
        "Where the web page listens: 0.0.0.0:8787 for the whole network. Beyond loopback a token is needed.",
        default_text="127.0.0.1:8787",
    )
    token: Secret = setting(
        "WEB_TOKEN",
        SECRET,
        Secret(""),
        "Token that the web page and its API ask for; without it, beyond loopback, one is made in STATE_DIR/web_token.",
        secret=True,
    )
    ingress: bool = setting(
        "WEB_INGRESS",
        FLAG,
        False,
        "Let in without a token who comes through Home Assistant's ingress (from 172.30.32.2). For the add-on only.",
    )
    allowed_hosts: tuple[str, ...] = setting(
        "WEB_ALLOWED_HOSTS",
        HOST_NAMES,
        (),
        "Further names by which browsers may reach the page, as behind a proxy; addresses and localhost are known.",
        default_text="none",
        example="cameras.example.org,camdetect.local",
    )

    @property
    def page_url(self) -> str:
        """Where a browser on another machine opens the page; "" where it cannot, or the name is not known."""
        host, port = self.listen
        if not self.enabled or ip_address(host).is_loopback:
            return ""
        if ip_address(host).is_unspecified:
            return f"http://{self.allowed_hosts[0]}:{port}/" if self.allowed_hosts else ""
        return f"http://{host_for_url(host)}:{port}/"
