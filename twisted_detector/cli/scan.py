"""A Config goes in; a sweep is made now, by the running daemon or right here; a bar, and then the cameras, come out."""

from __future__ import annotations

import json
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bars, TextColumn, TimeElapsedColumn
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.cli.list import as_json, write_cameras
from twisted_detector.cli.screen import screen
from twisted_detector.config.config import Config
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import Camera
from twisted_detector.operations.control_socket import NotRunning, ask
from twisted_detector.service.scan import INSPECTION_SECONDS, LOOK, ScanProgress, scan
from twisted_detector.store.cameras import load_camera


def scan_now(reactor: Any, config: Config, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Sweep once and write all cameras to ``out``; the bar goes to ``err``.

    :returns: 0, or 1 when it could not be done; that no camera was found is no fault.
    """
    try:
        with _bar(err) as told:
            try:
                cameras = _by_daemon(config, told)
            except NotRunning:
                cameras = _here(reactor, config, told)
    except CamdetectError as error:
        err.write(f"camdetect scan: {error}\n")
        return 1
    except KeyboardInterrupt:
        err.write("camdetect scan: interrupted; what was found is kept\n")
        return 1
    if use_json:
        out.write(as_json(cameras) + "\n")
    elif cameras:
        write_cameras(cameras, out)
    else:
        out.write("No camera was found. `camdetect why ADDRESS` says why one is not, while the daemon runs.\n")
    return 0


@contextmanager
def _bar(err: TextIO) -> Iterator[Callable[[ScanProgress], None]]:
    """A bar over the methods; on what is no terminal, one line at the end and nothing before."""
    console = screen(err)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    latest: list[ScanProgress] = []
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("Sweeping", total=None)

        def told(now: ScanProgress) -> None:
            latest[:] = [now]
            waiting = f", {now.waiting} being asked" if now.waiting else ""
            bars.update(
                task,
                description=f"{now.cameras} cameras{waiting}",
                total=now.methods or None,
                completed=now.ended,
            )

        yield told
    for now in latest:
        for method, fault in now.faults:
            err.write(f"The sweep by {method} failed: {fault}\n")


def _here(reactor: Any, config: Config, told: Callable[[ScanProgress], None]) -> Sequence[Camera]:
    found: list[Camera] = []
    faults: list[CamdetectError] = []

    async def work() -> None:
        try:
            found.extend(await scan(reactor, config, told))
        except CamdetectError as error:
            faults.append(error)

    with suppress(SystemExit):  # how react() ends, well or not
        react(lambda _: Deferred.fromCoroutine(work()), (), reactor)
    if faults:
        raise faults[0]
    return found


def _by_daemon(config: Config, told: Callable[[ScanProgress], None]) -> Sequence[Camera]:
    """Ask the daemon for a sweep and follow it until it is over.

    :raises NotRunning: there is none.
    :raises RemoteError: it does not end, or the daemon does.
    """
    before = ask(config.state_dir, {"command": "status"})["discovery"]["sweeps"]
    asked = ask(config.state_dir, {"command": "rescan"})
    for _ in range(int((config.discovery_timeout + INSPECTION_SECONDS) / LOOK)):
        try:
            now = ask(config.state_dir, {"command": "status"})
        except NotRunning:
            raise RemoteError("the daemon ended before the sweep did") from None
        stats, discovery = now["stats"], now["discovery"]
        over = discovery["sweeps"] > before and not discovery["sweeping"]
        last, waiting = discovery["last_sweep"], stats["inspections_waiting"]
        faults = tuple((method, sweep["error"]) for method, sweep in sorted(last.items()) if sweep["error"])
        told(ScanProgress(1, int(over), waiting, stats["total_cameras"], faults))
        if over and not waiting:
            documents = ask(config.state_dir, {"command": "list"})["cameras"]
            return [load_camera(json.dumps(one)) for one in documents]
        select.select([], [], [], LOOK)  # nothing else runs here
    under_way = " (one was under way already)" if asked.get("already_sweeping") else ""
    raise RemoteError(f"the sweep did not end{under_way}; `camdetect doctor` may say why")
