"""``camdetect networks``: the networks that the running daemon searches; one is added or removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import ask
from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.cli.subcommand import subcommand

_HEADINGS = ("NETWORK", "SOURCE", "INTERFACE", "SEARCHED BY", "LAST SWEEP", "PACKETS", "LAST HOUR", "HOSTS")


@subcommand("networks")
def list_networks(directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """List the networks, and why the addresses of one are not tried."""
    answer = ask(directory, {"command": "networks"})
    if use_json:
        out.write(json.dumps({"networks": answer["networks"]}, indent=2) + "\n")
    else:
        _show(answer["networks"], out)
    return 0


@subcommand("networks")
def change_networks(directory: Path, action: str, networks: list[str], *, out: TextIO, err: TextIO) -> int:
    """Add or remove networks, one after the other."""
    for network in networks:
        answer = ask(directory, {"command": "networks", "action": action, "network": network})
        result = "is now searched" if action == "add" else _after_removal(answer)
        out.write(f"{network} {result}\n")
    return 0


def _after_removal(answer: Mapping[str, Any]) -> str:
    """What removing it came to: it may be one of this machine's, or within a larger one."""
    for one in answer["networks"]:
        if one["network"] == answer["still"]:
            links = f" ({', '.join(one['interfaces'])})" if one["interfaces"] else ""
            return f"is removed, and still searched: {one['network']} is in the list, from {one['source']}{links}"
    return "is no longer searched"


def _show(networks: list[dict[str, Any]], out: TextIO) -> None:
    if not networks:
        out.write("No network is searched.\n")
        return
    console = screen(out)
    console.print(table(_HEADINGS, ([cell(text) for text in _texts(one)] for one in networks)))
    for one in networks:
        if one["why"]:
            console.print(cell(f"{one['network']}: {one['why']}"))


def _texts(one: Mapping[str, Any]) -> tuple[str, ...]:
    where = ", ".join(one["interfaces"]) + (f" ({one['what']})" if one["what"] else "")
    numbers = ["-" if one[name] is None else str(one[name]) for name in ("packets", "packets_last_hour", "hosts")]
    last = f"{datetime.fromisoformat(one['last']).astimezone():%Y-%m-%d %H:%M:%S}" if one["last"] else "-"
    return (one["network"], one["source"], where or "-", ", ".join(one["by"]) or "-", last, *numbers)
