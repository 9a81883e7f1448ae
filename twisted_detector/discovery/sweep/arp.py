"""ARP resolvers of a sweep: ``RawArp`` sends requests itself, ``KernelArp`` makes the kernel send them.

``RawArp`` (CAP_NET_RAW) uses no entry of the kernel's neighbour table, and a request can be repeated at any time. For
``KernelArp`` (no privilege) one empty UDP datagram makes the kernel send three requests, one second apart, and keeps an
entry of its table for as long; the answer comes as a neighbour event.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from twisted_detector.discovery.neighbours.sockets import provoke_kernel, table_size
from twisted_detector.discovery.reader import DescriptorReader
from twisted_detector.discovery.sweep.targets import network_of
from twisted_detector.errors import RemoteError
from twisted_detector.model import Interface, Mac
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.wire.lan import arp

#: About 1 ms of frames; the work that an answer leads to may take longer.
_TURN = TurnBudget(64, 0.004, time.monotonic)
_FRAME = 128

#: Is called with an address and the MAC that answered for it.
Resolved = Callable[[str, Mac], None]


class ArpResolver(Protocol):
    """Resolver of on-link addresses by ARP.

    :ivar rounds: how often an address should be resolved.
    :ivar packets: of one request, at most.
    :ivar after: seconds after which one packet more of them leaves each, unless there was an answer.
    :ivar capacity: requests that may be unanswered at one time; None: any number.
    """

    rounds: int
    packets: int
    after: tuple[float, ...]
    capacity: int | None

    def resolve(self, address: str) -> bool:
        """Send one request; False: there is no room now, try later."""

    def receive(self) -> bool:
        """Read the answers that came, a bounded number of them; False: there are more."""

    def close(self) -> None:
        """Send and receive no more."""


class KernelArp:
    """ARP by the kernel.

    :param send: for tests.
    """

    rounds = 1
    #: Three ARP requests where no host answers (retrans_time_ms apart); one and the datagram where one does.
    packets = 3
    after: tuple[float, ...] = (1.0, 2.0)

    def __init__(self, *, table: int | None = None, send: Callable[[str], None] | None = None) -> None:
        # Of the kernel's neighbour table, which all programs and containers share, a part is left to the others.
        self.capacity: int | None = (table or table_size()) * 25 // 32
        self._send = send or (lambda address: provoke_kernel(IPv4Address(address)))

    def resolve(self, address: str) -> bool:
        try:
            self._send(address)
        except OSError as problem:
            # Whatever else it is (a firewall of ours, a link that went down), another request would not help.
            return problem.errno not in (errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
        return True

    def receive(self) -> bool:
        """Answers come as the kernel's neighbour events."""
        return True

    def close(self) -> None:
        """Nothing is kept open."""


class RawArp(DescriptorReader):
    """ARP by raw sockets.

    :param reactor: IReactorFDSet.
    :param interfaces: those whose networks are swept; each an Ethernet (or Wi-Fi) one.
    :raises PermissionError: without CAP_NET_RAW.
    :raises OSError: an interface is gone, or no Ethernet.
    """

    rounds = 3
    packets = 1
    after: tuple[float, ...] = ()
    capacity: int | None = None

    def __init__(self, reactor: Any, interfaces: Sequence[Interface], resolved: Resolved) -> None:
        self._resolved = resolved
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._links: list[tuple[IPv4Network, str, Mac, socket.socket]] = []
        try:
            for interface in interfaces:
                self._open(interface)
        except BaseException:
            self._close_sockets()
            self._epoll.close()
            raise
        self._links.sort(key=lambda link: -link[0].prefixlen)
        super().__init__(reactor, self._epoll, "arp")

    def _open(self, interface: Interface) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        opened = socket.socket(socket.AF_PACKET, kind, 0)  # protocol 0: receives nothing before it is bound to one link
        self._sockets[opened.fileno()] = opened
        opened.bind((interface.name, arp.ETHERTYPE))
        _, _, _, hardware, octets = opened.getsockname()
        if hardware != arp.HARDWARE:
            raise OSError(errno.EPROTONOSUPPORT, "not an Ethernet interface", interface.name)
        try:
            mac = Mac.from_bytes(octets)
        except RemoteError as problem:
            raise OSError(errno.EADDRNOTAVAIL, str(problem), interface.name) from None
        self._links.append((network_of(interface), interface.address, mac, opened))
        self._epoll.register(opened, select.EPOLLIN)

    def resolve(self, address: str) -> bool:
        target = IPv4Address(address)
        for network, own, mac, opened in self._links:
            if target in network:
                # A frame for which there is no room is lost like any other: the next round brings another.
                with contextlib.suppress(OSError):
                    opened.send(arp.format_request(mac, own, address))
                break
        return True

    def close(self) -> None:
        """See :class:`ArpResolver`."""
        super().close()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
        self._links.clear()

    def doRead(self) -> None:
        """Read a bounded number of frames."""
        self.receive()

    def receive(self) -> bool:
        """See :class:`ArpResolver`."""
        readable = [number for number, _ in self._epoll.poll(0)]
        for _ in _TURN.turn():
            if not readable:
                return True
            try:
                frame = self._sockets[readable[-1]].recv(_FRAME)
            except (KeyError, OSError):  # closed by what an answer led to; or all read, or the link went down
                readable.pop()
            else:
                self._take(frame)
        return False

    def _take(self, frame: bytes) -> None:
        try:
            packet = arp.parse(frame)
        except RemoteError:
            return  # others' broken frames are no affair of ours
        if packet.operation == arp.REPLY:
            self._resolved(packet.address, packet.sender)
