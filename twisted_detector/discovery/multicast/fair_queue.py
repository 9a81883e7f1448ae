"""Datagrams with their senders go in; they come out to be read, each sender's in turn, within a share of the time.

Reading costs processor time that is the whole program's. A burst of many devices is read to its end, a little later; a
flood of one sender, or of some, takes its own turns and nobody else's, and what finds no room is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Of 2 kB of one datagram each, all together: 4 MB. What comes from a sender who waits for nothing finds room up to
#: twice that.
MAX_WAITING = 2048
_WEIGHT = 2048
#: Datagrams of one sender that wait: all that few senders can have between them, but so many at least (a camera says
#: Hello up to four times, or answers four dialects).
_SHARED, MIN_PER_SENDER = 1024, 4
#: Seconds of reading in one turn of the reactor, then others have theirs; what comes so close together counts as one.
_SLICE, _TOGETHER = 0.005, 0.02
#: Seconds until the next turn while the share of the time is used up.
_PAUSE = 0.02
#: Seconds of reading that are spent at the end of a sweep on what still waits.
_LAST_SLICE = 0.05


class FairQueue:
    """Reads at once while there is time, and in turn when there is not.

    :param share: seconds of reading per second.
    :param monotonic: seconds that never jump.
    """

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float], *, share: float) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._share = share
        self._level = share
        self._last = monotonic()
        self._began = self._last
        self._at_once = 0.0
        self._waiting: dict[str, deque[tuple[int, Callable[[], None]]]] = {}
        self._turns: deque[str] = deque()
        self._weight = 0
        self._call: IDelayedCall | None = None

    @property
    def depth(self) -> int:
        """How many datagrams wait."""
        return sum(len(queue) for queue in self._waiting.values())

    def add(self, sender: str, size: int, read: Callable[[], None]) -> bool:
        """Call ``read`` now or in its turn; False: there is no room, and it is dropped.

        :param size: octets of the datagram.
        """
        if not self._waiting and self._allowed() > 0 and self._is_quick():
            self._spend(read)
            return True
        queue = self._waiting.get(sender)
        weight = 1 + size // _WEIGHT
        if queue is None:
            if self._weight + weight > 2 * MAX_WAITING:
                return False
            queue = self._waiting[sender] = deque()
            self._turns.append(sender)
        elif self._weight + weight > MAX_WAITING or len(queue) >= max(MIN_PER_SENDER, _SHARED // len(self._waiting)):
            return False
        queue.append((weight, read))
        self._weight += weight
        self._go_on(0.0)
        return True

    def finish(self) -> None:
        """Read what waits, as far as that is quick; the rest is dropped."""
        self._read_in_turn(_LAST_SLICE, allowed=lambda: 1.0)
        self.close()

    def close(self) -> None:
        """Drop what waits."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._waiting.clear()
        self._turns.clear()
        self._weight = 0

    def _allowed(self) -> float:
        """Seconds that may be spent on reading now."""
        now = self._monotonic()
        self._level = min(self._level + (now - self._last) * self._share, self._share)
        self._last = now
        return self._level

    def _is_quick(self) -> bool:
        """Whether one more may be read in this turn."""
        if self._last - self._began > _TOGETHER:
            self._began, self._at_once = self._last, 0.0
        return self._at_once < _SLICE

    def _spend(self, read: Callable[[], None]) -> None:
        began = self._monotonic()
        read()
        spent = self._monotonic() - began
        self._level -= spent
        self._at_once += spent

    def _go_on(self, delay: float) -> None:
        if self._call is None:
            self._call = self._clock.callLater(delay, self._turn)

    def _turn(self) -> None:
        self._call = None
        self._read_in_turn(_SLICE, allowed=self._allowed)
        if self._waiting:
            self._go_on(0.0 if self._allowed() > 0 else _PAUSE)

    def _read_in_turn(self, seconds: float, *, allowed: Callable[[], float]) -> None:
        began = self._monotonic()
        while self._turns and allowed() > 0 and self._monotonic() - began < seconds:
            sender = self._turns.popleft()
            queue = self._waiting[sender]
            weight, read = queue.popleft()
            self._weight -= weight
            if queue:
                self._turns.append(sender)
            else:
                del self._waiting[sender]
            self._spend(read)
