"""TCP connector of a sweep: whether a connection to a port is accepted, refused or impossible.

All attempts share one epoll object, which is itself a reader of the reactor: 10 µs of CPU for each, where an endpoint
of Twisted takes 54. Nothing is sent over a connection: what accepts is answered with a reset, and no acknowledgement
goes before it. So an open port costs two packets and not four, and the program that listens there does not notice.
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

from twisted_detector.discovery.reader import DescriptorReader
from twisted_detector.model.bounds import TurnBudget

#: About 1 ms of events; the work that an event leads to may take longer.
_TURN = TurnBudget(64, 0.004, time.monotonic)
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
    #: There was no room for it (neighbour table, buffers, ports, descriptors); nothing is known of the address.
    NO_ROOM = "no room"


class TcpConnector(Protocol):
    """TCP connector; :class:`MemoryHosts` connects without a network."""

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        """Begin an attempt. ``ended`` is called at most once, perhaps before this returns.

        :returns: a function that gives the attempt up.
        :raises OSError: no socket can be opened at all.
        """

    def poll(self) -> bool:
        """Report the attempts that have ended, a bounded number of them; False: there are more."""

    def close(self) -> None:
        """Give all attempts up."""


_OUTCOMES = {
    0: Outcome.OPEN,
    errno.ECONNREFUSED: Outcome.REFUSED,
    # A reset while connecting: a host is there.
    errno.ECONNRESET: Outcome.REFUSED,
    errno.ENOBUFS: Outcome.NO_ROOM,
    errno.ENOMEM: Outcome.NO_ROOM,
    errno.EAGAIN: Outcome.NO_ROOM,
    errno.EMFILE: Outcome.NO_ROOM,
    errno.ENFILE: Outcome.NO_ROOM,
    errno.EADDRNOTAVAIL: Outcome.NO_ROOM,  # all local ports are taken
}


class EpollConnector(DescriptorReader):
    """Non-blocking connects to IPv4 addresses, and to IPv6 addresses, link-local ones with ``%interface``.

    :param reactor: IReactorFDSet.
    """

    def __init__(self, reactor: Any) -> None:
        self._epoll = select.epoll()
        self._attempts: dict[int, tuple[socket.socket, Callable[[Outcome], None]]] = {}
        super().__init__(reactor, self._epoll, "portscan")

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        bare, _, scope = address.partition("%")
        family: int = socket.AF_INET
        target: tuple[Any, ...] = (bare, port)
        try:
            if ":" in bare:
                family, target = socket.AF_INET6, (bare, port, 0, socket.if_nametoindex(scope) if scope else 0)
            opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as problem:
            if _OUTCOMES.get(problem.errno or 0) is not Outcome.NO_ROOM:
                raise
            ended(Outcome.NO_ROOM)  # descriptors come free again
            return _nothing
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER)
        code = opened.connect_ex(target)
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
        super().close()

    def doRead(self) -> None:
        """Report attempts that have ended, a bounded number of them; the others come again in the next turn."""
        self.poll()

    def poll(self) -> bool:
        """See :class:`TcpConnector`."""
        events = self._epoll.poll(0, _TURN.steps) if self.is_open else []
        for step in _TURN.turn():
            if step >= len(events):
                return True
            opened, ended = self._attempts.pop(events[step][0], (None, None))
            if opened is None or ended is None:
                continue  # given up when another attempt was reported just now
            code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            opened.close()
            ended(_OUTCOMES.get(code, Outcome.UNREACHABLE))
        return not self.is_open


def _nothing() -> None:
    """Give up an attempt that has ended."""
