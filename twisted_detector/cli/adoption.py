"""``camdetect adopt``, ``unadopt``, ``block``, ``unblock`` and ``check``: what a person decides about single devices.

All ask the running daemon: what is decided must hold at once, and the state directory belongs to one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.cameras import daemon_cameras
from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.cli.show import matching
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import CamdetectError, LocalError
from twisted_detector.operations.control_client import NotRunning, send_request

_DONE = {
    "adopt": "is adopted",
    "unadopt": "is not adopted any more, and is given no login",
    "check": "is asked again now (camdetect show tells what it answered)",
    "block": "is blocked: it is asked nothing and shown nowhere (camdetect unblock brings it back)",
}


@subcommand("adopt")
def adopt_all(directory: Path, *, out: TextIO, err: TextIO) -> int:
    """Adopt every camera that the daemon knows."""
    answer = _ask(directory, {"command": "adopt", "all": True})
    out.write(f"{answer['count']} cameras were not adopted, and are now.\n")
    return 0


def decide(name: str, directory: Path, words: Sequence[str], *, out: TextIO, err: TextIO) -> int:
    """Do ``name``, one of ``_DONE``, with each camera; exit status 1 when one of them failed.

    :param words: ids, MACs, addresses or names.
    """

    @subcommand(name)
    def one(word: str, *, out: TextIO, err: TextIO) -> int:
        found = matching(_cameras(directory), word)
        if not found:
            raise LocalError(f"no camera has that id, address or name: {word!r}; `camdetect list` shows them all")
        if len({camera.device_id for camera in found}) > 1:
            ids = ", ".join(camera.id for camera in found)
            raise LocalError(f"several devices are meant by {word!r}: name one by its id: {ids}")
        _ask(directory, {"command": name, "camera_id": found[0].id})
        out.write(f"{found[0].id} {_DONE[name]}\n")
        return 0

    return max(one(word, out=out, err=err) for word in words)


@subcommand("unblock")
def unblock(directory: Path, words: Sequence[str], *, out: TextIO, err: TextIO) -> int:
    """Unblock devices by the ids that they had, by MAC or by EndpointReference; without any, list who is blocked."""
    for word in words:
        _ask(directory, {"command": "unblock", "device": word})
        out.write(f"{word} is unblocked: it is looked for now, and new when it is found\n")
    if words:
        return 0
    devices = _ask(directory, {"command": "blocked"})["devices"]
    if not devices:
        out.write("No device is blocked.\n")
        return 0
    rows = ([cell(text) for text in _texts(one)] for one in devices)
    screen(out).print(table(("DEVICE", "MAC", "ENDPOINT REFERENCE", "SINCE"), rows))
    return 0


def _texts(device: dict[str, Any]) -> tuple[str, ...]:
    return str(device["device"]), " ".join(device["macs"]), str(device["reference"]), str(device["since"])


def _cameras(directory: Path) -> Sequence[Any]:
    try:
        return daemon_cameras(directory)
    except NotRunning as error:
        raise _needs_daemon(error) from None


def _ask(directory: Path, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return send_request(directory, request)
    except NotRunning as error:
        raise _needs_daemon(error) from None


def _needs_daemon(error: CamdetectError) -> LocalError:
    return LocalError(f"{error}: only the running daemon can do that")
