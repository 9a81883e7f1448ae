"""``camdetect login retry``: the running daemon tries again what a camera refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.cameras import daemon_cameras
from twisted_detector.cli.show import matching
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import LocalError
from twisted_detector.operations.control_client import NotRunning, send_request


@subcommand("login retry")
def retry(directory: Path, word: str, *, out: TextIO, err: TextIO) -> int:
    """Try the logins that a camera refused again.

    :param word: id, MAC, address or name of the camera.
    """
    try:
        found = matching(daemon_cameras(directory), word)
        if len({camera.device_id for camera in found}) > 1:
            ids = ", ".join(camera.id for camera in found)
            raise LocalError(f"several devices are meant by {word!r}: name one by its id: {ids}")
        if not found:
            raise LocalError(f"no camera has that id, address or name: {word!r}; `camdetect list` shows them all")
        request = {"command": "login", "action": "retry", "camera_id": found[0].id}
        answer: dict[str, Any] = send_request(directory, request)
    except NotRunning as error:
        raise LocalError(f"{error}: only the running daemon can do that") from None
    logins, waits = ", ".join(answer["logins"]), answer["waits"]
    what = f"these are tried again: {logins}" if logins else "none of its logins had been refused for good"
    out.write(f"{found[0].id}: {what}{f', but {waits}' if waits else ''}\n")
    return 0
