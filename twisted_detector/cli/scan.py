"""``camdetect scan`` and ``rescan``: one sweep now, by the running daemon or in this process."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bars, TextColumn, TimeElapsedColumn

from twisted_detector.cli.asking import ask
from twisted_detector.cli.cameras import daemon_cameras, write_cameras
from twisted_detector.cli.screen import screen
from twisted_detector.cli.subcommand import run_reactor, subcommand
from twisted_detector.config.config import Config
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning, send_request
from twisted_detector.service.scan import INSPECTION_SECONDS, REPORT_INTERVAL, ScanProgress, scan


@subcommand("scan")
def scan_now(reactor: Any, config: Config, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Sweep once and write all cameras to ``out``; the bar goes to ``err``.

    :returns: 0, or 1 when it could not be done; that no camera was found is no fault.
    """
    try:
        with _progress_bar(err) as report:
            try:
                cameras = _scan_by_daemon(config, report)
            except NotRunning:
                cameras = run_reactor(reactor, scan(reactor, config, report))
    except KeyboardInterrupt:
        err.write("camdetect scan: interrupted; what was found is kept\n")
        return 1
    without = "No camera was found. `camdetect why ADDRESS` says why one is not, while the daemon runs."
    write_cameras(cameras, out, use_json=use_json, without=without)
    return 0


@contextmanager
def _progress_bar(err: TextIO) -> Iterator[Callable[[ScanProgress], None]]:
    """A bar over the methods; on what is no terminal, one line at the end and nothing before."""
    console = screen(err)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    latest: list[ScanProgress] = []
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("Sweeping", total=None)

        def report(now: ScanProgress) -> None:
            latest[:] = [now]
            waiting = f", {now.waiting} being asked" if now.waiting else ""
            bars.update(
                task,
                description=f"{now.cameras} cameras{waiting}",
                total=now.methods or None,
                completed=now.ended,
            )

        yield report
    for now in latest:
        for method, fault in now.faults:
            err.write(f"The sweep by {method} failed: {fault}\n")


def _scan_by_daemon(config: Config, report: Callable[[ScanProgress], None]) -> Sequence[Camera]:
    """Let the daemon sweep, and follow it until the sweep is over.

    :raises NotRunning: there is none.
    :raises RemoteError: it does not end, or the daemon does.
    """
    before = send_request(config.state_dir, {"command": "status"})["discovery"]["sweeps"]
    answer = send_request(config.state_dir, {"command": "rescan"})
    for _ in range(int((config.discovery.timeout + INSPECTION_SECONDS) / REPORT_INTERVAL)):
        try:
            now = send_request(config.state_dir, {"command": "status"})
        except NotRunning:
            raise RemoteError("the daemon ended before the sweep did") from None
        stats, discovery = now["stats"], now["discovery"]
        over = discovery["sweeps"] > before and not discovery["sweeping"]
        last, waiting = discovery["last_sweep"], stats["inspections_waiting"]
        faults = tuple((method, sweep["error"]) for method, sweep in sorted(last.items()) if sweep["error"])
        report(ScanProgress(1, int(over), waiting, stats["total_cameras"], faults))
        if over and not waiting:
            return daemon_cameras(config.state_dir)
        select.select([], [], [], REPORT_INTERVAL)  # nothing else runs here
    under_way = " (one was under way already)" if answer.get("already_sweeping") else ""
    raise RemoteError(f"the sweep did not end{under_way}; `camdetect doctor` may say why")


@subcommand("rescan")
def rescan(directory: Path, *, out: TextIO, err: TextIO) -> int:
    """Begin a sweep, or say that one is under way."""
    already = ask(directory, {"command": "rescan"})["already_sweeping"]
    out.write("A sweep is under way already.\n" if already else "A sweep has begun.\n")
    return 0
