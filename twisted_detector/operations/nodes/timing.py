"""Durations of the election, and how they follow from one another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds.

    A successor begins at the latest ``silence + lease + settle`` (4.2) after the last beat that he received, and his
    own ticks and the way to the broker: within five seconds of the owner's last sign of life.

    :ivar beat: between two beats of an owner whose cameras others know; ``slow_beat``: else, for the case that a
        broker was killed with a will in it: nothing waits for these.
    :ivar silence: without a beat, after which such an owner is thought to be away: two that were lost.
    :ivar lease: after an owner sent the last message that the broker returned: one that was late.
    :ivar settle: by how much messages may overtake each other.
    :ivar patience: for a better candidate to bid first.
    :ivar outranked: how long an owner sees a camera worse than we do before we bid; ``unseen``: not at all, which may
        be the camera's own fault, and our next check finds it out.
    :ivar stall: between two ticks; a longer pause means that this process was stopped.
    :ivar coalesce: between two documents of which the latter has news that nobody waits for; ``repeat``: of which the
        latter only takes its place again, from a daemon perhaps that does the same.
    """

    beat: float = 1.0
    slow_beat: float = 60.0
    silence: float = 2.2
    lease: float = 1.6
    settle: float = 0.4
    patience: float = 0.4
    outranked: float = 30.0
    unseen: float = 90.0
    stall: float = 1.5
    coalesce: float = 0.25
    repeat: float = 2.0

    @property
    def suspicion(self) -> float:
        """After so long without a beat a watcher makes sure that it hears itself: one beat is more than late."""
        return 0.75 * self.silence

    @property
    def expiry(self) -> float:
        """After so long without a word a node is forgotten, whether its will was published or not."""
        return 3 * self.slow_beat + self.silence


TIMING = Timing()
