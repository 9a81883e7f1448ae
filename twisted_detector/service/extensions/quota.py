"""Quota of messages of one plugin: a token bucket, of messages and of their size."""

from __future__ import annotations

from collections.abc import Callable

#: Messages that a plugin may publish at once, and in each second after that. A value of each of a thousand cameras
#: every ten seconds is half of it; the outbox takes some thousands a second from all of us.
BURST, RATE = 2_000.0, 200.0
#: Octets of a payload that cost as much as one message more: 0.8 MB a second, and 8 MB at once.
OCTETS = 4_096


class MessageQuota:
    """Token bucket that grants messages.

    :param monotonic: seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._level = BURST
        self._at = monotonic()

    def take(self, octets: int) -> bool:
        """Whether a message with so large a payload may be published now; if so it is charged."""
        now = self._monotonic()
        self._level = min(BURST, self._level + (now - self._at) * RATE)
        self._at = now
        cost = 1.0 + octets / OCTETS
        # One that is larger than all that there ever is goes out when the bucket is full.
        if self._level < min(cost, BURST):
            return False
        self._level -= cost
        return True
