"""A state directory and a format go in; the cameras as another program reads them come out: ``camdetect export``."""

from __future__ import annotations

from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.config.config import Config
from twisted_detector.errors import CamdetectError
from twisted_detector.operations.control_socket import NotRunning, ask
from twisted_detector.operations.export import export as export_cameras, login_of, stored_cameras


def export(reactor: Any, config: Config, name: str, *, diff: bool, out: TextIO, err: TextIO) -> int:
    """Ask the running daemon, else read its directory; the exit status is 1 when neither tells."""
    request: dict[str, Any] = {"command": "export", "format": name, **({"diff": True} if diff else {})}
    try:
        out.write(str(ask(config.state_dir, request)["text"]))
        return 0
    except NotRunning:
        if diff:
            err.write(f"camdetect export: no daemon answers at {config.state_dir}: only it knows what would change\n")
            return 1
    except CamdetectError as error:
        err.write(f"camdetect export: {error}\n")
        return 1
    status = 0

    async def work() -> None:
        nonlocal status
        try:
            cameras, budget = await stored_cameras(reactor, config)
        except CamdetectError as error:
            status = 1
            err.write(f"camdetect export: {error}\n")
            return
        out.write(export_cameras(name, cameras, lambda camera: login_of(budget, camera), config)["text"])

    try:
        react(lambda _: Deferred.fromCoroutine(work()), (), reactor)
    except SystemExit as end:
        return status or int(end.code or 0)
