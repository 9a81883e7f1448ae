"""First stage of the daemon, and of a scan: the disk, the kernel's tables, and the limits of all that is sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.running import RunningConfig
from twisted_detector.discovery.neighbours.table import LOOKUP_PACKETS, KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.interfaces import INeighbours
from twisted_detector.model.addresses import Exclusions
from twisted_detector.seams import IStateStore
from twisted_detector.service.plugin_assembly import Offers
from twisted_detector.store.store import Store


@dataclass(frozen=True, slots=True)
class Ground:
    """What all else stands on; nothing of it is started yet.

    :ivar running: the configuration in use; the limits follow it.
    """

    store: Store
    neighbours: KernelNeighbours
    rate_limiter: PacketRateLimiter
    exclusions: Exclusions
    running: RunningConfig

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {
            IStateStore: self.store,
            Store: self.store,
            INeighbours: self.neighbours,
            PacketRateLimiter: self.rate_limiter,
            Exclusions: self.exclusions,
            RunningConfig: self.running,
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
    running = RunningConfig(config)
    running.changed.add(lambda _, after: exclusions.use(after.discovery.scan_exclude))
    running.changed.add(lambda _, after: rate_limiter.use_rate(after.discovery.scan_rate))
    return Ground(Store(reactor, config.state_dir), neighbours, rate_limiter, exclusions, running)
