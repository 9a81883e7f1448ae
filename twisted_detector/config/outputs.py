"""The settings of what is told go in as declarations; their part of the Config comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.config.inspection import CameraSettings
from twisted_detector.config.kinds import FLAG, HOST_NAMES, LISTEN, PATH, SECRET, TOPIC, choice, seconds, setting, whole
from twisted_detector.model import Secret

_DAY = 86_400


@dataclass(init=False, repr=False, eq=False, frozen=True, slots=True, kw_only=True)
class TellingSettings(CameraSettings):
    """What is told to whom."""

    health_report_interval: float = setting(
        seconds(1, _DAY), 60.0, "Time between health reports.", heading="What is told"
    )
    homeassistant_enabled: bool = setting(
        FLAG, True, "Announce every camera to Home Assistant by MQTT discovery; without it, what was announced goes."
    )
    homeassistant_prefix: str = setting(TOPIC, "homeassistant", "Home Assistant's discovery prefix.")
    homeassistant_status_topic: str = setting(
        TOPIC, "homeassistant/status", "Topic of its birth message, on which everything is said again."
    )
    homeassistant_discovery: str = setting(
        choice("device", "component"),
        "device",
        "One message per camera, or one per entity for a Home Assistant before 2024.11.",
    )
    homeassistant_pictures: bool = setting(
        FLAG,
        False,
        "Give Home Assistant the latest picture of every camera over MQTT. Whoever may read the topics sees.",
    )
    homeassistant_picture_max_bytes: int = setting(
        whole(1024, 4_194_304), 262_144, "Larger pictures are not said over MQTT."
    )
    frigate_update_enabled: bool = setting(
        FLAG, True, "Tell Frigate of the cameras: by topic, and by file and API where those are set."
    )
    frigate_config_path: Path | None = setting(
        PATH,
        None,
        "Frigate's file that gets the cameras, YAML or JSON by its name. What else stands in it stays.",
        default_text="no file",
    )
    frigate_reload_topic: str = setting(TOPIC, "frigate/config/reload", "Topic that says that it changed.")
    publish_credentials: bool = setting(
        FLAG,
        False,
        "Put user and password into Frigate's and go2rtc's configuration and into `frigate/config/cameras`, as the"
        " predecessor did. Whoever may read the topics gets them.",
    )
    web_enabled: bool = setting(FLAG, True, "Serve the web page and its API.")
    web_listen: tuple[str, int] = setting(
        LISTEN,
        ("127.0.0.1", 8787),
        "Where the web page listens. Beyond loopback a token is required.",
        default_text="127.0.0.1:8787",
    )
    web_token: Secret = setting(
        SECRET,
        Secret(""),
        "Token that the web page and its API ask for; required when they listen beyond loopback.",
        secret=True,
    )
    web_allowed_hosts: tuple[str, ...] = setting(
        HOST_NAMES,
        (),
        "Further names by which browsers may reach the page, as behind a proxy; addresses and localhost are known.",
        default_text="none",
        example="cameras.example.org,camdetect.local",
    )
