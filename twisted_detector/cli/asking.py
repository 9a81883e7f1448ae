"""Which daemon is asked, requests that only a running one can answer, and the camera that a word means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.cameras import daemon_cameras
from twisted_detector.cli.screen import printable
from twisted_detector.cli.show import matching
from twisted_detector.config.config import Config
from twisted_detector.errors import CamdetectError, LocalError
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning, send_request
from twisted_detector.operations.daemon_pointer import find_daemons, is_served

#: Fault where no daemon answers.
NOT_RUNNING = "no daemon answers at {path}: start it (camdetect run), or set STATE_DIR to the directory the daemon uses"


def located(config: Config) -> Config:
    """The configuration with the state directory of the running daemon, if STATE_DIR is not given.

    That of the default is asked if it runs; else the one that a pointer leads to. One that belongs to root comes last:
    then the answer is that it runs as another user, and not that there is none.

    :raises LocalError: there are several, and none is that of the default.
    """
    if "state_dir" in config.sources or is_served(config.state_dir):
        return config
    found = find_daemons(config.runtime_dirs)
    askable = [one.state_dir for one in found if one.may_be_asked]
    if len(askable) > 1:
        places = ", ".join(map(str, sorted(askable)))
        raise LocalError(f"several daemons run: set STATE_DIR to the directory of one of them: {places}")
    if not askable and not config.state_dir.exists():
        askable = [one.state_dir for one in found][:1]
    return replace(config, state_dir=askable[0]) if askable else config


def ask(directory: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """The daemon's answer.

    :raises LocalError: no daemon runs.
    :raises RemoteError: it refuses the request, or does not answer as it should.
    """
    try:
        return send_request(directory, request)
    except NotRunning as error:
        raise _needs_daemon(error) from None


def tell_missed(answer: Mapping[str, Any], out: TextIO) -> None:
    """Write to ``out`` which other nodes that know the camera did not carry a command out, and why."""
    for missed in answer.get("missed", ()):
        out.write(f"not carried out by {printable(missed, limit=None)}\n")


def the_camera(directory: Path, word: str) -> Camera:
    """The camera that ``word`` means (id, MAC, address or name); of one device's several, the first.

    :raises LocalError: no daemon runs, or no device is meant, or more than one.
    :raises RemoteError: as :func:`ask`.
    """
    try:
        found = matching(daemon_cameras(directory), word)
    except NotRunning as error:
        raise _needs_daemon(error) from None
    if not found:
        found = _of_other_nodes(directory, word)
    if not found:
        raise LocalError(f"no camera has that id, address or name: {word!r}; `camdetect list` shows them all")
    if len({camera.device_id for camera in found}) > 1:
        ids = ", ".join(camera.id for camera in found)
        raise LocalError(f"several devices are meant by {word!r}: name one by its id: {ids}")
    return found[0]


def _of_other_nodes(directory: Path, word: str) -> list[Camera]:
    """The cameras of that id, MAC, address or name that other nodes of the broker know."""
    try:
        cameras = send_request(directory, {"command": "fleet"})["cameras"]
    except (CamdetectError, KeyError):
        return []  # it takes part in no fleet
    meant = {word.strip().lower(), word.strip().lower().replace(":", "")}
    return [
        Camera(camera_id, camera_id, one["ip"])
        for camera_id, one in cameras.items()
        if meant & {camera_id, one["ip"], one["name"].lower()}
    ]


def _needs_daemon(error: CamdetectError) -> LocalError:
    return LocalError(f"{error}: only the running daemon can do that")
