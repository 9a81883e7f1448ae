"""Networks go in; the IPv4 addresses with an open RTSP port come out, each the moment it is found.

A sweep by TCP connect needs no privilege. It must not harm: the kernel keeps one neighbour entry for each address that
is asked on a link, has room for 1 024, and when they are used up other programs of this machine cannot connect either.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.task import LoopingCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter, Reservation
from twisted_detector.discovery.sweep.connector import EpollConnector, Outcome, TcpConnector
from twisted_detector.discovery.sweep.ports import ports_to_try
from twisted_detector.discovery.sweep.targets import INTERFACES, ScanPlan, ScanTarget
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink
from twisted_detector.model import Mac, Sighting

METHOD = "portscan"

#: Seconds between turns.
_TICK = 0.01
#: Seconds that may be spent on beginning attempts before others have their turn.
_SECONDS_PER_TURN = 0.004
#: Packets of one attempt at most: the SYN, and the reset that answers an open port.
_PACKETS = 2
#: On-link addresses that were asked and have not answered, at most so many in the time that the kernel keeps asking
#: (three ARP requests one second apart): measured, 700 break no other connection, and the program asks for others too.
_MAX_UNANSWERED, _UNANSWERED_FOR = 500, 3.2
#: Waits for an answer, as parts of the time-out: a lost SYN is sent again (the kernel itself would wait a second), and
#: a camera in Wi-Fi power save still has the last and longest.
_PATIENCE = (1 / 7, 2 / 7, 4 / 7)


@dataclass(slots=True)
class _Host:
    """One address and how far it was tried."""

    target: ScanTarget
    port: int = 0  #: index into the ports
    wait: int = 0  #: index into _PATIENCE
    attempt: int = 0  #: number of the attempt that runs
    blocked: bool = False  #: the kernel had no room for it
    found: list[int] = field(default_factory=list)
    give_up: Callable[[], None] | None = None
    reset: Reservation | None = None  #: that answers an open port


@implementer(IDiscoverer)
class PortScan:
    """Tries a few TCP ports on every address of the networks that this machine stands in, or of those named.

    :param reactor: IReactorTime and IReactorFDSet.
    :param ports: TCP ports in the order in which they are tried.
    :param networks: CIDR texts; the word ``interfaces`` means the networks of the interfaces.
    :param exclude: CIDR texts; nothing is sent there.
    :param rate: packets per second, at most. :param pacer: shared with all others that send; with it, its rate counts.
    :param half_open: attempts at the same time.
    :param timeout: seconds for one port that does not answer.
    :param max_addresses: of a larger network of an interface only addresses known to the kernel are tried.
    :param on_link: whether the links of this machine are swept too, or only what is beyond a router.
    :param rtsp_ports: those of the ports that are of RTSP kind; None: all.
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
        *,
        ports: Sequence[int] = (554, 8554),
        networks: Sequence[str] = (INTERFACES,),
        exclude: Sequence[str] = (),
        rate: int = 1000,
        half_open: int = 256,
        timeout: float = 1.75,
        max_addresses: int = 4096,
        on_link: bool = True,
        pacer: PacketRateLimiter | None = None,
        rtsp_ports: Sequence[int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._ports = ports_to_try(base=ports)
        self._networks = tuple(networks)
        self._exclude = tuple(exclude)
        self._pacer = PacketRateLimiter(rate, monotonic) if pacer is None else pacer
        self._half_open = half_open
        self._timeout = timeout
        self._max_addresses = max_addresses
        self._on_link = on_link
        self._rtsp_ports = self._ports if rtsp_ports is None else tuple(rtsp_ports)
        self._monotonic = monotonic
        self._make_connector = make_connector
        self._told: set[str] = set()
        self.counts: Counter[str] = Counter()

    async def sweep(self, sink: ISightingSink) -> None:
        """Try every address once.

        :raises OSError: no socket can be opened.
        :raises LocalError: a text that is no network.
        """
        plan = ScanPlan(
            self._networks,
            self._exclude,
            await self._neighbours.interfaces(),
            self._neighbours.known(),
            max_addresses=self._max_addresses,
        )
        for network in plan.too_large:
            if network not in self._told:
                self._told.add(network)
                self.log.info("{network} is too large to be swept unless it is named in SCAN_NETWORKS", network=network)
        connector = self._make_connector(self._reactor)
        run = _Run(
            (target for target in plan.targets() if self._on_link or not target.on_link),
            connector,
            ports=self._ports,
            pacer=self._pacer,
            half_open=self._half_open,
            timeout=self._timeout,
            monotonic=self._monotonic,
            known=self._neighbours.known,
            report=lambda address, ports: self._report(sink, address, ports),
            counts=self.counts,
        )

        def turn() -> None:
            if not run.turn():
                turns.stop()

        turns = LoopingCall(turn)
        turns.clock = self._reactor
        try:
            await turns.start(_TICK)
        finally:
            if turns.running:
                turns.stop()
            connector.close()
            run.close()

    def _report(self, sink: ISightingSink, address: str, ports: tuple[int, ...]) -> None:
        self.counts["sightings"] += 1
        sink.sighted(
            Sighting(
                method=METHOD,
                address=address,
                seen_at=self._reactor.seconds(),
                mac=self._neighbours.known().get(address),
                rtsp_ports=tuple(port for port in ports if port in self._rtsp_ports),
                open_ports=ports,
            )
        )


class _Run:
    """One sweep. ``turn`` is called again and again until it says that there is nothing left to do."""

    def __init__(
        self,
        targets: Iterator[ScanTarget],
        connector: TcpConnector,
        *,
        ports: tuple[int, ...],
        pacer: PacketRateLimiter,
        half_open: int,
        timeout: float,
        monotonic: Callable[[], float],
        known: Callable[[], Mapping[str, Mac]],
        report: Callable[[str, tuple[int, ...]], None],
        counts: Counter[str],
    ) -> None:
        self._targets = targets
        self._connector = connector
        self._ports = ports
        self._pacer = pacer
        self._half_open = half_open
        self._timeout = timeout
        self._monotonic = monotonic
        self._known = known
        self._report = report
        self._counts = counts
        self._next: ScanTarget | None = next(targets, None) if ports else None
        self._again: deque[_Host] = deque()
        self._running: dict[int, _Host] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._unanswered: dict[str, float] = {}
        self._number = 0

    def turn(self) -> bool:
        """Give up what waited too long, begin what may begin; whether there is more to do."""
        now = self._monotonic()
        self._expire(now)
        while self._unanswered and now - next(iter(self._unanswered.values())) >= _UNANSWERED_FOR:
            del self._unanswered[next(iter(self._unanswered))]
        while (
            len(self._running) < self._half_open
            and self._pacer.may(_PACKETS)
            and self._monotonic() - now < _SECONDS_PER_TURN
        ):
            host = self._again.popleft() if self._again else self._fresh(now)
            if host is None:
                break
            self._begin(host, now)
        return bool(self._running or self._again or self._next)

    def close(self) -> None:
        """Nothing more is answered: the connector gave all attempts up."""
        for host in self._running.values():
            if host.reset is not None:
                host.reset.withdrawn()
        self._running.clear()

    def _fresh(self, now: float) -> _Host | None:
        """The next address, None when there is none or when it must wait for room in the neighbour table."""
        target = self._next
        if target is None:
            return None
        if target.on_link and not target.known:
            if len(self._unanswered) >= _MAX_UNANSWERED:
                return None
            self._unanswered[target.address] = now
        self._next = next(self._targets, None)
        self._counts["addresses"] += 1
        return _Host(target)

    def _begin(self, host: _Host, now: float) -> None:
        self._number += 1
        number = host.attempt = self._number
        host.blocked = False
        host.reset = self._pacer.spend(by=f"{METHOD}.connect", to_follow=1)
        self._running[number] = host
        self._wait(host, now)
        self._counts["attempts"] += 1
        host.give_up = self._connector.connect(
            host.target.address, self._ports[host.port], lambda outcome: self._ended(number, outcome)
        )

    def _wait(self, host: _Host, now: float) -> None:
        heapq.heappush(self._deadlines, (now + self._timeout * _PATIENCE[host.wait], host.attempt))

    def _expire(self, now: float) -> None:
        resolved: Mapping[str, Mac] | None = None
        while self._deadlines and self._deadlines[0][0] <= now:
            host = self._running.get(heapq.heappop(self._deadlines)[1])
            if host is None:
                continue
            if resolved is None:
                resolved = self._known()
            # Without its MAC nothing was sent to an on-link address yet: the kernel holds the SYN back and asks again.
            unresolved = host.target.on_link and host.target.address not in resolved
            host.wait += 1
            if host.wait < len(_PATIENCE) and unresolved and not host.blocked:
                self._wait(host, now)
                continue
            self._stop(host)
            if host.wait < len(_PATIENCE):
                self._again.append(host)
            elif host.port or (host.target.on_link and not unresolved):
                self._next_port(host)  # somebody is there, and a firewall may drop this one only

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
                host.reset.kept()
            host.reset.withdrawn()
        if outcome is Outcome.UNREACHABLE:
            return
        self._unanswered.pop(host.target.address, None)
        if outcome is Outcome.OPEN:
            self._counts["open"] += 1
            host.found.append(self._ports[host.port])
            self._report(host.target.address, tuple(host.found))
        self._next_port(host)

    def _stop(self, host: _Host) -> None:
        del self._running[host.attempt]
        if host.reset is not None:
            host.reset.withdrawn()
        if host.give_up is not None:
            host.give_up()
            host.give_up = None

    def _next_port(self, host: _Host) -> None:
        host.port += 1
        host.wait = 0
        if host.port < len(self._ports):
            self._again.append(host)
