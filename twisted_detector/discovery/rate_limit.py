"""Rate limiter for all that discovery sends: never more packets in any second than the rate allows.

One limiter is shared by all discoverers, whatever they send: the rate is what the network sees of this program.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.discovery.traffic import NetworkTraffic
from twisted_detector.errors import LocalError

#: Shares of a second by which packets are counted. The windows that are judged have one more: a second that begins
#: within a share sees no more than they do.
_BINS = 20
#: Sends that wait: datagrams to groups on 64 interfaces, each with all repetitions. More is a fault of ours.
MAX_WAITING = 4096
#: Seconds until the queue of waiting sends is served again.
_SERVE_INTERVAL = 0.005


class Reservation:
    """Packets that may follow one that was sent, and that the caller does not send itself, such as an answer that is
    owed or a repetition by the kernel: they count against the rate until they are sent, or will not be.
    """

    __slots__ = ("_limiter", "by", "left", "to")

    def __init__(self, limiter: PacketRateLimiter, by: str, left: int, to: str) -> None:
        self._limiter = limiter
        self.by = by
        self.left = left
        self.to = to

    def use(self) -> None:
        """One more of them was sent."""
        if self.left:
            self.left -= 1
            self._limiter.reserved -= 1
            self._limiter.record_sent(1, self.by, self.to)

    def release(self) -> None:
        """No more of them will be sent."""
        self._limiter.reserved -= self.left
        self.left = 0


class PacketRateLimiter:
    """Token bucket, one token for each packet, together with a count of the packets of the last second.

    The bucket spreads what is sent; the count makes the rate a hard cap: packets sent within the last second, reserved
    ones and those that are charged now are together no more than the rate. Only a single step that takes more than the
    whole rate goes out all the same, when nothing else does.

    :param rate: packets per second.
    :param monotonic: seconds that never jump.
    :param clock: lets the sends wait that are not polled for; None: none may wait.
    :ivar rate: packets per second, at most.
    :ivar traffic: the packets by the network that they went to.
    :ivar sent: packets so far, by their sender.
    :ivar most_in_second: the most in any second.
    :ivar reserved: packets that are still to follow.
    :ivar counts: ``waited`` for their turn, ``refused`` because too many waited.
    """

    def __init__(self, rate: int, monotonic: Callable[[], float], clock: IReactorTime | None = None) -> None:
        self._level = float("inf")
        self.use_rate(rate)
        self._monotonic = monotonic
        self._clock = clock
        self._last = monotonic()
        self.traffic = NetworkTraffic(monotonic)
        self.sent: Counter[str] = Counter()
        self.most_in_second = 0
        self.reserved = 0
        self.counts: Counter[str] = Counter()
        self._bins: deque[tuple[int, int]] = deque()
        self._in_bins = 0
        self._reservations: list[tuple[float, int, Reservation]] = []
        self._number = itertools.count()
        self._waiting: deque[tuple[int, str, str, Callable[[], object]]] = deque()
        self._call: IDelayedCall | None = None

    def use_rate(self, rate: int) -> None:
        """From now on so many packets per second, at most."""
        # A hundredth at once: more would come in bursts that a small switch drops, less would wait for every turn.
        self._depth = max(1.0, rate / 100)
        self._flow = max(rate - self._depth, 0.5)
        self._level = min(self._level, self._depth)
        self.rate = rate

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

    # --- for callers that poll -------------------------------------------------------------------------------------

    def allows(self, packets: int = 1) -> bool:
        """Whether so many may be sent now, those that follow by themselves among them; not before sends that wait."""
        return not self._waiting and self._has_room(packets)

    def charge(
        self, packets: int = 1, *, by: str = "", to: str = "", reserve: int = 0, after: tuple[float, ...] = ()
    ) -> Reservation:
        """Charge packets that are sent now.

        :param by: the sender that they are counted under; ``to``: the address that they go to, "" for a group.
        :param reserve: so many may follow, as an answer that is owed; its use is reported by the caller.
        :param after: one each follows by itself so many seconds later, unless the reservation is released.
        """
        self.record_sent(packets, by, to)
        reservation = Reservation(self, by, reserve + len(after), to)
        self.reserved += reservation.left
        for seconds in after:
            heapq.heappush(self._reservations, (self._last + seconds, next(self._number), reservation))
        return reservation

    def record_sent(self, packets: int, by: str, to: str = "") -> None:
        """Count what was sent."""
        if to:
            self.traffic.record(to, packets, by)
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
        while self._reservations and self._reservations[0][0] <= now:
            heapq.heappop(self._reservations)[2].use()
        self._forget(int(now * _BINS))
        taken = self._in_bins + self.reserved
        return self._level >= min(packets, self._depth) and (taken + packets <= self.rate or not taken)

    # --- for callers that wait -------------------------------------------------------------------------------------

    def send(self, send: Callable[[], object], *, by: str, packets: int = 1, to: str = "") -> Callable[[], None]:
        """Call ``send`` as soon as so many packets may be sent: at once, or later and before all callers that poll.

        :returns: a function that withdraws it.
        """
        entry = (packets, by, to, send)
        if self._clock is None or self.allows(packets):
            self.charge(packets, by=by, to=to)
            send()
            return _nothing
        if len(self._waiting) >= MAX_WAITING:
            self.counts["refused"] += 1
            return _nothing
        self.counts["waited"] += 1
        self._waiting.append(entry)
        self._serve_later()

        def withdraw() -> None:
            if entry in self._waiting:
                self._waiting.remove(entry)

        return withdraw

    def acquire(self, *, by: str, packets: int = 1, to: str = "") -> Deferred[None]:
        """Fires when so many packets may be sent, which are charged. Fails with LocalError when too many wait."""
        withdraw: Callable[[], None] = _nothing
        acquired: Deferred[None] = Deferred(lambda _: withdraw())
        refused = self.counts["refused"]
        withdraw = self.send(lambda: acquired.callback(None), by=by, packets=packets, to=to)
        if self.counts["refused"] != refused:
            acquired.errback(LocalError("too many wait until they may send", shown=by))
        return acquired

    def _serve_later(self) -> None:
        if self._call is None and self._clock is not None:
            self._call = self._clock.callLater(_SERVE_INTERVAL, self._serve)

    def _serve(self) -> None:
        self._call = None
        while self._waiting and self._has_room(self._waiting[0][0]):
            packets, by, to, send = self._waiting.popleft()
            self.charge(packets, by=by, to=to)
            send()
        if self._waiting:
            self._serve_later()


def _nothing() -> None:
    """It was sent already."""
