"""Datagrams with their senders go in; what a protocol reads from them comes out, each once and all within bounds.

What is heard is hearsay: anybody on the network can forge it. It is never more than a reason to look closer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from twisted_detector.discovery.multicast.fair_queue import FairQueue
from twisted_detector.discovery.multicast.sockets import Received
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Interface, Sighting

#: Called with what a fault is about and the fault; logs each only once.
Complain = Callable[[str, Exception], None]
#: Sends a datagram to the group, on the socket that something was heard on.
Ask = Callable[[bytes], None]


class BoundedSet:
    """Texts that were met before: the oldest are forgotten when there are more than ``bound``."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._texts: dict[str, None] = {}

    def add(self, text: str) -> bool:
        """Remember ``text``; whether it is new."""
        if text in self._texts:
            return False
        if len(self._texts) >= self._bound:
            del self._texts[next(iter(self._texts))]
        self._texts[text] = None
        return True

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def __len__(self) -> int:
        return len(self._texts)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is heard. Of each second: seconds of reading. Per sender: different datagrams, sightings, and nonsense
    after which it says nothing else. Of all: senders and sightings.
    """

    reading: float
    datagrams_per_sender: int
    sightings_per_sender: int
    malformed_per_sender: int
    senders: int
    sightings: int


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a datagram was heard: its sender, the interface and its addresses, and how to ask back there."""

    sender: str
    interface: str
    addresses: Sequence[Interface]
    ask: Ask


@dataclass(slots=True)
class _Memory:
    """What was heard and reported since ``began``."""

    bounds: Bounds
    began: float
    bodies: dict[str, set[int]] = field(default_factory=dict)
    malformed: Counter[str] = field(default_factory=Counter)
    reported: dict[str, set[str]] = field(default_factory=dict)
    sightings: int = 0

    def admits(self, sender: str) -> bool:
        """Whether one more datagram of ``sender`` may be worth reading."""
        if sender not in self.bodies and len(self.bodies) >= self.bounds.senders:
            return False
        bodies = self.bodies.setdefault(sender, set())
        few = len(bodies) < self.bounds.datagrams_per_sender
        return few and self.malformed[sender] < self.bounds.malformed_per_sender

    def is_repetition(self, sender: str, essence: bytes) -> bool:
        """Whether ``sender`` has sent this before."""
        body = hash(essence)
        if body in self.bodies[sender]:
            return True
        self.bodies[sender].add(body)
        return False

    def unheard(self, sender: str, essence: bytes) -> None:
        """What ``sender`` has sent was not read."""
        self.bodies[sender].discard(hash(essence))

    def is_news(self, sender: str, what: str, gone: str) -> bool:
        """Whether ``what`` has not been reported of ``sender`` yet, and may be."""
        reported = self.reported.setdefault(sender, set())
        full = len(reported) >= self.bounds.sightings_per_sender or self.sightings >= self.bounds.sightings
        if what in reported or full:
            return False
        reported.add(what)
        if gone in reported:  # it is back: its next goodbye is news
            reported.discard(gone)
            self.bodies.get(sender, set()).clear()
        self.sightings += 1
        return True

    def is_farewell(self, sender: str, gone: str) -> bool:
        """Whether it is the first time that ``sender`` says goodbye since it was there; what it says next is news."""
        reported = self.reported.get(sender, set())
        if gone in reported or not self.is_news(sender, gone, ""):
            return False
        # Of several devices behind one address only that one is gone, but what the others said may be said again.
        self.reported[sender] = {gone, *(one for one in reported if one.startswith(_BYE))}
        self.bodies.get(sender, set()).clear()
        return True


