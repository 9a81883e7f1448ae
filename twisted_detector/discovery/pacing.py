"""A rate goes in; permission to send comes out, never for more packets in any second than the rate allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

#: Shares of a second for ``most_in_second``.
_BINS = 20


class Pacer:
    """A bucket of tokens, one for each packet.

    What it holds and what flows in within a second are together the rate: no second sees more, whenever it begins.

    :param rate: packets per second.
    :param monotonic: seconds that never jump.
    :ivar packets: all that were spent.
    :ivar most_in_second: the most in any second.
    """

    def __init__(self, rate: int, monotonic: Callable[[], float]) -> None:
        # A hundredth at once: more would come in bursts that a small switch drops, less would wait for every turn.
        self._depth = max(1.0, rate / 100)
        self._flow = max(rate - self._depth, 0.5)
        self._level = self._depth
        self._monotonic = monotonic
        self._last = monotonic()
        self.packets = 0
        self.most_in_second = 0
        self._bins: deque[tuple[int, int]] = deque()
        self._in_bins = 0

    def may(self, packets: int = 1) -> bool:
        """Whether so many may be sent now; more than the bucket holds may when it is full."""
        now = self._monotonic()
        self._level = min(self._level + (now - self._last) * self._flow, self._depth)
        self._last = now
        return self._level >= min(packets, self._depth)

    def spend(self, packets: int = 1) -> None:
        """So many are sent. Those that cannot be helped (an answer is owed) may be more than allowed: others wait."""
        self._level -= packets
        self.packets += packets
        now = int(self._last * _BINS)
        if not self._bins or self._bins[-1][0] != now:
            self._bins.append((now, 0))
        self._bins[-1] = (now, self._bins[-1][1] + packets)
        self._in_bins += packets
        while self._bins[0][0] <= now - _BINS:
            self._in_bins -= self._bins.popleft()[1]
        self.most_in_second = max(self.most_in_second, self._in_bins)
