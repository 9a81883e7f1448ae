"""Sweep by TCP connect of networks behind a router: reports each IPv4 address with an open camera port at once.

No address on a link is tried: the kernel keeps one neighbour entry for each that it resolves, has room for 1 024, and
when they are used up other programs of this machine cannot connect either. Links are swept by ARP.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter, Reservation
from twisted_detector.discovery.sweep.connector import EpollConnector, Outcome, TcpConnector
from twisted_detector.discovery.sweep.ports import ports_to_try
from twisted_detector.discovery.sweep.steps import run_steps
from twisted_detector.discovery.sweep.targets import SweepSettings
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink
from twisted_detector.model.bounds import TurnBudget

METHOD = "portscan"

#: Attempts that are begun in one step, and the seconds that it may take: each costs some 10 µs.
_ATTEMPTS_PER_STEP, _SECONDS_PER_STEP = 256, 0.004
#: Packets of one attempt at most: the SYN, and the reset that answers an open port.
_PACKETS = 2
#: Seconds for one port that does not answer.
_TIMEOUT = 1.75
#: Waits for an answer, as parts of the time-out: a lost SYN is sent again (the kernel itself would wait a second), and
#: a camera in Wi-Fi power save still has the last and longest.
_PATIENCE = (1 / 7, 2 / 7, 4 / 7)


@dataclass(slots=True)
class _Host:
    """One address and how far it was tried."""

    address: str
    port: int = 0  #: index into the ports
    wait: int = 0  #: index into _PATIENCE
    attempt: int = 0  #: number of the attempt that runs
    blocked: bool = False  #: the kernel had no room for it
    found: list[int] = field(default_factory=list)
    give_up: Callable[[], None] | None = None
    reset: Reservation | None = None  #: that answers an open port


@implementer(IDiscoverer)
class PortScan:
    """Discoverer that tries a few TCP ports on every address that is on no link of this machine.

    :param reactor: IReactorTime and IReactorFDSet.
    :param limiter: shared with all others that send.
    :param monotonic: seconds that never jump.
    :param make_connector: for tests.
    :ivar counts: since the start: ``attempts``, ``addresses``, ``open``, ``sightings``.
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        settings: SweepSettings,
        *,
        limiter: PacketRateLimiter,
        monotonic: Callable[[], float] = time.monotonic,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._settings = settings
        self._limiter = limiter
        self._monotonic = monotonic
        self._make_connector = make_connector
        self._logged: set[str] = set()
        self.counts: Counter[str] = Counter()

    async def sweep(self, sink: ISightingSink) -> None:
        """Try every address once.

        :raises OSError: no socket can be opened.
        :raises LocalError: a text that is no network.
        """
        plan = self._settings.plan(await self._neighbours.interfaces(), self._neighbours.known())
        for network in plan.too_large:
            if network not in self._logged:
                self._logged.add(network)
                self.log.info("{network} is too large to be swept unless it is named in SCAN_NETWORKS", network=network)
        connector = self._make_connector(self._reactor)
        run = _Run(
            (target.address for target in plan.targets() if not target.on_link),
            connector,
            ports=ports_to_try(base=self._settings.ports),
            limiter=self._limiter,
            half_open=self._settings.half_open,
            monotonic=self._monotonic,
            report=lambda address, ports: self._report(sink, address, ports),
            counts=self.counts,
        )
        try:
            await run_steps(self._reactor, run.step)
        finally:
            connector.close()
            run.close()

    def _report(self, sink: ISightingSink, address: str, ports: tuple[int, ...]) -> None:
        self.counts["sightings"] += 1
        sink.sighted(self._settings.sighting(METHOD, address, ports, self._reactor.seconds()))


class _Run:
    """One sweep. ``step`` is called again and again until it returns False: there is nothing left to do."""

    def __init__(
        self,
        addresses: Iterator[str],
        connector: TcpConnector,
        *,
        ports: tuple[int, ...],
        limiter: PacketRateLimiter,
        half_open: int,
        monotonic: Callable[[], float],
        report: Callable[[str, tuple[int, ...]], None],
        counts: Counter[str],
    ) -> None:
        self._addresses = addresses
        self._connector = connector
        self._ports = ports
        self._limiter = limiter
        self._half_open = half_open
        self._monotonic = monotonic
        self._budget = TurnBudget(_ATTEMPTS_PER_STEP, _SECONDS_PER_STEP, monotonic)
        self._report = report
        self._counts = counts
        self._next = next(addresses, None) if ports else None
        self._again: deque[_Host] = deque()
        self._running: dict[int, _Host] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._number = 0

    def step(self) -> bool:
        """Give up what waited too long, begin what may begin; whether there is more to do."""
        now = self._monotonic()
        self._expire(now)
        for _ in self._budget.turn():
            if len(self._running) >= self._half_open or not self._limiter.allows(_PACKETS):
                break
            host = self._again.popleft() if self._again else self._fresh()
            if host is None:
                break
            self._begin(host, now)
        return bool(self._running or self._again or self._next)

    def close(self) -> None:
        """Release what is reserved: the connector gave all attempts up."""
        for host in self._running.values():
            if host.reset is not None:
                host.reset.release()
        self._running.clear()

    def _fresh(self) -> _Host | None:
        """The next address, None when there is none."""
        address = self._next
        if address is None:
            return None
        self._next = next(self._addresses, None)
        self._counts["addresses"] += 1
        return _Host(address)

    def _begin(self, host: _Host, now: float) -> None:
        self._number += 1
        number = host.attempt = self._number
        host.blocked = False
        host.reset = self._limiter.charge(by=f"{METHOD}.connect", reserve=1)
        self._running[number] = host
        heapq.heappush(self._deadlines, (now + _TIMEOUT * _PATIENCE[host.wait], number))
        self._counts["attempts"] += 1
        host.give_up = self._connector.connect(
            host.address, self._ports[host.port], lambda outcome: self._ended(number, outcome)
        )

    def _expire(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            host = self._running.get(heapq.heappop(self._deadlines)[1])
            if host is None:
                continue
            self._stop(host)
            host.wait += 1
            if host.wait < len(_PATIENCE):
                self._again.append(host)
            elif host.port:
                self._next_port(host)  # a host is there, and a firewall may drop this port only

    def _ended(self, number: int, outcome: Outcome) -> None:
        host = self._running.get(number)
        if host is None:
            return
        if outcome is Outcome.NO_ROOM:
            host.blocked = True  # its time-out brings the next attempt
            return
        del self._running[number]
        host.give_up = None
        if host.reset is not None:
            if outcome is Outcome.OPEN:
                host.reset.use()
            host.reset.release()
        if outcome is Outcome.UNREACHABLE:
            return
        if outcome is Outcome.OPEN:
            self._counts["open"] += 1
            host.found.append(self._ports[host.port])
            self._report(host.address, tuple(host.found))
        self._next_port(host)

    def _stop(self, host: _Host) -> None:
        del self._running[host.attempt]
        if host.reset is not None:
            host.reset.release()
        if host.give_up is not None:
            host.give_up()
            host.give_up = None

    def _next_port(self, host: _Host) -> None:
        host.port += 1
        host.wait = 0
        if host.port < len(self._ports):
            self._again.append(host)
