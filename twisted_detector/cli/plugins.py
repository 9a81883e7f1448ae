"""``camdetect plugins``: which plugins there are, and why one is not loaded."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TextIO

from rich.text import Text

from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.config.config import Config
from twisted_detector.service.plugin_inventory import PluginEntry, PluginState, inventory
from twisted_detector.service.plugin_loader import unknown_names

_STYLES = {PluginState.LOADED: "green", PluginState.OFF: "dim", PluginState.LEFT_OUT: "red"}


def list_plugins(config: Config, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write all plugins; exit status 1 when one that is wanted is left out, or when nobody has it."""
    found = inventory(config)
    missing = [f"PLUGINS names {name}, but no plugin has that name" for name in unknown_names(config.plugins)]
    if config.plugin_path is not None and not config.plugin_path.is_dir():
        missing.append(f"PLUGIN_PATH: {config.plugin_path} is no folder that can be read")
    if use_json:
        out.write(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    else:
        screen(out).print(table(("NAME", "KIND", "STATE", "FILE", "WHY NOT"), map(_cells, found)))
    for text in missing:
        err.write(f"camdetect plugins: {text}\n")
    return 1 if missing or any(one.state is PluginState.LEFT_OUT for one in found) else 0


def _cells(one: PluginEntry) -> list[Text]:
    return [
        cell(one.name),
        cell(", ".join(one.kinds)),
        cell(one.state.value, _STYLES[one.state]),
        cell("built in" if one.is_builtin else one.file, limit=None),
        cell(one.why, limit=None),
    ]
