"""``camdetect stream``: where a camera's streams are, as a person says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from twisted_detector.cli.asking import ask, tell_missed, the_camera
from twisted_detector.cli.screen import printable
from twisted_detector.cli.subcommand import subcommand


@subcommand("stream")
def stream(directory: Path, word: str, given: Mapping[str, str], *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Change the streams of a camera, or show them where none is given.

    :param word: id, MAC, address or name of the camera.
    :param given: ``main`` and ``sub``, those that are to be changed.
    """
    camera = the_camera(directory, word)
    answer = ask(directory, {"command": "stream" if given else "decided", "camera_id": camera.id, **given})
    if use_json:
        shown = {name: answer[name] for name in ("camera_id", "version", "values")}
        out.write(json.dumps(shown, indent=2) + "\n")
        return 0
    for name in ("main", "sub"):
        value = answer["values"][name]["value"]
        out.write(f"{camera.id}: {name} {printable(value, limit=None) if value else 'is left to camdetect'}\n")
    login = answer["values"]["login"]["value"]
    if given and login:
        out.write(f"{camera.id}: login {printable(login['user'])}\n")
    tell_missed(answer, out)
    return 0
