"""Codec of rtnetlink: datagrams in, links, addresses and neighbours out; dump requests out as bytes.

Sources: RFC 3549, rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h, linux/if_addr.h. All numbers are in the byte
order of the host, as on the socket. Messages of other kinds, families other than IPv4 and IPv6, and unknown attributes
are left out: the kernel adds new ones all the time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Mac

#: Multicast groups of NETLINK_ROUTE (the old bit mask, which bind() takes): links, neighbours, IPv4 and IPv6 addresses.
RTMGRP_LINK = 0x1
RTMGRP_NEIGH = 0x4
RTMGRP_IPV4_IFADDR = 0x10
RTMGRP_IPV6_IFADDR = 0x100

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30

_NLM_F_REQUEST = 0x1
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP = 0x300

AF_INET = 2
AF_INET6 = 10

IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_RUNNING = 0x40
IFF_NOARP = 0x80
IFF_MULTICAST = 0x1000

IFA_F_DADFAILED = 0x08
IFA_F_TENTATIVE = 0x40

NUD_INCOMPLETE, NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE = 0x01, 0x02, 0x04, 0x08, 0x10
NUD_FAILED, NUD_NOARP, NUD_PERMANENT = 0x20, 0x40, 0x80
#: The states in which the kernel itself would send to the hardware address that it holds.
NUD_USABLE = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT

_NTF_PROXY = 0x08

_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_NDA_DST, _NDA_LLADDR = 1, 2
#: The two upper bits of an attribute's type say "nested" and "network byte order" (linux/netlink.h, NLA_TYPE_MASK).
_NLA_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_NDMSG = struct.Struct("=BxxxiHBB")
_ERROR = struct.Struct("=i")
_U32 = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """A network interface appeared or changed, or (``removed``) is gone."""

    index: int
    name: str
    flags: int
    removed: bool = False

    @property
    def up(self) -> bool:
        """Whether it is switched on and has a carrier (or a driver that knows none)."""
        return bool(self.flags & IFF_UP) and bool(self.flags & IFF_RUNNING)


@dataclass(frozen=True, slots=True)
class AddressMessage:
    """An interface has an address, or (``removed``) lost it.

    :ivar address: this machine's own address.
    :ivar peer: the far end of a point-to-point link, else the same; ``prefix_length`` belongs to it.
    """

    index: int
    address: str
    peer: str
    prefix_length: int
    flags: int
    removed: bool = False

    @property
    def usable(self) -> bool:
        """Whether a socket may be bound to it: duplicate address detection (RFC 4862) is over and found none."""
        return not self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)


@dataclass(frozen=True, slots=True)
class NeighbourMessage:
    """The kernel's belief about one on-link address, or (``removed``) that it dropped it.

    :ivar mac: None when it knows none, or one that identifies no single device.
    :ivar state: ``NUD_…`` bits.
    """

    index: int
    address: str
    mac: Mac | None
    state: int
    removed: bool = False

    @property
    def failed(self) -> bool:
        """Whether the kernel tried to resolve the address and gave up."""
        return self.removed or bool(self.state & NUD_FAILED)

    @property
    def usable(self) -> bool:
        """Whether the kernel itself would send to ``mac``."""
        return not self.removed and self.mac is not None and bool(self.state & NUD_USABLE)


@dataclass(frozen=True, slots=True)
class DumpDone:
    """The dump requested with ``sequence`` is complete."""

    sequence: int


@dataclass(frozen=True, slots=True)
class DumpInterrupted:
    """The table changed while it was dumped for ``sequence``: it may be incomplete, request it again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """The request with ``sequence`` was refused; ``errno`` is positive, 0 for a mere acknowledgement."""

    sequence: int
    errno: int


NetlinkMessage = LinkMessage | AddressMessage | NeighbourMessage | DumpDone | DumpInterrupted | RequestFailed


def dump_request(kind: int, sequence: int) -> bytes:
    """The request for a whole table: ``kind`` is RTM_GETLINK, RTM_GETADDR or RTM_GETNEIGH.

    The kernel serves one dump per socket at a time: wait for :class:`DumpDone` before the next.

    :raises LocalError: another ``kind``.
    """
    form = {RTM_GETLINK: _IFINFOMSG, RTM_GETADDR: _IFADDRMSG, RTM_GETNEIGH: _NDMSG}.get(kind)
    if form is None:
        raise LocalError("not a table that can be dumped", shown=str(kind))
    body = form.pack(0, 0, 0, 0, 0)
    return _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, sequence, 0) + body


