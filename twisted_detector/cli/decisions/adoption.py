"""``camdetect adopt``, ``unadopt``, ``block``, ``unblock`` and ``check``: what a person decides about single devices.

All ask the running daemon: what is decided must hold at once, and the state directory belongs to one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import ask, tell_missed, the_camera
from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.cli.subcommand import subcommand

_DONE = {
    "adopt": "is adopted",
    "unadopt": "is no longer adopted and is sent no login",
    "check": "is being checked now (camdetect show has the result)",
    "block": "is blocked: it is never contacted and never shown (camdetect unblock brings it back)",
}


@subcommand("adopt")
def adopt_all(directory: Path, *, out: TextIO, err: TextIO) -> int:
    """Adopt every camera that the daemon knows."""
    answer = ask(directory, {"command": "adopt", "all": True})
    out.write(f"{answer['count']} cameras adopted.\n")
    return 0


def decide(name: str, directory: Path, words: Sequence[str], *, out: TextIO, err: TextIO) -> int:
    """Do ``name``, one of ``_DONE``, with each camera; exit status 1 when one of them failed.

    :param words: ids, MACs, addresses or names.
    """

    @subcommand(name)
    def one(word: str, *, out: TextIO, err: TextIO) -> int:
        camera = the_camera(directory, word)
        answer = ask(directory, {"command": name, "camera_id": camera.id})
        out.write(f"{camera.id} {_DONE[name]}\n")
        tell_missed(answer, out)
        return 0

    return max(one(word, out=out, err=err) for word in words)


@subcommand("unblock")
def unblock(directory: Path, words: Sequence[str], *, out: TextIO, err: TextIO) -> int:
    """Unblock devices by the ids that they had, by MAC or by EndpointReference; without any, list who is blocked."""
    for word in words:
        ask(directory, {"command": "unblock", "device": word})
        out.write(f"{word} is unblocked: camdetect looks for it now, and lists it as new when found\n")
    if words:
        return 0
    devices = ask(directory, {"command": "blocked"})["devices"]
    if not devices:
        out.write("No device is blocked.\n")
        return 0
    rows = ([cell(text) for text in _texts(one)] for one in devices)
    screen(out).print(table(("DEVICE", "MAC", "ENDPOINT REFERENCE", "SINCE"), rows))
    return 0


def _texts(device: dict[str, Any]) -> tuple[str, ...]:
    return str(device["device"]), " ".join(device["macs"]), str(device["reference"]), str(device["since"])
