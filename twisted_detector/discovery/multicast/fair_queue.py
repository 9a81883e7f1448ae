"""Queue of received datagrams: each sender's are read in turn, within a share of the processor's time.

That time is the whole program's. A burst of many devices is read to its end, a little later; a flood of one sender, or
of some, delays nothing but that sender's own datagrams, and what finds no room is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.model.bounds import TurnBudget

#: Of 2 kB of one datagram each, all together: 4 MB. A sender that has none waiting finds room up to twice that.
MAX_WAITING = 2048
_WEIGHT = 2048
#: Datagrams of one sender that wait: all that few senders can have between them, but so many at least (a camera sends
#: Hello up to four times, or answers four dialects).
_SHARED, MIN_PER_SENDER = 1024, 4
#: Seconds of reading in one turn of the reactor; datagrams that come so close together count as of one turn.
_SLICE, _TOGETHER = 0.005, 0.02
#: Seconds until the next turn while the share of the time is used up.
_PAUSE = 0.02
#: Seconds of reading that are spent at the end of a sweep on what still waits.
_LAST_SLICE = 0.05


class FairQueue:
    """Round-robin queue: a datagram is read at once while there is time, else when it is its sender's turn.

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
        self._senders: deque[str] = deque()  #: of those that wait, the next one first
        self._weight = 0
        self._call: IDelayedCall | None = None

    @property
    def depth(self) -> int:
        """How many datagrams wait."""
        return sum(len(queue) for queue in self._waiting.values())

    def add(self, sender: str, size: int, read: Callable[[], None]) -> bool:
        """Call ``read`` now or when it is the sender's turn; False: there is no room, and it is dropped.

        :param size: octets of the datagram.
        """
        if not self._waiting and self._allowed() > 0 and self._has_time():
            self._charge(read)
            return True
        queue = self._waiting.get(sender)
        weight = 1 + size // _WEIGHT
        if queue is None:
            if self._weight + weight > 2 * MAX_WAITING:
                return False
            queue = self._waiting[sender] = deque()
            self._senders.append(sender)
        elif self._weight + weight > MAX_WAITING or len(queue) >= max(MIN_PER_SENDER, _SHARED // len(self._waiting)):
            return False
        queue.append((weight, read))
        self._weight += weight
        self._schedule(0.0)
        return True

    def finish(self) -> None:
        """Read what waits, as far as that is quick; the rest is dropped."""
        self._read(_LAST_SLICE, allowed=lambda: 1.0)
        self.close()

    def close(self) -> None:
        """Drop what waits."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._waiting.clear()
        self._senders.clear()
        self._weight = 0

    def _allowed(self) -> float:
        """Seconds that may be spent on reading now."""
        now = self._monotonic()
        self._level = min(self._level + (now - self._last) * self._share, self._share)
        self._last = now
        return self._level

    def _has_time(self) -> bool:
        """Whether one more may be read in this turn."""
        if self._last - self._began > _TOGETHER:
            self._began, self._at_once = self._last, 0.0
        return self._at_once < _SLICE

    def _charge(self, read: Callable[[], None]) -> None:
        began = self._monotonic()
        read()
        spent = self._monotonic() - began
        self._level -= spent
        self._at_once += spent

    def _schedule(self, delay: float) -> None:
        if self._call is None:
            self._call = self._clock.callLater(delay, self._due)

    def _due(self) -> None:
        self._call = None
        self._read(_SLICE, allowed=self._allowed)
        if self._waiting:
            self._schedule(0.0 if self._allowed() > 0 else _PAUSE)

    def _read(self, seconds: float, *, allowed: Callable[[], float]) -> None:
        for _ in TurnBudget(2 * MAX_WAITING, seconds, self._monotonic).turn():
            if not self._senders or allowed() <= 0:
                return
            sender = self._senders.popleft()
            queue = self._waiting[sender]
            weight, read = queue.popleft()
            self._weight -= weight
            if queue:
                self._senders.append(sender)
            else:
                del self._waiting[sender]
            self._charge(read)
