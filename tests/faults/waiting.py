"""Conditions go in; coroutines that wait for them, on the real reactor, come out."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from tests.faults.account import excused


def run(*command: object, check: bool = True) -> str:
    """Run a short command; what it said. The reactor stands still meanwhile, and the stall meter knows."""
    with excused():
        return subprocess.run([*map(str, command)], capture_output=True, text=True, check=check, timeout=20).stdout


def sleep(seconds: float) -> Deferred[None]:
    return task.deferLater(reactor, seconds, lambda: None)


async def until(condition: Callable[[], Any], within: float = 10.0, what: Callable[[], object] = lambda: "") -> float:
    """Seconds until it was so; AssertionError when the time is over."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"it did not happen within {within} s {what()}"
        await sleep(0.005)
    return time.monotonic() - began
