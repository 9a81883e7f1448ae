"""Every setting of the daemon with its value, as one frozen Config.

Each setting is declared once, in the ``config_*`` module of its family: name, type, default, bounds, line of help. The
environment variable is the field's name in upper case, the key of the TOML file is the field's name. Nothing is
silently corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import Any

from twisted_detector.config.frigate_go2rtc import FollowingSettings
from twisted_detector.config.kinds import Setting, setting_of
from twisted_detector.model.login_rules import named_networks as networks_with_logins


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(FollowingSettings):
    """Every setting with its value. Secrets mask themselves, so a Config may be shown.

    :ivar mqtt_broker: "" means the embedded broker.
    :ivar scan_networks: CIDR texts; the word ``interfaces`` stands for the networks of this machine's interfaces.
    :ivar camera_credentials: all logins, those with an audience as ``LoginRule``; the first is ``camera_username`` with
        ``camera_password`` when those are given.
    :ivar plugin_settings: the tables ``[plugins.<name>]`` of the TOML file, by name.
    :ivar notify_socket: NOTIFY_SOCKET, as a supervisor sets it for us (sd_notify), or "".
    :ivar watchdog_seconds: how long that supervisor bears our silence, from WATCHDOG_USEC; 0.0: for ever.
    :ivar warnings: what is allowed but probably not meant; to be logged at start.
    """

    plugin_settings: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, hash=False
    )
    warnings: tuple[str, ...] = ()
    notify_socket: str = ""
    watchdog_seconds: float = 0.0

    @property
    def named_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of SCAN_NETWORKS that the operator wrote out: what stands there is meant."""
        return tuple(ip_network(text, strict=False) for text in self.scan_networks if text != "interfaces")

    @property
    def confirmed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where devices may be given a secret though no MAC is seen: networks to sweep, and those that have logins."""
        return tuple(dict.fromkeys((*self.named_networks, *networks_with_logins(self.camera_credentials))))

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """All settings by field name, in the order of declaration."""
        found = ((each.name, setting_of(each.metadata)) for each in fields(cls))
        return {name: declared for name, declared in found if declared is not None}
