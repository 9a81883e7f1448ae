"""Base class of the listeners: reads the datagrams of one protocol, each once and all within bounds, and reports them.

What a datagram claims can be forged by anybody on the network. It is never more than a reason to inspect. A group does
not reach beyond a link, so who speaks from another network than those of the interface is no candidate: his address is
set wrongly, or forged so that this machine asks whoever has it. He is recorded as an observation, within bounds of his
own, unless the operator listed his network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.discovery.multicast.fair_queue import FairQueue
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import ISightingSink, RecordObservation, record_nothing
from twisted_detector.model import Interface, Sighting
from twisted_detector.model.reach import BEYOND_LINK, NetworksNow, is_in, is_on_link, networks_of, no_networks

#: Called with what a fault is about and the fault; logs each only once.
LogProblem = Callable[[str, Exception], None]
#: Sends a datagram to the group, on the socket that a datagram came in on.
Send = Callable[[bytes], None]


class Receiver(Protocol):
    """What a socket calls with each datagram, its sender, and where that matters the UDP port that it was sent from;
    whether it was of any use.
    """

    def __call__(self, data: bytes, sender: str, port: int = 0) -> bool: ...


#: Senders beyond the link that are read in one lifetime, and datagrams of each: there are few with a wrong address, and
#: any number of forged ones.
MAX_BEYOND, MAX_BEYOND_DATAGRAMS = 64, 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one listener, for one sweep or one ``lifetime``.

    :ivar reading: seconds of parsing per second.
    :ivar datagrams_per_sender: different datagrams.
    :ivar sightings_per_sender: devices, or services, that one sender may report.
    :ivar malformed_per_sender: after that many, the sender's datagrams are dropped.
    :ivar senders: of all.
    :ivar sightings: of all.
    """

    reading: float
    datagrams_per_sender: int
    sightings_per_sender: int
    malformed_per_sender: int
    senders: int
    sightings: int


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """What the listeners of all protocols need.

    :ivar sink: where sightings and departures are reported.
    :ivar clock: stamps sightings, and lets datagrams wait for their turn.
    :ivar monotonic: seconds that never jump.
    :ivar counts: where to count ``datagrams``, ``dropped``, ``repeated``, ``malformed``, ``beyond_link``, ``sightings``
        and ``departures``, and what the protocol counts besides.
    :ivar message_ids: of our queries, each with what it queried; it grows while they are sent. None: a watcher, which
        receives what is sent to the group, goodbyes too; else only answers are read.
    :ivar lifetime: seconds after which everything is news again and the bounds start anew; None: for ever.
    :ivar listed: networks that the operator named, as they are now: who speaks from there is meant, though it is no
        network of a link.
    :ivar record: records who speaks from a network that is neither.
    """

    sink: ISightingSink
    clock: IReactorTime
    monotonic: Callable[[], float]
    counts: Counter[str]
    log_problem: LogProblem
    message_ids: Mapping[str, str] | None = None
    lifetime: float | None = None
    listed: NetworksNow = no_networks
    record: RecordObservation = record_nothing


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a datagram came from: its sender, the interface and its addresses, and how to send to the group there.

    :ivar on_link: whether the sender's address is of a network of the interface, or of a listed one.
    :ivar port: the UDP port that it was sent from, 0 where that does not matter.
    """

    sender: str
    interface: str
    addresses: Sequence[Interface]
    send: Send
    on_link: bool = True
    port: int = 0


@dataclass(slots=True)
class _History:
    """What was received and reported since ``began``."""

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

    def is_repetition(self, sender: str, fingerprint: bytes) -> bool:
        """Whether ``sender`` has sent this before."""
        body = hash(fingerprint)
        if body in self.bodies[sender]:
            return True
        self.bodies[sender].add(body)
        return False

    def discard(self, sender: str, fingerprint: bytes) -> None:
        """A datagram of ``sender`` was not read: its repetition is to be."""
        self.bodies[sender].discard(hash(fingerprint))

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

    def is_departure(self, sender: str, gone: str) -> bool:
        """Whether it is the first goodbye of ``sender`` since it was there; what it announces next is news."""
        reported = self.reported.get(sender, set())
        if gone in reported or not self.is_news(sender, gone, ""):
            return False
        # Of several devices behind one address only that one is gone, but the others may be reported again.
        self.reported[sender] = {gone, *(one for one in reported if one.startswith(_BYE))}
        self.bodies.get(sender, set()).clear()
        return True


class MulticastListener(ABC):
    """Listener of one sweep, or of a watcher all the time, on any number of sockets.

    A datagram that a sender repeats is not read twice, unless the device came or went in between.
    """

    log = make_logger()

    method: ClassVar[str]
    bounds: ClassVar[Bounds]

    def __init__(self, context: ListenerContext) -> None:
        self._context = context
        self._sink = context.sink
        self._clock = context.clock
        self._counts = context.counts
        self._message_ids = context.message_ids
        self._watching = context.message_ids is None
        self._queue = FairQueue(context.clock, context.monotonic, share=self.bounds.reading)
        now = context.monotonic()
        self._history, self._beyond = _History(self.bounds, now), _History(self._bounds_beyond, now)

    @property
    def _bounds_beyond(self) -> Bounds:
        return replace(self.bounds, datagrams_per_sender=MAX_BEYOND_DATAGRAMS, senders=MAX_BEYOND, sightings=MAX_BEYOND)

    def receiver(
        self,
        interface: str,
        addresses: Sequence[Interface],
        send: Send = lambda data: None,
        *,
        asked: Sequence[str] = (),
    ) -> Receiver:
        """What a socket on ``interface`` is to call.

        :param addresses: those of the interface.
        :param send: sends there.
        :param asked: addresses that are asked by unicast: they may answer from wherever they are.
        """
        networks = networks_of(addresses)

        def received(data: bytes, sender: str, port: int = 0) -> bool:
            now, lifetime = self._context.monotonic(), self._context.lifetime
            if lifetime is not None and now - self._history.began >= lifetime:
                self.reset(now)
            self._counts["datagrams"] += 1
            on_link = is_on_link(sender, networks) or sender in asked or is_in(sender, self._context.listed())
            if not on_link:
                self._counts["beyond_link"] += 1
            history = self._history if on_link else self._beyond
            if not history.admits(sender):
                self._counts["dropped"] += 1
                return False
            fingerprint = self.fingerprint(data)
            if history.is_repetition(sender, fingerprint):
                self._counts["repeated"] += 1
                self.handle_repetition(data, sender)
                return False
            origin = Origin(sender, interface, addresses, send, on_link, port)
            if self._queue.add(sender, len(data), lambda: self._handle(data, origin)):
                return True
            self._counts["dropped"] += 1
            history.discard(sender, fingerprint)
            return False

        return received

    def _handle(self, data: bytes, origin: Origin) -> None:
        history = self._history if origin.on_link else self._beyond
        if history.malformed[origin.sender] >= self.bounds.malformed_per_sender:
            self._counts["dropped"] += 1
            return
        try:
            self.handle(data, origin)
        except RemoteError as problem:
            self._counts["malformed"] += 1
            history.malformed[origin.sender] += 1
            self._context.log_problem(f"a datagram of {origin.sender}", problem)
        except Exception:
            # A parser's own fault, a plugin's say: what waits behind it is read all the same, and few are logged.
            self._counts["malformed"] += 1
            history.malformed[origin.sender] += 1
            self.log.failure("{method} cannot read a datagram of {sender}", sender=origin.sender, method=self.method)

    @abstractmethod
    def handle(self, data: bytes, origin: Origin) -> None:
        """Parse one datagram and report the devices in it.

        :raises RemoteError: it cannot be parsed.
        """

    def fingerprint(self, data: bytes) -> bytes:
        """The part of a datagram that its repetitions have too."""
        return data

    def handle_repetition(self, data: bytes, sender: str) -> None:  # noqa: B027 most protocols learn nothing from it
        """``sender`` repeated a datagram that was read before."""

    def reset(self, now: float) -> None:
        """Everything is news again, from ``now`` on."""
        self._history, self._beyond = _History(self.bounds, now), _History(self._bounds_beyond, now)

    def finish(self) -> None:
        """A sweep is over: read what waits, and report what waited for more."""
        self._queue.finish()

    def close(self) -> None:
        """Drop what waits; no datagram comes any more."""
        self._queue.close()

    def report(
        self, origin: Origin, what: str, make: Callable[[], Sighting], *, address: str = "", reference: str = ""
    ) -> None:
        """Report the device or service ``what`` of a sender, at ``address`` when that is another, if it is news.

        :param address: in a listed network, where a reflector speaks for another device.
        :param reference: the EndpointReference by which it would say goodbye.
        """
        if not origin.on_link:
            self._record_beyond(origin)
        elif self._history.is_news(origin.sender, what, _gone(address, reference)):
            self._counts["sightings"] += 1
            self._sink.sighted(make())

    def report_departure(self, origin: Origin, *, address: str = "", reference: str = "") -> None:
        """Report a goodbye of a sender, for ``address`` when that is another, unless it is reported already."""
        if origin.on_link and self._history.is_departure(origin.sender, _gone(address, reference)):
            self._counts["departures"] += 1
            self._sink.departed(self.method, address or origin.sender, reference=reference)

    def _record_beyond(self, origin: Origin) -> None:
        """Record a camera that speaks from a network that is neither the link's nor listed; log the first of a link."""
        if not self._beyond.is_news(origin.sender, "beyond", ""):
            return
        where = origin.interface or "any interface"
        text = (
            f"{BEYOND_LINK} {origin.sender}, which is no network of {where}: its address is that of its factory or set"
            " wrongly (its manufacturer's tool sets another, one new camera at a time), or its network has to be named"
            " in SCAN_NETWORKS. It is asked nothing"
        )
        self._context.record(self._clock.seconds(), origin.sender, self.method, text)
        self._context.log_problem(f"a camera on {where}", RemoteError(text))


_BYE = "bye "


def _gone(address: str, reference: str) -> str:
    """Stands for a goodbye among what was reported of a sender."""
    return f"{_BYE}{address} {reference}"
