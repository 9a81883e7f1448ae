"""The sections ``config.frigate`` and ``config.go2rtc``, and those of further consumers: ``[frigate.NAME]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from twisted_detector.config.declarations import Setting, declared, setting
from twisted_detector.config.kinds import (
    FLAG,
    NAMES,
    NETWORKS,
    PATH,
    SECRET,
    TEXT,
    TOPIC,
    Kind,
    ValueRefused,
    choice,
    clean,
    entries,
)
from twisted_detector.model import Secret
from twisted_detector.model.consumers import CameraChoice, Consumer


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


_ALL = "all"


def _read_cameras(texts: list[str]) -> tuple[str, ...]:
    names = [text.strip() for text in texts]
    if not all(names) or not names:
        raise ValueRefused("a list without a camera")
    if _ALL in map(str.lower, names):
        if len(names) > 1:
            raise ValueRefused("all stands alone")
        return ()
    return tuple(dict.fromkeys(names))


def _read_networks(texts: list[str]) -> tuple[str, ...]:
    if not texts or NETWORKS.read_many is None:
        raise ValueRefused("a list without a network")
    return NETWORKS.read_many(texts)


def _read_areas(texts: list[str]) -> tuple[str, ...]:
    areas = [text.strip() for text in texts]
    if not all(areas) or not areas:
        raise ValueRefused("a list without an area")
    return tuple(dict.fromkeys(areas))


CAMERAS = entries(_read_cameras, "all, or ids or names of cameras separated by commas")
CAMERA_NETWORKS = entries(_read_networks, NETWORKS.allowed)
AREAS = entries(_read_areas, "areas of cameras, separated by commas")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrigateSection:
    """Which Frigate gets the cameras, and how.

    :ivar name: of its table ``[frigate.NAME]``; "" for that of the plain settings.
    """

    name: str = ""
    update_enabled: bool = setting(
        "FRIGATE_UPDATE_ENABLED",
        FLAG,
        True,
        "Tell Frigate of the cameras: by topic, and by file and API where those are set.",
    )
    config_path: Path | None = setting(
        "FRIGATE_CONFIG_PATH",
        PATH,
        None,
        "Frigate's file that gets the cameras, YAML or JSON by its name. What else stands in it stays.",
        default_text="no file",
    )
    reload_topic: str = setting(
        "FRIGATE_RELOAD_TOPIC", TOPIC, "frigate/config/reload", "Topic that says that it changed."
    )
    version: str = setting(
        "FRIGATE_VERSION",
        choice("auto", "0.14", "0.15", "0.16", "0.17", "0.18"),
        "auto",
        "Version that its configuration is for. auto: what the Frigate at FRIGATE_URL says, else 0.17.",
        heading="Frigate and go2rtc",
    )
    objects: tuple[str, ...] = setting(
        "FRIGATE_OBJECTS",
        NAMES,
        ("fire", "smoke", "person"),
        "Objects that Frigate tracks.",
        default_text="fire, smoke, person",
    )
    url: str = setting(
        "FRIGATE_URL",
        URL,
        "",
        "Frigate that gets the cameras by its API.",
        default_text="none",
        example="http://127.0.0.1:5000",
    )
    page_url: str = setting(
        "FRIGATE_PAGE_URL",
        URL,
        "",
        "Frigate as browsers reach it, for the live picture.",
        default_text="FRIGATE_URL",
        example="https://nvr.example.org",
    )
    user: str = setting("FRIGATE_USER", TEXT, "", "Administrator's name, for port 8971; port 5000 wants none.")
    password: Secret = setting("FRIGATE_PASSWORD", SECRET, Secret(""), "The password.", secret=True)
    token: Secret = setting("FRIGATE_TOKEN", SECRET, Secret(""), "A bearer token instead of both.", secret=True)
    tls_insecure: bool = setting(
        "FRIGATE_TLS_INSECURE", FLAG, False, "Take the certificate that Frigate made for itself."
    )
    restart: bool = setting(
        "FRIGATE_RESTART", FLAG, False, "Let Frigate restart after a change by its API, at most every two minutes."
    )
    dry_run: bool = setting("FRIGATE_DRY_RUN", FLAG, False, "Change neither file nor Frigate: log what would change.")
    env_path: Path | None = setting(
        "FRIGATE_ENV_PATH",
        PATH,
        None,
        "File (or folder that exists) for the logins that the configuration refers to, mode 0600.",
        default_text="`frigate.env` in STATE_DIR",
    )
    cameras: tuple[str, ...] = setting(
        "FRIGATE_CAMERAS", CAMERAS, (), "Cameras that it gets, by id, MAC or name.", default_text="all"
    )
    network: tuple[str, ...] = setting(
        "FRIGATE_NETWORK",
        CAMERA_NETWORKS,
        (),
        "Networks of which it gets the cameras, by the address that each has now.",
        default_text="any",
    )
    area: tuple[str, ...] = setting(
        "FRIGATE_AREA", AREAS, (), "Only cameras in these areas are sent to it.", default_text="any"
    )

    @property
    def consumer(self) -> Consumer:
        return Consumer("frigate", self.name)

    @property
    def page(self) -> str:
        """Where browsers reach its own page; "" where no API tells which cameras it holds."""
        return (self.page_url or self.url) if self.url and self.update_enabled else ""

    @property
    def choice(self) -> CameraChoice:
        return CameraChoice(self.cameras, self.network, self.area)


@dataclass(frozen=True, slots=True, kw_only=True)
class Go2rtcSection:
    """Which go2rtc gets the streams, and how.

    :ivar name: of its table ``[go2rtc.NAME]``; "" for that of the plain settings.
    """

    name: str = ""
    url: str = setting(
        "GO2RTC_URL",
        URL,
        "",
        "go2rtc that gets the streams by its API.",
        default_text="none",
        example="http://127.0.0.1:1984",
        heading="Frigate and go2rtc",
    )
    page_url: str = setting(
        "GO2RTC_PAGE_URL",
        URL,
        "",
        "go2rtc as browsers reach it, for the live picture.",
        default_text="GO2RTC_URL",
        example="http://nvr.example.org:1984",
    )
    user: str = setting("GO2RTC_USER", TEXT, "", "User name of go2rtc's own login.")
    password: Secret = setting("GO2RTC_PASSWORD", SECRET, Secret(""), "Its password.", secret=True)
    config_path: Path | None = setting(
        "GO2RTC_CONFIG_PATH",
        PATH,
        None,
        "go2rtc's file that gets the streams. What else stands in it stays.",
        default_text="no file",
    )
    env_path: Path | None = setting(
        "GO2RTC_ENV_PATH", PATH, None, "As FRIGATE_ENV_PATH, for go2rtc.", default_text="`go2rtc.env` in STATE_DIR"
    )
    prefix: str = setting(
        "GO2RTC_PREFIX", STREAM_PREFIX, "", "Put before the names of the streams.", default_text="none"
    )
    onvif: str = setting(
        "GO2RTC_ONVIF",
        choice("never", "rotating", "always"),
        "rotating",
        "Cameras whose URLs go2rtc asks for itself (`onvif://`): never, those whose URLs change, or always.",
    )
    cameras: tuple[str, ...] = setting("GO2RTC_CAMERAS", CAMERAS, (), "As FRIGATE_CAMERAS.", default_text="all")
    network: tuple[str, ...] = setting("GO2RTC_NETWORK", CAMERA_NETWORKS, (), "As FRIGATE_NETWORK.", default_text="any")
    area: tuple[str, ...] = setting("GO2RTC_AREA", AREAS, (), "As FRIGATE_AREA.", default_text="any")

    @property
    def consumer(self) -> Consumer:
        return Consumer("go2rtc", self.name)

    @property
    def page(self) -> str:
        """Where browsers reach its own page; "" where no API tells which cameras it holds."""
        return (self.page_url or self.url) if self.url else ""

    @property
    def choice(self) -> CameraChoice:
        return CameraChoice(self.cameras, self.network, self.area)


#: Keys of the plain settings that a table has not: only the plain ones publish Frigate's topic.
_NOT_IN_TABLES = frozenset({"reload_topic"})


def table_settings(section: type[FrigateSection] | type[Go2rtcSection]) -> dict[str, Setting]:
    """The settings of one table by key: the plain ones without the program's name."""
    return {attribute: one for attribute, one in declared(section) if attribute not in _NOT_IN_TABLES}


def variables_path(section: FrigateSection | Go2rtcSection, state_dir: Path) -> Path:
    """Where the logins stand to which a consumer's configuration refers."""
    consumer = section.consumer
    default = f"{consumer.program}.{consumer.name}.env" if consumer.name else f"{consumer.program}.env"
    return section.env_path or state_dir / default
