"""Watchdog of an established connection: when silence of the broker means that it is dead. Pure.

A keepalive of 30 s notices a dead peer after 58 s; the kernel's time-outs notice a dead network but not a broker that
is frozen, since its kernel goes on acknowledging. So silence is measured from something that demands an answer: a
message that waits for PUBACK, or a PINGREQ of our own when there is none.
"""

from __future__ import annotations

#: Seconds without an answer. With the ping below an idle frozen peer is noticed after at most 4 s.
SILENCE = 4.0
PING_AFTER = 1.5
PING_ANSWER = 2.5

#: Bytes per second below which a link is not usable: larger messages get the time that they need at this speed.
SLOWEST_HEAD = 5_000
SLOWEST_BACKLOG = 1_000

#: Seconds between checks while something is unanswered, and at most otherwise.
CHECK_BUSY = 0.5
CHECK_IDLE = 1.0


class Watchdog:
    """Measures silence. All times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._alive_at = now
        self._within_packet_at = now
        self._pinged_at: float | None = None
        self._in_kernel = 0

    def received(self, now: float, *, within_packet: bool = False) -> None:
        """The peer has sent something; ``within_packet``: a part of something, which it must complete before it can
        answer anything.
        """
        self._alive_at = now
        self._pinged_at = None
        if within_packet:
            self._within_packet_at = now

    def ping_sent(self, now: float) -> None:
        """A PINGREQ was sent."""
        self._pinged_at = now

    def unacknowledged(self, amount: int, now: float) -> None:
        """``amount`` octets are not acknowledged by the peer's kernel: fewer than before is a sign of life too."""
        if amount < self._in_kernel:
            self._alive_at = now
        self._in_kernel = amount

    def wants_ping(self, now: float, waiting: bool) -> bool:
        """Whether to send a ping: no message is ``waiting`` for its acknowledgement, nothing was received lately."""
        return not waiting and self._pinged_at is None and now - self._alive_at >= PING_AFTER

    def verdict(self, now: float, oldest: tuple[float, int, int] | None) -> str:
        """Why the peer is considered dead; "" when it is not.

        :param oldest: the oldest unacknowledged message: when it was sent, its size, and the octets that were
            unacknowledged then, itself included.
        """
        if oldest is not None:
            sent_at, size, backlog = oldest
            silent = now - max(self._alive_at, sent_at)
            if silent > SILENCE + size / SLOWEST_HEAD:
                return f"the broker went silent: nothing heard for {silent:.1f} s while it owes acknowledgements"
            waited = now - max(self._within_packet_at, sent_at)
            if waited > SILENCE + backlog / SLOWEST_BACKLOG:
                return f"the broker does not acknowledge: oldest message waits for {waited:.1f} s"
        if self._pinged_at is not None and now - max(self._pinged_at, self._alive_at) > PING_ANSWER:
            return f"the broker went silent: no answer to a ping within {PING_ANSWER:g} s"
        return ""

    def next_check(self, now: float, waiting: bool) -> float:
        """Seconds until the next check."""
        if waiting:
            return CHECK_BUSY
        due = self._alive_at + PING_AFTER if self._pinged_at is None else self._pinged_at + PING_ANSWER
        return min(CHECK_IDLE, max(0.02, due - now))
