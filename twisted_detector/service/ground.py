"""First stage of the daemon, and of a scan: the disk, the kernel's tables, and the limits of all that is sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.discovery.neighbours.table import LOOKUP_PACKETS, KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.interfaces import INeighbours
from twisted_detector.model.addresses import Exclusions
from twisted_detector.seams import IStateStore
from twisted_detector.service.plugin_assembly import Offers
from twisted_detector.store.store import Store


@dataclass(frozen=True, slots=True)
class Ground:
    """What all else stands on; nothing of it is started yet."""

    store: Store
    neighbours: KernelNeighbours
    rate_limiter: PacketRateLimiter
    exclusions: Exclusions

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {
            IStateStore: self.store,
            INeighbours: self.neighbours,
            PacketRateLimiter: self.rate_limiter,
            Exclusions: self.exclusions,
        }


def make_ground(reactor: Any, config: Config) -> Ground:
    """The ground, not started yet."""
    rate_limiter = PacketRateLimiter(config.discovery.scan_rate, time.monotonic, reactor)
    exclusions = Exclusions(config.discovery.scan_exclude)
    neighbours = KernelNeighbours(
        reactor,
        excluded=exclusions.__contains__,
        acquire=partial(rate_limiter.acquire, by="neighbours.lookup", packets=LOOKUP_PACKETS),
    )
    return Ground(Store(reactor, config.state_dir), neighbours, rate_limiter, exclusions)