class MulticastListener(ABC):
    """All that is heard in one sweep, or all the time by a watcher, on any number of sockets.

    :param method: the discoverer's name.
    :param clock: stamps sightings, and lets datagrams wait for their turn.
    :param monotonic: seconds that never jump.
    :param counts: where to count ``datagrams``, ``dropped``, ``repeated``, ``malformed``, ``sightings`` and
        ``departures``.
    :param watching: whether it hears what is said to the group, and goodbyes too. Else: answers to questions of ours.
        What a sender has said is not read twice, unless it came or went in between.
    :param lasting: seconds after which everything is news again and the bounds start anew; None: for ever.
    """

    def __init__(
        self,
        sink: ISightingSink,
        *,
        method: str,
        bounds: Bounds,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        counts: Counter[str],
        complain: Complain,
        watching: bool,
        lasting: float | None = None,
    ) -> None:
        self._sink = sink
        self._method = method
        self._bounds = bounds
        self._clock = clock
        self._reading = FairQueue(clock, monotonic, share=bounds.reading)
        self._monotonic = monotonic
        self._counts = counts
        self._complain = complain
        self._watching = watching
        self._lasting = lasting
        self._memory = _Memory(bounds, monotonic())

    def ear(self, interface: str, addresses: Sequence[Interface], ask: Ask = lambda data: None) -> Received:
        """What a socket on ``interface`` is to call; ``addresses`` are those of the interface, ``ask`` sends there."""

        def received(data: bytes, sender: str) -> None:
            now = self._monotonic()
            if self._lasting is not None and now - self._memory.began >= self._lasting:
                self.forget(now)
            self._counts["datagrams"] += 1
            memory = self._memory
            if not memory.admits(sender):
                self._counts["dropped"] += 1
                return
            essence = self.essence(data)
            if memory.is_repetition(sender, essence):
                self._counts["repeated"] += 1
                self.repeated(data, sender)
                return
            spot = Spot(sender, interface, addresses, ask)
            if not self._reading.add(sender, len(data), lambda: self._read(data, spot)):
                self._counts["dropped"] += 1
                memory.unheard(sender, essence)

        return received

    def _read(self, data: bytes, spot: Spot) -> None:
        if self._memory.malformed[spot.sender] >= self._bounds.malformed_per_sender:
            self._counts["dropped"] += 1
            return
        try:
            self.read(data, spot)
        except RemoteError as problem:
            self._counts["malformed"] += 1
            self._memory.malformed[spot.sender] += 1
            self._complain(f"a datagram of {spot.sender}", problem)

    @abstractmethod
    def read(self, data: bytes, spot: Spot) -> None:
        """Understand one datagram and report what it tells.

        :raises RemoteError: it cannot be read.
        """

    def essence(self, data: bytes) -> bytes:
        """What is alike in repetitions of one datagram."""
        return data

    def repeated(self, data: bytes, sender: str) -> None:  # noqa: B027 most protocols learn nothing from it
        """``sender`` said again what it has said in this sweep."""

    def forget(self, now: float) -> None:
        """Everything is news again, from ``now`` on."""
        self._memory = _Memory(self._bounds, now)

    def end(self) -> None:
        """A sweep is over: read what waits, and report what waited for more."""
        self._reading.finish()

    def close(self) -> None:
        """Nobody listens any more."""
        self._reading.close()

    def report(
        self, sender: str, what: str, make: Callable[[], Sighting], *, address: str = "", reference: str = ""
    ) -> None:
        """Report that ``sender`` told of ``what``, at ``address`` when that is another, unless it is no news.

        :param reference: the EndpointReference by which it would say goodbye.
        """
        if self._memory.is_news(sender, what, _gone(address, reference)):
            self._counts["sightings"] += 1
            self._sink.sighted(make())

    def depart(self, sender: str, *, address: str = "", reference: str = "") -> None:
        """Report a goodbye of ``sender``, for ``address`` when that is another, unless it is said already."""
        if self._memory.is_farewell(sender, _gone(address, reference)):
            self._counts["departures"] += 1
            self._sink.departed(self._method, address or sender, reference=reference)


_BYE = "bye "


def _gone(address: str, reference: str) -> str:
    """Stands for a goodbye among what was reported of a sender."""
    return f"{_BYE}{address} {reference}"
