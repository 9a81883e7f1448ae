"""Loader of the configuration: sources read, derived defaults filled in, settings checked together.

What was set on the page stands in STATE_DIR, which the other sources name: they are read first, and once more with it.
The suffix of the host name stands there too, once a daemon has opened it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO, TypeVar

from twisted_detector.config.checks import Checks
from twisted_detector.config.config import TABLES, Config
from twisted_detector.config.declarations import filled
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection
from twisted_detector.config.kinds import NAME, ValueRefused
from twisted_detector.config.node_name import FILE as SUFFIX_FILE, read_suffix, with_suffix
from twisted_detector.config.page_settings import FILE, effective, read_page_settings
from twisted_detector.config.reader import Reader, ReadFile, Reading, must_be, read_file as read_file_from_disk
from twisted_detector.errors import ConfigError
from twisted_detector.model import Login

S = TypeVar("S", FrigateSection, Go2rtcSection)


def load(
    environ: Mapping[str, str],
    *,
    hostname: str,
    superuser: bool | None = None,
    read_file: ReadFile = read_file_from_disk,
    page: Mapping[str, str] | None = None,
) -> Config:
    """Read the whole configuration.

    A fault of what was set on the page does not stop the start, for the page is where it is mended: it is a warning,
    and all that was set there is left out. A part of it might send a password the wrong way.

    :param environ: the environment variables.
    :param hostname: this machine's name: the last resort for NODE_ID (``node_name``).
    :param superuser: whether this is root, for the default of STATE_DIR; None: find out.
    :param read_file: how files are read.
    :param page: values by key in the place of those that are saved for the page; their faults are raised.
    :raises ConfigError: with every fault.
    """
    superuser = os.geteuid() == 0 if superuser is None else superuser
    sources = partial(_load, environ, hostname=hostname, superuser=superuser, read_file=read_file)
    config = sources()
    if page is not None:
        return _named(sources(page=effective(page, config.sources)), read_file)
    saved = read_page_settings(config.state_dir, lambda path: read_file(path).data)
    warnings = saved.faults
    values = effective(saved.values, config.sources)
    if values:
        try:
            config = sources(page=values)
        except ConfigError as error:
            what = f"what was set on the page ({config.state_dir / FILE}) is left out"
            warnings = (*warnings, *(f"{what}: {fault}" for fault in error.faults))
    return _named(replace(config, warnings=(*config.warnings, *warnings)), read_file)


def _named(config: Config, read_file: ReadFile) -> Config:
    """With the suffix of the host name, where one is needed and kept."""
    if not config.lacks_suffix:
        return config
    try:
        suffix = read_suffix(read_file(config.state_dir / SUFFIX_FILE).data)
    except OSError:
        return config
    return config if suffix is None else with_suffix(config, suffix)


def _load(
    environ: Mapping[str, str],
    *,
    hostname: str,
    superuser: bool,
    read_file: ReadFile,
    page: Mapping[str, str] = MappingProxyType({}),
) -> Config:
    reading = Reader(Config.settings(), environ, read_file=read_file, tables=TABLES, page=page).read()
    _derive(reading, environ, hostname, superuser)
    config = replace(
        filled(Config, reading.values),
        named_frigates=_consumers(FrigateSection, reading.tables.get("frigate", {})),
        named_go2rtcs=_consumers(Go2rtcSection, reading.tables.get("go2rtc", {})),
    )
    checks = Checks(config, reading, read_file)
    faults = (*reading.faults, *checks.faults())
    if faults:
        raise ConfigError(faults)
    cameras = config.inspection
    first = (Login(cameras.username, cameras.password),) if cameras.username else ()
    return replace(
        config,
        inspection=replace(cameras, credentials=tuple(dict.fromkeys((*first, *cameras.credentials)))),
        plugin_settings=reading.plugin_settings,
        sources=MappingProxyType(reading.sources),
        lacks_suffix="node_id" not in reading.given and not environ.get("BALENA_DEVICE_UUID"),
        runtime_dirs=_runtime_dirs(environ),
        warnings=(*reading.warnings, *checks.warnings()),
        notify_socket=environ.get("NOTIFY_SOCKET", ""),
        watchdog_seconds=_watchdog(environ),
    )


def _consumers(section: type[S], tables: Mapping[str, Mapping[str, Any]]) -> tuple[S, ...]:
    return tuple(replace(filled(section, values), name=name) for name, values in tables.items())


def _derive(reading: Reading, environ: Mapping[str, str], hostname: str, superuser: bool) -> None:
    """Fill in the defaults that depend on the machine or on another setting."""
    values = reading.values
    if "node_id" not in reading.given:
        device = environ.get("BALENA_DEVICE_UUID", "")
        source = "BALENA_DEVICE_UUID" if device else "NODE_ID, from the host name"
        try:
            values["node_id"] = NAME.read(device or hostname)
        except ValueRefused as refusal:
            reading.refuse(source, ascii(device or hostname), must_be(NAME, refusal))
    node_id = values.get("node_id", "camdetect")
    values.setdefault("mqtt_client_id", f"camdetect-{node_id}")
    if values.get("mqtt_tls"):
        values.setdefault("mqtt_port", 8883)
    if values.get("notice_mail_tls") == "tls":
        values.setdefault("notice_mail_port", 465)
    if "state_dir" not in reading.given:
        home = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else "")
        if superuser:
            values["state_dir"] = Path("/var/lib/camdetect")
        elif home:
            values["state_dir"] = Path(home) / "camdetect"
        else:
            reading.refuse("STATE_DIR", "", "must be set where there is neither XDG_STATE_HOME nor HOME")


def _runtime_dirs(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """XDG_RUNTIME_DIR is for one user and one login (XDG base directories); /run is root's, and a service's."""
    given = environ.get("XDG_RUNTIME_DIR", "")
    own = (Path(given) / "camdetect",) if given.startswith("/") and "\0" not in given else ()
    return (*own, Path("/run/camdetect"))


def _watchdog(environ: Mapping[str, str]) -> float:
    """Seconds of WATCHDOG_USEC. Set by the supervisor, not by the user: what cannot be read is no watchdog."""
    given = environ.get("WATCHDOG_USEC", "")
    return int(given) / 1e6 if given.isascii() and given.isdigit() and len(given) < 16 else 0.0


def config_or_exit(environ: Mapping[str, str], *, hostname: str, stderr: TextIO) -> Config:
    """The Config for a root of a program; with faults, one message on ``stderr`` and exit status 2."""
    try:
        return load(environ, hostname=hostname)
    except ConfigError as error:
        stderr.write(f"camdetect: {error}\n")
        raise SystemExit(2) from None
