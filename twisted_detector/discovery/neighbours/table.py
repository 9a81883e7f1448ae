"""The kernel's link, address and neighbour tables go in; which IP address has which MAC comes out, live.

One netlink socket is subscribed to all changes and read by the reactor; three dumps fill the tables at the start and
after a loss. Nothing is asked of the network but one UDP datagram to an on-link address that the kernel does not know
yet: it makes the kernel ask by ARP or NDP itself, for which no privilege is needed.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.neighbours.lookups import NeighbourLookups
from twisted_detector.discovery.neighbours.sockets import (
    NetlinkSocket as NetlinkSocket,
    open_netlink as open_netlink,
    provoke_kernel as provoke_kernel,
)
from twisted_detector.errors import CamdetectError, LocalError, RemoteError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface, Mac
from twisted_detector.wire.netlink import messages as netlink
from twisted_detector.wire.netlink.tables import KernelTables, Target, is_answer

#: A whole skb of the kernel's dumps (NLMSG_GOODSIZE, at most 32 KiB since Linux 4.4), twice.
_DATAGRAM = 65_536
#: Datagrams per turn: one of each table's dumps on a large network, and then others have their turn.
_DATAGRAMS_PER_TURN = 64
#: Seconds between a loss and the dump that repairs it: a storm of changes must not become a storm of dumps.
_RESYNC_DELAY = 1.0
#: Seconds after which a dump that brought no end is asked for again. It takes milliseconds.
_DUMP_TIMEOUT = 5.0
#: A table that changes during each of so many dumps is taken as it is; the events bring the rest.
_MAX_REPEATS = 5
#: Seconds for the first dumps.
_READY_TIMEOUT = 2.0
#: What the kernel sends for one address that does not answer; one that does costs a request and the datagram.
LOOKUP_PACKETS = 3


@implementer(INeighbours, IReadDescriptor)
class KernelNeighbours:
    """Which IP address has which MAC on this machine's links, and which networks those are.

    :param reactor: IReactorFDSet and IReactorTime.
    :param patience: seconds that :meth:`mac_of` waits for an address to answer ARP or NDP.
    :param monotonic: seconds that never jump.
    :param excluded: whether nothing may be sent to an address: the kernel is not made to ask for it.
    :param turn: is awaited before the kernel is made to ask.
    :param open_socket: for tests.
    :param provoke: for tests.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        patience: float = 0.3,
        monotonic: Callable[[], float] = time.monotonic,
        excluded: Callable[[str], bool] = lambda address: False,
        turn: Callable[[], Awaitable[object]] | None = None,
        open_socket: Callable[[], NetlinkSocket] = open_netlink,
        provoke: Callable[[IPv4Address | IPv6Address, int], None] = provoke_kernel,
    ) -> None:
        self._reactor = reactor
        self._patience = patience
        self._excluded = excluded
        self._open_socket = open_socket
        self._questions = NeighbourLookups(provoke, turn, monotonic)
        self._socket: NetlinkSocket | None = None
        self._tables = KernelTables()
        self._ready = False
        self._sequence = 0
        self._dumps: list[int] = []
        self._repeats = 0
        self._interrupted = False
        self._lost = False
        self._stale = False
        self._later: IDelayedCall | None = None
        self._waiting: dict[Deferred[None], Sequence[Target]] = {}
        self._watchers: dict[object, Callable[[str, Mac | None], None]] = {}
        #: Are told each change of links, addresses and neighbours after it was taken in; they must not raise.
        self.listeners: list[Callable[[netlink.NetlinkMessage], None]] = []

    def start(self) -> None:
        """Open the socket and ask for all tables.

        :raises LocalError: not on Linux, or started already.
        :raises OSError: the kernel gives no netlink socket.
        """
        if self._socket is not None:
            raise LocalError("the neighbours are watched already")
        self._socket = self._open_socket()
        self._reactor.addReader(self)
        self._resync()

    def stop(self) -> None:
        """Close the socket; whoever waits for an answer gets None."""
        self._close()
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        self._ready = False
        self._dumps = []
        self._wake(lambda targets: True)

    async def mac_of(self, address: str) -> Mac | None:
        """The MAC at ``address``; None for off-link, absent and own addresses, and for what is no IP address.

        What the kernel holds is answered at once, even when it is some minutes old (state STALE); for an address that
        it does not know it is provoked, and waited for at most ``patience`` seconds.
        """
        await self._until_ready()
        targets = self._tables.targets(address)
        mac = self._known_mac(targets)
        if mac is None and targets:
            # Who has just spoken to us is known to the kernel, which may have told so already.
            self.doRead()
            mac = self._known_mac(targets)
        if mac is not None or not targets or self._socket is None or self._excluded(address):
            return mac

        async def answer() -> None:
            await self._wait(targets, self._patience)
            self.doRead()  # a busy reactor may not have come to it

        await self._questions.ask(tuple(targets), answer)
        if self._stale and self._known_mac(targets) is None:
            await self._wait((), _READY_TIMEOUT)  # the kernel's word about it is among what was lost
        return self._known_mac(targets)

    async def interfaces(self) -> Sequence[Interface]:
        """The addresses of the interfaces that are up, by kernel index, IPv4 first; loopback too.

        :raises CamdetectError: the kernel has not told them (not started, or no answer).
        """
        await self._until_ready()
        if not self._ready:
            raise CamdetectError("the kernel did not tell its interfaces")
        return self._tables.interfaces()

    def known(self) -> Mapping[str, Mac]:
        """See :class:`INeighbours`; empty before the first answer of the kernel."""
        return self._tables.known()

    def watch(self, heard: Callable[[str, Mac | None], None]) -> Callable[[], None]:
        """See :class:`INeighbours`."""
        key = object()
        self._watchers[key] = heard

        def unwatch() -> None:
            self._watchers.pop(key, None)

        return unwatch

    def _known_mac(self, targets: Sequence[Target]) -> Mac | None:
        for target in targets:
            mac = self._tables.mac_at(target)
            if mac is not None:
                return mac
        return None

    async def _until_ready(self) -> None:
        if not self._ready and self._socket is not None:
            await self._wait((), _READY_TIMEOUT)

    async def _wait(self, targets: Sequence[Target], seconds: float) -> None:
        """Wait for an answer about ``targets``, with none for the first dumps."""
        waiting: Deferred[None] = Deferred()
        self._waiting[waiting] = targets
        waiting.addTimeout(seconds, self._reactor)
        try:
            await waiting
        except DeferredTimeout:
            return
        finally:
            del self._waiting[waiting]

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "neighbours"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave the socket up: open another."""
        self._close()
        self._resync_later(_RESYNC_DELAY)

    def doRead(self) -> None:
        """Read what the kernel tells, a bounded part of it."""
        for _ in range(_DATAGRAMS_PER_TURN):
            if self._socket is None:
                return
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno == errno.ENOBUFS:
                    self._missed()  # changes came faster than we read
                    continue
                self.log.error("The netlink socket failed: {problem}; another is opened", problem=problem)
                self._close()
                self._resync_later(_RESYNC_DELAY)
                return
            if sender[0] != 0:
                continue  # not from the kernel
            try:
                messages = netlink.parse(data)
            except RemoteError as problem:
                self.log.warn("The kernel's message cannot be read: {problem}", problem=problem)
                self._missed()
                continue
            for message in messages:
                self._take(message)

    def _close(self) -> None:
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def _take(self, message: netlink.NetlinkMessage) -> None:
        if isinstance(message, netlink.DumpInterrupted):
            self._interrupted = self._interrupted or message.sequence == self._sequence
        elif isinstance(message, netlink.DumpDone):
            if message.sequence == self._sequence and self._dumps:
                self._dumped()
        elif isinstance(message, netlink.RequestFailed):
            if message.errno and message.sequence == self._sequence:
                self.log.warn("The kernel refused a dump: {problem}", problem=errno.errorcode.get(message.errno, "?"))
                self._resync_later(_RESYNC_DELAY)
        else:
            self._tables.apply(message)
            if isinstance(message, netlink.NeighbourMessage):
                self._wake(partial(is_answer, message))
                self._tell(message)

    def _tell(self, message: netlink.NeighbourMessage) -> None:
        if not self._watchers or not (message.usable or message.failed):
            return
        address = self._tables.text_of(message)
        for heard in tuple(self._watchers.values()) if address else ():
            heard(address, message.mac if message.usable else None)
            for tell in tuple(self.listeners):
                tell(message)

    def _wake(self, concerned: Callable[[Sequence[Target]], bool]) -> None:
        for waiting, targets in tuple(self._waiting.items()):
            if not waiting.called and concerned(targets):
                waiting.callback(None)

    def _missed(self) -> None:
        """Dump again, but not before a dump that runs has ended: the kernel serves one at a time."""
        self._stale = True
        if self._dumps:
            self._lost = True
        else:
            self._resync_later(_RESYNC_DELAY)

    def _resync_later(self, seconds: float) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = self._reactor.callLater(seconds, self._resync)

    def _resync(self) -> None:
        """Ask for all tables, on a new socket where the old one is gone."""
        self._lost = False
        self._dumps = [netlink.RTM_GETLINK, netlink.RTM_GETADDR, netlink.RTM_GETNEIGH]
        self._repeats = 0
        if self._socket is None:
            try:
                self._socket = self._open_socket()
            except OSError as problem:
                self.log.error("No netlink socket: {problem}", problem=problem)
                self._resync_later(_RESYNC_DELAY)
                return
            self._reactor.addReader(self)
        self._dump()

    def _dump(self) -> None:
        if self._socket is None:
            return
        self._sequence = (self._sequence + 1) % 2**32
        self._interrupted = False
        self._tables.begin(self._dumps[0])
        try:
            self._socket.send(netlink.dump_request(self._dumps[0], self._sequence))
        except OSError as problem:
            self.log.warn("A dump cannot be asked for: {problem}", problem=problem)
            self._resync_later(_RESYNC_DELAY)
        else:
            self._resync_later(_DUMP_TIMEOUT)

    def _dumped(self) -> None:
        """One table is complete: ask for the next."""
        if self._interrupted and self._repeats < _MAX_REPEATS:
            self._repeats += 1
            self._dump()
            return
        self._tables.end(self._dumps.pop(0), whole=not self._interrupted)
        if self._dumps:
            self._dump()
            return
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._ready, self._stale = True, self._lost
        self._wake(lambda targets: not targets)
        if self._lost:
            self._resync_later(_RESYNC_DELAY)
