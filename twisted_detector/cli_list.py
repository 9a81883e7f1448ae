"""A state directory goes in; the cameras that it knows come out, as lines for people or as JSON.

The directory belongs to one process at a time: while the daemon runs, it is asked over its control socket; else the
store is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.control import NotRunning, ask
from twisted_detector.errors import RemoteError, StoreError
from twisted_detector.model import Camera
from twisted_detector.store import Store
from twisted_detector.store_cameras import dump_camera, load_camera

_HEADINGS = ("ID", "STATUS", "ADDRESS", "NAME", "MODEL", "STREAM")
#: Wider cells are cut: a device may say a name of any length.
_MAX_CELL = 80


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
    rows = [_HEADINGS]
    for camera in cameras:
        model = " ".join(filter(None, (camera.manufacturer, camera.model)))
        cells = (camera.id, camera.status.value, camera.address, camera.name, model, camera.primary_url)
        rows.append(tuple("".join(c for c in cell if c.isprintable())[:_MAX_CELL] or "-" for cell in cells))  # type: ignore[arg-type]  # six cells
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_json(cameras: Sequence[Camera]) -> str:
    """A JSON array with one object for each camera, every field as it is kept."""
    return json.dumps([json.loads(dump_camera(camera)) for camera in cameras], indent=2, sort_keys=True)


def list_cameras(reactor: Any, directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the cameras to ``out``; returns the exit status: 0, or 1 when the store cannot be read."""
    status = 0

    async def work() -> None:
        nonlocal status
        try:
            cameras = await load(reactor, directory)
        except (StoreError, RemoteError) as error:
            status = 1
            err.write(f"camdetect list: {error}\n")
            return
        if use_json:
            out.write(as_json(cameras) + "\n")
        elif cameras:
            out.write("\n".join([*as_lines(cameras), ""]))
        else:
            out.write(f"No camera is known in {directory}.\n")

    try:
        react(lambda _: Deferred.fromCoroutine(work()), (), reactor)
    except SystemExit as end:
        return status or int(end.code or 0)
