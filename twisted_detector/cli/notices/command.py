"""``camdetect notices``: what people were told lately, and by which ways; ``camdetect notices test WAY`` tries one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import ask
from twisted_detector.cli.screen import cell, printable, screen, table
from twisted_detector.cli.subcommand import subcommand


@subcommand("notices")
def list_notices(directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the notices that last and the latest others, and the ways."""
    answer = ask(directory, {"command": "notices"})
    if use_json:
        out.write(json.dumps(answer, indent=2, sort_keys=True) + "\n")
        return 0
    console = screen(out)
    if answer["notices"]:
        console.print(table(("SINCE", "STATE", "NOTICE"), map(_row, answer["notices"])))
    else:
        out.write("No notices yet.\n")
    ways = [(cell(one["name"]), cell("on" if one["on"] else "off"), cell(one["text"])) for one in answer["ways"]]
    console.print(table(("WAY", "", "STATE"), ways))
    return 0


def _row(one: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    lasts = one["until"] is None
    state = cell("open", "yellow") if lasts and one["kind"] not in ("new", "moved") else cell("over", "dim")
    return cell(one["since"]), state, cell(one["text"], limit=None)


@subcommand("notices test")
def test_way(directory: Path, way: str, *, out: TextIO, err: TextIO) -> int:
    """Send a test notice by one way; exit status 1 when it did not arrive."""
    answer = ask(directory, {"command": "notices", "action": "test", "way": way})
    text = printable(answer["text"], limit=None)
    if answer["sent"]:
        out.write(f"{way}: {text}\n")
        return 0
    err.write(f"camdetect notices test: {way}: {text}\n")
    return 1
