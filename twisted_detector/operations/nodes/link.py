"""Record of our own connection to the broker: which of our messages it returned, and what that proves."""

from __future__ import annotations

from collections import deque
from math import inf

from twisted_detector.operations.nodes.timing import Timing

#: Messages of our own that may be under way: what is older proves nothing any more.
MAX_SENT = 64
#: Of so many that were returned the quickest says how slow the broker is: one that a cut link held up says nothing.
MAX_MEASURED = 4


class Link:
    """One MQTT session as this node sees it. ``now`` is monotonic seconds.

    What was sent before the session began, or before the process went on after a stop, proves nothing.

    :ivar proved: when the newest message was sent that the broker returned.
    :ivar first: when the first one came back, and with it all that the broker had for us.
    :ivar sent_at: when we sent something last.
    """

    def __init__(self, timing: Timing, now: float) -> None:
        self._timing = timing
        self._floor = now
        self._sent: deque[tuple[int, float]] = deque(maxlen=MAX_SENT)
        self._round_trips: deque[float] = deque(maxlen=MAX_MEASURED)
        self._firm_since = inf
        self._granted = -inf
        self.proved = -inf
        self.first = inf
        self.sent_at = -inf

    def sent(self, number: int, now: float) -> None:
        """We send our message of that number."""
        self.sent_at = now
        self._sent.append((number, now))

    def returned(self, number: int, now: float) -> None:
        """The broker returned our message of that number."""
        at = next((at for sent, at in self._sent if sent == number), -inf)
        if at < self._floor or at <= self.proved:
            return
        self._round_trips.append(now - at)
        self.first = min(self.first, now)
        if now > self.proved + self._timing.firm:
            self._firm_since = now
        self.proved = at

    def stopped(self, now: float) -> None:
        """This process was stopped: what came before says nothing of what is now."""
        self._floor, self.proved, self._granted = now, -inf, -inf
        self.first = self._firm_since = inf

    def grant(self, now: float) -> None:
        """Somebody else begins to know what only we knew: he cannot succeed us so soon that a lease would matter."""
        self._granted = now

    @property
    def round_trip(self) -> float:
        """Seconds that the broker needs to return what we say; 0.0 before it has."""
        return min(self._round_trips, default=0.0)

    @property
    def lease(self) -> float:
        """For how long after it was sent a message that came back lets us publish: for as long again as it was away."""
        return min(max(self._timing.lease, 2 * self.round_trip), self._timing.longest_lease)

    @property
    def lease_end(self) -> float:
        """Until when nobody may have begun to publish in our place without our knowing."""
        return max(self.proved + self.lease, self._granted + self._timing.lease)

    @property
    def hold_end(self) -> float:
        """Until when a new lease is all that an owner needs; after that he begins anew."""
        return max(self.proved, self._granted) + self._timing.silence

    def is_firm(self, now: float) -> bool:
        """Whether the broker returns to us what we say, and we therefore know what it had for us."""
        return self.proved + self._timing.firm >= now >= self._firm_since + self._timing.settle

    def is_synchronised(self, now: float) -> bool:
        """Whether we know who is there: what the broker retains has come, and so has what they answered us."""
        return now >= self.first + self._timing.arrive

    def is_quiet(self, now: float) -> bool:
        """Whether what the broker returned last is too old for what we have heard to be the present."""
        return self.proved + self._timing.firm < now
