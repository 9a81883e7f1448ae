"""A rate goes in; permission to send comes out, never for more packets in any second than the rate allows.

One pacer is shared by all that looks for cameras, whatever it sends: the rate is what the network sees of this program.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.errors import LocalError

#: Shares of a second by which packets are counted. The windows that are judged have one more: a second that begins
#: within a share sees no more than they do.
_BINS = 20
#: Of who waits for its turn: datagrams to groups on 64 interfaces, each with all repetitions. More is a fault of ours.
MAX_WAITING = 4096
#: Seconds until it is looked again whether the first of those who wait may send.
_LOOK_AGAIN = 0.005


class Reservation:
    """Packets that are to follow one that was sent, by themselves: they take room until they are sent, or are not."""

    __slots__ = ("_pacer", "by", "left")

    def __init__(self, pacer: PacketRateLimiter, by: str, left: int) -> None:
        self._pacer = pacer
        self.by = by
        self.left = left

    def kept(self) -> None:
        """One more of them was sent."""
        if self.left:
            self.left -= 1
            self._pacer.owed -= 1
            self._pacer.note(1, self.by)

    def withdrawn(self) -> None:
        """No more of them will be sent."""
        self._pacer.owed -= self.left
        self.left = 0


class PacketRateLimiter:
    """A bucket of tokens, one for each packet, and a count of what any second has seen.

    The bucket spreads what is sent; the count makes the rate a hard cap: what was sent within the last second, what is
    still to follow of it and what is asked for are together no more than the rate. Only a single step that takes more
    than the whole rate goes out all the same, when nothing else does.

    :param rate: packets per second.
    :param monotonic: seconds that never jump.
    :param clock: lets those wait who cannot come again by themselves; None: nobody may wait.
    :ivar rate: packets per second, at most.
    :ivar sent: packets so far, by who sent them.
    :ivar most_in_second: the most in any second.
    :ivar owed: packets that are still to follow.
    :ivar counts: ``waited`` for their turn, ``refused`` because too many waited.
    """

    def __init__(self, rate: int, monotonic: Callable[[], float], clock: IReactorTime | None = None) -> None:
        # A hundredth at once: more would come in bursts that a small switch drops, less would wait for every turn.
        self._depth = max(1.0, rate / 100)
        self._flow = max(rate - self._depth, 0.5)
        self._level = self._depth
        self._monotonic = monotonic
        self._clock = clock
        self._last = monotonic()
        self.rate = rate
        self.sent: Counter[str] = Counter()
        self.most_in_second = 0
        self.owed = 0
        self.counts: Counter[str] = Counter()
        self._bins: deque[tuple[int, int]] = deque()
        self._in_bins = 0
        self._promises: list[tuple[float, int, Reservation]] = []
        self._number = itertools.count()
        self._waiting: deque[tuple[int, str, Callable[[], object]]] = deque()
        self._call: IDelayedCall | None = None

    @property
    def packets(self) -> int:
        """All that were sent."""
        return self.sent.total()

    def document(self) -> dict[str, Any]:
        """``looking`` of the health document."""
        return {
            "cap_per_second": self.rate,
            "most_in_second": self.most_in_second,
            "total": self.packets,
            "by_method": dict(sorted(self.sent.items())),
            **self.counts,
        }

    # --- who can come again ----------------------------------------------------------------------------------------

    def may(self, packets: int = 1) -> bool:
        """Whether so many may be sent now, those that follow by themselves among them; not before those who wait."""
        return not self._waiting and self._has_room(packets)

    def spend(
        self, packets: int = 1, *, by: str = "", to_follow: int = 0, after: tuple[float, ...] = ()
    ) -> Reservation:
        """So many are sent now.

        :param by: who sends them.
        :param to_follow: so many may follow, as an answer that is owed; the promise is to be told.
        :param after: one each follows by itself so many seconds later, unless the promise is withdrawn.
        """
        self.note(packets, by)
        promise = Reservation(self, by, to_follow + len(after))
        self.owed += promise.left
        for seconds in after:
            heapq.heappush(self._promises, (self._last + seconds, next(self._number), promise))
        return promise

    def note(self, packets: int, by: str) -> None:
        """Count what was sent."""
        self._level -= packets
        self.sent[by] += packets
        now = int(self._last * _BINS)
        if not self._bins or self._bins[-1][0] != now:
            self._bins.append((now, 0))
        self._bins[-1] = (now, self._bins[-1][1] + packets)
        self._in_bins += packets
        self._forget(now)
        recent = self._in_bins
        if self._bins[0][0] <= now - _BINS:
            recent -= self._bins[0][1]
        self.most_in_second = max(self.most_in_second, recent)

    def _forget(self, now: int) -> None:
        while self._bins and self._bins[0][0] < now - _BINS:
            self._in_bins -= self._bins.popleft()[1]

    def _has_room(self, packets: int) -> bool:
        now = self._monotonic()
        self._level = min(self._level + (now - self._last) * self._flow, self._depth)
        self._last = now
        while self._promises and self._promises[0][0] <= now:
            heapq.heappop(self._promises)[2].kept()
        self._forget(int(now * _BINS))
        taken = self._in_bins + self.owed
        return self._level >= min(packets, self._depth) and (taken + packets <= self.rate or not taken)

    # --- who waits -------------------------------------------------------------------------------------------------

    def send(self, send: Callable[[], object], *, by: str, packets: int = 1) -> Callable[[], None]:
        """Call ``send`` as soon as so many packets may be sent: at once, or later and before all that may come again.

        :returns: a function that withdraws it.
        """
        entry = (packets, by, send)
        if self._clock is None or self.may(packets):
            self.spend(packets, by=by)
            send()
            return _nothing
        if len(self._waiting) >= MAX_WAITING:
            self.counts["refused"] += 1
            return _nothing
        self.counts["waited"] += 1
        self._waiting.append(entry)
        self._look_again()

        def withdraw() -> None:
            if entry in self._waiting:
                self._waiting.remove(entry)

        return withdraw

    def turn(self, *, by: str, packets: int = 1) -> Deferred[None]:
        """Fires when so many packets may be sent, which are taken as sent. Fails with LocalError when too many wait."""
        withdraw: Callable[[], None] = _nothing
        turn: Deferred[None] = Deferred(lambda _: withdraw())
        refused = self.counts["refused"]
        withdraw = self.send(lambda: turn.callback(None), by=by, packets=packets)
        if self.counts["refused"] != refused:
            turn.errback(LocalError("too many wait until they may send", shown=by))
        return turn

    def _look_again(self) -> None:
        if self._call is None and self._clock is not None:
            self._call = self._clock.callLater(_LOOK_AGAIN, self._serve)

    def _serve(self) -> None:
        self._call = None
        while self._waiting and self._has_room(self._waiting[0][0]):
            packets, by, send = self._waiting.popleft()
            self.spend(packets, by=by)
            send()
        if self._waiting:
            self._look_again()


def _nothing() -> None:
    """It was sent already."""
