"""What a broker takes of our will, found by experiment where it closes the connection for it without a word. Pure.

A broker that retains nothing, takes QoS 0 only, or gives us no right to the will's topic has no answer for that in MQTT
3.1.1: it closes the connection instead of answering CONNECT, and does so for ever. So does one that is just starting;
what tells them apart is a connection with another will that it lets in right after it closed ours, several times. What
was learnt is doubted after an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

#: So many closed attempts in a row are no chance.
SUSPICIOUS = 3
#: So often another will is let in, each time right after ours was not, before it takes its place.
PROOFS = 4
#: Seconds after which the will is told as it is once more, with the next attempt.
DOUBTED_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class WillLimits:
    """Highest QoS of a will that a broker takes, and whether it takes a retained one, or any (MQTT 5, 3.2.2.2).

    What it does not take of a will it does not take of any message: QoS and retaining are the broker's, not a topic's.
    """

    qos: int = 1
    retain: bool = True
    any: bool = True

    def __str__(self) -> str:
        if not self.any:
            return "no will of ours"
        return ", ".join(
            words for words, is_so in (("QoS 0 only", not self.qos), ("nothing retained", not self.retain)) if is_so
        )


#: In this order, the least loss first.
LADDER = (
    WillLimits(),
    WillLimits(retain=False),
    WillLimits(qos=0),
    WillLimits(qos=0, retain=False),
    WillLimits(any=False),
)


class WillTrials:
    """Experiments with one broker. :ivar limits: for the will of the next attempt."""

    def __init__(self) -> None:
        self.limits = WillLimits()
        self._closed = 0
        self._rung = 0
        self._proofs = 0
        #: When the limits were learnt, or confirmed; whether the broker told them (MQTT 5).
        self._learnt_at = 0.0
        self._were_told = False

    @property
    def candidate(self) -> WillLimits:
        """Limits for a trial."""
        return LADDER[self._rung]

    def next(self, now: float) -> WillLimits:
        """Limits for the next attempt: those that were learnt, or from time to time none."""
        return self.limits if now - self._learnt_at < DOUBTED_AFTER else WillLimits()

    def let_in(self, limits: WillLimits, *, tells_none: bool) -> None:
        """The broker let us in with these; ``tells_none``: it says that it has no such limits (MQTT 5)."""
        if limits == WillLimits() or (tells_none and self._were_told):
            self.limits = WillLimits()

    def record(self, now: float, *, closed: bool, limits: WillLimits | None) -> bool:
        """An attempt ended; whether a trial with :attr:`candidate` is due now.

        :param closed: the broker closed the connection instead of answering CONNECT.
        :param limits: those that the broker told (MQTT 5).
        """
        if limits is not None:
            self.limits, self._learnt_at, self._were_told = limits, now, True
        if closed and now - self._learnt_at >= DOUBTED_AFTER:
            self._learnt_at = now
        if not closed:
            self._closed = self._proofs = 0
            return False
        self._closed += 1
        if self._closed < SUSPICIOUS:
            return False
        if self.candidate == self.limits:
            self._next()
        return True

    def tried(self, now: float, *, accepted: bool) -> bool:
        """The trial ended; whether there are other limits now."""
        if not accepted:
            self._proofs = 0
            self._next()
            return False
        self._proofs += 1
        if self._proofs < PROOFS:
            return False
        self.limits, self._learnt_at, self._were_told = self.candidate, now, False
        self._closed = self._proofs = self._rung = 0
        return True

    def _next(self) -> None:
        self._rung = (self._rung + 1) % len(LADDER)
        if self.candidate == self.limits:
            self._rung = (self._rung + 1) % len(LADDER)
