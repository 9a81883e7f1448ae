"""An on-link IPv4 address goes in; one question "who has it?" goes out, by the kernel or by ourselves.

By ourselves (``RawArp``, CAP_NET_RAW) no entry of the kernel's neighbour table is used up, and the question can be
repeated as soon as we like. By the kernel (``KernelArp``, no privilege) one empty UDP datagram makes it ask three
times, one second apart, and keeps an entry of its table for as long; the answer comes as a neighbour event.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_detector.errors import RemoteError
from twisted_detector.model import Interface, Mac
from twisted_detector.wire.lan import arp

#: linux/errqueue.h and ip(7); Python's socket module has no names for these two.
_IP_RECVERR = 11
#: RFC 863: nothing listens there, and nothing logs it.
_DISCARD_PORT = 9
#: Frames per turn of the reactor, about 1 ms; and seconds, for what an answer leads to may take longer.
_FRAMES_PER_TURN, _SECONDS_PER_TURN = 64, 0.004
_FRAME = 128
_GC_THRESH3 = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")

#: Is told of an address and the MAC that answered for it.
Heard = Callable[[str, Mac], None]


class ArpResolver(Protocol):
    """How a sweep asks.

    :ivar rounds: how often an address should be asked.
    :ivar packets: what one question may cost at most.
    :ivar after: seconds after which one packet more of them leaves each, unless there was an answer.
    :ivar room: how many questions may be unanswered at one time; None: any number.
    """

    rounds: int
    packets: int
    after: tuple[float, ...]
    room: int | None

    def ask(self, address: str) -> bool:
        """Ask once; False: there is no room now, ask later."""

    def hear(self) -> bool:
        """Take in the answers that came, a bounded number of them; False: there are more."""

    def close(self) -> None:
        """End it."""


class KernelArp:
    """Makes the kernel ask.

    :param send: for tests.
    """

    rounds = 1
    #: Three ARP requests where nobody answers (retrans_time_ms apart); one and the datagram where somebody does.
    packets = 3
    after: tuple[float, ...] = (1.0, 2.0)

    def __init__(self, *, table: int | None = None, send: Callable[[str], None] | None = None) -> None:
        # Of the kernel's neighbour table, which all programs and containers share, a part is left to the others.
        self.room: int | None = (table or table_size()) * 25 // 32
        self._send = send or _provoke

    def ask(self, address: str) -> bool:
        try:
            self._send(address)
        except OSError as problem:
            # Whatever else it is (a firewall of ours, a link that went down), asking again would not help.
            return problem.errno not in (errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
        return True

    def hear(self) -> bool:
        """The kernel's events tell by themselves."""
        return True

    def close(self) -> None:
        """Nothing is kept open."""


def table_size() -> int:
    """How many entries the kernel's IPv4 neighbour table holds; the usual 1 024 where it does not say (containers)."""
    try:
        return max(int(_GC_THRESH3.read_text()), 64)
    except (OSError, ValueError):
        return 1024


def _provoke(address: str) -> None:
    """One empty datagram, never through a router.

    A socket for each: an error of one address would come out at the next, and the datagrams that wait in the kernel
    would fill its send buffer. With IP_RECVERR the kernel says when its neighbour table is full (ENOBUFS).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as datagram:
        datagram.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        datagram.sendto(b"", socket.MSG_DONTROUTE, (address, _DISCARD_PORT))


@implementer(IReadDescriptor)
class RawArp:
    """Asks by ARP itself and hears the answers.

    :param reactor: IReactorFDSet.
    :param interfaces: those whose networks are asked; each an Ethernet (or Wi-Fi) one.
    :raises PermissionError: without CAP_NET_RAW.
    :raises OSError: an interface is gone, or no Ethernet.
    """

    rounds = 3
    packets = 1
    after: tuple[float, ...] = ()
    room: int | None = None

    def __init__(self, reactor: Any, interfaces: Sequence[Interface], heard: Heard) -> None:
        self._reactor = reactor
        self._heard = heard
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._links: list[tuple[IPv4Network, str, Mac, socket.socket]] = []
        try:
            for interface in interfaces:
                self._open(interface)
        except BaseException:
            self._close_sockets()
            raise
        self._links.sort(key=lambda link: -link[0].prefixlen)
        reactor.addReader(self)

    def _open(self, interface: Interface) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        opened = socket.socket(socket.AF_PACKET, kind, 0)  # protocol 0: hears nothing before it is bound to one link
        self._sockets[opened.fileno()] = opened
        opened.bind((interface.name, arp.ETHERTYPE))
        _, _, _, hardware, octets = opened.getsockname()
        if hardware != arp.HARDWARE:
            raise OSError(errno.EPROTONOSUPPORT, "not an Ethernet interface", interface.name)
        try:
            mac = Mac.from_bytes(octets)
        except RemoteError as problem:
            raise OSError(errno.EADDRNOTAVAIL, str(problem), interface.name) from None
        network = IPv4Network((interface.address, interface.prefix_length), strict=False)
        self._links.append((network, interface.address, mac, opened))
        self._epoll.register(opened, select.EPOLLIN)

    def ask(self, address: str) -> bool:
        target = IPv4Address(address)
        for network, own, mac, opened in self._links:
            if target in network:
                # A frame for which there is no room is lost like any other: the next round brings another.
                with contextlib.suppress(OSError):
                    opened.send(arp.format_request(mac, own, address))
                break
        return True

    def close(self) -> None:
        if not self._epoll.closed:
            self._reactor.removeReader(self)
        self._close_sockets()

    def _close_sockets(self) -> None:
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
        self._links.clear()
        self._epoll.close()

    def fileno(self) -> int:
        return -1 if self._epoll.closed else self._epoll.fileno()

    def logPrefix(self) -> str:
        return "arp"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave the sockets up: nothing more is heard."""
        self.close()

    def doRead(self) -> None:
        """Hear a bounded number of frames."""
        self.hear()

    def hear(self) -> bool:
        """See :class:`ArpResolver`."""
        frames, until = 0, time.monotonic() + _SECONDS_PER_TURN
        for number, _ in self._epoll.poll(0):
            while frames < _FRAMES_PER_TURN and number in self._sockets and time.monotonic() < until:
                frames += 1
                try:
                    frame = self._sockets[number].recv(_FRAME)
                except OSError:
                    break  # all read, or the link went down
                self._take(frame)
        return frames < _FRAMES_PER_TURN and time.monotonic() < until

    def _take(self, frame: bytes) -> None:
        try:
            packet = arp.parse(frame)
        except RemoteError:
            return  # others' broken frames are no affair of ours
        if packet.operation == arp.REPLY:
            self._heard(packet.address, packet.sender)
