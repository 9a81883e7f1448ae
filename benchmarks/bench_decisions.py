"""Decisions about thousands of cameras go in; how long reading and changing their file takes comes out.

    make bench-decisions       measures, and prints the table

The book is the real one, on the disk of this machine, with the reactor's pool of threads. *Turn* is the longest time
that the reactor's thread was busy between two timers of 5 ms, that is how long a page or a camera waits; time in which
another process or thread had the processor is not in it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet.task import LoopingCall, deferLater, react
from twisted.internet.threads import deferToThreadPool

from twisted_detector.config.page_settings import FILE
from twisted_detector.model.decisions import CameraDecisions
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.document import MAX_CAMERAS, parse

_TICK = 0.005
_CAMERA = """\
[camera.0200{number:08x}]   # number {number}
name = "Camera {number}"
area = "Yard {area}"
note = "on the gable"
adopted = "yes"
login = "viewer:look-{number}"
main = "rtsp://camera:554/live/{number}"

"""


def text_of(cameras: int) -> str:
    return "".join(_CAMERA.format(number=number, area=number % 20) for number in range(cameras))


class Turns:
    """Watch of the reactor: the longest time (seconds of its thread's processor time) between two timers."""

    def __init__(self, reactor: Any) -> None:
        self._last = time.thread_time()
        self._longest = 0.0
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor
        self._loop.start(_TICK)

    def _tick(self) -> None:
        now = time.thread_time()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def longest(self) -> float:
        self._tick()
        longest, self._longest = self._longest, 0.0
        return longest


def renamed(name: str, decided: CameraDecisions) -> CameraDecisions:
    return replace(decided, description=replace(decided.description, name=name))


async def measure(reactor: Any, cameras: int, runs: int) -> None:
    print(f"| {cameras} cameras | median ms | longest turn ms |\n|---|--:|--:|")
    in_thread: Any = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        text = text_of(cameras)
        parse(text)
        began = time.thread_time()
        parse(text)
        print(
            f"| the text alone, {len(text) // 1000} kB (processor time) | {1000 * (time.thread_time() - began):.1f} | |"
        )
        turns = Turns(reactor)
        await deferLater(reactor, 0.2)
        names = iter(range(10**9))

        async def start() -> None:
            await DecisionBook(Path(folder), in_thread=in_thread).load()

        async def reload() -> None:
            await in_thread(file.write_text, f"# {next(names)}\n{text}")
            await book.reload()

        async def change() -> None:
            await book.change_camera(f"0200{7:08x}", partial(renamed, f"Barn {next(names)}"))

        file.write_text(text)
        book = DecisionBook(Path(folder), in_thread=in_thread)
        await book.load()
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "start": start, "reload of an edited file": reload, "change of one camera": change,
        }  # fmt: skip
        for what, work in works.items():
            took = []
            turns.longest()
            for _ in range(runs):
                began = time.perf_counter()
                await work()
                took.append(time.perf_counter() - began)
            print(f"| {what} | {1000 * sorted(took)[runs // 2]:.1f} | {1000 * turns.longest():.1f} |")
        assert len(book.current.cameras) == cameras


async def main(reactor: Any, *arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=MAX_CAMERAS)
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args(arguments)
    await measure(reactor, given.cameras, given.runs)
    load = os.getloadavg()[0]
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}, {given.runs} runs, load average {load:.1f}")


if __name__ == "__main__":
    react(main, sys.argv[1:])
