"""Calls go in; what the guard of users' plugins adds to each comes out.

make bench-plugins         measures and prints; the figures stand in docs/benchmarks.md, "Daily life"
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from timeit import timeit
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from zope.interface import implementer

from twisted_detector.interfaces import IDiscoverer, IEventListener, ISightingSink
from twisted_detector.service.extensions.supervision import Supervision
from twisted_detector.testing.lan import RecordingSink

CALLS, ROUNDS = 100_000, 9


@implementer(IEventListener, IDiscoverer)
class Nothing:
    """Does nothing, so that only the call is measured."""

    name = "nothing"

    def handle(self, event: object) -> None:
        """See IEventListener."""

    async def sweep(self, sink: ISightingSink) -> None:
        """See IDiscoverer."""


def microseconds(call: Callable[[], object]) -> float:
    """The median of the rounds, in microseconds a call."""
    return median(timeit(call, number=CALLS) / CALLS * 1e6 for _ in range(ROUNDS))


def step(part: Any, sink: ISightingSink) -> None:
    """A sweep that ends at once."""
    with suppress(StopIteration):
        part.sweep(sink).send(None)


def main() -> None:
    """Measure."""
    supervision = Supervision(time.monotonic)
    guard = supervision.guard("nothing")
    plain, sink = Nothing(), RecordingSink()
    guarded = guard.part(plain)
    stalls, record = guard._stalls, guard.record
    for name, call in (
        ("a call, not guarded", lambda: plain.handle(None)),
        ("a call, guarded", lambda: guarded.handle(None)),
        ("of that the watchdog", lambda: stalls.leave(stalls.enter(record))),
        ("a coroutine of one step, not guarded", lambda: step(plain, sink)),
        ("a coroutine of one step, guarded", lambda: step(guarded, sink)),
    ):
        print(f"{name}: {microseconds(call):.2f} µs")
    supervision.stop()


if __name__ == "__main__":
    main()
