"""``camdetect name``: what a person calls a camera, where it hangs, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from twisted_detector.cli.asking import ask, tell_missed, the_camera
from twisted_detector.cli.screen import printable
from twisted_detector.cli.subcommand import subcommand

_ROWS = (("name", "name"), ("area", "area"), ("note", "note"), ("network", "expected on"))


@subcommand("name")
def name_camera(directory: Path, word: str, given: Mapping[str, str], *, out: TextIO, err: TextIO) -> int:
    """Change what is given of a camera, or, with nothing given, show what is decided.

    :param word: id, MAC, address or name of the camera.
    :param given: name, area, note and network, each that is given; "" takes it back.
    """
    camera = the_camera(directory, word)
    command = "name" if given else "decided"
    answer = ask(directory, {"command": command, "camera_id": camera.id, **given})
    for field, label in _ROWS:
        value = answer["values"][field]
        if value["value"]:
            source = f"  ({value['source']})" if value["source"] else ""
            out.write(f"{label:<12}{printable(value['value'], limit=None)}{source}\n")
    if remark := answer.get("remark"):
        out.write(f"{remark}\n")
    tell_missed(answer, out)
    return 0
