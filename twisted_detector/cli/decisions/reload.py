"""``camdetect reload``: the running daemon reads its configuration and the decisions again."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from twisted_detector.cli.asking import ask
from twisted_detector.cli.screen import printable
from twisted_detector.cli.subcommand import subcommand


@subcommand("reload")
def reload(directory: Path, *, restart: bool, out: TextIO, err: TextIO) -> int:
    """Read all again; exit status 1 when something was not taken over."""
    answer = ask(directory, {"command": "reload", "restart": restart})
    for line in answer["changed"]:
        out.write(f"{printable(line, limit=None)}\n")
    if answer["restart"]:
        names = ", ".join(answer["restart"])
        said = "restarting now because of" if answer["restarting"] else "needs a restart (camdetect reload --restart):"
        out.write(f"{said} {printable(names, limit=None)}\n")
    for fault in answer["faults"]:
        err.write(f"camdetect reload: {printable(fault, limit=None)}\n")
    if not (answer["changed"] or answer["restart"] or answer["faults"]):
        out.write("nothing has changed\n")
    return 1 if answer["faults"] else 0
