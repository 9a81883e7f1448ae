"""The settings of Frigate and go2rtc go in as declarations; their part of the Config comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from twisted_detector.config.kinds import FLAG, NAMES, PATH, SECRET, TEXT, Kind, ValueRefused, choice, clean, setting
from twisted_detector.config.outputs import TellingSettings
from twisted_detector.model import Secret


def _read_url(text: str) -> str:
    clean(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueRefused from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
        raise ValueRefused
    if "@" in parts.netloc:
        raise ValueRefused("a login has its own settings")
    if not text.isascii() or " " in text:
        raise ValueRefused
    return text.rstrip("/")


URL: Kind[str] = Kind(_read_url, "http:// or https:// with a host and perhaps a port, without a login")


def _read_stream_prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", text):
        raise ValueRefused
    return text


STREAM_PREFIX: Kind[str] = Kind(_read_stream_prefix, "at most 32 letters, digits, '_' and '-'")


@dataclass(init=False, repr=False, eq=False, frozen=True, slots=True, kw_only=True)
class FollowingSettings(TellingSettings):
    """Who follows the cameras, besides the readers of the topics."""

    frigate_version: str = setting(
        choice("auto", "0.14", "0.15", "0.16", "0.17", "0.18"),
        "auto",
        "Version that its configuration is for. auto: what the Frigate at FRIGATE_URL says, else 0.17.",
        heading="Frigate and go2rtc",
    )
    frigate_objects: tuple[str, ...] = setting(
        NAMES, ("fire", "smoke", "person"), "Objects that Frigate tracks.", default_text="fire, smoke, person"
    )
    frigate_url: str = setting(
        URL, "", "Frigate that gets the cameras by its API.", default_text="none", example="http://127.0.0.1:5000"
    )
    frigate_user: str = setting(TEXT, "", "Administrator's name, for port 8971; port 5000 wants none.")
    frigate_password: Secret = setting(SECRET, Secret(""), "The password.", secret=True)
    frigate_token: Secret = setting(SECRET, Secret(""), "A bearer token instead of both.", secret=True)
    frigate_tls_insecure: bool = setting(FLAG, False, "Take the certificate that Frigate made for itself.")
    frigate_restart: bool = setting(
        FLAG, False, "Let Frigate restart after a change by its API, at most every two minutes."
    )
    frigate_dry_run: bool = setting(FLAG, False, "Change neither file nor Frigate: log what would change.")
    frigate_env_path: Path | None = setting(
        PATH,
        None,
        "File (or folder that exists) for the logins that the configuration refers to, mode 0600.",
        default_text="`frigate.env` in STATE_DIR",
    )
    go2rtc_url: str = setting(
        URL, "", "go2rtc that gets the streams by its API.", default_text="none", example="http://127.0.0.1:1984"
    )
    go2rtc_user: str = setting(TEXT, "", "User name of go2rtc's own login.")
    go2rtc_password: Secret = setting(SECRET, Secret(""), "Its password.", secret=True)
    go2rtc_config_path: Path | None = setting(
        PATH, None, "go2rtc's file that gets the streams. What else stands in it stays.", default_text="no file"
    )
    go2rtc_env_path: Path | None = setting(
        PATH, None, "As FRIGATE_ENV_PATH, for go2rtc.", default_text="`go2rtc.env` in STATE_DIR"
    )
    go2rtc_prefix: str = setting(STREAM_PREFIX, "", "Put before the names of the streams.", default_text="none")
    go2rtc_onvif: str = setting(
        choice("never", "rotating", "always"),
        "rotating",
        "Cameras whose URLs go2rtc asks for itself (`onvif://`): never, those whose URLs change, or always.",
    )
