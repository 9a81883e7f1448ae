"""Base classes of the discoverers by multicast: which interfaces are used, and when sockets are opened and closed.

What is sent and how it is read is each protocol's own. Every fault is logged once.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from random import Random, SystemRandom
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from txaio.tx import make_logger

from twisted_detector.discovery.multicast.listener import ListenerContext, MulticastListener, Receiver
from twisted_detector.discovery.multicast.sockets import Group, MulticastPort, OpenMulticast, open_multicast_on
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import INeighbours, ISightingSink, RecordObservation, record_nothing
from twisted_detector.model import Interface
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.model.reach import NetworksNow, no_networks

#: Servers with hundreds of virtual interfaces exist, and each costs some datagrams per sweep (WS-Discovery: 16).
_MAX_PORTS = 64
#: Seconds between checks whether an interface came or went.
_FOLLOW_INTERVAL = 10.0
#: Packets per second without a shared limiter: what a whole sweep may send.
_RATE = 10_000
#: Senders and interfaces whose faults were logged.
_MAX_LOGGED = 1024


class LinkPort(Protocol):
    """What is open on one interface."""

    def close(self) -> None:
        """Receive no more."""


Port = TypeVar("Port", bound=LinkPort)
#: Makes what a socket calls with what it receives; takes what sends to the group there, for listeners that ask more.
MakeReceiver = Callable[..., Receiver]


@dataclass(frozen=True, slots=True)
class LinkSocket(Generic[Port]):
    """A socket of a sweep, and the address that it sends from."""

    interface: Interface
    port: Port


QuerySocket = LinkSocket[MulticastPort]


class Queries:
    """The queries of one sweep: their ids, and the repetitions that are still to be sent.

    :ivar message_ids: by which answers are known, each with what it queried in the protocol's own terms.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: set[IDelayedCall] = set()
        self.message_ids: dict[str, str] = {}

    def schedule(self, delay: float, send: Callable[[], object]) -> None:
        """Call ``send`` after ``delay`` seconds, unless the sweep ends before."""

        def due() -> None:
            self._calls.discard(call)
            send()

        call = self._clock.callLater(delay, due)
        self._calls.add(call)

    def cancel(self) -> None:
        """Send no more repetitions."""
        for call in self._calls:
            call.cancel()
        self._calls.clear()


@dataclass(frozen=True, slots=True)
class MulticastSettings:
    """What all multicast discoverers are told.

    :ivar listen: seconds from the first query to the end of a sweep.
    :ivar include_loopback: whether to use 127.0.0.1 and ::1 too (simulated cameras).
    :ivar listed: networks that the operator named, as they are now: who speaks from there is reported, wherever he is
        heard.
    :ivar record: records who speaks from a network that is neither listed nor one of the interface.
    """

    listen: float = 3.0
    include_loopback: Callable[[], bool] = lambda: False
    listed: NetworksNow = no_networks
    record: RecordObservation = record_nothing

    def with_networks(self, networks: NetworksNow) -> MulticastSettings:
        """The same, with more networks listed."""
        listed = self.listed
        return replace(self, listed=lambda: (*listed(), *networks()))


