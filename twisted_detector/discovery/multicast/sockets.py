"""Multicast sockets, each of one interface: they send to a group there and hand over what comes with its sender.

The operating system's own choice of interface is never used: it would reach one network only. One socket belongs to one
interface, so that the scope of an IPv6 sender is known, and a flood on one network does not deafen the others.
"""

from __future__ import annotations

import socket
import struct
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from txaio.tx import make_logger

from twisted_detector.discovery.multicast.sender_filter import SenderFilter
from twisted_detector.discovery.reader import DescriptorReader
from twisted_detector.model import Interface
from twisted_detector.model.bounds import TurnBudget

#: Called with a datagram and the address that it came from (IPv6 link-local with ``%interface``); whether it was of any
#: use.
Received = Callable[[bytes, str], bool]

#: A UDP datagram cannot be longer; shorter buffers truncate.
MAX_DATAGRAM = 65_535
#: The kernel has room for some hundred datagrams, so they are taken from it quickly; what is not read at once waits in
#: the :class:`FairQueue`. A full buffer of small ones is emptied in one turn, if they are refused as fast as most are.
_TURN = TurnBudget(1024, 0.008, time.monotonic)
#: Answers of 500 devices arrive within half a second while the reactor may be busy; the kernel caps it at rmem_max.
_RECEIVE_BUFFER = 1_048_576

#: linux/in.h and linux/in6.h; the socket module does not have them.
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29


@dataclass(frozen=True, slots=True)
class Group:
    """A multicast group by its two addresses, and the UDP port.

    :ivar hops: what is sent to it may pass so many routers less one.
    """

    ipv4: str
    ipv6: str
    port: int
    hops: int = 1

    def address(self, version: int) -> str:
        return self.ipv4 if version == 4 else self.ipv6


class MulticastPort(Protocol):
    """An open socket of one interface."""

    def send(self, data: bytes, to: str = "") -> None:
        """Send to the group, or to the one address ``to``; nothing once it is closed, for a rate limit may delay it.

        :raises OSError: it cannot be sent there.
        """

    def close(self) -> None:
        """Receive no more."""


class OpenMulticast(Protocol):
    """Opener of multicast sockets; :class:`MemoryLAN` has another."""

    def __call__(self, interface: Interface, group: Group, received: Received, *, member: bool) -> MulticastPort:
        """Open a socket on ``interface``.

        :param member: True: receive what is sent to the group. False: receive answers to what is sent from here (a port
            of its own, bound to the interface's address).
        :raises OSError: it cannot be opened there.
        """


def open_multicast_on(reactor: Any) -> OpenMulticast:
    """Real sockets, read by ``reactor`` (IReactorFDSet)."""

    def open_multicast(interface: Interface, group: Group, received: Received, *, member: bool) -> MulticastPort:
        return _MulticastSocket(reactor, _open(interface, group, member), interface, group, received)

    return open_multicast


def _open(interface: Interface, group: Group, member: bool) -> socket.socket:
    opened = datagram_socket(socket.AF_INET if interface.version == 4 else socket.AF_INET6)
    try:
        if member:
            # Other programs listen on the same port; each gets its copy of what comes to the group.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        (_join_ipv4 if interface.version == 4 else _join_ipv6)(opened, interface, group, member)
    except OSError:
        opened.close()
        raise
    return opened


def _join_ipv4(opened: socket.socket, interface: Interface, group: Group, member: bool) -> None:
    own = socket.inet_aton(interface.address)
    if member:
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        opened.bind((group.ipv4, group.port))
        request = struct.pack("=4s4si", socket.inet_aton(group.ipv4), own, interface.index)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    else:
        opened.bind((interface.address, 0))
    outgoing = struct.pack("=4s4si", bytes(4), own, interface.index)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, outgoing)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, group.hops)


def _join_ipv6(opened: socket.socket, interface: Interface, group: Group, member: bool) -> None:
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if member:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        opened.bind((group.ipv6, group.port, 0, interface.index))
        request = struct.pack("=16sI", socket.inet_pton(socket.AF_INET6, group.ipv6), interface.index)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    else:
        scope = interface.index if ip_address(interface.address).is_link_local else 0
        opened.bind((interface.address, 0, 0, scope))
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, group.hops)


def datagram_socket(family: int) -> socket.socket:
    """A UDP socket with room for a burst of answers, which is not bound yet."""
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return opened


class DatagramReader(DescriptorReader):
    """Reader of a UDP socket of one interface, with a filter for those who flood it."""

    log = make_logger()

    def __init__(self, reactor: Any, opened: socket.socket, interface: Interface) -> None:
        self._socket = opened
        self._interface = interface
        self._filter = SenderFilter(reactor, opened)
        super().__init__(reactor, opened, "datagrams")

    @abstractmethod
    def handle(self, data: bytes, sender: Any) -> bool:
        """Take a datagram from the socket address ``sender``; whether it was of any use."""

    def receive(self) -> tuple[bytes, Any]:
        """The next datagram and the socket address that it came from.

        :raises OSError: none, or a fault of an earlier one.
        """
        return self._socket.recvfrom(MAX_DATAGRAM)

    def close(self) -> None:
        """Receive no more."""
        self._filter.close()
        super().close()

    def doRead(self) -> None:
        """Hand over what came, a bounded part of it."""
        for _ in _TURN.turn():
            if not self.is_open:
                return
            try:
                data, sender = self.receive()
            except BlockingIOError:
                return
            except OSError as problem:
                # ICMP errors of earlier datagrams and the loss of the network are raised here, each once.
                self.log.debug("{name}: {problem}", name=self._interface.name, problem=problem)
                continue
            try:
                if not self.handle(data, sender) and self.is_open:
                    self._filter.refused(sender[0].partition("%")[0])
            except Exception:
                self.log.failure("A datagram of {sender} could not be handled", sender=sender[0])


class _MulticastSocket(DatagramReader):
    def __init__(
        self, reactor: Any, opened: socket.socket, interface: Interface, group: Group, received: Received
    ) -> None:
        scope = () if interface.version == 4 else (0, interface.index)
        self._target: tuple[Any, ...] = (group.address(interface.version), group.port, *scope)
        self._received = received
        super().__init__(reactor, opened, interface)

    def send(self, data: bytes, to: str = "") -> None:
        """See :class:`MulticastPort`."""
        if self.is_open:
            self._socket.sendto(data, (to.partition("%")[0], *self._target[1:]) if to else self._target)

    def handle(self, data: bytes, sender: Any) -> bool:
        """See :class:`DatagramReader`."""
        return self._received(data, self._address_of(sender))

    def _address_of(self, sender: Any) -> str:
        host = str(sender[0]).partition("%")[0]
        link_local = len(sender) == 4 and sender[3]  # the kernel gives a scope to these only
        return f"{host}%{self._interface.name}" if link_local else host
