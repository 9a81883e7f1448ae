"""Port prober of a sweep: which TCP ports of living hosts are open, one host after the other.

A port that does not answer is tried again from another port of ours, long before the kernel would repeat its SYN (one
second). How long is learnt from the round trips.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted_detector.discovery.rate_limit import Reservation
from twisted_detector.discovery.sweep.connector import Outcome, TcpConnector
from twisted_detector.discovery.sweep.reports import PortReports
from twisted_detector.discovery.sweep.steps import SweepContext
from twisted_detector.model.bounds import TurnBudget

#: Attempts for one port: with 5 % of packets lost each way, one port in ten thousand loses all four.
MAX_TRIES = 4
#: Seconds until the second attempt while no round trip is known, and the bounds once some are: below, a busy reactor
#: would look like loss; above, the kernel's own repetition would come first.
_FIRST_WAIT, _LEAST_WAIT, _MOST_WAIT = 0.15, 0.1, 0.4
#: Each attempt's wait as a multiple: the last is for a camera in Wi-Fi power save. Times _MOST_WAIT: one second.
_PATIENCE = (1.0, 1.0, 1.5, 2.5)
#: Packets of one attempt at most: the kernel's own ARP request, the SYN, and the reset that answers an open port.
_PACKETS = 3
#: Attempts that are begun at once, and the seconds that it may take: each costs some 10 µs.
_ATTEMPTS_PER_TURN, _SECONDS_PER_TURN = 256, 0.003
#: Attempts for which the kernel had no room, per port.
_MAX_BLOCKED = 40


@dataclass(slots=True)
class _Host:
    address: str
    resolved: bool  #: whether the kernel knows its MAC; before, it sends nothing
    todo: deque[int]
    left: int  #: ports not decided
    tries: dict[int, int] = field(default_factory=dict)
    blocked: dict[int, int] = field(default_factory=dict)
    running: int = 0
    queued: bool = False
    unresolved_at: float = 0.0


@dataclass(slots=True)
class _Attempt:
    host: _Host
    port: int
    began: float
    reset: Reservation  #: that answers an open port
    blocked: bool = False
    give_up: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Numbers of a port prober.

    :ivar ports: in the order in which they are tried.
    :ivar half_open: attempts at the same time; ``per_host``: of those at one host.
    """

    ports: tuple[int, ...]
    half_open: int
    per_host: int


