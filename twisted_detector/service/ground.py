"""First stage of the daemon, and of a scan: the disk, the kernel's tables, and the limits of all that is sent."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.node_name import FILE, NO_SUFFIX, read_suffix, with_suffix
from twisted_detector.config.running import RunningConfig
from twisted_detector.discovery.neighbours.table import LOOKUP_PACKETS, KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.interfaces import INeighbours
from twisted_detector.model.addresses import Exclusions
from twisted_detector.seams import IStateStore
from twisted_detector.service.extensions.assembly import Offers
from twisted_detector.store.small_file import write_small_file
from twisted_detector.store.store import Store


@dataclass(frozen=True, slots=True)
class Ground:
    """What all else stands on; nothing of it is started yet.

    :ivar running: the configuration in use; the limits follow it.
    :ivar is_fresh: whether there was no database in STATE_DIR yet.
    """

    store: Store
    neighbours: KernelNeighbours
    rate_limiter: PacketRateLimiter
    exclusions: Exclusions
    running: RunningConfig
    is_fresh: bool

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

    async def open(self) -> Config:
        """Open the store; the configuration in use, with the suffix of the host name, which is made where it is needed.

        A database without one is of a program that knew none: its topics stay as they are. Where the disk takes
        nothing the host name alone is used, for another suffix at each start would be another node.

        :raises StateRefused: as :meth:`Store.open`.
        """
        await self.store.open()
        config = self.running.current
        if config.lacks_suffix and not self.store.degraded:
            with suppress(OSError):
                config = with_suffix(config, self._keep_suffix(config.state_dir / FILE))
        self.running.use(config)
        return config

    def _keep_suffix(self, path: Path) -> str:
        """The suffix that the file has, which is made where it has none."""
        with suppress(FileNotFoundError):
            kept = read_suffix(path.read_bytes())
            if kept is not None:
                return kept
        suffix = secrets.token_hex(2) if self.is_fresh else ""
        write_small_file(path, f"{suffix or NO_SUFFIX}\n")
        return suffix


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
    store = Store(reactor, config.state_dir)
    return Ground(store, neighbours, rate_limiter, exclusions, running, is_fresh=not os.path.lexists(store.path))
