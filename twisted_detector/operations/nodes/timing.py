"""Durations of the election, and how they follow from one another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds.

    A successor begins at the latest ``silence + 2 * settle`` (4.7) after the last beat that he received, and his own
    ticks and the way to the broker: within five seconds of the owner's last sign of life in 95 of 100 cases.

    :ivar beat: between two beats of an owner whose cameras others know: as seldom as a takeover within five seconds
        allows; ``slow_beat``: else, for the case that a broker was killed with a will in it: nothing waits for these.
    :ivar silence: without a word, after which such an owner is thought to be away, though he was asked (``suspicion``).
    :ivar lease: after an owner sent the last message that the broker returned: until then he may publish. With a slow
        broker twice its way there and back, and at most ``longest_lease``, for which every successor waits.
    :ivar firm: after a message was sent that the broker returned: until then what we have heard is the present.
    :ivar settle: by how much messages may overtake each other, there and back.
    :ivar arrive: after the broker returned the first message of a session: until then those who are there have answered
        it (``coalesce``), whatever the broker does with what it retains.
    :ivar patience: for a better candidate to bid first.
    :ivar outranked: how long an owner sees a camera worse than we do before we bid; ``unseen``: not at all, which may
        be the camera's own fault, and our next check finds it out.
    :ivar stall: between two ticks; a longer pause means that this process was stopped.
    :ivar coalesce: between two documents of which the latter has news that nobody waits for; ``repeat``: of which the
        latter only takes its place again, from a daemon perhaps that does the same.
    """

    beat: float = 3.2
    slow_beat: float = 120.0
    silence: float = 3.9
    lease: float = 0.5
    longest_lease: float = 1.6
    firm: float = 1.6
    settle: float = 0.4
    arrive: float = 0.8
    patience: float = 0.4
    outranked: float = 30.0
    unseen: float = 90.0
    stall: float = 1.5
    coalesce: float = 0.25
    repeat: float = 2.0

    @property
    def suspicion(self) -> float:
        """After so long without a word a watcher asks the owner, and sees whether it hears itself: a beat is late."""
        return self.beat + 0.3

    @property
    def slowest(self) -> float:
        """Way to the broker and back with which a shared camera is still begun: what is heard settles while firm."""
        return self.firm - self.settle

    @property
    def expiry(self) -> float:
        """After so long without a word a node is forgotten, whether its will was published or not."""
        return 3 * self.slow_beat + self.silence


TIMING = Timing()
