"""``camdetect login retry``: the running daemon tries again what a camera refused."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from twisted_detector.cli.asking import ask, the_camera
from twisted_detector.cli.subcommand import subcommand


@subcommand("login retry")
def retry(directory: Path, word: str, *, out: TextIO, err: TextIO) -> int:
    """Try the logins that a camera refused again.

    :param word: id, MAC, address or name of the camera.
    """
    camera = the_camera(directory, word)
    answer = ask(directory, {"command": "login", "action": "retry", "camera_id": camera.id})
    logins, waits = ", ".join(answer["logins"]), answer["waits"]
    what = f"these are tried again: {logins}" if logins else "none of its logins had been refused for good"
    out.write(f"{camera.id}: {what}{f', but {waits}' if waits else ''}\n")
    return 0
