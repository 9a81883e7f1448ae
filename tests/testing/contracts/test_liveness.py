"""The contract of liveness checks, on the double and on that by TCP."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.discovery.sweep.liveness import TcpLiveness
from twisted_detector.testing.contracts import liveness_contract
from twisted_detector.testing.lan import MemoryHosts, MemoryLiveness


class MemoryStage:
    """The double."""

    def __init__(self) -> None:
        self.liveness = MemoryLiveness()

    def set_device(self, address: str, *ports: int) -> None:
        self.liveness.ports[address] = set(ports)

    def remove_device(self, address: str) -> None:
        del self.liveness.ports[address]

    def fail(self) -> None:
        self.liveness.problem = OSError(errno.ENOBUFS, "No buffer space available")

    def sent(self) -> int:
        return len(self.liveness.calls)

    def left_open(self) -> Sequence[object]:
        return ()

    def advance(self, seconds: float) -> None:
        """Nothing takes time."""


class TcpStage:
    """Connects to hosts in memory, each of which answers after 50 ms."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock, latency=0.05)
        self.opened: list[bool] = []
        self.problem: OSError | None = None
        limiter = PacketRateLimiter(1000, self.clock.seconds, self.clock)
        self.liveness = TcpLiveness(self.clock, limiter, make_connector=self.connector)

    def connector(self, reactor: Any) -> Any:
        if self.problem is not None:
            raise self.problem
        return self.hosts.connector(reactor)

    def set_device(self, address: str, *ports: int) -> None:
        self.hosts.ports[address] = {None: Outcome.REFUSED, **dict.fromkeys(ports, Outcome.OPEN)}

    def remove_device(self, address: str) -> None:
        del self.hosts.ports[address]

    def fail(self) -> None:
        self.problem = OSError(errno.EMFILE, "Too many open files")

    def sent(self) -> int:
        return 2 * len(self.hosts.attempts)

    def left_open(self) -> Sequence[object]:
        return [*self.hosts.running, *self.clock.getDelayedCalls()]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class MemoryLivenessTests(liveness_contract(MemoryStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class TcpLivenessTests(liveness_contract(TcpStage)):  # type: ignore[misc]
    """That by TCP keeps the contract."""
