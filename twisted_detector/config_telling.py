"""The settings of what is told go in as declarations; their part of the Config comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted_detector.config_cameras import CameraSettings
from twisted_detector.config_kinds import (
    FLAG,
    HOST_NAMES,
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
