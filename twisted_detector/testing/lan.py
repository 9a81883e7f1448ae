"""Networks in memory, with devices of your own: neighbours, liveness, multicast and TCP ports.

For tests of discoverers, yours and ours: hand :class:`MemoryNeighbours` to whatever wants INeighbours, the method
``MemoryLAN.open_multicast`` to whatever opens multicast sockets, and :class:`MemoryHosts` to a port scan. All time is
that of the ``Clock`` that you give them; nothing happens until you advance it::

    clock = Clock()
    lan = MemoryLAN(clock)
    lan.attach("10.0.0.5", lambda data, sender: [my_answer_to(data)])
    discoverer = WSDiscovery(clock, MemoryNeighbours(eth0), open_multicast=lan.open_multicast, ...)
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from twisted_detector.discovery.multicast.sockets import Group, MulticastPort, Received
from twisted_detector.discovery.sweep.connector import Outcome, TcpConnector
from twisted_detector.interfaces import ILiveness, INeighbours, ISightingSink
from twisted_detector.model import Interface, Mac, Sighting
from twisted_detector.testing.gate import Gate

#: A usual machine: one wired interface.
ETH0 = Interface("eth0", 2, "10.0.0.9", 24)
LOOPBACK = Interface("lo", 1, "127.0.0.1", 8, multicast=False, loopback=True)


@implementer(INeighbours)
class MemoryNeighbours:
    """Neighbours in memory.

    :ivar macs: address → MAC: what is known; change it at any time, with :meth:`learn` to notify the watchers.
    :ivar addresses: the interfaces; change them at any time, with :meth:`change_interfaces` to notify the watchers.
    :ivar lookups: the address of every call of ``mac_of``, in order.
    :ivar problem: an exception that ``interfaces`` and ``mac_of`` raise, or None.
    :ivar watchers: both callables of each :meth:`watch`.
    """

    def __init__(self, *addresses: Interface, macs: Mapping[str, Mac] | None = None) -> None:
        self.addresses = list(addresses)
        self.macs = dict(macs or {})
        self.lookups: list[str] = []
        self.problem: Exception | None = None
        self.watchers: list[tuple[Callable[[str, Mac | None], None], Callable[[], None] | None]] = []

    async def mac_of(self, address: str) -> Mac | None:
        self.lookups.append(address)
        if self.problem is not None:
            raise self.problem
        return self.macs.get(address)

    def known(self) -> Mapping[str, Mac]:
        return dict(self.macs)

    def watch(
        self, changed: Callable[[str, Mac | None], None], *, interfaces_changed: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        watcher = changed, interfaces_changed
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher) if watcher in self.watchers else None

    def learn(self, address: str, mac: Mac | None) -> None:
        """The kernel learns the MAC at ``address``, or (None) that none answers there."""
        if mac is None:
            self.macs.pop(address, None)
        else:
            self.macs[address] = mac
        for changed, _ in tuple(self.watchers):
            changed(address, mac)

    def change_interfaces(self, *addresses: Interface) -> None:
        """This machine has these interfaces from now on."""
        before, self.addresses = self.addresses, list(addresses)
        for _, interfaces_changed in tuple(self.watchers):
            if interfaces_changed is not None and before != self.addresses:
                interfaces_changed()

    async def interfaces(self) -> Sequence[Interface]:
        if self.problem is not None:
            raise self.problem
        return tuple(self.addresses)


@implementer(ISightingSink)
@dataclass
class RecordingSink:
    """Sink that keeps what is reported, in order; ``references`` are those of the departures."""

    sightings: list[Sighting] = field(default_factory=list)
    departures: list[tuple[str, str]] = field(default_factory=list)
    references: list[str] = field(default_factory=list)

    def sighted(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)

    def departed(self, source: str, address: str, reference: str = "") -> None:
        self.departures.append((source, address))
        self.references.append(reference)


@implementer(ILiveness)
class MemoryLiveness:
    """Devices with open TCP ports, by address; where there is none, nobody answers.

    :ivar ports: address → open ports; change it at any time.
    :ivar calls: ``(address, ports)`` of every check, in order.
    :ivar problem: an exception that ``accepts`` raises, or None.
    :ivar deaf: so many of the next calls of ``accepts`` are not answered.
    :ivar gate: what ``accepts`` waits for, None for nothing.
    """

    def __init__(self, ports: Mapping[str, Iterable[int]] | None = None) -> None:
        self.ports = {address: set(opened) for address, opened in (ports or {}).items()}
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.problem: Exception | None = None
        self.gate: Gate | None = None
        self.deaf = 0

    async def is_alive(self, address: str, ports: Sequence[int]) -> bool:
        self.calls.append((address, tuple(ports)))
        return address in self.ports

    async def accepts(self, address: str, ports: Sequence[int]) -> bool:
        self.calls.append((address, tuple(ports)))
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            raise self.problem
        if self.deaf:
            self.deaf -= 1
            return False
        return not set(ports).isdisjoint(self.ports.get(address, ()))


#: A device: a datagram and its sender's address go in, the datagrams that it answers come out.
Device = Callable[[bytes, str], Iterable[bytes]]


class MemoryLAN:
    """Multicast networks in memory, one for each interface name: a datagram to the group reaches all devices on it.

    :param clock: advance it to deliver.
    :param latency: seconds that a datagram takes, each way.
    :ivar sent: (interface name, local address, datagram) of everything that was sent to the group.
    :ivar sent_to: (address, datagram) of everything that was sent to one address.
    :ivar open_ports: (interface name, local address, member) of every socket that is open now.
    :ivar broken: interface names whose sockets cannot send (ENETUNREACH).
    :ivar closed: interface names on which no socket can be opened (EADDRINUSE).
    """

    def __init__(self, clock: IReactorTime, *, latency: float = 0.001) -> None:
        self._clock = clock
        self._latency = latency
        self._devices: list[tuple[str, str, Device]] = []
        self._ports: list[_MemoryPort] = []
        self.sent: list[tuple[str, str, bytes]] = []
        self.sent_to: list[tuple[str, bytes]] = []
        self.broken: set[str] = set()
        self.closed: set[str] = set()

    @property
    def open_ports(self) -> list[tuple[str, str, bool]]:
        return [(port.interface.name, port.interface.address, port.member) for port in self._ports]

    def attach(self, address: str, device: Device, *, interface: str = "eth0") -> Callable[[], None]:
        """Put a device on the network of ``interface``; the returned function takes it away."""
        entry = (interface, address, device)
        self._devices.append(entry)
        return lambda: self._devices.remove(entry)

    def multicast(self, data: bytes, sender: str, *, interface: str = "eth0") -> None:
        """``sender`` sends a datagram to the group: its members receive it."""
        for port in tuple(self._ports):
            if port.member and port.interface.name == interface:
                self._deliver(port, data, sender)

    def unicast(self, data: bytes, sender: str, *, interface: str = "eth0") -> None:
        """``sender`` sends a datagram to every socket there that is no member, as an answer or unrequested."""
        for port in tuple(self._ports):
            if not port.member and port.interface.name == interface:
                self._deliver(port, data, sender)

    def open_multicast(self, interface: Interface, group: Group, received: Received, *, member: bool) -> MulticastPort:
        """See :class:`OpenMulticast`."""
        if interface.name in self.closed:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        port = _MemoryPort(self, interface, received, member)
        self._ports.append(port)
        return port

    def _send(self, port: _MemoryPort, data: bytes, to: str) -> None:
        if port.interface.name in self.broken:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        if to:
            self.sent_to.append((to, data))
        else:
            self.sent.append((port.interface.name, port.interface.address, data))
        for interface, address, device in tuple(self._devices):
            if (address == to and port.interface.name in ("", interface)) if to else interface == port.interface.name:
                for answer in device(data, port.interface.address):
                    self._deliver(port, answer, address)

    def _deliver(self, port: _MemoryPort, data: bytes, sender: str) -> None:
        port.coming.append(self._clock.callLater(self._latency, port.receive, data, sender))

    def _close(self, port: _MemoryPort) -> None:
        if port in self._ports:
            self._ports.remove(port)


class _MemoryPort:
    def __init__(self, lan: MemoryLAN, interface: Interface, received: Received, member: bool) -> None:
        self._lan = lan
        self.interface = interface
        self._received = received
        self.member = member
        self.coming: list[IDelayedCall] = []

    def send(self, data: bytes, to: str = "") -> None:
        if self in self._lan._ports:
            self._lan._send(self, data, to)

    def close(self) -> None:
        self._lan._close(self)
        for call in self.coming:
            if call.active():
                call.cancel()

    def receive(self, data: bytes, sender: str) -> None:
        self.coming = [call for call in self.coming if call.active()]
        self._received(data, sender)


class MemoryHosts:
    """TCP hosts in memory: a port is open, refused or silent. ``connector`` makes the connector of a port scan.

    :param clock: advance it to let attempts end.
    :param latency: seconds until an attempt ends.
    :ivar ports: address → port → how it ends; an address or port that is missing stays silent, ``None`` as port stands
        for all others of the address.
    :ivar attempts: (seconds, address, port) of every attempt.
    :ivar running: the attempts that have not ended, by number; ``most_running``: the most at one time.
    :ivar is_closed: whether the connector was closed.
    """

    def __init__(self, clock: IReactorTime, *, latency: float = 0.001) -> None:
        self._clock = clock
        self._latency = latency
        self.ports: dict[str, dict[int | None, Outcome]] = {}
        self.attempts: list[tuple[float, str, int]] = []
        self.running: dict[int, IDelayedCall | None] = {}
        self.most_running = 0
        self.is_closed = False

    def connector(self, reactor: object) -> TcpConnector:
        """The connector, open (again)."""
        self.is_closed = False
        return self

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        number = len(self.attempts)
        self.attempts.append((self._clock.seconds(), address, port))
        host = self.ports.get(address, {})
        outcome = host.get(port, host.get(None))

        def end(outcome: Outcome) -> None:
            del self.running[number]
            ended(outcome)

        self.running[number] = None if outcome is None else self._clock.callLater(self._latency, end, outcome)
        self.most_running = max(self.most_running, len(self.running))
        return lambda: self._give_up(number)

    def _give_up(self, number: int) -> None:
        call = self.running.pop(number, None)
        if call is not None:
            call.cancel()

    def poll(self) -> bool:
        return True

    def close(self) -> None:
        for number in tuple(self.running):
            self._give_up(number)
        self.is_closed = True
