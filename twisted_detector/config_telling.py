"""The settings of what is told go in as declarations; their part of the Config comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.config_cameras import CameraSettings
from twisted_detector.config_kinds import (
    FLAG,
    LISTEN,
    PATH,
    SECRET,
    TOPIC,
    seconds,
    setting,
)
from twisted_detector.model import Secret

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingSettings(CameraSettings):
    """What is told to whom."""

    health_report_interval: float = setting(
        seconds(1, _DAY), 60.0, "Time between health reports.", heading="What is told"
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
