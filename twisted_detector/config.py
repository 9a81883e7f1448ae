"""Environment and files go in; one frozen Config comes out, or one ConfigError that lists every fault.

Each setting is declared once, in the ``config_*`` module of its family: name, type, default, bounds, line of help. The
environment variable is the field's name in upper case, the key of the TOML file is the field's name. Nothing is
silently corrected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

from twisted_detector.config_checks import Checks
from twisted_detector.config_following import FollowingSettings
from twisted_detector.config_kinds import NAME, Refused, Setting, setting_of
from twisted_detector.config_reader import Reader, ReadFile, Reading, must_be, read_file as read_file_from_disk
from twisted_detector.errors import ConfigError
from twisted_detector.inspection.login_rules import named_networks as networks_with_logins
from twisted_detector.model import Login
from twisted_detector.records import dataclass


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

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        hostname: str,
        superuser: bool | None = None,
        read_file: ReadFile = read_file_from_disk,
    ) -> Config:
        """Read the whole configuration.

        :param environ: the environment variables.
        :param hostname: this machine's name: the last resort for NODE_ID.
        :param superuser: whether this is root, for the default of STATE_DIR; None: look.
        :param read_file: how files are read.
        :raises ConfigError: with every fault.
        """
        reading = Reader(cls.settings(), environ, read_file=read_file).read()
        values = reading.values
        _derive(reading, environ, hostname, os.geteuid() == 0 if superuser is None else superuser)
        config = cls(**values)
        checks = Checks(config, cls.settings(), reading, read_file)
        faults = (*reading.faults, *checks.faults())
        if faults:
            raise ConfigError(faults)
        first = (Login(config.camera_username, config.camera_password),) if config.camera_username else ()
        values["camera_credentials"] = tuple(dict.fromkeys((*first, *config.camera_credentials)))
        return cls(
            **values,
            plugin_settings=reading.plugin_settings,
            warnings=(*reading.warnings, *checks.warnings()),
            notify_socket=environ.get("NOTIFY_SOCKET", ""),
            watchdog_seconds=_watchdog(environ),
        )


def _derive(reading: Reading, environ: Mapping[str, str], hostname: str, superuser: bool) -> None:
    """Fill in the defaults that depend on the machine or on another setting."""
    values = reading.values
    if "node_id" not in reading.given:
        device = environ.get("BALENA_DEVICE_UUID", "")
        source = "BALENA_DEVICE_UUID" if device else "NODE_ID, from the host name"
        try:
            values["node_id"] = NAME.read(device or hostname)
        except Refused as refusal:
            reading.refuse(source, ascii(device or hostname), must_be(NAME, refusal))
    node_id = values.get("node_id", "camdetect")
    values.setdefault("mqtt_client_id", f"camdetect-{node_id}")
    if values.get("mqtt_tls"):
        values.setdefault("mqtt_port", 8883)
    if "state_dir" not in reading.given:
        home = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else "")
        if superuser:
            values["state_dir"] = Path("/var/lib/camdetect")
        elif home:
            values["state_dir"] = Path(home) / "camdetect"
        else:
            reading.refuse("STATE_DIR", "", "must be set where there is neither XDG_STATE_HOME nor HOME")


def _watchdog(environ: Mapping[str, str]) -> float:
    """Seconds of WATCHDOG_USEC. Set by the supervisor, not by the user: what cannot be read is no watchdog."""
    given = environ.get("WATCHDOG_USEC", "")
    return int(given) / 1e6 if given.isascii() and given.isdigit() and len(given) < 16 else 0.0


def config_or_exit(environ: Mapping[str, str], *, hostname: str, stderr: TextIO) -> Config:
    """What every root does: the Config, or one message on ``stderr`` and exit status 2."""
    try:
        return Config.from_environment(environ, hostname=hostname)
    except ConfigError as error:
        stderr.write(f"camdetect: {error}\n")
        raise SystemExit(2) from None
