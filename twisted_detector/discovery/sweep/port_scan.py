"""Sweep by TCP connect of networks behind a router: reports each IPv4 address with an open camera port.

No address on a link is tried: the kernel keeps one neighbour entry for each that it resolves, has room for 1 024, and
when they are used up other programs of this machine cannot connect either. Links are swept by ARP.

Nobody answers ARP there, so a connect is the only question. A camera that is well has answered one at its routine
check, and is not asked again by the sweep.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter, Reservation
from twisted_detector.discovery.sweep.connector import EpollConnector, Outcome, TcpConnector
from twisted_detector.discovery.sweep.looks import IsWell, PortLooks, nobody_is_well
from twisted_detector.discovery.sweep.ports import ports_to_try
from twisted_detector.discovery.sweep.reports import PortReports
from twisted_detector.discovery.sweep.steps import SweepContext, run_steps
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
    give_up: Callable[[], None] | None = None
    reset: Reservation | None = None  #: that answers an open port


@implementer(IDiscoverer)
class PortScan:
    """Discoverer that tries a few TCP ports on every address that is on no link of this machine.

    :param reactor: IReactorTime and IReactorFDSet.
    :param settings: as they are now.
    :param limiter: shared with all others that send.
    :param is_well: asked of each address in its turn: who is well there is not connected to, but once a day.
    :param monotonic: seconds that never jump.
    :param make_connector: for tests.
    :ivar counts: since the start: ``attempts``, ``addresses``, ``open``, ``sightings``, ``well`` (not connected to).
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        settings: Callable[[], SweepSettings],
        limiter: PacketRateLimiter,
        is_well: IsWell = nobody_is_well,
        monotonic: Callable[[], float] = time.monotonic,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._settings = settings
        self._looks = PortLooks(is_well, monotonic)
        self._make_connector = make_connector
        self._logged: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._context = SweepContext(limiter, monotonic, self.counts)

    async def sweep(self, sink: ISightingSink, *networks: str) -> None:
        """Try every address once, or each of the networks that are given.

        :raises OSError: no socket can be opened.
        :raises LocalError: a text that is no network.
        """
        settings = self._settings()
        plan = settings.plan(await self._neighbours.interfaces(), self._neighbours.known(), *networks)
        for network in plan.too_large:
            if network not in self._logged:
                self._logged.add(network)
                self.log.info("{network} is too large to be swept unless it is named in SCAN_NETWORKS", network=network)
        connector = self._make_connector(self._reactor)
        run = _Run(
            (target.address for target in plan.targets() if not target.on_link and self._needs_look(target.address)),
            connector,
            ports=ports_to_try(base=settings.ports),
            half_open=settings.half_open,
            context=self._context,
            reports=PortReports(lambda address, ports: self._report(sink, address, ports)),
        )
        try:
            await run_steps(self._reactor, run.step)
        finally:
            connector.close()
            run.close()

    def _needs_look(self, address: str) -> bool:
        due = self._looks.is_due(address, None)
        if not due:
            self.counts["well"] += 1
            self._context.limiter.traffic.answered(address)
        return due

    def _report(self, sink: ISightingSink, address: str, ports: tuple[int, ...]) -> None:
        self.counts["sightings"] += 1
        sink.sighted(self._settings().sighting(METHOD, address, ports, self._reactor.seconds()))


class _Run:
    """One sweep. ``step`` is called again and again until it returns False: there is nothing left to do."""

    def __init__(
        self,
        addresses: Iterator[str],
        connector: TcpConnector,
        *,
        ports: tuple[int, ...],
        half_open: int,
        context: SweepContext,
        reports: PortReports,
    ) -> None:
        self._addresses = addresses
        self._connector = connector
        self._ports = ports
        self._limiter = context.limiter
        self._half_open = half_open
        self._monotonic = context.monotonic
        self._budget = TurnBudget(_ATTEMPTS_PER_STEP, _SECONDS_PER_STEP, context.monotonic)
        self._reports = reports
        self._counts = context.counts
        self._next = next(addresses, None) if ports else None
        self._again: deque[_Host] = deque()
        self._running: dict[int, _Host] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._number = 0
        self._stepped = context.monotonic()

    def step(self) -> bool:
        """Give up what waited too long, begin what may begin; whether there is more to do.

        What waited too long is judged by the time of the step before: what came until then has been read since.
        """
        now, read_until = self._monotonic(), self._stepped
        self._stepped = now
        self._expire(read_until)
        for _ in self._budget.turn():
            if len(self._running) >= self._half_open or not self._limiter.allows(_PACKETS):
                break
            host = self._again.popleft() if self._again else self._fresh()
            if host is None:
                break
            self._begin(host, now)
        self._reports.report_due(now)
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
        host.reset = self._limiter.charge(by=f"{METHOD}.connect", to=host.address, reserve=1)
        self._running[number] = host
        heapq.heappush(self._deadlines, (now + _TIMEOUT * _PATIENCE[host.wait], number))
        self._counts["attempts"] += 1
        host.give_up = self._connector.connect(
            host.address, self._ports[host.port], lambda outcome: self._ended(number, outcome)
        )

    def _expire(self, read_until: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= read_until:
            host = self._running.get(heapq.heappop(self._deadlines)[1])
            if host is None:
                continue
            self._stop(host)
            host.wait += 1
            if host.wait < len(_PATIENCE):
                self._again.append(host)
            elif host.port:
                self._next_port(host)  # a host is there, and a firewall may drop this port only
            else:
                self._reports.host_ended(host.address)

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
            self._reports.host_ended(host.address)
            return
        if not host.port:  # who is silent at the first port is asked no other
            self._limiter.traffic.answered(host.address)
        if outcome is Outcome.OPEN:
            self._counts["open"] += 1
            self._reports.port_opened(host.address, self._ports[host.port], self._monotonic())
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
        else:
            self._reports.host_ended(host.address)
