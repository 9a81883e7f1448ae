"""``camdetect plugins``: which plugins there are, why one is not loaded, and what they did in the running daemon."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from rich.text import Text

from twisted_detector.cli.asking import located
from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.config.config import Config
from twisted_detector.errors import CamdetectError
from twisted_detector.operations.control_client import NotRunning, send_request
from twisted_detector.service.extensions.entries import PluginEntry, PluginState
from twisted_detector.service.plugin_inventory import inventory, problems

_STYLES = {
    PluginState.LOADED: "green",
    PluginState.OFF: "dim",
    PluginState.LEFT_OUT: "red",
    PluginState.DISABLED: "red",
}
_COUNTS = ("calls", "sightings", "messages", "published", "limited")


def running_plugins(config: Config, err: TextIO) -> Mapping[str, Any] | None:
    """The answer of the running daemon to ``plugins``; None where none runs, or none can be asked, which is told."""
    try:
        return send_request(located(config).state_dir, {"command": "plugins"})
    except NotRunning:
        return None
    except CamdetectError as error:
        err.write(f"camdetect plugins: the daemon is not asked: {error}\n")
        return None


def list_plugins(config: Config, answer: Mapping[str, Any] | None, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write all plugins; exit status 1 when one that is wanted is not loaded, or when nobody has it.

    :param answer: of the running daemon to ``plugins``; None: none runs, and what one would do is told.
    """
    found = [_document(one) for one in inventory(config)]
    missing = problems(config)
    if answer is not None:
        found = _with_daemon(found, answer["plugins"])
        missing = list(dict.fromkeys((*missing, *answer["problems"])))
    if use_json:
        out.write(json.dumps(found, indent=2) + "\n")
    else:
        screen(out).print(table(("NAME", "KIND", "STATE", "FROM", "DID", "WHY"), map(_cells, found)))
        if answer is None:
            out.write("No daemon was asked: this is what one would load.\n")
    for text in missing:
        err.write(f"camdetect plugins: {text}\n")
    return 1 if missing or any(one["state"] in (PluginState.LEFT_OUT, PluginState.DISABLED) for one in found) else 0


def _with_daemon(found: Sequence[dict[str, Any]], running: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a daemon with these settings loads, as it is in the one that runs; then what that one has beside it."""
    there = {(one["name"], one["file"]): one for one in running}
    told = []
    for one in found:
        place = one["name"], one["file"]
        ran = there.pop(place, None)
        if one["state"] != PluginState.LOADED:
            told.append(one)
        elif ran is None or (ran["state"] == PluginState.LEFT_OUT and not ran["kinds"]):
            why = "the daemon was started before it was there: restart it"
            told.append({**one, "state": PluginState.OFF.value, "why": why})
        else:
            told.append(ran)
    return told + [one for one in there.values() if one["state"] == PluginState.LOADED]


def _document(one: PluginEntry) -> dict[str, Any]:
    """As the daemon's answer has it, of a plugin that does not run."""
    return {
        **asdict(one),
        "state": one.state.value,
        "faults": 0,
        "stalls": 0,
        "counts": {},
        "last_fault": "",
        "last_stall": {"seconds": 0.0, "stack": ""},
    }


def _cells(one: Mapping[str, Any]) -> list[Text]:
    state = PluginState(one["state"])
    package = f"{one['package']}: " if one["package"] else ""
    return [
        cell(one["name"]),
        cell(", ".join(one["kinds"])),
        cell(state.value, _STYLES[state]),
        cell("built in" if one["is_builtin"] else f"{package}{one['file']}", limit=None),
        cell(_did(one), limit=None),
        cell(one["why"] or _troubles(one), limit=None),
    ]


def _did(one: Mapping[str, Any]) -> str:
    counts = one["counts"]
    return ", ".join(f"{counts[name]} {name}" for name in _COUNTS if counts.get(name))


def _troubles(one: Mapping[str, Any]) -> str:
    texts = []
    if one["faults"]:
        texts.append(f"{one['faults']} faults, the last one: {one['last_fault']}")
    if one["stalls"]:
        texts.append(f"it held everything up {one['stalls']} times, last here:\n{one['last_stall']['stack']}")
    return "; ".join(texts)
