"""Mailbox of one way: what waits to be sent, and when it may be, by a limit per hour and a back-off after failures.

Rules

1. At most so many sendings begin within an hour. What finds no room waits.
2. A sending that failed is tried again after a wait that triples, or after what the other end asked for; after
   :data:`MAX_TRIES` in a row, or when the other end refuses for good, what waits is given up, and counted.
3. What had to wait is sent together, as one summary: hours of an outage are one message.
4. The end of a notice that still waits takes the place of its beginning.

``now`` is seconds of a clock that never jumps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from twisted_detector.model.notices import Notice

#: Seconds before the second try; each further wait is three times as long, and none longer than half an hour.
RETRY_FIRST, RETRY_FACTOR, RETRY_MOST = 5.0, 3.0, 1800.0
#: Tries of one sending: with the waits between them some five hours.
MAX_TRIES = 15
#: Seconds that the other end may ask for (Retry-After); a longer wait is one it asks for again.
MAX_ASKED = 3600.0
#: Notices that wait; of more, the oldest become a number.
MAX_WAITING = 50
_HOUR = 3600.0


class Mailbox:
    """State of one way.

    :param per_hour: sendings that may begin within an hour.
    :ivar waiting: what is to be sent, the oldest first, by id of the notice; ``dropped``: what found no room.
    :ivar lost: notices that were given up, in all.
    """

    def __init__(self, *, per_hour: int) -> None:
        self._per_hour = per_hour
        self._begun: deque[float] = deque(maxlen=per_hour)
        self.waiting: dict[str, Notice] = {}
        self.dropped = 0
        self.lost = 0
        self._sending: tuple[Notice, ...] = ()
        self._sending_dropped = 0
        self._tries = 0
        self._not_before = -inf
        self._late = False

    @property
    def unsent(self) -> tuple[Notice, ...]:
        """What is not known to have arrived."""
        return (*(one for one in self._sending if one.id not in self.waiting), *self.waiting.values())

    @property
    def unsent_dropped(self) -> int:
        """As :attr:`dropped`, with those of the sending under way."""
        return self.dropped + self._sending_dropped

    def put(self, notice: Notice) -> None:
        """Add what is to be sent."""
        self.waiting[notice.id] = notice
        while len(self.waiting) > MAX_WAITING:
            del self.waiting[next(iter(self.waiting))]
            self.dropped += 1

    def restore(self, notices: Iterable[Notice], dropped: int) -> None:
        """What an earlier run did not send comes before what came since, and is late."""
        since, self.waiting = self.waiting, {}
        for notice in (*notices, *since.values()):
            self.put(notice)
        self.dropped += dropped
        self._late = self._late or len(self.waiting) > 1

    def begin(self, now: float) -> tuple[tuple[Notice, ...], int]:
        """What is to be sent now, and how many others found no room; nothing when nothing is to be, or may be.

        To be followed by :meth:`sent`, :meth:`failed` or :meth:`refused`.
        """
        if self._sending or not self.waiting or now < self._not_before:
            return (), 0
        if now < self._room_at(now):
            self._late = True
            return (), 0
        if self._late or self.dropped:
            self._sending, self.waiting = tuple(self.waiting.values()), {}
            self._sending_dropped, self.dropped = self.dropped, 0
        else:
            first = next(iter(self.waiting))
            self._sending = (self.waiting.pop(first),)
        self._begun.append(now)
        return self._sending, self._sending_dropped

    def sent(self) -> None:
        """What :meth:`begin` gave has arrived."""
        self._end()
        self._late, self._tries, self._not_before = False, 0, -inf

    def failed(self, now: float, asked: float | None = None) -> bool:
        """It has not arrived; False: it is given up.

        :param asked: seconds that the other end asked to be left alone.
        """
        self._tries += 1
        if self._tries >= MAX_TRIES:
            self.refused()
            return False
        newer, self.waiting = self.waiting, {}
        self.dropped += self._sending_dropped
        for notice in (*(one for one in self._sending if one.id not in newer), *newer.values()):
            self.put(notice)
        self._end()
        self._late = True
        wait = min(RETRY_MOST, RETRY_FIRST * RETRY_FACTOR ** (self._tries - 1))
        self._not_before = now + max(wait, min(MAX_ASKED, asked or 0.0))
        return True

    def refused(self) -> None:
        """It will never arrive; what came since may."""
        self.lost += len(self._sending) + self._sending_dropped
        self._end()
        self._late, self._tries, self._not_before = False, 0, -inf

    def next_at(self, now: float) -> float:
        """When :meth:`begin` may have something; infinite when nothing waits, or something is being sent."""
        if self._sending or not self.waiting:
            return inf
        return max(self._not_before, self._room_at(now))

    def _room_at(self, now: float) -> float:
        return self._begun[0] + _HOUR if len(self._begun) == self._per_hour else now

    def _end(self) -> None:
        self._sending, self._sending_dropped = (), 0
