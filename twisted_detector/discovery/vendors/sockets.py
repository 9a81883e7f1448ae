"""UDP sockets of one interface that broadcast, and that hear broadcasts, groups and what is sent to this machine alone.

Linux gives a broadcast to no socket that is bound to the interface's address, so these are bound to a port of all
addresses and to the device. Several programs may hold one port that way: each gets its copy of what is sent to all or
to a group, and the one that was opened last gets what is sent to this machine alone.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from twisted_detector.discovery.multicast.listener import Receiver
from twisted_detector.discovery.multicast.sockets import MAX_DATAGRAM, DatagramReader, datagram_socket
from twisted_detector.model import Interface

#: linux/in.h; the socket module does not have them.
_IP_PKTINFO, _IP_MULTICAST_ALL = 8, 49
#: Index of the interface, our address, destination: ip(7), IP_PKTINFO.
_PKTINFO = struct.Struct("=i4s4s")


class UdpPort(Protocol):
    """An open UDP socket of one interface."""

    def send(self, data: bytes, to: str, port: int) -> None:
        """Send by that interface, from its address; nothing once it is closed.

        :raises OSError: it cannot be sent.
        """

    def drain(self) -> None:
        """Hand over what has come and was not read yet."""

    def close(self) -> None:
        """Receive no more."""


#: Opens a socket on an interface, at a UDP port (0: any that is free), as a member of groups there. Raises OSError.
OpenUdp = Callable[[Interface, int, Receiver, Sequence[str]], UdpPort]


def open_udp_on(reactor: Any) -> OpenUdp:
    """Real sockets, read by ``reactor`` (IReactorFDSet)."""

    def open_udp(interface: Interface, port: int, received: Receiver, groups: Sequence[str]) -> UdpPort:
        return _UdpSocket(reactor, open_socket(interface, port, groups), interface, received)

    return open_udp


def open_socket(interface: Interface, port: int, groups: Sequence[str]) -> socket.socket:
    """A socket of an interface, at a UDP port (0: any that is free) that others may hold too, as a member of groups.

    :raises OSError: it cannot be opened.
    """
    opened = datagram_socket(socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        # Without a privilege since Linux 5.7. Before, what came in elsewhere is told by IP_PKTINFO and passed over.
        with suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.name.encode())
        if port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("", port))
        for group in groups:
            request = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), interface.index)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    except OSError:
        opened.close()
        raise
    return opened


def send_from(opened: socket.socket, interface: Interface, address: str, data: bytes, to: tuple[str, int]) -> None:
    """Send by an interface, from one of its addresses.

    :raises OSError: it cannot be sent.
    """
    where = _PKTINFO.pack(interface.index, socket.inet_aton(address), bytes(4))
    opened.sendmsg([data], [(socket.IPPROTO_IP, _IP_PKTINFO, where)], 0, to)


def receive_at(opened: socket.socket) -> tuple[bytes, tuple[str, int], int, str]:
    """A datagram, where it came from, the index of the interface that it came in by, and its destination.

    :raises OSError: there is none, or a fault of an earlier one.
    """
    data, told, _, (address, port) = opened.recvmsg(MAX_DATAGRAM, socket.CMSG_SPACE(_PKTINFO.size))
    index, _, destination = _PKTINFO.unpack(told[0][2]) if told else (0, b"", bytes(4))
    return data, (address, port), index, socket.inet_ntoa(destination)


class _UdpSocket(DatagramReader):
    def __init__(self, reactor: Any, opened: socket.socket, interface: Interface, received: Receiver) -> None:
        self._received = received
        super().__init__(reactor, opened, interface)

    def send(self, data: bytes, to: str, port: int) -> None:
        """See :class:`UdpPort`."""
        if self.is_open:
            send_from(self._socket, self._interface, self._interface.address, data, (to, port))

    def drain(self) -> None:
        """See :class:`UdpPort`."""
        self.doRead()

    def receive(self) -> tuple[bytes, Any]:
        """See :class:`DatagramReader`; the interface that it came in on stands in the place of a scope."""
        data, sender, index, _ = receive_at(self._socket)
        return data, (*sender, index)

    def handle(self, data: bytes, sender: Any) -> bool:
        """See :class:`DatagramReader`."""
        address, port, index = sender
        return index == self._interface.index and self._received(data, address, port)
