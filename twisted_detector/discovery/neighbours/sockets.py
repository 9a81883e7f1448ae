"""Sockets towards the kernel: its link, address and neighbour events, and the datagram that makes it resolve a MAC."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Protocol

from twisted_detector.discovery.reader import Descriptor
from twisted_detector.errors import LocalError
from twisted_detector.wire.netlink import messages as netlink

#: RFC 863. Nothing listens there, and nothing logs it.
_DISCARD_PORT = 9
#: linux/errqueue.h, ip(7) and ipv6(7); Python's socket module has no names for these.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
#: asm-generic/socket.h; beyond net.core.rmem_max with CAP_NET_ADMIN.
_SO_RCVBUFFORCE = 33
#: Room for a burst of changes while the reactor is busy; the kernel caps it at net.core.rmem_max (212 992 by default).
_RECEIVE_BUFFER = 1_048_576


_GC_THRESH3 = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")


class NetlinkSocket(Descriptor, Protocol):
    """The part of a socket that is used here."""

    def send(self, data: bytes, /) -> int: ...
    def recvfrom(self, size: int, /) -> tuple[bytes, Any]: ...


def open_netlink() -> NetlinkSocket:
    """A non-blocking rtnetlink socket that receives changes of links, addresses and neighbours (rtnetlink(7)).

    :raises LocalError: not on Linux.
    :raises OSError: the kernel has none for us (a sandbox may forbid AF_NETLINK).
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise LocalError("the kernel's neighbours are known on Linux only: there is no AF_NETLINK here")
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        with suppress(PermissionError):
            kernel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        groups = netlink.RTMGRP_LINK | netlink.RTMGRP_NEIGH | netlink.RTMGRP_IPV4_IFADDR | netlink.RTMGRP_IPV6_IFADDR
        kernel.bind((0, groups))
    except OSError:
        kernel.close()
        raise
    return kernel


def table_size() -> int:
    """How many entries the kernel's IPv4 neighbour table holds; the usual 1 024 where it is not shown (containers)."""
    try:
        return max(int(_GC_THRESH3.read_text()), 64)
    except (OSError, ValueError):
        return 1024


def provoke_kernel(address: IPv4Address | IPv6Address, index: int = 0) -> None:
    """Send one empty datagram to an on-link address, so that the kernel resolves its MAC. Never through a router.

    A socket for each: an error of one address would come out at the next, and the datagrams that wait in the kernel
    would fill its send buffer.

    :param index: of the link, which link-local IPv6 addresses need.
    :raises OSError: the kernel will not send (full neighbour table: ENOBUFS; firewall, link down).
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    level, error = (socket.IPPROTO_IP, _IP_RECVERR) if address.version == 4 else (socket.IPPROTO_IPV6, _IPV6_RECVERR)
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as datagram:
        datagram.setsockopt(level, error, 1)  # without it the kernel does not report a full neighbour table
        scope = (0, index if address.is_link_local else 0) if address.version == 6 else ()
        datagram.sendto(b"", socket.MSG_DONTROUTE, (str(address), _DISCARD_PORT, *scope))
