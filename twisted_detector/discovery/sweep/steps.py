"""Timer of a sweep: its steps, one after the other, until there is nothing left to do."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

#: Seconds between two steps.
_INTERVAL = 0.01


async def run_steps(clock: IReactorTime, step: Callable[[], bool]) -> None:
    """Call ``step`` again and again until it returns False; to be cancelled ends it too."""

    def due() -> None:
        if not step():
            steps.stop()

    steps = LoopingCall(due)
    steps.clock = clock
    try:
        await steps.start(_INTERVAL)
    finally:
        if steps.running:
            steps.stop()
