"""Watcher of DHCP requests and ARP packets on this machine's links: reports devices at new addresses.

Both are seen before a camera announces itself. They can be forged, so nothing is believed before the kernel has
resolved the address by ARP to the same MAC. Needs CAP_NET_RAW; without it nothing is captured.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.reader import Descriptor, DescriptorReader
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import INeighbours, ISightingSink, IWatcher
from twisted_detector.model import Mac, Sighting
from twisted_detector.model.bounds import MAX_HOSTS, BoundedDict, TurnBudget
from twisted_detector.wire.lan import dhcp as wire

#: Claims that are being verified; each needs a lookup of the kernel, whose own bounds are not far above.
MAX_PENDING = 32
#: Claims that are remembered, so that hosts which repeat the same all day are looked up once.
MAX_REMEMBERED = MAX_HOSTS
#: Seconds until each lookup: a DHCP client takes up to some seconds to use an address.
_LOOKUPS = {"dhcp": (0.3, 0.7, 1.0, 2.0, 4.0), "arp": (0.05, 0.5)}
#: Each packet takes some microseconds.
_TURN = TurnBudget(64, 0.004, time.monotonic)
_MAX_PACKET = 2048
_ETH_P_IP, _ETH_P_ARP = 0x0800, 0x0806
_PACKET_OUTGOING = 4
_SO_ATTACH_FILTER = 26
#: A classic BPF program over an IPv4 packet: UDP, not a later fragment, destination port 67.
_DHCP_ONLY = (
    (0x30, 0, 0, 9),
    (0x15, 0, 6, 17),
    (0x28, 0, 0, 6),
    (0x45, 4, 0, 0x1FFF),
    (0xB1, 0, 0, 0),
    (0x48, 0, 0, 2),
    (0x15, 0, 1, wire.SERVER_PORT),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


class PacketSocket(Descriptor, Protocol):
    """The part of a socket that is used here."""

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]: ...


def open_packets(kind: str) -> PacketSocket:
    """A non-blocking packet socket (packet(7)) that receives ``dhcp`` or ``arp`` packets of all links.

    :raises OSError: not allowed (CAP_NET_RAW), or not on Linux.
    """
    family = getattr(socket, "AF_PACKET", None)
    if family is None:
        raise OSError("there are no packet sockets here")
    protocol = socket.htons(_ETH_P_IP if kind == "dhcp" else _ETH_P_ARP)
    # On all links from the start; what comes in before the filter is there is read and passed over.
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        if kind == "dhcp":
            program = b"".join(struct.pack("=HBBI", *step) for step in _DHCP_ONLY)
            kept = ctypes.create_string_buffer(program)
            opened.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DHCP_ONLY), ctypes.addressof(kept))
            )
    except OSError:
        opened.close()
        raise
    return opened


@implementer(IWatcher)
class PacketCapture:
    """Watcher of claims to addresses; reports those that the kernel confirms.

    :param kind: ``dhcp`` or ``arp``, also the name of the method.
    :param reactor: IReactorFDSet and IReactorTime.
    :param excluded: addresses whose claims are not verified, for that would send something.
    :param open_socket: for tests.
    :ivar counts: ``packets``, ``malformed``, ``claims``, ``dropped``, ``confirmed``.
    """

    log = make_logger()

    def __init__(
        self,
        kind: str,
        reactor: Any,
        neighbours: INeighbours,
        *,
        excluded: Container[str] = (),
        open_socket: Callable[[str], PacketSocket] = open_packets,
    ) -> None:
        self.name = kind
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._neighbours = neighbours
        self._excluded = excluded
        self._open_socket = open_socket
        self._reader: _Reader | None = None
        self._sink: ISightingSink | None = None
        self._claimed: BoundedDict[str, Mac] = BoundedDict(MAX_REMEMBERED)
        self._pending: dict[str, Deferred[None]] = {}
        self.counts: Counter[str] = Counter()

    def startWatching(self, sink: ISightingSink) -> None:
        """Begin; where that is not allowed, nothing is captured, which is logged once."""
        self._sink = sink
        try:
            opened = self._open_socket(self.name)
        except OSError as problem:
            self.log.info(
                "{kind} cannot be overheard ({problem}; it takes CAP_NET_RAW): moves are noticed a little later",
                kind=self.name.upper(),
                problem=problem,
            )
            return
        self._reader = _Reader(self._reactor, opened, self.receive)

    def stopWatching(self) -> Deferred[None]:
        """End it; fires when the socket is closed and no claim is being verified."""
        self._sink = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        pending = list(self._pending.values())
        for one in pending:
            one.cancel()
        ended: Deferred[Any] = DeferredList(pending)
        return ended.addCallback(lambda _: None)

    def receive(self, packet: bytes) -> None:
        """Read one packet."""
        self.counts["packets"] += 1
        try:
            claim = (wire.parse_packet if self.name == "dhcp" else wire.parse_arp)(packet)
        except RemoteError:
            self.counts["malformed"] += 1
            return
        if claim is None or self._sink is None:
            return
        # A DHCP client that requests again may have been away meanwhile; ARP is repeated all day.
        if self.name == "arp" and self._claimed.get(claim.address) == claim.mac:
            return
        if claim.address in self._pending or claim.address in self._excluded:
            return
        self.counts["claims"] += 1
        if len(self._pending) >= MAX_PENDING:
            self.counts["dropped"] += 1
            return
        self._claimed[claim.address] = claim.mac
        verifying = self._pending[claim.address] = Deferred.fromCoroutine(self._verify(claim, _LOOKUPS[self.name]))
        verifying.addErrback(self._failed)
        verifying.addBoth(self._verified, claim.address)

    async def _verify(self, claim: wire.Claim, delays: Sequence[float]) -> None:
        for delay in delays:
            await deferLater(self._clock, delay)
            if await self._neighbours.mac_of(claim.address) == claim.mac and self._sink is not None:
                self.counts["confirmed"] += 1
                self._sink.sighted(
                    Sighting(
                        method=self.name,
                        address=claim.address,
                        seen_at=self._clock.seconds(),
                        mac=claim.mac,
                        name=claim.name,
                    )
                )
                return
        self._claimed.pop(claim.address, None)  # it may be true the next time

    def _verified(self, _: object, address: str) -> None:
        self._pending.pop(address, None)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("A claim could not be verified", failure=failure)


class _Reader(DescriptorReader):
    def __init__(self, reactor: Any, opened: PacketSocket, received: Callable[[bytes], None]) -> None:
        self._socket = opened
        self._received = received
        super().__init__(reactor, opened, "packets")

    def doRead(self) -> None:
        """Hand over what came from others, a bounded part of it."""
        for _ in _TURN.turn():
            if not self.is_open:
                return
            try:
                packet, sender = self._socket.recvfrom(_MAX_PACKET)
            except OSError:
                return  # nothing more; or a link went down, which is raised once and harms nothing
            if sender[2] != _PACKET_OUTGOING:
                self._received(packet)
