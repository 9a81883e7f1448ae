"""``camdetect list``: the cameras that are known, once or on a screen that follows the daemon."""

from __future__ import annotations

import select
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rich.live import Live

from twisted_detector.cli.cameras import as_table, daemon_cameras, known_cameras, write_cameras
from twisted_detector.cli.screen import cell, screen
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import CamdetectError, RemoteError

#: Seconds between two requests of ``--watch``.
WATCH_INTERVAL = 1.0


@subcommand("list")
def list_cameras(reactor: Any, directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the cameras to ``out``; exit status 1 when the store cannot be read."""
    cameras = known_cameras(reactor, directory)
    write_cameras(cameras, out, use_json=use_json, without=f"No camera is known in {directory}.")
    return 0


@subcommand("list --watch")
def watch(directory: Path, *, out: TextIO, err: TextIO) -> int:
    """Show the daemon's cameras until Ctrl-C; exit status 1 when there is no daemon to begin with.

    A daemon that is started anew meanwhile is waited for.
    """
    try:
        daemon_cameras(directory)
    except CamdetectError as error:
        raise RemoteError(f"{error}: --watch needs the running daemon") from None
    with suppress(KeyboardInterrupt), Live(console=screen(out), auto_refresh=False, screen=out.isatty()) as live:
        while True:
            try:
                live.update(as_table(daemon_cameras(directory)), refresh=True)
            except CamdetectError as error:
                live.update(cell(f"{error}; it is asked again"), refresh=True)
            select.select([], [], [], WATCH_INTERVAL)  # nothing else runs here
    return 0
