"""Addresses and the answers of an asker and of the kernel go in; living hosts come out, into a knocker.

How long an answer is waited for is learnt from the answers: a network that lost nothing so far is not waited for as
long as one that does.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from twisted_detector.discovery.rate_limit import PacketRateLimiter, Reservation
from twisted_detector.discovery.sweep.arp import ArpResolver
from twisted_detector.discovery.sweep.connecting import PortProber
from twisted_detector.discovery.sweep.targets import ScanTarget
from twisted_detector.model import Mac

#: Seconds between two rounds of questions.
_ROUND = 0.1
#: Seconds that an answer is waited for after the first question, at least and at most, and as a multiple of the
#: slowest answer so far.
_LEAST_PATIENCE, _MOST_PATIENCE, _SLOWER = 0.22, 0.6, 3
#: Where packets are lost, the kernel's second and third request (after one and two seconds) are waited for, and our own
#: rounds are so many more.
_KERNEL_ASKS_FOR, _MORE_ROUNDS = 3.2, 2
#: The last round is left out when so many answered the first round, and nobody a later one: then nothing is being
#: lost. (For a host to be missed by this, its packets must be lost twice while twenty others lose none.)
_SURE = 20
#: Hosts, or connects, that answered at a later attempt only, as a share of all: more is loss, fewer may be a moment in
#: which this machine was busy.
_LOSSY = 0.02
#: Of the entries of the neighbour table that the asker may use, living hosts take theirs for longer; this many remain.
_LEAST_ROOM = 32
#: Seconds without questions after the kernel said that it has no room; by what it is taken to have less then, and to
#: have more again with every question that it takes: what an earlier sweep left behind goes in half a minute.
_PAUSE, _SHRINK, _GROWTH = 0.5, 0.75, 0.25
#: Seconds until an answer is looked for again when others are still being waited for.
_LOOK_AGAIN = 0.05
#: Seconds between two turns after which the reactor was held up.
_LATE = 0.05
#: Steps in one turn, about 2 ms, and seconds where the kernel takes longer to send.
_STEPS_PER_TURN, _SECONDS_PER_TURN = 200, 0.004


@dataclass(slots=True)
class _Asked:
    first: float
    round: int = 1


class HostResolution:
    """One pass over all addresses. ``turn`` is called again and again until it says that there is nothing left to do.

    :param known: what the kernel knew before.
    :param alive: filled with everybody who answered.
    :param by: what the pacer counts the questions as.
    """

    def __init__(
        self,
        targets: Iterator[ScanTarget],
        asker: ArpResolver,
        knocker: PortProber,
        *,
        pacer: PacketRateLimiter,
        monotonic: Callable[[], float],
        known: Mapping[str, Mac],
        alive: dict[str, Mac],
        counts: Counter[str],
        by: str = "arp",
    ) -> None:
        self._by = by
        self._promises: dict[str, Reservation] = {}
        self._targets = (target for target in targets if target.on_link)
        self._asker = asker
        self._knocker = knocker
        self._pacer = pacer
        self._monotonic = monotonic
        self._macs = dict(known)
        self._alive = alive
        self._counts = counts
        self._room: float | None = asker.room
        self._next = next(self._targets, None)
        self._pending: dict[str, _Asked] = {}
        self._due: list[tuple[float, str]] = []
        #: address → when its entry was taken; in order of time
        self._entries: dict[str, float] = {}
        self._paused_until = 0.0
        self._turned = monotonic()
        self._slowest = 0.0
        self._at_first = 0
        self._later = 0

    def turn(self) -> bool:
        """Ask again, ask the next; whether there is more to do."""
        now = self._monotonic()
        late = now - self._turned > _LATE
        self._turned = now
        if late or not self._asker.hear():
            return True  # the answers of that time are still to be read: nothing is overdue before
        self._knocker.turn()
        while self._entries and now - next(iter(self._entries.values())) >= _KERNEL_ASKS_FOR:
            del self._entries[next(iter(self._entries))]
        for _ in range(_STEPS_PER_TURN):
            if not (self._step_again(now) or self._step_fresh(now)) or self._monotonic() - now > _SECONDS_PER_TURN:
                break
        return bool(self._next or self._pending or self._knocker.busy)

    def heard(self, address: str, mac: Mac | None, *, by_us: bool = False) -> None:
        """The kernel, or (``by_us``) our own asker, has found out who stands at an address; None: nobody."""
        if mac is None:
            self._macs.pop(address, None)
            self._entries.pop(address, None)
            if not self._own_rounds:
                self._pending.pop(address, None)
                self._promises.pop(address, None)
            return
        if not by_us:
            self._macs[address] = mac
            self._knocker.resolved(address)
        asked = self._pending.get(address)
        if asked is not None:
            self._slowest = max(self._slowest, self._monotonic() - asked.first - (asked.round - 1) * _ROUND)
            if asked.round == 1:
                self._at_first += 1
            else:
                self._later += 1
        elif address not in self._entries:
            return  # nobody asked
        self._found(address, mac)

    def ask_again(self, address: str) -> None:
        """The kernel has not found a host that answered us: its own request may be lost."""
        if self._own_rounds and self._pacer.may(self._asker.packets):
            self._ask(address)

    @property
    def _own_rounds(self) -> bool:
        return self._asker.rounds > 1

    @property
    def _lossy(self) -> bool:
        answers = self._at_first + self._later
        return self._later > _LOSSY * answers or self._knocker.repeated > _LOSSY * self._knocker.tried

    def _found(self, address: str, mac: Mac) -> None:
        self._pending.pop(address, None)
        self._entries.pop(address, None)
        promise = self._promises.pop(address, None)
        if promise is not None:
            promise.kept()  # the datagram that waited for the answer
            promise.withdrawn()
        if address in self._alive:
            return
        self._alive[address] = mac
        self._counts["alive"] += 1
        self._knocker.add(address, resolved=address in self._macs)

    def _ask(self, address: str) -> bool:
        if not self._asker.ask(address):
            return False
        promise = self._pacer.spend(by=self._by, after=self._asker.after)
        if promise.left:
            self._promises[address] = promise
        self._counts["asked"] += 1
        return True

    def _step_again(self, now: float) -> bool:
        """Look at the address that is due first; False when none is, or nothing may be sent now."""
        if not self._due or self._due[0][0] > now:
            return False
        address = self._due[0][1]
        asked = self._pending.get(address)
        if asked is None:
            heapq.heappop(self._due)
            return True
        if asked.round < self._rounds():
            if not self._pacer.may(self._asker.packets):
                return False
            self._ask(address)  # where there is no room, the next round will do
            asked.round += 1
            heapq.heapreplace(self._due, (now + _ROUND, address))
            return True
        until = asked.first + self._patience()
        if until <= now and not self._knocker.busy:
            heapq.heappop(self._due)
            del self._pending[address]
            self._promises.pop(address, None)  # the pacer sees to it: the kernel goes on asking
        else:
            heapq.heapreplace(self._due, (max(until, now + _LOOK_AGAIN), address))
        return True

    def _rounds(self) -> int:
        if not self._own_rounds:
            return 1
        if self._lossy:
            return self._asker.rounds + _MORE_ROUNDS
        return self._asker.rounds - 1 if self._at_first >= _SURE else self._asker.rounds

    def _patience(self) -> float:
        if self._lossy and not self._own_rounds:
            return _KERNEL_ASKS_FOR
        return min(max(_LEAST_PATIENCE, _SLOWER * self._slowest), _MOST_PATIENCE)

    def _step_fresh(self, now: float) -> bool:
        """Ask for the next address; False when there is none, or it must wait."""
        target = self._next
        if target is None or now < self._paused_until or not self._pacer.may(self._asker.packets):
            return False
        address = target.address
        if not self._own_rounds and address in self._macs:
            self._next = next(self._targets, None)
            self._entries[address] = now
            self._found(address, self._macs[address])
            return True
        if self._room is not None and len(self._entries) >= max(self._room, _LEAST_ROOM):
            return False
        if not self._ask(address):
            self._paused_until = now + _PAUSE
            self._counts["no_room"] += 1
            if self._room is not None:
                self._room = max(self._room * _SHRINK, _LEAST_ROOM)
            return False
        self._next = next(self._targets, None)
        self._pending[address] = _Asked(now)
        if self._asker.room is not None and self._room is not None:
            self._room = min(self._room + _GROWTH, self._asker.room)
            self._entries[address] = now
            self._counts["most_unanswered"] = max(self._counts["most_unanswered"], len(self._entries))
        heapq.heappush(self._due, (now + (_ROUND if self._own_rounds else _LEAST_PATIENCE), address))
        return True
