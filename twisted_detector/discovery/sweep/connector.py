"""An address and a port go in; whether a TCP connection is accepted, refused or impossible there comes out.

All attempts share one epoll object, which is itself a reader of the reactor: 10 µs of CPU for each, where an endpoint
of Twisted takes 54. Nothing is sent over a connection: what accepts is answered with a reset, and no acknowledgement
goes before it. So an open port costs two packets and not four, and the program that listens there never hears of it.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

#: Events per turn of the reactor: about 1 ms, then others have their turn; and seconds, for what an event leads to may
#: take longer.
_EVENTS_PER_TURN, _SECONDS_PER_TURN = 64, 0.004
#: socket(7), SO_LINGER: on, 0 seconds: close() resets.
_RESET = struct.pack("ii", 1, 0)
#: tcp(7), TCP_DEFER_ACCEPT on the side that connects: data is to follow soon, so the acknowledgement of the handshake
#: waits for it (tcp_rcv_synsent_state_process of the kernel: up to 200 ms), and is dropped by the reset.
_DEFER = 1


class Outcome(Enum):
    """How an attempt ended; one without an answer does not end by itself."""

    OPEN = "open"
    REFUSED = "refused"
    #: No route, no answer to ARP, or forbidden by a firewall.
    UNREACHABLE = "unreachable"
    #: There was no room for it (neighbour table, buffers, ports, descriptors); it says nothing about the address.
    NO_ROOM = "no room"


class TcpConnector(Protocol):
    """How a scan connects; :class:`MemoryHosts` does it without a network."""

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        """Begin an attempt. ``ended`` is called at most once, perhaps before this returns.

        :returns: a function that gives the attempt up.
        :raises OSError: no socket can be opened at all.
        """

    def settle(self) -> bool:
        """Tell how attempts ended of which it is known, a bounded number of them; False: there are more."""

    def close(self) -> None:
        """Give all attempts up."""


_OUTCOMES = {
    0: Outcome.OPEN,
    errno.ECONNREFUSED: Outcome.REFUSED,
    # A reset while connecting: somebody is there.
    errno.ECONNRESET: Outcome.REFUSED,
    errno.ENOBUFS: Outcome.NO_ROOM,
    errno.ENOMEM: Outcome.NO_ROOM,
    errno.EAGAIN: Outcome.NO_ROOM,
    errno.EMFILE: Outcome.NO_ROOM,
    errno.ENFILE: Outcome.NO_ROOM,
    errno.EADDRNOTAVAIL: Outcome.NO_ROOM,  # all local ports are taken
}


@implementer(IReadDescriptor)
class EpollConnector:
    """Non-blocking connects to IPv4 addresses.

    :param reactor: IReactorFDSet.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._epoll = select.epoll()
        self._attempts: dict[int, tuple[socket.socket, Callable[[Outcome], None]]] = {}
        reactor.addReader(self)

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        try:
            opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as problem:
            if _OUTCOMES.get(problem.errno or 0) is not Outcome.NO_ROOM:
                raise
            ended(Outcome.NO_ROOM)  # descriptors come free again
            return _nothing
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER)
        code = opened.connect_ex((address, port))
        if code != errno.EINPROGRESS:
            opened.close()
            ended(_OUTCOMES.get(code, Outcome.UNREACHABLE))
            return _nothing
        number = opened.fileno()
        self._attempts[number] = opened, ended
        self._epoll.register(number, select.EPOLLOUT)

        def give_up() -> None:
            # The number may belong to a later attempt by now.
            if self._attempts.get(number, (None,))[0] is opened:
                del self._attempts[number]
                opened.close()  # which takes it out of the epoll object too

        return give_up

    def close(self) -> None:
        """Give all attempts up and close the epoll object."""
        for opened, _ in self._attempts.values():
            opened.close()
        self._attempts.clear()
        if not self._epoll.closed:
            self._reactor.removeReader(self)
            self._epoll.close()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        return "portscan"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave the epoll object up."""
        self.close()

    def doRead(self) -> None:
        """Tell how attempts ended, a bounded number of them; the others come again in the next turn."""
        self.settle()

    def settle(self) -> bool:
        """See :class:`TcpConnector`."""
        if self._epoll.closed:
            return True
        until = time.monotonic() + _SECONDS_PER_TURN
        known = self._epoll.poll(0, _EVENTS_PER_TURN)
        for number, _ in known:
            if number not in self._attempts:
                continue  # given up by what was told just now
            opened, ended = self._attempts.pop(number)
            code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            opened.close()
            ended(_OUTCOMES.get(code, Outcome.UNREACHABLE))
            if self._epoll.closed or time.monotonic() > until:
                return self._epoll.closed
        return len(known) < _EVENTS_PER_TURN


def _nothing() -> None:
    """Give up an attempt that has ended."""