def parse(data: bytes) -> tuple[NetlinkMessage, ...]:
    """All messages of one datagram, in order.

    :raises RemoteError: a length that does not fit its frame, or a body shorter than its kind demands.
    """
    return tuple(_messages(data))


def _messages(data: bytes) -> Iterator[NetlinkMessage]:
    offset = 0
    interrupted = False
    while offset < len(data):
        if len(data) - offset < _HEADER.size:
            raise RemoteError("a netlink header is cut off", shown=data[offset : offset + 16].hex())
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if not _HEADER.size <= length <= len(data) - offset:
            raise RemoteError("a netlink message has a wrong length", shown=str(length))
        body = data[offset + _HEADER.size : offset + length]
        if flags & _NLM_F_DUMP_INTR and not interrupted:
            interrupted = True
            yield DumpInterrupted(sequence)
        message = _message(kind, sequence, body)
        if message is not None:
            yield message
        offset += _aligned(length)


def _message(kind: int, sequence: int, body: bytes) -> NetlinkMessage | None:
    if kind == NLMSG_DONE:
        return DumpDone(sequence)
    if kind == NLMSG_ERROR:
        (code,) = _unpack(_ERROR, body)
        return RequestFailed(sequence, abs(code))
    if kind == NLMSG_OVERRUN:
        raise RemoteError("netlink data was lost")
    if kind in (RTM_NEWLINK, RTM_DELLINK):
        return _link(body, kind == RTM_DELLINK)
    if kind in (RTM_NEWADDR, RTM_DELADDR):
        return _address(body, kind == RTM_DELADDR)
    if kind in (RTM_NEWNEIGH, RTM_DELNEIGH):
        return _neighbour(body, kind == RTM_DELNEIGH)
    return None


def _link(body: bytes, removed: bool) -> LinkMessage | None:
    family, _, index, flags, _ = _unpack(_IFINFOMSG, body)
    if family != 0:
        # A bridge announces its ports, IPv6 its settings, with these same messages; the link itself is AF_UNSPEC.
        return None
    name = _attributes(body, _IFINFOMSG.size).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    return LinkMessage(index, name, flags, removed)


def _address(body: bytes, removed: bool) -> AddressMessage | None:
    family, prefix_length, flags, _, index = _unpack(_IFADDRMSG, body)
    attributes = _attributes(body, _IFADDRMSG.size)
    peer = _ip(family, attributes.get(_IFA_ADDRESS, attributes.get(_IFA_LOCAL)))
    # IPv4 puts its own address into LOCAL; IPv6 does so on point-to-point links only.
    own = _ip(family, attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS)))
    if own is None or peer is None:
        return None
    if prefix_length > own.max_prefixlen:
        raise RemoteError("a prefix is longer than its address", shown=str(prefix_length))
    if _IFA_FLAGS in attributes:
        (flags,) = _unpack(_U32, attributes[_IFA_FLAGS])
    return AddressMessage(index, str(own), str(peer), prefix_length, flags, removed)


def _neighbour(body: bytes, removed: bool) -> NeighbourMessage | None:
    family, index, state, flags, _ = _unpack(_NDMSG, body)
    attributes = _attributes(body, _NDMSG.size)
    address = _ip(family, attributes.get(_NDA_DST))
    if address is None or flags & _NTF_PROXY:
        return None
    mac = None
    hardware = attributes.get(_NDA_LLADDR, b"")
    if len(hardware) == 6 and any(hardware) and not hardware[0] & 1:
        mac = Mac.from_bytes(hardware)
    return NeighbourMessage(index, str(address), mac, state, removed)


def _ip(family: int, octets: bytes | None) -> IPv4Address | IPv6Address | None:
    if octets is None or family not in (AF_INET, AF_INET6):
        return None
    if len(octets) != (4 if family == AF_INET else 16):
        raise RemoteError("an address of the wrong length", shown=octets[:20].hex())
    return ip_address(octets)


def _attributes(body: bytes, offset: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    # Fewer than four octets at the end are padding.
    while len(body) - offset >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if not _ATTRIBUTE.size <= length <= len(body) - offset:
            raise RemoteError("a netlink attribute has a wrong length", shown=str(length))
        found[kind & _NLA_TYPE_MASK] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
    return found


def _unpack(form: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) < form.size:
        raise RemoteError("a netlink message is shorter than its kind demands", shown=body[:16].hex())
    return form.unpack_from(body)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
