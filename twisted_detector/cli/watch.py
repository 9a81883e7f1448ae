"""A running daemon goes in; its cameras on one screen that follows it come out, until Ctrl-C."""

from __future__ import annotations

import json
import select
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from rich.live import Live

from twisted_detector.cli.list import as_table
from twisted_detector.cli.screen import cell, screen
from twisted_detector.errors import CamdetectError
from twisted_detector.operations.control_socket import ask
from twisted_detector.store.cameras import load_camera

#: Seconds between two looks.
PAUSE = 1.0


def watch(directory: Path, *, out: TextIO, err: TextIO) -> int:
    """Ask the daemon every second; exit status 1 when there is none to begin with.

    A daemon that is started anew meanwhile is waited for.
    """
    try:
        ask(directory, {"command": "list"})
    except CamdetectError as error:
        err.write(f"camdetect list --watch: {error}: --watch needs the running daemon\n")
        return 1
    with suppress(KeyboardInterrupt), Live(console=screen(out), auto_refresh=False, screen=out.isatty()) as live:
        while True:
            try:
                documents = ask(directory, {"command": "list"})["cameras"]
                live.update(as_table([load_camera(json.dumps(one)) for one in documents]), refresh=True)
            except CamdetectError as error:
                live.update(cell(f"{error}; it is asked again"), refresh=True)
            select.select([], [], [], PAUSE)  # nothing else runs here
    return 0
