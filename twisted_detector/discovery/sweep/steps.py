"""Timer of a sweep: its steps, one after the other, until there is nothing left to do; and what its parts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from twisted_detector.discovery.rate_limit import PacketRateLimiter

#: Seconds between two steps.
_INTERVAL = 0.01


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What the parts of one sweep share.

    :ivar limiter: permits what is sent.
    :ivar monotonic: seconds that never jump.
    :ivar counts: where they count.
    """

    limiter: PacketRateLimiter
    monotonic: Callable[[], float]
    counts: Counter[str]


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