class PortProber:
    """Prober of all ports of every host that is added. Who was begun is finished first, so that it is reported early.

    :param reports: is told of every open port, and of every host that is done.
    :param by: what the rate limiter counts the attempts as.
    :param unresolved: called with the address of a host that the kernel has not resolved yet, at most every 0.1 s.
    :ivar tried: attempts so far; repeated: answers that came at a later one only.
    :ivar counts: ``attempts``, ``open``, ``repeated`` (answered at a later attempt), ``silent``, ``most_half_open``,
        ``most_per_host``, ``no_room``.
    """

    def __init__(
        self,
        connector: TcpConnector,
        limits: ProbeLimits,
        *,
        context: SweepContext,
        reports: PortReports,
        unresolved: Callable[[str], None],
        by: str = "connect",
    ) -> None:
        self._by = by
        self._connector = connector
        self._limits = limits
        self._limiter = context.limiter
        self._monotonic = context.monotonic
        self._budget = TurnBudget(_ATTEMPTS_PER_TURN, _SECONDS_PER_TURN, context.monotonic)
        self._reports = reports
        self._unresolved = unresolved
        self.counts = context.counts
        self._hosts: dict[str, _Host] = {}
        self._ready: deque[_Host] = deque()
        self._running: dict[int, _Attempt] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._number = 0
        self._round_trip: float | None = None
        self._variation = 0.0
        self.tried = self.repeated = 0

    @property
    def busy(self) -> bool:
        """Whether a host is left whose ports are not all decided."""
        return bool(self._hosts)

    def close(self) -> None:
        """Release what is reserved: the connector gave all attempts up."""
        for attempt in self._running.values():
            attempt.reset.release()
        self._running.clear()

    def add(self, address: str, *, resolved: bool = True) -> None:
        """Try this host; ``resolved`` False: the kernel does not know its MAC yet."""
        ports = self._limits.ports
        if address in self._hosts or not ports:
            return
        host = _Host(address, resolved, deque(ports), len(ports), unresolved_at=self._monotonic())
        self._hosts[address] = host
        # The next step begins: a caller that adds a hundred hosts at once is not held up.
        host.queued = True
        self._ready.append(host)

    def resolved(self, address: str) -> None:
        """The kernel knows the MAC of this host."""
        host = self._hosts.get(address)
        if host is not None:
            host.resolved = True

    def step(self, read_until: float) -> None:
        """Give up what waited too long, begin what may begin.

        :param read_until: what came before that moment has been read: later deadlines are not judged yet.
        """
        # Attempts that have ended must be reported first, or a busy reactor would look like loss.
        all_reported = self._connector.poll()
        now = self._monotonic()
        while all_reported and self._deadlines and self._deadlines[0][0] <= read_until:
            number = heapq.heappop(self._deadlines)[1]
            attempt = self._running.get(number)
            if attempt is not None:
                self._late(number, attempt, now)
        self.start()
        self._reports.report_due(read_until)

    def start(self) -> None:
        """Begin as many attempts as the limits allow, all ports of a host before the next host."""
        for _ in self._budget.turn():
            if not self._ready or len(self._running) >= self._limits.half_open or not self._limiter.allows(_PACKETS):
                return
            host = self._ready.popleft()
            host.queued = False
            self._begin(host, host.todo.popleft())
            self._queue(host)

    def _queue(self, host: _Host) -> None:
        if host.todo and not host.queued and host.running < self._limits.per_host:
            host.queued = True
            self._ready.appendleft(host)

    def _begin(self, host: _Host, port: int) -> None:
        needs_arp = not host.resolved and not host.tries
        reset = self._limiter.charge(2 if needs_arp else 1, by=self._by, to=host.address, reserve=1)
        self._number += 1
        number, now = self._number, self._monotonic()
        attempt = _Attempt(host, port, now, reset)
        host.running += 1
        tries = host.tries[port] = host.tries.get(port, 0) + 1
        self._running[number] = attempt
        self.tried += 1
        self.counts["attempts"] += 1
        self.counts["most_half_open"] = max(self.counts["most_half_open"], len(self._running))
        self.counts["most_per_host"] = max(self.counts["most_per_host"], host.running)
        heapq.heappush(self._deadlines, (now + self._wait(tries), number))
        attempt.give_up = self._connector.connect(host.address, port, lambda outcome: self._ended(number, outcome))

    def _wait(self, tries: int) -> float:
        wait = _FIRST_WAIT
        if self._round_trip is not None:
            wait = min(max(self._round_trip + 4 * self._variation, _LEAST_WAIT), _MOST_WAIT)
        return wait * _PATIENCE[min(tries, MAX_TRIES) - 1]

    def _late(self, number: int, attempt: _Attempt, now: float) -> None:
        """No answer in time."""
        host, port = attempt.host, attempt.port
        tries = host.tries[port]
        if not host.resolved and not attempt.blocked and tries < MAX_TRIES:
            # Nothing was sent yet: the kernel holds the SYN back until it has the MAC. Another would only queue up.
            host.tries[port] = tries + 1
            heapq.heappush(self._deadlines, (now + self._wait(tries + 1), number))
            if now - host.unresolved_at >= _LEAST_WAIT:
                host.unresolved_at = now
                self._unresolved(host.address)
            return
        self._end(number, attempt)
        if attempt.give_up is not None:
            attempt.give_up()
        if attempt.blocked and host.blocked.get(port, 0) < _MAX_BLOCKED:
            host.blocked[port] = host.blocked.get(port, 0) + 1
            host.tries[port] = tries - 1
            host.todo.append(port)
        elif tries < MAX_TRIES:
            host.todo.append(port)
        else:
            self.counts["silent"] += 1
            self._decided(host)
        self._queue(host)

    def _ended(self, number: int, outcome: Outcome) -> None:
        attempt = self._running.get(number)
        if attempt is None:
            return
        if outcome is Outcome.NO_ROOM:
            attempt.blocked = True  # its time-out brings the next attempt
            self.counts["no_room"] += 1
            return
        if outcome is Outcome.OPEN:
            attempt.reset.use()
        self._end(number, attempt)
        host = attempt.host
        if outcome is not Outcome.UNREACHABLE:
            host.resolved = True
            if host.tries[attempt.port] == 1:
                self._learn(self._monotonic() - attempt.began)
            else:
                self.repeated += 1
                self.counts["repeated"] += 1
        if outcome is Outcome.OPEN:
            self.counts["open"] += 1
            self._reports.port_opened(host.address, attempt.port, self._monotonic())
        self._decided(host)
        self._queue(host)
        self.start()

    def _end(self, number: int, attempt: _Attempt) -> None:
        del self._running[number]
        attempt.host.running -= 1
        attempt.reset.release()

    def _decided(self, host: _Host) -> None:
        host.left -= 1
        if not host.left:
            del self._hosts[host.address]
            self._reports.host_ended(host.address)

    def _learn(self, seconds: float) -> None:
        """RFC 6298 section 2, with first attempts only (Karn)."""
        if self._round_trip is None:
            self._round_trip, self._variation = seconds, seconds / 2
            return
        self._variation += (abs(seconds - self._round_trip) - self._variation) / 4
        self._round_trip += (seconds - self._round_trip) / 8