class LinkDiscoverer(ABC, Generic[Port]):
    """Discoverer that sends queries on every interface that has multicast, and watcher that listens there all the time.

    Sightings carry no MAC: they are reported the moment the datagram is read.

    :param reactor: IReactorTime and IReactorFDSet.
    :param random: chance for message ids and delays.
    :param monotonic: seconds that never jump.
    :param limiter: shared with all others that send.
    :ivar counts: since the start: ``sent``, and what the :class:`MulticastListener` counts.
    """

    name: str
    log = make_logger()

    #: The protocol's name, for people.
    protocol: ClassVar[str]
    #: Seconds after which an announcement that is repeated is news: repetitions of one end within 3 s (mDNS; others
    #: sooner).
    lifetime: ClassVar[float] = 5.0

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        settings: MulticastSettings = MulticastSettings(),
        random: Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        limiter: PacketRateLimiter | None = None,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._settings = settings
        self._random = SystemRandom() if random is None else random
        self._monotonic = monotonic
        self._limiter = PacketRateLimiter(_RATE, monotonic) if limiter is None else limiter
        self._logged = BoundedSet[str](_MAX_LOGGED)
        self._following: LoopingCall | None = None
        self._listener: MulticastListener | None = None
        self._refreshing: Deferred[None] | None = None
        self._group_ports: dict[tuple[str, int], tuple[Sequence[Interface], Port]] = {}
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def make_listener(self, context: ListenerContext) -> MulticastListener:
        """The protocol's listener for one sweep, or (``context.message_ids`` is None) for the watcher."""

    @abstractmethod
    def open_port(self, interface: Interface, receiver: MakeReceiver, *, member: bool) -> Port:
        """Open what a sweep (``member`` False) or the watcher sends and receives by on one interface.

        :raises OSError: it cannot be opened there.
        """

    @abstractmethod
    def send_queries(self, sockets: Sequence[LinkSocket[Port]], queries: Queries) -> int:
        """Send the first queries from all sockets and schedule the others; how many of the first went out."""

    def _context(self, sink: ISightingSink) -> ListenerContext:
        return ListenerContext(
            sink,
            self._reactor,
            self._monotonic,
            self.counts,
            self.log_problem,
            listed=self._settings.listed,
            record=self._settings.record,
        )

    # --- IDiscoverer -----------------------------------------------------------------------------------------------

    async def sweep(self, sink: ISightingSink) -> None:
        """Query on all interfaces and report what answers, each device at once, and once for each of its addresses.

        :raises CamdetectError: nothing could be sent on any interface.
        """
        interfaces = await self.usable_interfaces()
        with self.query_session(sink, query_interfaces(interfaces), interfaces) as (sockets, queries):
            if not self.send_queries(sockets, queries):
                names = ", ".join(sorted({one.name for one in interfaces}))
                raise CamdetectError("no interface could be probed", shown=names or "there is none")
            await deferLater(self._reactor, self._settings.listen)

    @contextmanager
    def query_session(
        self,
        sink: ISightingSink,
        where: Sequence[Interface],
        interfaces: Sequence[Interface],
        *,
        asked: Sequence[str] = (),
    ) -> Iterator[tuple[Sequence[LinkSocket[Port]], Queries]]:
        """Sockets on ``where``, which may be few of ``interfaces``; answers are read and repetitions sent inside.

        :param asked: addresses that are asked by unicast.
        """
        queries = Queries(self._reactor)
        listener = self.make_listener(replace(self._context(sink), message_ids=queries.message_ids))
        sockets: list[LinkSocket[Port]] = []
        try:
            for interface in where:
                try:
                    port = self._open(interface, interfaces, listener, member=False, asked=asked)
                    sockets.append(LinkSocket(interface, port))
                except OSError as problem:
                    self.log_problem(f"probing from {_named(interface)}", problem)
            yield sockets, queries
            listener.finish()
        finally:
            queries.cancel()
            listener.close()
            for one in sockets:
                one.port.close()

    # --- IWatcher --------------------------------------------------------------------------------------------------

    def startWatching(self, sink: ISightingSink) -> None:
        """Report what comes and goes on every interface, also on those that come later."""
        self._listener = listener = self.make_listener(replace(self._context(sink), lifetime=self.lifetime))
        self._following = LoopingCall(self._follow, listener)
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
        for _, port in self._group_ports.values():
            port.close()
        self._group_ports.clear()
        if self._listener is not None:
            self._listener.close()

    def _follow(self, listener: MulticastListener) -> Deferred[None]:
        self._refreshing = refreshing = Deferred.fromCoroutine(self._refresh(listener))
        return refreshing

    async def _refresh(self, listener: MulticastListener) -> None:
        """Open what is missing, close what is gone or has other addresses now. Never raises: the loop must go on."""
        try:
            interfaces = await self.usable_interfaces()
        except CancelledError:
            return
        except Exception:
            self.log.failure("The interfaces are not known; what is heard stays as it is")
            return
        present: dict[tuple[str, int], Interface] = {}
        for one in query_interfaces(interfaces):
            present.setdefault((one.name, one.version), one)
        for key, (addresses, port) in tuple(self._group_ports.items()):
            if key not in present or addresses != _of_same_link(present[key], interfaces):
                port.close()
                del self._group_ports[key]
        for key, interface in present.items():
            if key in self._group_ports:
                continue
            addresses = _of_same_link(interface, interfaces)
            try:
                self._group_ports[key] = addresses, self._open(interface, interfaces, listener, member=True)
            except OSError as problem:
                self.log_problem(f"listening by IPv{interface.version} on {interface.name}", problem)

    # --- both ------------------------------------------------------------------------------------------------------

    def _open(
        self,
        interface: Interface,
        interfaces: Sequence[Interface],
        listener: MulticastListener,
        *,
        member: bool,
        asked: Sequence[str] = (),
    ) -> Port:
        receiver = partial(listener.receiver, interface.name, _of_same_link(interface, interfaces), asked=asked)
        return self.open_port(interface, receiver, member=member)

    async def usable_interfaces(self) -> list[Interface]:
        """The interfaces on which there may be a group."""
        interfaces = await self._neighbours.interfaces()
        return [one for one in interfaces if (self._settings.include_loopback() if one.loopback else one.multicast)]

    def log_problem(self, about: str, problem: Exception) -> None:
        """Log a fault once; the oldest are forgotten when there are too many."""
        if self._logged.add(about):
            self.log.warn("{protocol}, {about}: {problem}", protocol=self.protocol, about=about, problem=problem)


class MulticastDiscoverer(LinkDiscoverer[MulticastPort]):
    """Discoverer and watcher by one multicast group, with one socket on each interface.

    :param open_multicast: for tests.
    """

    group: ClassVar[Group]

    def __init__(
        self, reactor: Any, neighbours: INeighbours, *, open_multicast: OpenMulticast | None = None, **common: Any
    ) -> None:
        super().__init__(reactor, neighbours, **common)
        self._open_multicast = open_multicast_on(reactor) if open_multicast is None else open_multicast

    def open_port(self, interface: Interface, receiver: MakeReceiver, *, member: bool) -> MulticastPort:
        """See :class:`LinkDiscoverer`."""

        def send(data: bytes) -> None:
            self.send(interface, port, data)

        port = self._open_multicast(interface, self.group, receiver(send), member=member)
        return port

    def send(self, interface: Interface, port: MulticastPort, data: bytes, to: str = "") -> bool:
        """Send to the group, or to the one address ``to``, as soon as the limiter allows; False: it cannot go out."""
        sent = True

        def send() -> None:
            nonlocal sent
            sent = self.send_now(interface, port, data, to)

        self._limiter.send(send, by=f"{self.name}.{'unicast' if to else 'group'}")
        return sent

    def send_now(self, interface: Interface, port: MulticastPort, data: bytes, to: str = "", where: str = "") -> bool:
        """Send what the limiter has allowed; whether it went out.

        :param where: for the log, one of many addresses ``to``: a fault is told of the first.
        """
        try:
            port.send(data, to)
        except OSError as problem:
            self.log_problem(f"probing {f'{where or to} ' if to else ''}from {_named(interface)}", problem)
            return False
        self.counts["sent"] += 1
        return True


def query_interfaces(interfaces: Sequence[Interface]) -> list[Interface]:
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
