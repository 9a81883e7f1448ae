"""Every setting of the daemon with its value, as one frozen Config of sections.

Each setting is declared once, with its name in the environment: here those of the process itself, the others in the
module of their section. The key in the TOML file is that name in lower case. Nothing is silently corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twisted_detector.config.declarations import Setting, declared, section, setting
from twisted_detector.config.discovery import DiscoverySection
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection, table_settings
from twisted_detector.config.inspection import InspectionSection
from twisted_detector.config.kinds import FLAG, LEVEL, NAME, NAMES, PATH, PATHS, seconds
from twisted_detector.config.mqtt import MqttSection
from twisted_detector.config.notices import NoticesSection
from twisted_detector.config.outputs import HomeAssistantSection, WebSection
from twisted_detector.config.reader import Tables
from twisted_detector.model.consumers import NAME_OF_CONSUMER
from twisted_detector.model.login_rules import networks_with_logins

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting with its value. Secrets mask themselves, so a Config may be shown.

    :ivar named_frigates: the tables ``[frigate.NAME]`` of the TOML file; ``named_go2rtcs``: ``[go2rtc.NAME]``.
    :ivar plugin_settings: the tables ``[plugins.<name>]`` of the TOML file, by name.
    :ivar sources: where each setting that was given was found, by key (:class:`config.reader.Reading`).
    :ivar lacks_suffix: whether NODE_ID is the host name, and STATE_DIR does not say yet with which suffix.
    :ivar runtime_dirs: where running daemons leave their pointers for the command line, the better place first.
    :ivar notify_socket: NOTIFY_SOCKET, as a supervisor sets it for us (sd_notify), or "".
    :ivar watchdog_seconds: how long that supervisor bears our silence, from WATCHDOG_USEC; 0.0: for ever.
    :ivar warnings: what is allowed but probably not meant; to be logged at start.
    """

    mqtt: MqttSection = section(MqttSection)

    node_id: str = setting(
        "NODE_ID",
        NAME,
        "camdetect",
        "Name of this machine in topics and payloads.",
        default_text="BALENA_DEVICE_UUID, else the host name with a suffix that STATE_DIR keeps",
        heading="This machine",
    )
    service_id: str = setting(
        "SERVICE_ID",
        NAME,
        "camera_detector",
        "Name of this service: the field `service` of health documents and of the MQTT will.",
    )
    state_dir: Path = setting(
        "STATE_DIR",
        PATH,
        Path("/var/lib/camdetect"),
        "Directory of what must survive a restart.",
        default_text="/var/lib/camdetect for root, else camdetect in XDG_STATE_HOME or ~/.local/state",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        LEVEL,
        "info",
        "Minimum log level.",
    )
    camdetect_config: Path | None = setting(
        "CAMDETECT_CONFIG",
        PATH,
        None,
        "TOML file with settings in lower case. (Only in the environment.)",
        example="/etc/camdetect.toml",
    )
    plugins: tuple[str, ...] = setting(
        "PLUGINS",
        NAMES,
        (),
        "Names of the plugins to load; no other file is imported. (Only in the environment: in the file, plugins are"
        " tables.)",
        default_text="all that are found",
        example="addresses,jsonl",
    )
    plugin_path: tuple[Path, ...] = setting(
        "PLUGIN_PATH",
        PATHS,
        (),
        "Folders with plugins of yours, beside `plugins/` of a checkout. Nobody but you and root may write one, or"
        " nothing in it is loaded.",
        default_text="`/etc/camdetect/plugins`, where it is there",
        example="/etc/camdetect/plugins:/srv/plugins",
    )

    discovery: DiscoverySection = section(DiscoverySection)
    inspection: InspectionSection = section(InspectionSection)

    health_report_interval: float = setting(
        "HEALTH_REPORT_INTERVAL", seconds(1, _DAY), 60.0, "Time between health reports.", heading="What is told"
    )

    homeassistant: HomeAssistantSection = section(HomeAssistantSection)
    frigate: FrigateSection = section(FrigateSection)
    publish_credentials: bool = setting(
        "PUBLISH_CREDENTIALS",
        FLAG,
        False,
        "Put user and password into Frigate's and go2rtc's configuration and into `frigate/config/cameras`, as the"
        " predecessor did. Whoever may read the topics gets them.",
        heading="What is told",
    )
    web: WebSection = section(WebSection)
    go2rtc: Go2rtcSection = section(Go2rtcSection)
    notices: NoticesSection = section(NoticesSection)

    named_frigates: tuple[FrigateSection, ...] = ()
    named_go2rtcs: tuple[Go2rtcSection, ...] = ()
    plugin_settings: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, hash=False
    )
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False, hash=False)
    lacks_suffix: bool = False
    runtime_dirs: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    notify_socket: str = ""
    watchdog_seconds: float = 0.0

    @property
    def confirmed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where devices may be given a secret though no MAC is seen: networks to sweep, and those that have logins."""
        with_logins = networks_with_logins(self.inspection.credentials)
        return tuple(dict.fromkeys((*self.discovery.named_networks, *with_logins)))

    @property
    def frigates(self) -> tuple[FrigateSection, ...]:
        """Every Frigate: that of the plain settings, which may have neither file nor API, and those with a name."""
        return (self.frigate, *self.named_frigates)

    @property
    def go2rtcs(self) -> tuple[Go2rtcSection, ...]:
        """Every go2rtc, likewise."""
        return (self.go2rtc, *self.named_go2rtcs)

    @property
    def pages(self) -> tuple[str, ...]:
        """Where browsers reach the pages of those that may hold cameras: their players may be shown in our page."""
        pages = [one.page for one in self.go2rtcs] + [one.page for one in self.frigates]
        return tuple(filter(None, pages))

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """All settings by key (``mqtt_port``), in the order of declaration."""
        return {setting.key: setting for _, setting in declared(cls)}

    def value_of(self, key: str) -> Any:
        """The value of the setting with that key."""
        return attrgetter(_ATTRIBUTES[key])(self)


_ATTRIBUTES = {setting.key: attribute for attribute, setting in declared(Config)}
#: The tables of consumers that the file may have.
TABLES = Tables({"frigate": table_settings(FrigateSection), "go2rtc": table_settings(Go2rtcSection)}, NAME_OF_CONSUMER)
