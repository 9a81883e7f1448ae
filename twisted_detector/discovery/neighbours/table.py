"""Live copy of the kernel's link, address and neighbour tables: which IP address has which MAC.

One netlink socket is subscribed to all changes and read by the reactor; three dumps fill the tables at the start and
after a loss. Nothing is sent to the network but one UDP datagram to an on-link address that the kernel does not know
yet: it makes the kernel resolve the address by ARP or NDP, for which no privilege is needed.
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
from twisted_detector.discovery.neighbours.sockets import NetlinkSocket, open_netlink, provoke_kernel, table_size
from twisted_detector.errors import CamdetectError, LocalError, RemoteError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface, Mac
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.observers import Observers
from twisted_detector.wire.netlink import messages as netlink
from twisted_detector.wire.netlink.tables import KernelTables, Target, is_answer

#: A whole skb of the kernel's dumps (NLMSG_GOODSIZE, at most 32 KiB since Linux 4.4), twice.
_DATAGRAM = 65_536
#: Some datagrams of each table's dumps on a large network.
_TURN = TurnBudget(64, 0.05, time.monotonic)
#: Seconds between a loss and the dump that repairs it: a storm of changes must not become a storm of dumps.
_RESYNC_DELAY = 1.0
#: Seconds after which a dump that brought no end is requested again. It takes milliseconds.
_DUMP_TIMEOUT = 5.0
#: A table that changes during each of so many dumps is taken as it is; the events bring the rest.
_MAX_REPEATS = 5
#: Seconds for the first dumps.
_READY_TIMEOUT = 2.0
#: What the kernel sends for one address that does not answer; one that does costs a request and the datagram.
LOOKUP_PACKETS = 3


@implementer(INeighbours, IReadDescriptor)
class KernelNeighbours:
    """Neighbours as the kernel knows them.

    :param reactor: IReactorFDSet and IReactorTime.
    :param patience: seconds that :meth:`mac_of` waits for an address to answer ARP or NDP.
    :param monotonic: seconds that never jump.
    :param excluded: whether nothing may be sent to an address: the kernel is not made to resolve it.
    :param acquire: permission to send, awaited before the kernel is made to resolve an address.
    :param table: how many entries the kernel's neighbour table holds; None: that is read now.
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
        acquire: Callable[[], Awaitable[object]] | None = None,
        table: int | None = None,
        open_socket: Callable[[], NetlinkSocket] = open_netlink,
        provoke: Callable[[IPv4Address | IPv6Address, int], None] = provoke_kernel,
    ) -> None:
        self._reactor = reactor
        self._patience = patience
        self._excluded = excluded
        self._open_socket = open_socket
        self._lookups = NeighbourLookups(provoke, acquire, monotonic=monotonic, table=table or table_size())
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
        self._changed: Observers[[str, Mac | None]] = Observers("a change of the neighbours")
        self._interfaces_changed: Observers[[]] = Observers("a change of the interfaces")
        self._interfaces: Sequence[Interface] = ()  #: as the watchers know them

    def start(self) -> None:
        """Open the socket and request all tables.

        :raises LocalError: not on Linux, or started already.
        :raises OSError: the kernel gives no netlink socket.
        """
        if self._socket is not None:
            raise LocalError("the neighbours are watched already")
        self._socket = self._open_socket()
        self._reactor.addReader(self)
        self._resync()

    def stop(self) -> None:
        """Close the socket; lookups that wait for an answer end with None."""
        self._close()
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        self._ready = False
        self._dumps = []
        self._wake(lambda targets: True)

    async def mac_of(self, address: str) -> Mac | None:
        """The MAC at ``address``; None for off-link, absent and own addresses, and for what is no IP address.

        What the kernel holds is returned at once, even when it is some minutes old (state STALE); an address that it
        does not know it is made to resolve, for at most ``patience`` seconds.
        """
        await self._until_ready()
        targets = self._tables.targets(address)
        mac = self._known_mac(targets)
        if mac is None and targets:
            # A host that has just spoken to us is known to the kernel, whose event may wait in the socket.
            self.doRead()
            mac = self._known_mac(targets)
        if mac is not None or not targets or self._socket is None or self._excluded(address):
            return mac

        async def answer() -> None:
            await self._wait(targets, self._patience)
            self.doRead()  # a busy reactor may not have come to it

        await self._lookups.resolve(tuple(targets), answer)
        if self._stale and self._known_mac(targets) is None:
            await self._wait((), _READY_TIMEOUT)  # the kernel's event about it is among those that were lost
        return self._known_mac(targets)

    async def interfaces(self) -> Sequence[Interface]:
        """The addresses of the interfaces that are up, by kernel index, IPv4 first; loopback too.

        :raises CamdetectError: the kernel has not sent them (not started, or no answer).
        """
        await self._until_ready()
        if not self._ready:
            raise CamdetectError("the kernel did not tell its interfaces")
        return self._tables.interfaces()

    def known(self) -> Mapping[str, Mac]:
        """See :class:`INeighbours`; empty before the first answer of the kernel."""
        return self._tables.known()

    def watch(
        self, changed: Callable[[str, Mac | None], None], *, interfaces_changed: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        """See :class:`INeighbours`."""
        ends = [self._changed.add(changed)]
        if interfaces_changed is not None:
            ends.append(self._interfaces_changed.add(interfaces_changed))

        def unwatch() -> None:
            for end in ends:
                end()

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
        """Wait for an answer about ``targets``; without any, for the end of the dumps."""
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
        """Read the kernel's messages, a bounded number of them."""
        for _ in _TURN.turn():
            if self._socket is None:
                return
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno == errno.ENOBUFS:
                    self._lost_messages()  # changes came faster than we read
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
                self._lost_messages()
                continue
            for message in messages:
                self._handle(message)

    def _close(self) -> None:
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def _handle(self, message: netlink.NetlinkMessage) -> None:
        if isinstance(message, netlink.DumpInterrupted):
            self._interrupted = self._interrupted or message.sequence == self._sequence
        elif isinstance(message, netlink.DumpDone):
            if message.sequence == self._sequence and self._dumps:
                self._dumped()
        elif isinstance(message, netlink.RequestFailed):
            if message.errno and message.sequence == self._sequence:
                self.log.warn("The kernel refused a dump: {problem}", problem=errno.errorcode.get(message.errno, "?"))
                self._resync_later(_RESYNC_DELAY)
        elif isinstance(message, netlink.NeighbourMessage):
            self._tables.apply(message)
            self._wake(partial(is_answer, message))
            self._notify_neighbour(message)
        elif self._tables.apply(message) and self._ready:
            self._notify_interfaces()

    def _notify_neighbour(self, message: netlink.NeighbourMessage) -> None:
        if not len(self._changed) or not (message.usable or message.failed):
            return
        if address := self._tables.text_of(message):
            self._changed.notify(address, message.mac if message.usable else None)

    def _notify_interfaces(self) -> None:
        """Call the watchers if the interfaces are others than they know: dumps repeat all, and flags change all day."""
        before, self._interfaces = self._interfaces, self._tables.interfaces()
        if before != self._interfaces:
            self._interfaces_changed.notify()

    def _wake(self, concerned: Callable[[Sequence[Target]], bool]) -> None:
        for waiting, targets in tuple(self._waiting.items()):
            if not waiting.called and concerned(targets):
                waiting.callback(None)

    def _lost_messages(self) -> None:
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
        """Request all tables, on a new socket where the old one is gone."""
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
        """One table is complete: request the next."""
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
        if self._ready:
            self._notify_interfaces()  # what a loss kept from us
        else:
            self._interfaces = self._tables.interfaces()
        self._ready, self._stale = True, self._lost
        self._wake(lambda targets: not targets)
        if self._lost:
            self._resync_later(_RESYNC_DELAY)
