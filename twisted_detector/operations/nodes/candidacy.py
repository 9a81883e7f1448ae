"""Candidacy of this node for one camera: its bid, and since when one is due."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twisted_detector.operations.nodes.values import Bid, Rank


@dataclass(slots=True)
class Candidacy:
    """Part of this node in the election for one camera that it knows.

    :ivar bid_number: number of the first document of this session with the bid; ``bid_echoed``: when the broker
        returned it.
    :ivar open_since: since when a bid of ours is due; ``outranks_since``: since when we see it better than its owner.
    """

    rank: Rank
    bid: Bid | None = None
    bid_number: int = 0
    bid_echoed: float = inf
    open_since: float | None = None
    outranks_since: float | None = None

    def make_bid(self, bid: Bid | None) -> None:
        """Bid, or withdraw."""
        self.bid, self.bid_number, self.bid_echoed = bid, 0, inf
        self.open_since = self.outranks_since = None

    def bid_sent(self, number: int) -> None:
        """The document of that number has the bid."""
        self.bid_number = self.bid_number or number

    def bid_returned(self, number: int, now: float) -> None:
        """The broker returned the document of that number."""
        if 0 < self.bid_number <= number and self.bid_echoed == inf:
            self.bid_echoed = now

    def open_for(self, is_due: bool, now: float) -> float:
        """For how long a bid of ours has been due; 0.0 when it is not."""
        self.open_since = (self.open_since if self.open_since is not None else now) if is_due else None
        return 0.0 if self.open_since is None else now - self.open_since

    def outranks_for(self, is_better: bool, now: float) -> float:
        """For how long we have seen it better than its owner; 0.0 when we do not."""
        self.outranks_since = (self.outranks_since if self.outranks_since is not None else now) if is_better else None
        return 0.0 if self.outranks_since is None else now - self.outranks_since
