"""Watchdog of an established connection: when silence of the broker means that it is dead. Pure.

A keepalive of 30 s notices a dead peer after 58 s; the kernel's time-outs notice a dead network but not a broker that
is frozen, since its kernel goes on acknowledging. So silence is measured from something that demands an answer: a
message that waits for PUBACK, or a PINGREQ of our own when there is none.
"""

from __future__ import annotations

from twisted_detector.mqtt.network.patience import SILENCE, Patiences

#: Seconds without a word until a ping is sent.
PING_AFTER = 1.5

#: Bytes per second below which a link is not usable: larger messages get the time that they need at this speed.
SLOWEST_HEAD = 5_000
SLOWEST_BACKLOG = 1_000

#: Seconds between checks while something is unanswered, and at most otherwise.
CHECK_BUSY = 0.5
CHECK_IDLE = 1.0


class Watchdog:
    """Measures silence. All times are monotonic seconds.

    :param patience: how long answers are waited for.
    """

    def __init__(self, now: float, patience: Patiences | None = None) -> None:
        self._patience = patience or Patiences()
        self._acknowledges_quickly = False
        self._alive_at = now
        self._within_packet_at = now
        self._pinged_at: float | None = None
        self._in_kernel = 0

    def received(self, now: float, *, within_packet: bool = False) -> None:
        """The peer has sent something; ``within_packet``: a part of something, which it must complete before it can
        answer anything.
        """
        self._alive_at = now
        if self._pinged_at is not None:
            self._patience.pings.answered(now - self._pinged_at)
            self._pinged_at = None
        if within_packet:
            self._within_packet_at = now

    def ping_sent(self, now: float) -> None:
        """A PINGREQ was sent."""
        self._pinged_at = now

    def acknowledged(self, latency: float) -> None:
        """A message was acknowledged after so many seconds."""
        self._patience.messages.answered(latency)
        self._acknowledges_quickly = self._acknowledges_quickly or latency < SILENCE / 2

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
        patience = self._patience
        if oldest is not None:
            limit = patience.messages.limit
            sent_at, size, backlog = oldest
            silent = now - max(self._alive_at, sent_at)
            if silent > limit + size / SLOWEST_HEAD:
                self._give_up()
                return f"the broker went silent: nothing heard for {silent:.1f} s while it owes acknowledgements"
            waited = now - max(self._within_packet_at, sent_at)
            if waited > limit + backlog / SLOWEST_BACKLOG:
                self._give_up()
                return f"the broker does not acknowledge: oldest message waits for {waited:.1f} s"
        limit = patience.pings.limit
        if self._pinged_at is not None and now - max(self._pinged_at, self._alive_at) > limit:
            patience.pings.gave_up()
            return f"the broker went silent: no answer to a ping within {limit:g} s"
        return ""

    def _give_up(self) -> None:
        """A message was not acknowledged; by a broker that is quick with others it is that message, not the broker."""
        if not self._acknowledges_quickly:
            self._patience.messages.gave_up()

    def next_check(self, now: float, waiting: bool) -> float:
        """Seconds until the next check."""
        if waiting:
            return CHECK_BUSY
        due = self._alive_at + PING_AFTER if self._pinged_at is None else self._pinged_at + self._patience.pings.limit
        return min(CHECK_IDLE, max(0.02, due - now))
