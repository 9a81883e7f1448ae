"""Queue that spreads bursts of work: it releases about 10 ms of waiting work for each turn of the reactor.

When a hundred devices answer at the same moment, all their answers are ready in one turn of the reactor. To parse one
and to serialise the next request takes a millisecond; done in one go, a hundred would hold up everything else, MQTT's
connection too. A task that waits here first has the rest of its work bounded in time, however many devices there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.model.bounds import TurnBudget

#: Seconds of work in one turn: half of what a user notices, and time for about ten answers.
SECONDS = 0.01


class CooperativeQueue:
    """Waiting tasks, of which so many are released in one turn of the reactor. Bounded by its users: each waits once.

    :param monotonic: seconds that never jump.
    """

    def __init__(self, clock: IReactorTime, *, monotonic: Callable[[], float], seconds: float = SECONDS) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._seconds = seconds
        self._waiting: deque[Deferred[None]] = deque()
        self._next: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self) -> None:
        """Wait until the caller is released, in the order of the calls. May be cancelled."""
        mine: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(mine)
        self._schedule()
        await mine

    def _schedule(self) -> None:
        if self._next is None and self._waiting:
            self._next = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        # As many as wait now: a task that waits again meanwhile has had its share.
        for _ in TurnBudget(len(self._waiting), self._seconds, self._monotonic).turn():
            if not self._waiting:
                break  # some were cancelled meanwhile
            self._waiting.popleft().callback(None)
        self._next = None
        self._schedule()
