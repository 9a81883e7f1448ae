"""ARP scan of a sweep: resolves every address, and hands each host that answers to the port prober.

How long an answer is waited for is learnt from the answers: a network that lost nothing so far is not waited for as
long as one that does. What is overdue is judged by the time of the step before: all that came until then has been read
since, however late the reactor is. New questions go out in every step.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from twisted_detector.discovery.rate_limit import Reservation
from twisted_detector.discovery.sweep.arp import ArpResolver, Resolved
from twisted_detector.discovery.sweep.connecting import PortProber
from twisted_detector.discovery.sweep.steps import SweepContext
from twisted_detector.discovery.sweep.targets import ScanTarget
from twisted_detector.model import Mac
from twisted_detector.model.bounds import TurnBudget

#: Seconds between two rounds of requests.
_ROUND = 0.1
#: Seconds that an answer is waited for after the first request, at least and at most, and as a multiple of the
#: slowest answer so far.
_LEAST_PATIENCE, _MOST_PATIENCE, _SLOWER = 0.22, 0.6, 3
#: Where packets are lost, the kernel's second and third request (after one and two seconds) are waited for, and our own
#: rounds are so many more.
_KERNEL_RETRIES_FOR, _MORE_ROUNDS = 3.2, 2
#: The last round is left out when so many answered the first round, and none a later one: then nothing is being lost.
#: (For a host to be missed by this, its packets must be lost twice while twenty others lose none.)
_SURE = 20
#: Hosts, or connects, that answered at a later attempt only, as a share of all: more is loss, fewer may be a moment in
#: which this machine was busy.
_LOSSY = 0.02
#: Of the entries of the neighbour table that the resolver may use, living hosts take theirs for longer; this many
#: remain.
_LEAST_ROOM = 32
#: Seconds without requests after the kernel reported that it has no room; by what it is taken to have less then, and to
#: have more again with every request that it takes: what an earlier sweep left behind goes in half a minute.
_PAUSE, _SHRINK, _GROWTH = 0.5, 0.75, 0.25
#: Seconds until an address that did not answer is judged again while the prober is busy.
_JUDGE_AGAIN = 0.05
#: Requests in one step, about 2 ms, and seconds where the kernel takes longer to send.
_REQUESTS_PER_STEP, _SECONDS_PER_STEP = 200, 0.004


@dataclass(slots=True)
class _Request:
    first: float
    round: int = 1


class HostResolution:
    """One pass over all addresses. ``step`` is called again and again until it returns False: nothing is left to do.

    It opens its resolver and its prober, which call it back, and closes them.

    :param open_resolver: opens what resolves, and calls with each answer to our own requests.
    :param make_prober: makes what probes the hosts, and calls its ``unresolved`` with those that the kernel has not
        resolved yet.
    :param known: what the kernel knew before.
    :param needs_look: whether the ports of a host that answered are to be tried.
    :param by: what the rate limiter counts the requests as.
    :param alive: gets every host that answered.
    """

    def __init__(
        self,
        targets: Iterator[ScanTarget],
        open_resolver: Callable[[Resolved], ArpResolver],
        *,
        make_prober: Callable[..., PortProber],
        context: SweepContext,
        known: Mapping[str, Mac],
        needs_look: Callable[[str, Mac], bool] = lambda address, mac: True,
        by: str = "arp",
        alive: dict[str, Mac],
    ) -> None:
        self._by = by
        self._reservations: dict[str, Reservation] = {}
        self._targets = (target for target in targets if target.on_link)
        self._resolver = open_resolver(self._answered)
        self._prober = make_prober(unresolved=self._resolve_again)
        self._limiter = context.limiter
        self._monotonic = context.monotonic
        self._budget = TurnBudget(_REQUESTS_PER_STEP, _SECONDS_PER_STEP, context.monotonic)
        self._macs = dict(known)
        self._needs_look = needs_look
        self._counts = context.counts
        self._alive = alive
        self._room: float | None = self._resolver.capacity
        self._next = next(self._targets, None)
        self._pending: dict[str, _Request] = {}
        self._due: list[tuple[float, str]] = []
        #: address → when its entry was taken; in order of time
        self._entries: dict[str, float] = {}
        self._paused_until = 0.0
        self._stepped = context.monotonic()
        self._slowest = 0.0
        self._at_first = 0
        self._later = 0

    def close(self) -> None:
        """Close the resolver, and release what the prober has reserved."""
        self._resolver.close()
        self._prober.close()

    def step(self) -> bool:
        """Repeat requests that are due, send the next ones; whether there is more to do."""
        now, read_until = self._monotonic(), self._stepped
        self._stepped = now
        if not self._resolver.receive():
            read_until = float("-inf")  # there are answers that have not been read: nothing is overdue
        self._prober.step(read_until)
        while self._entries and now - next(iter(self._entries.values())) >= _KERNEL_RETRIES_FOR:
            del self._entries[next(iter(self._entries))]
        for _ in self._budget.turn():
            if not (self._retry_next(now, read_until) or self._resolve_next(now)):
                break
        return bool(self._next or self._pending or self._prober.busy)

    def receive(self, address: str, mac: Mac | None) -> None:
        """Take the MAC that the kernel has found at an address; None: it has none."""
        if mac is None:
            self._macs.pop(address, None)
            self._entries.pop(address, None)
            if not self._own_rounds:
                self._pending.pop(address, None)
                self._reservations.pop(address, None)
            return
        self._macs[address] = mac
        self._prober.resolved(address)
        self._answered(address, mac)

    def _answered(self, address: str, mac: Mac) -> None:
        """The host at an address answered, to the kernel or to our own resolver."""
        request = self._pending.get(address)
        if request is not None:
            self._slowest = max(self._slowest, self._monotonic() - request.first - (request.round - 1) * _ROUND)
            if request.round == 1:
                self._at_first += 1
            else:
                self._later += 1
        elif address not in self._entries:
            return  # it was not requested
        self._found(address, mac)

    def _resolve_again(self, address: str) -> None:
        """Resolve a host again that answered us, and not the kernel: the kernel's own request may be lost."""
        if self._own_rounds and self._limiter.allows(self._resolver.packets):
            self._resolve(address)

    @property
    def _own_rounds(self) -> bool:
        return self._resolver.rounds > 1

    @property
    def _lossy(self) -> bool:
        answers = self._at_first + self._later
        return self._later > _LOSSY * answers or self._prober.repeated > _LOSSY * self._prober.tried

    def _found(self, address: str, mac: Mac) -> None:
        self._pending.pop(address, None)
        self._entries.pop(address, None)
        reservation = self._reservations.pop(address, None)
        if reservation is not None:
            reservation.use()  # the datagram that waited for the answer
            reservation.release()
        if address in self._alive:
            return
        self._alive[address] = mac
        self._counts["alive"] += 1
        self._limiter.traffic.answered(address)
        if self._needs_look(address, mac):
            self._prober.add(address, resolved=address in self._macs)
        else:
            self._counts["well"] += 1

    def _resolve(self, address: str) -> bool:
        if not self._resolver.resolve(address):
            return False
        reservation = self._limiter.charge(by=self._by, to=address, after=self._resolver.after)
        if reservation.left:
            self._reservations[address] = reservation
        self._counts["asked"] += 1
        return True

    def _retry_next(self, now: float, read_until: float) -> bool:
        """Judge the address that is due first; False when none is, or nothing may be sent now."""
        if not self._due or self._due[0][0] > read_until:
            return False
        address = self._due[0][1]
        request = self._pending.get(address)
        if request is None:
            heapq.heappop(self._due)
            return True
        if request.round < self._rounds():
            if not self._limiter.allows(self._resolver.packets):
                return False
            self._resolve(address)  # where there is no room, the next round will do
            request.round += 1
            heapq.heapreplace(self._due, (now + _ROUND, address))
            return True
        until = request.first + self._patience()
        if until <= read_until and not self._prober.busy:
            heapq.heappop(self._due)
            del self._pending[address]
            self._reservations.pop(address, None)  # the limiter goes on counting: the kernel still retries
        else:
            heapq.heapreplace(self._due, (max(until, now + _JUDGE_AGAIN), address))
        return True

    def _rounds(self) -> int:
        if not self._own_rounds:
            return 1
        if self._lossy:
            return self._resolver.rounds + _MORE_ROUNDS
        return self._resolver.rounds - 1 if self._at_first >= _SURE else self._resolver.rounds

    def _patience(self) -> float:
        if self._lossy and not self._own_rounds:
            return _KERNEL_RETRIES_FOR
        return min(max(_LEAST_PATIENCE, _SLOWER * self._slowest), _MOST_PATIENCE)

    def _resolve_next(self, now: float) -> bool:
        """Send the first request for the next address; False when there is none, or it must wait."""
        target = self._next
        if target is None or now < self._paused_until or not self._limiter.allows(self._resolver.packets):
            return False
        address = target.address
        if not self._own_rounds and address in self._macs:
            self._next = next(self._targets, None)
            self._entries[address] = now
            self._found(address, self._macs[address])
            return True
        if self._room is not None and len(self._entries) >= max(self._room, _LEAST_ROOM):
            return False
        if not self._resolve(address):
            self._paused_until = now + _PAUSE
            self._counts["no_room"] += 1
            if self._room is not None:
                self._room = max(self._room * _SHRINK, _LEAST_ROOM)
            return False
        self._next = next(self._targets, None)
        self._pending[address] = _Request(now)
        if self._resolver.capacity is not None and self._room is not None:
            self._room = min(self._room + _GROWTH, self._resolver.capacity)
            self._entries[address] = now
            self._counts["most_unanswered"] = max(self._counts["most_unanswered"], len(self._entries))
        heapq.heappush(self._due, (now + (_ROUND if self._own_rounds else _LEAST_PATIENCE), address))
        return True
