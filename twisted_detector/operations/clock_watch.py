"""Watch for a wall clock that is set: a board without a battery starts in 1970, and is corrected when NTP answers."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger

from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.observers import Observers

#: Seconds between two looks.
INTERVAL = 5.0
#: The clock was set when it goes otherwise than the steady one by so many seconds between two looks; NTP slews less.
STEP = 30.0


class ClockWatch:
    """Watcher of the wall's clock, by one that never jumps.

    :param clock: its ``seconds`` is the wall's time.
    :param monotonic: seconds that never jump.
    :ivar stepped: observers of each step, in seconds, negative for one back.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = 0.0
        self._next: IDelayedCall | None = None
        self.stepped: Observers[[float]] = Observers("a step of the wall's clock")

    def start(self) -> None:
        """Begin to watch."""
        self._offset = self._read()
        self._next = self._clock.callLater(INTERVAL, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _read(self) -> float:
        return self._clock.seconds() - self._monotonic()

    def _look(self) -> None:
        self._next = self._clock.callLater(INTERVAL, self._look)
        offset = self._read()
        by, self._offset = offset - self._offset, offset
        if abs(by) > STEP:
            now = self._clock.seconds()
            self.log.info("The clock was set from {before} to {now}", before=rfc3339(now - by), now=rfc3339(now))
            self.stepped.notify(by)
