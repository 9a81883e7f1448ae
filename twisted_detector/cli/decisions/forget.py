"""``camdetect forget``: the running daemon forgets cameras, by name or by criteria."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import ask, the_camera
from twisted_detector.cli.subcommand import subcommand

_DAY = 86_400.0


def criteria(arguments: Namespace) -> dict[str, Any]:
    """The fields of the request that the arguments make: those criteria that are given."""
    given = {
        "status": arguments.status,
        "network": arguments.network,
        "older_than": None if arguments.older_than is None else arguments.older_than * _DAY,
        "never_proved": arguments.never_proved or None,
        "adopted": False if arguments.not_adopted else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def forget(directory: Path, words: Sequence[str], *, out: TextIO, err: TextIO) -> int:
    """Forget each camera that a word means; exit status 1 when one could not be forgotten."""

    @subcommand("forget")
    def one(word: str, *, out: TextIO, err: TextIO) -> int:
        camera = the_camera(directory, word)
        ask(directory, {"command": "forget", "camera_id": camera.id})
        out.write(f"{camera.id} is forgotten; if it is still there, it will be found again as new\n")
        return 0

    return max(one(word, out=out, err=err) for word in words)


@subcommand("forget")
def forget_all(directory: Path, wanted: Mapping[str, Any], *, dry_run: bool, out: TextIO, err: TextIO) -> int:
    """Forget all cameras that meet the criteria, or say which those are."""
    answer = ask(directory, {"command": "forget", **wanted, "dry_run": dry_run})
    count, named = answer["matched"], answer["camera_ids"]
    cameras = "1 camera" if count == 1 else f"{count} cameras"
    out.write(f"{cameras} would be forgotten.\n" if dry_run else f"{cameras} forgotten.\n")
    for camera_id in named:
        out.write(f"  {camera_id}\n")
    if count > len(named):
        out.write(f"  and {count - len(named)} more\n")
    return 0
