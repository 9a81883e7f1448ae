"""The cameras that are known, for people and as JSON.

The state directory belongs to one process at a time: a running daemon is asked over its control socket; without one the
store is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.table import Table

from twisted_detector.cli.screen import cell, printable, screen, status_cell, table
from twisted_detector.cli.subcommand import run_reactor
from twisted_detector.errors import LocalError, RemoteError, StoreError
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning, send_request
from twisted_detector.store.cameras import dump_camera, load_camera
from twisted_detector.store.store import Store

_HEADINGS = ("ID", "STATUS", "ADDRESS", "NAME", "MODEL", "STREAM")


def known_cameras(reactor: Any, directory: Path) -> list[Camera]:
    """The cameras of a state directory, ordered by id; none where there is no store yet.

    :raises LocalError: no daemon runs, and there is no such directory.
    :raises RemoteError: a daemon runs and does not answer as it should.
    :raises StoreError: the store is there but cannot be read, or another process uses it.
    """
    try:
        return daemon_cameras(directory)
    except NotRunning:
        require_state(directory)
        return run_reactor(reactor, _stored_cameras(Store(reactor, directory)))


def require_state(directory: Path) -> None:
    """Raise LocalError where a daemon left nothing to be read: no camera is not the same as nobody who knows."""
    if not directory.exists():
        raise LocalError(
            f"no daemon runs, and there is no state directory {directory}: start it (camdetect run), or set"
            " STATE_DIR to the directory the daemon uses"
        )


def daemon_cameras(directory: Path) -> list[Camera]:
    """The cameras that the running daemon knows.

    :raises NotRunning: there is none.
    :raises RemoteError: it does not answer as it should.
    """
    found: dict[str, Camera] = {}  # by id: one that comes or goes meanwhile moves the others between the pages
    offset: int | None = 0
    while offset is not None:
        page = send_request(directory, {"command": "list", "offset": offset})
        found |= {camera.id: camera for camera in (load_camera(json.dumps(one)) for one in page["cameras"])}
        offset = page.get("next")
    return sorted(found.values(), key=lambda camera: camera.id)


def whereabouts_of(directory: Path, camera_id: str) -> Mapping[str, Any]:
    """Which other nodes have to do with a camera, as the running daemon knows; nothing where it is no node."""
    try:
        return send_request(directory, {"command": "whereabouts", "camera_id": camera_id})
    except (NotRunning, RemoteError):
        return {}


def elsewhere(whereabouts: Mapping[str, Any], camera_id: str) -> list[str]:
    """Which other nodes have to do with a camera, in sentences."""
    owner, page, adopted = (whereabouts.get(name) or "" for name in ("owner", "owner_page", "adopted_at"))
    sentences = [f"node {owner} publishes it{f', its page is {page}' if page else ''}"] if owner else []
    if adopted:
        sentences.append(f"node {adopted} has adopted it; to adopt it here: camdetect adopt {camera_id}")
    return sentences


async def _stored_cameras(store: Store) -> list[Camera]:
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


def as_json(cameras: Sequence[Camera]) -> str:
    """A JSON array with one object for each camera, every field as it is kept."""
    return json.dumps([json.loads(dump_camera(camera)) for camera in cameras], indent=2, sort_keys=True)


def as_lines(cameras: Sequence[Camera]) -> list[str]:
    """A table with a heading, columns as wide as they need to be."""
    rows = [_HEADINGS, *(tuple(printable(text) or "-" for text in _texts(camera)) for camera in cameras)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_table(cameras: Sequence[Camera]) -> Table:
    """The same table for a terminal, in colours and folded to its width."""
    return table(
        _HEADINGS,
        ((cell(one), status_cell(status), *map(cell, rest)) for one, status, *rest in map(_texts, cameras)),
    )


def _texts(camera: Camera) -> tuple[str, ...]:
    model = " ".join(filter(None, (camera.manufacturer, camera.model)))
    return (camera.id, camera.status.value, camera.address, camera.called, model, camera.primary_url or camera.code)


def write_cameras(cameras: Sequence[Camera], out: TextIO, *, use_json: bool, without: str) -> None:
    """JSON, a table in colours for a terminal, or plain lines for a pipe; ``without`` where there is no camera."""
    if use_json:
        out.write(as_json(cameras) + "\n")
    elif not cameras:
        out.write(f"{without}\n")
    elif out.isatty():
        screen(out).print(as_table(cameras))
    else:
        out.write("\n".join([*as_lines(cameras), ""]))
