"""Those who have work to do go in; they come out one after the other, and the reactor turns between every few of them.

When a hundred devices answer at the same moment, all their answers are ready in one turn of the reactor. To read one
and to word the next question takes a millisecond; done in one go, a hundred would hold up everything else, MQTT's
connection too. Whoever waits here first has the rest of the work bounded by time, however many devices there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Seconds of work in one turn: half of what anybody notices, and time for about ten answers.
SECONDS = 0.01


class CooperativeQueue:
    """Lets so much work begin in one turn of the reactor.

    Bounded by its users: each waits once.

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
        """Until it is one's turn, in the order of asking. May be cancelled."""
        mine: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(mine)
        self._schedule()
        await mine

    def _schedule(self) -> None:
        if self._next is None and self._waiting:
            self._next = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        end = self._monotonic() + self._seconds
        for _ in range(len(self._waiting)):  # who comes meanwhile has had his share
            if not self._waiting:
                break  # some were cancelled meanwhile
            self._waiting.popleft().callback(None)
            if self._monotonic() >= end:
                break
        self._next = None
        self._schedule()
