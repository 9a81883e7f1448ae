"""Changes of state that are made up go in; how long the history takes to be read comes out.

    make bench-history         measures, prints the table, and puts it into docs/benchmarks.md

The store is the real one on the disk of this machine, with its thread; times are from the question to the JSON of the
answer; the reading itself is done in the store's thread.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.page import milliseconds_table, write_section
from twisted_detector.events import CameraRestored
from twisted_detector.model import Camera, Status
from twisted_detector.model.encoding import encode
from twisted_detector.model.history import WEEK, StateChange
from twisted_detector.operations.prometheus import HistoryFigures, PastCollector
from twisted_detector.store.history import CameraHistory
from twisted_detector.store.history_rows import HistoryWrites
from twisted_detector.store.store import Store
from twisted_detector.web.views import history_document, week_document

TITLE = "## History"
STATUSES = ("online", "offline", "online", "stream_error")


def changes(count: int, cameras: int, seconds: float) -> list[StateChange]:
    """So many changes of so many cameras in turn, over so long a time until now."""
    dice, now = random.Random(1), time.time()
    stamps = sorted(now - dice.random() * seconds for _ in range(count))
    return [
        StateChange(n + 1, f"cam{n % cameras:04}", at, STATUSES[n // cameras % 4], "no answer to three checks in a row")
        for n, at in enumerate(stamps)
    ]


async def opened(reactor: Any, directory: str, rows: list[StateChange]) -> tuple[Store, CameraHistory, float]:
    """A store that has the rows, its history as a start of the daemon finds it, and how long that start took."""
    store = Store(reactor, Path(directory) / "state")
    await store.open()

    def add(writes: HistoryWrites) -> None:
        writes.changes.update((one.id, one) for one in rows)

    store.write_history(add)
    await store.save_value("bench", "written", "1")
    history = CameraHistory(reactor, store)
    begin = time.perf_counter()
    await history.start()
    return store, history, time.perf_counter() - begin


async def timed(runs: int, work: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of each run."""
    found = []
    for _ in range(runs):
        begin = time.perf_counter()
        await work()
        found.append((time.perf_counter() - begin) * 1e3)
    return found


async def read(history: CameraHistory, camera_id: str, seconds: float) -> None:
    end = time.time()
    found = await history.segments(camera_id, end - seconds, end)
    encode(history_document(camera_id, found or (), end - seconds, end))


async def card(history: CameraHistory, ids: list[str]) -> None:
    for camera_id in ids:
        encode(week_document(history.week(camera_id)) or {})


async def measured(reactor: Any, runs: int) -> list[tuple[str, list[float], str]]:
    rows: list[tuple[str, list[float], str]] = []
    for text, count, cameras, seconds, span in (
        ("10 000 changes of 100 cameras: seven days of one", 10_000, 100, WEEK, WEEK),
        ("10 000 changes of one camera in seven days, of which its quota keeps 368: these", 10_000, 1, WEEK, WEEK),
        ("10 000 changes of one camera in 400 days: its seven days", 10_000, 1, 400 * 86_400.0, WEEK),
        ("the same: its 400 days", 10_000, 1, 400 * 86_400.0, 400 * 86_400.0),
    ):
        with tempfile.TemporaryDirectory() as directory:
            store, history, _ = await opened(reactor, directory, changes(count, cameras, seconds))
            most = "20" if (span == WEEK and seconds != WEEK) or cameras > 1 else ""  # what may come to be
            rows.append((text, await timed(runs, partial(read, history, "cam0000", span)), most))
            await history.stop()
            await store.close()
    with tempfile.TemporaryDirectory() as directory:
        store, history, start = await opened(reactor, directory, changes(300_000, 1000, 400 * 86_400.0))
        known = [Camera(id=f"cam{n:04}", device_id="d", address="192.0.2.1", status=Status.ONLINE) for n in range(1000)]
        for one in known:
            history.handle(CameraRestored(0.0, one))
        rows.append(("300 000 changes of 1 000 cameras: start of the daemon", [start * 1e3], ""))
        rows.append(("the same: seven days of one", await timed(runs, partial(read, history, "cam0500", WEEK)), "20"))
        ids = [one.id for one in known]
        rows.append(("the same: the bars of 1 000 cards", await timed(runs, partial(card, history, ids)), ""))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(PastCollector(HistoryFigures(lambda: known, history)))

        async def scrape() -> None:
            generate_latest(registry)

        rows.append(("the same: figures of 1 000 cameras for one scrape", await timed(runs, scrape), ""))
        await history.stop()
        await store.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="How long the history takes to be read.")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()

    async def run(reactor: Any) -> None:
        machine = (
            f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.release()},"
            f" {options.runs} runs, load average at the end {{:.1f}}; `make bench-history`."
        )
        rows = await measured(reactor, options.runs)
        text = f"{milliseconds_table(rows, digits=1)}\n\n{machine.format(os.getloadavg()[0])}"
        print(text)
        if options.write:
            write_section(TITLE, text)

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main()
