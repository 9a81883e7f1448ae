"""A state directory goes in; the cameras that it knows come out, as lines for people or as JSON.

The directory belongs to one process at a time: while the daemon runs, it is asked over its control socket; else the
store is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rich.table import Table
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.cli.screen import cell, printable, screen, status_cell, table
from twisted_detector.errors import CamdetectError, StoreError
from twisted_detector.model import Camera
from twisted_detector.operations.control_socket import NotRunning, ask
from twisted_detector.store.cameras import dump_camera, load_camera
from twisted_detector.store.store import Store

_HEADINGS = ("ID", "STATUS", "ADDRESS", "NAME", "MODEL", "STREAM")


async def load(reactor: Any, directory: Path) -> list[Camera]:
    """The cameras that the store in ``directory`` knows, ordered by id. Nothing is made when there is none.

    :raises RemoteError: a daemon runs and does not answer as it should.
    :raises StoreError: the store is there but cannot be read, or another process uses it.
    """
    try:
        documents = ask(directory, {"command": "list"})["cameras"]
        return [load_camera(json.dumps(document)) for document in documents]
    except NotRunning:
        pass
    store = Store(reactor, directory)
    if not store.path.exists():
        return []
    await store.open()
    try:
        cameras = await store.load_cameras()
        if store.degraded:
            raise StoreError(store.degraded)
    finally:
        await store.close()
    return sorted(cameras, key=lambda camera: camera.id)


def as_lines(cameras: Sequence[Camera]) -> list[str]:
    """A table with a heading, columns as wide as they need to be."""
    rows = [_HEADINGS, *(tuple(printable(text) or "-" for text in _texts(camera)) for camera in cameras)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _texts(camera: Camera) -> tuple[str, ...]:
    model = " ".join(filter(None, (camera.manufacturer, camera.model)))
    return (camera.id, camera.status.value, camera.address, camera.name, model, camera.primary_url)


def as_json(cameras: Sequence[Camera]) -> str:
    """A JSON array with one object for each camera, every field as it is kept."""
    return json.dumps([json.loads(dump_camera(camera)) for camera in cameras], indent=2, sort_keys=True)


def read_cameras(reactor: Any, directory: Path) -> list[Camera]:
    """:func:`load` for a command line that has no reactor running: runs it until the cameras are there, once.

    :raises CamdetectError: as :func:`load`.
    """
    found: list[Camera] = []
    faults: list[CamdetectError] = []

    async def work() -> None:
        try:
            found.extend(await load(reactor, directory))
        except CamdetectError as error:
            faults.append(error)

    with suppress(SystemExit):  # how react() ends, well or not
        react(lambda _: Deferred.fromCoroutine(work()), (), reactor)
    if faults:
        raise faults[0]
    return found


def list_cameras(reactor: Any, directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the cameras to ``out``; returns the exit status: 0, or 1 when the store cannot be read."""
    try:
        cameras = read_cameras(reactor, directory)
    except CamdetectError as error:
        err.write(f"camdetect list: {error}\n")
        return 1
    if use_json:
        out.write(as_json(cameras) + "\n")
    elif cameras:
        write_cameras(cameras, out)
    else:
        out.write(f"No camera is known in {directory}.\n")
    return 0


def write_cameras(cameras: Sequence[Camera], out: TextIO) -> None:
    """A table in colours for a terminal, plain lines for a pipe."""
    if out.isatty():
        screen(out).print(as_table(cameras))
    else:
        out.write("\n".join([*as_lines(cameras), ""]))


def as_table(cameras: Sequence[Camera]) -> Table:
    """The same table for a terminal, in colours and folded to its width."""
    return table(
        _HEADINGS,
        ((cell(one), status_cell(status), *map(cell, rest)) for one, status, *rest in map(_texts, cameras)),
    )
