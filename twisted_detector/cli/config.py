"""``camdetect config``: the settings with their values and sources, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TextIO

from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import MASKED, declared, shown_value
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection
from twisted_detector.config.load import load
from twisted_detector.errors import ConfigError

_DEFAULT = "default"


class Row(NamedTuple):
    """One setting as it is shown."""

    name: str
    value: str
    source: str


def check(environ: Mapping[str, str], *, hostname: str, out: TextIO, err: TextIO) -> int:
    """Write every fault and warning; exit status 1 when there is a fault."""
    try:
        config = load(environ, hostname=hostname)
    except ConfigError as error:
        err.write(f"camdetect config: {error}\n")
        return 1
    for warning in config.warnings:
        err.write(f"camdetect config: warning: {warning}\n")
    out.write("The configuration is valid.\n")
    return 0


def show_settings(config: Config, *, use_json: bool, out: TextIO) -> int:
    """Write every setting with its value and where that comes from; passwords are masked."""
    found = list(rows(config))
    if use_json:
        out.write(json.dumps({row.name: {"value": row.value, "source": row.source} for row in found}, indent=2) + "\n")
        return 0
    cells = ([cell(row.name), cell(row.value, limit=None), cell(row.source)] for row in found)
    screen(out).print(table(("SETTING", "VALUE", "FROM"), cells))
    return 0


def rows(config: Config) -> Iterator[Row]:
    """All settings, then the tables of the configuration file."""
    for key, one in config.settings().items():
        yield Row(one.name, shown_value(one, config.value_of(key)), config.sources.get(key, _DEFAULT))
    sections: tuple[FrigateSection | Go2rtcSection, ...] = (*config.named_frigates, *config.named_go2rtcs)
    for section in sections:
        for attribute, one in declared(type(section)):
            value = getattr(section, attribute)
            if value != getattr(type(section)(), attribute):
                yield Row(section.consumer.settings(attribute), shown_value(one, value), "file")
    for plugin, settings in config.plugin_settings.items():
        for key in settings:  # what is secret among them, only the plugin knows
            yield Row(f"[plugins.{plugin}] {key}", MASKED, "file")
