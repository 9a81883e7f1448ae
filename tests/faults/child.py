"""A task for the publisher goes in; its process, and what it tells, come out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.waiting import until
from tests.processes import Process


class Child:
    """One life of ``tests.faults.publisher``; ``prefix`` is a command line that runs it elsewhere or otherwise."""

    _lives = 0

    def __init__(self, folder: Path, port: int, state: Path, *task: object, prefix: Sequence[str] = ()) -> None:
        Child._lives += 1
        words = [*prefix, sys.executable, "-m", "tests.faults.publisher", str(port), str(state), *map(str, task)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = Process(words, folder / f"publisher-{Child._lives}.txt", environment)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.process.lines() if line.startswith("{")]

    def accepted(self) -> list[str]:
        """Topics of what it had on its disk; a line that was not ended does not count."""
        return [line[2:] for line in self.process.lines() if line.startswith("A ")]

    def states(self) -> list[int]:
        """Numbers of the states that it had on its disk."""
        return [int(line[2:]) for line in self.process.lines() if line.startswith("S ")]

    def told(self, name: str) -> dict[str, Any] | None:
        return next((line for line in self.lines() if name in line), None)

    async def tells(self, name: str, within: float = 30.0) -> dict[str, Any]:
        """The first line that has ``name``; AssertionError when it ends before."""

        def look() -> bool:
            return self.told(name) is not None or self.process.process.poll() is not None

        await until(look, within, lambda: self.process.text()[-2000:])
        found = self.told(name)
        assert found is not None, self.process.text()[-3000:]
        return found

    async def ends(self, within: float = 20.0) -> None:
        """By itself, and well."""
        await until(lambda: self.process.process.poll() is not None, within, lambda: self.process.text()[-2000:])
        assert self.process.process.returncode == 0, self.process.text()[-3000:]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill_group()
        self.process.wait()
        self.process.end()

    def end(self) -> None:
        self.process.end()
