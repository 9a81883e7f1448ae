"""A test's clock goes in; the same timers with a wall's time that the test may set come out."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer


@implementer(IReactorTime)
class WallClock:
    """What :func:`monotonic_reactor` makes of the reactor, over a clock of a test.

    :ivar step: seconds by which the wall's clock was set ahead.
    """

    def __init__(self, clock: Clock, step: float = 0.0) -> None:
        self._clock = clock
        self.step = step

    def seconds(self) -> float:
        return float(self._clock.seconds() + self.step)

    def callLater(self, delay: float, callable: Any, *args: object, **kw: object) -> Any:
        return self._clock.callLater(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> Any:
        return self._clock.getDelayedCalls()
