"""The interfaces of this machine go in; sockets that ask a multicast group, and sockets that listen to it, come out.

What all discoverers by multicast have in common: which interfaces are used, when sockets are opened and closed, and
that every fault is told once. What is asked and what is understood is each protocol's own.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from txaio.tx import make_logger

from twisted_detector.discovery.multicast.listener import BoundedSet, MulticastListener
from twisted_detector.discovery.multicast.sockets import Group, MulticastPort, OpenMulticast, open_multicast_on
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import INeighbours, ISightingSink
from twisted_detector.model import Interface

#: Servers with hundreds of virtual interfaces exist, and each costs some datagrams per sweep (WS-Discovery: 16).
_MAX_PORTS = 64
#: Seconds after which what is announced again is news: repetitions of one announcement end within 3 s (mDNS; others
#: sooner).
_MEMORY = 5.0
#: Seconds between looks whether an interface came or went.
_FOLLOW_INTERVAL = 10.0
#: Packets per second where nobody says: what a whole sweep may send.
_RATE = 10_000
#: Senders and interfaces whose faults were logged.
_MAX_COMPLAINTS = 1024


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket of a sweep, and the address that it asks from."""

    interface: Interface
    port: MulticastPort


class Questions:
    """The sending of one sweep: repetitions that are still to come, and the names of what was asked.

    :ivar asked: message ids, by which answers are known, each with what it asked for in the protocol's own words.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: set[IDelayedCall] = set()
        self.asked: dict[str, str] = {}

    def later(self, delay: float, send: Callable[[], object]) -> None:
        """Call ``send`` after ``delay`` seconds, unless the sweep ends before."""

        def due() -> None:
            self._calls.discard(call)
            send()

        call = self._clock.callLater(delay, due)
        self._calls.add(call)

    def end(self) -> None:
        """Send no more."""
        for call in self._calls:
            call.cancel()
        self._calls.clear()


class MulticastDiscoverer(ABC):
    """Asks every multicast interface when told to, and listens to the group all the time.

    Sightings carry no MAC: they are reported the moment the datagram is read.

    :param reactor: IReactorTime and IReactorFDSet.
    :param listen: seconds from the first question to the end of a sweep.
    :param include_loopback: use 127.0.0.1 and ::1 too (simulated cameras).
    :param random: chance for message ids and delays.
    :param monotonic: seconds that never jump.
    :param pacer: says when something may be sent; shared with all others that send.
    :param open_multicast: for tests.
    :ivar counts: since the start: ``sent``, and what the :class:`MulticastListener` counts.
    """

    name: str
    log = make_logger()

    #: The protocol's name, for people.
    protocol: ClassVar[str]
    group: ClassVar[Group]

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        listen: float = 3.0,
        include_loopback: bool = False,
        random: Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        pacer: PacketRateLimiter | None = None,
        open_multicast: OpenMulticast | None = None,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._listen = listen
        self._include_loopback = include_loopback
        self._random = SystemRandom() if random is None else random
        self._monotonic = monotonic
        self._pacer = PacketRateLimiter(_RATE, monotonic) if pacer is None else pacer
        self._open_multicast = open_multicast_on(reactor) if open_multicast is None else open_multicast
        self._complained = BoundedSet(_MAX_COMPLAINTS)
        self._following: LoopingCall | None = None
        self._heard_by: MulticastListener | None = None
        self._refreshing: Deferred[None] | None = None
        self._watched: dict[tuple[str, int], tuple[Sequence[Interface], MulticastPort]] = {}
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def hearing(self, sink: ISightingSink, asked: Mapping[str, str] | None, lasting: float | None) -> MulticastListener:
        """What understands the answers to a sweep that will ask ``asked``; None: what is said to the group."""

    @abstractmethod
    def ask(self, opened: Sequence[Opened], questions: Questions) -> int:
        """Send the first questions from all sockets and arrange for the others; how many of the first went out."""

    # --- IDiscoverer -----------------------------------------------------------------------------------------------

    async def sweep(self, sink: ISightingSink) -> None:
        """Ask on all interfaces and report who answers, each device at once, and once for each of its addresses.

        :raises CamdetectError: nothing could be sent on any interface.
        """
        interfaces = await self.usable()
        with self.asking(sink, asked_from(interfaces), interfaces) as (opened, questions):
            if not self.ask(opened, questions):
                names = ", ".join(sorted({one.name for one in interfaces}))
                raise CamdetectError("no interface could be probed", shown=names or "there is none")
            await deferLater(self._reactor, self._listen)

    @contextmanager
    def asking(
        self, sink: ISightingSink, where: Sequence[Interface], interfaces: Sequence[Interface]
    ) -> Iterator[tuple[Sequence[Opened], Questions]]:
        """Sockets on ``where``, which may be few of ``interfaces``; answers are heard and repetitions sent inside."""
        questions = Questions(self._reactor)
        hearing = self.hearing(sink, questions.asked, None)
        opened: list[Opened] = []
        try:
            for interface in where:
                try:
                    opened.append(Opened(interface, self._open(interface, interfaces, hearing, member=False)))
                except OSError as problem:
                    self.complain(f"probing from {_named(interface)}", problem)
            yield opened, questions
            hearing.end()
        finally:
            questions.end()
            hearing.close()
            for one in opened:
                one.port.close()

    def send(self, interface: Interface, port: MulticastPort, data: bytes, to: str = "") -> bool:
        """Send to the group, or to the one address ``to``, as soon as the pacer lets us; False: it cannot go out."""
        fine = True

        def send() -> None:
            nonlocal fine
            fine = self.send_now(interface, port, data, to)

        self._pacer.send(send, by=f"{self.name}.{'unicast' if to else 'group'}")
        return fine

    def send_now(self, interface: Interface, port: MulticastPort, data: bytes, to: str = "") -> bool:
        """Send what the pacer has let pass; whether it went out."""
        try:
            port.send(data, to)
        except OSError as problem:
            self.complain(f"probing {f'{to} ' if to else ''}from {_named(interface)}", problem)
            return False
        self.counts["sent"] += 1
        return True

    # --- IWatcher --------------------------------------------------------------------------------------------------

    def startWatching(self, sink: ISightingSink) -> None:
        """Hear what comes and goes on every interface, also on those that come later."""
        self._heard_by = hearing = self.hearing(sink, None, _MEMORY)
        self._following = LoopingCall(self._follow, hearing)
        self._following.clock = self._reactor
        self._following.start(_FOLLOW_INTERVAL)

    def stopWatching(self) -> None:
        """Close every socket, now."""
        if self._following is not None and self._following.running:
            self._following.stop()
        self._following = None
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._refreshing = None
        for _, port in self._watched.values():
            port.close()
        self._watched.clear()
        if self._heard_by is not None:
            self._heard_by.close()

    def _follow(self, hearing: MulticastListener) -> Deferred[None]:
        self._refreshing = refreshing = Deferred.fromCoroutine(self._refresh(hearing))
        return refreshing

    async def _refresh(self, hearing: MulticastListener) -> None:
        """Open what is missing, close what is gone or has other addresses now. Never raises: the loop must go on."""
        try:
            interfaces = await self.usable()
        except CancelledError:
            return
        except Exception:
            self.log.failure("The interfaces are not known; what is heard stays as it is")
            return
        present: dict[tuple[str, int], Interface] = {}
        for one in asked_from(interfaces):
            present.setdefault((one.name, one.version), one)
        for key, (addresses, port) in tuple(self._watched.items()):
            if key not in present or addresses != _of_same_link(present[key], interfaces):
                port.close()
                del self._watched[key]
        for key, interface in present.items():
            if key in self._watched:
                continue
            addresses = _of_same_link(interface, interfaces)
            try:
                self._watched[key] = addresses, self._open(interface, interfaces, hearing, member=True)
            except OSError as problem:
                self.complain(f"listening by IPv{interface.version} on {interface.name}", problem)

    # --- both ------------------------------------------------------------------------------------------------------

    def _open(
        self, interface: Interface, interfaces: Sequence[Interface], hearing: MulticastListener, *, member: bool
    ) -> MulticastPort:
        def ask(data: bytes) -> None:
            self.send(interface, port, data)

        ear = hearing.ear(interface.name, _of_same_link(interface, interfaces), ask)
        port = self._open_multicast(interface, self.group, ear, member=member)
        return port

    async def usable(self) -> list[Interface]:
        """The interfaces on which there may be a group."""
        interfaces = await self._neighbours.interfaces()
        return [one for one in interfaces if (self._include_loopback if one.loopback else one.multicast)]

    def complain(self, about: str, problem: Exception) -> None:
        """Log a fault once; the oldest are forgotten when there are too many."""
        if self._complained.add(about):
            self.log.warn("{protocol}, {about}: {problem}", protocol=self.protocol, about=about, problem=problem)


def asked_from(interfaces: Sequence[Interface]) -> list[Interface]:
    """Where to send from: every IPv4 address (each may be of another network), and one IPv6 address of each link.

    The loopback interface has no IPv6 multicast.
    """
    chosen = [one for one in interfaces if one.version == 4]
    links: dict[str, Interface] = {}
    for one in interfaces:
        if one.version == 6 and not one.loopback and (one.name not in links or one.address.startswith("fe80:")):
            links[one.name] = one
    return [*chosen, *links.values()][:_MAX_PORTS]


def _named(interface: Interface) -> str:
    return f"{interface.address} on {interface.name}" if interface.name else "here"


def _of_same_link(interface: Interface, interfaces: Sequence[Interface]) -> tuple[Interface, ...]:
    return tuple(one for one in interfaces if one.index == interface.index)
