"""When something was asked of the broker and when it was last heard go in; whether it is still there comes out. Pure.

A keepalive of 30 s notices a dead peer after 58 s; the kernel's time-outs notice a dead network but not a broker that
is frozen, since its kernel goes on acknowledging. So silence is measured against questions: messages that wait for
PUBACK, or a PINGREQ of our own when there are none.
"""

from __future__ import annotations

#: An unanswered question, in seconds. With the ping below an idle frozen peer is noticed after at most 4 s.
SILENCE = 4.0
PING_AFTER = 1.5
PING_ANSWER = 2.5

#: Bytes per second below which a link is not usable: larger messages get the time that they need at this speed.
SLOWEST_HEAD = 5_000
SLOWEST_BACKLOG = 1_000

#: How often to look while something is unanswered, and at most otherwise; seconds.
LOOK_BUSY = 0.5
LOOK_IDLE = 1.0


class Watchdog:
    """Judges silence. All times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._alive_at = now
        self._pinged_at: float | None = None
        self._in_kernel = 0

    def heard(self, now: float) -> None:
        """The peer said something."""
        self._alive_at = now
        self._pinged_at = None

    def pinged(self, now: float) -> None:
        """A PINGREQ was sent."""
        self._pinged_at = now

    def unsent(self, amount: int, now: float) -> None:
        """So many bytes are not acknowledged by the peer's kernel: fewer than before is a sign of life too."""
        if amount < self._in_kernel:
            self._alive_at = now
        self._in_kernel = amount

    def wants_ping(self, now: float, waiting: bool) -> bool:
        """Whether to ask, since nothing else is asked (``waiting``) and nothing was heard."""
        return not waiting and self._pinged_at is None and now - self._alive_at >= PING_AFTER

    def verdict(self, now: float, oldest: tuple[float, int, int] | None) -> str:
        """Why the peer is considered dead, "" when it is not.

        :param oldest: the oldest unacknowledged message: when sent, its size, the bytes unacknowledged at its sending
            (itself included).
        """
        if oldest is not None:
            sent_at, size, backlog = oldest
            silent = now - max(self._alive_at, sent_at)
            if silent > SILENCE + size / SLOWEST_HEAD:
                return f"the broker went silent: nothing heard for {silent:.1f} s while it owes acknowledgements"
            waited = now - sent_at
            if waited > SILENCE + backlog / SLOWEST_BACKLOG:
                return f"the broker does not acknowledge: oldest message waits for {waited:.1f} s"
        if self._pinged_at is not None and now - max(self._pinged_at, self._alive_at) > PING_ANSWER:
            return f"the broker went silent: no answer to a ping within {PING_ANSWER:g} s"
        return ""

    def next_look(self, now: float, waiting: bool) -> float:
        """Seconds until there is something to judge."""
        if waiting:
            return LOOK_BUSY
        due = self._alive_at + PING_AFTER if self._pinged_at is None else self._pinged_at + PING_ANSWER
        return min(LOOK_IDLE, max(0.02, due - now))
