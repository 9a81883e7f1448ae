"""A link in memory with UDP ports, for tests of a manufacturer's discovery protocol over :mod:`discovery.vendors`.

Hand ``MemoryUdpLink.open_udp`` to a :class:`VendorDiscovery`, and put devices on the link::

    link = MemoryUdpLink(clock)
    link.attach("10.0.0.5", 47200, lambda data, sender: [my_answer_to(data)])
    discoverer = VendorDiscovery(clock, MemoryNeighbours(ETH0), protocols=[mine], open_udp=link.open_udp, ...)

All time is that of the clock: nothing happens until you advance it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.discovery.multicast.listener import Receiver
from twisted_detector.model import Interface
from twisted_detector.wire.vendors.protocol import BROADCAST

#: A device: a datagram and its sender's address go in, the datagrams that it answers come out.
UdpDevice = Callable[[bytes, str], Iterable[bytes]]
#: Where the kernel begins to give ports that nobody asked for.
_FIRST_FREE = 32_768


class MemoryUdpLink:
    """A link: a broadcast, or a datagram to a group, reaches all devices at the port, and every socket at it.

    :param clock: advance it to deliver. :param latency: seconds that a datagram takes, each way.
    :ivar sent: (own address, datagram, destination, port) of everything that was sent.
    :ivar open_ports: the UDP ports that are open now.
    :ivar broken: whether nothing can be sent (ENETUNREACH); ``closed``: whether no socket can be opened (EADDRINUSE).
    """

    def __init__(self, clock: IReactorTime, *, latency: float = 0.001) -> None:
        self._clock = clock
        self._latency = latency
        self._devices: list[tuple[str, int, UdpDevice]] = []
        self._sockets: list[_MemorySocket] = []
        self._free = _FIRST_FREE
        self.sent: list[tuple[str, bytes, str, int]] = []
        self.broken = self.closed = False

    @property
    def open_ports(self) -> list[int]:
        return [one.number for one in self._sockets]

    def attach(self, address: str, port: int, device: UdpDevice) -> None:
        """Put a device on the link, which hears what is sent to this port."""
        self._devices.append((address, port, device))

    def open_udp(self, interface: Interface, port: int, received: Receiver, groups: Sequence[str]) -> _MemorySocket:
        """See :data:`discovery.vendors.sockets.OpenUdp`."""
        if self.closed:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self._free += not port
        opened = _MemorySocket(self, interface, port or self._free, received)
        self._sockets.append(opened)
        return opened

    def announce(self, data: bytes, sender: str, port: int) -> None:
        """A device sends a datagram to all who listen at a port."""
        for one in self._sockets:
            if one.number == port:
                self._deliver(one, data, sender, port)

    def _send(self, source: _MemorySocket, data: bytes, to: str, port: int) -> None:
        if self.broken:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self.sent.append((source.interface.address, data, to, port))
        to_all = to == BROADCAST or 224 <= int(to.partition(".")[0]) < 240
        for address, number, device in self._devices:
            if number == port and (to_all or address == to):
                for answer in device(data, source.interface.address):
                    self._deliver(source, answer, address, number)

    def _deliver(self, to: _MemorySocket, data: bytes, sender: str, source: int) -> None:
        to.coming.append(self._clock.callLater(self._latency, to.receive, data, sender, source))

    def _close(self, one: _MemorySocket) -> None:
        if one in self._sockets:
            self._sockets.remove(one)


class _MemorySocket:
    def __init__(self, link: MemoryUdpLink, interface: Interface, number: int, received: Receiver) -> None:
        self._link = link
        self._received = received
        self.interface = interface
        self.number = number
        self.coming: list[IDelayedCall] = []

    def send(self, data: bytes, to: str, port: int) -> None:
        """See :class:`UdpPort`."""
        if self in self._link._sockets:
            self._link._send(self, data, to, port)

    def receive(self, data: bytes, sender: str, source: int) -> None:
        self.coming = [one for one in self.coming if one.active()]
        self._received(data, sender, source)

    def drain(self) -> None:
        """See :class:`UdpPort`: what has come was handed over."""

    def close(self) -> None:
        """See :class:`UdpPort`."""
        self._link._close(self)
        for one in self.coming:
            if one.active():
                one.cancel()
