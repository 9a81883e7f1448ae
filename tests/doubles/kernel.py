"""A Linux kernel in memory: its rtnetlink messages as bytes, and a netlink socket that dumps its tables."""

from __future__ import annotations

import errno
import struct
from ipaddress import ip_address
from typing import Any

from twisted.internet.task import Clock

from twisted_detector.model import Mac
from twisted_detector.wire.netlink import messages as netlink

UP = netlink.IFF_UP | netlink.IFF_RUNNING | netlink.IFF_MULTICAST
FAILED, STALE, REACHABLE, INCOMPLETE = 0x20, 0x04, 0x02, 0x01
MAC = Mac("02:00:00:00:00:05")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def message(kind: int, body: bytes, *, flags: int = 2, sequence: int = 7) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


def link(index: int, name: str, flags: int, *, kind: int = netlink.RTM_NEWLINK, family: int = 0) -> bytes:
    return message(
        kind,
        struct.pack("=BxHiII", family, 1, index, flags, 0) + attribute(3, name.encode() + b"\0") + attribute(4, b"abc"),
    )


def address(
    index: int,
    own: str,
    prefix: int,
    *,
    peer: str = "",
    flags: int | None = None,
    kind: int = netlink.RTM_NEWADDR,
    short_flags: int = 0,
) -> bytes:
    packed = ip_address(own).packed
    family = 2 if len(packed) == 4 else 10
    body = struct.pack("=BBBBI", family, prefix, short_flags, 0, index)
    body += attribute(1, ip_address(peer or own).packed)
    if family == 2 or peer:
        body += attribute(2, packed)
    if flags is not None:
        body += attribute(8, struct.pack("=I", flags))
    return message(kind, body)


def neighbour(
    index: int,
    ip: str,
    mac: str,
    state: int,
    *,
    kind: int = netlink.RTM_NEWNEIGH,
    flags: int = 0,
    family: int | None = None,
) -> bytes:
    packed = ip_address(ip).packed
    family = family if family is not None else (2 if len(packed) == 4 else 10)
    body = struct.pack("=BxxxiHBB", family, index, state, flags, 1) + attribute(1, packed)
    if mac:
        body += attribute(2, bytes.fromhex(mac.replace(":", "")))
    return message(kind, body)


def done(sequence: int = 7) -> bytes:
    return message(netlink.NLMSG_DONE, struct.pack("=i", 0), sequence=sequence)


class Kernel:
    """A netlink socket, and the tables behind it."""

    def __init__(self) -> None:
        self.links = [link(1, "lo", 0x49), link(2, "eth0", UP)]
        self.addresses = [address(1, "127.0.0.1", 8), address(2, "10.0.0.9", 24), address(2, "fe80::9", 64)]
        self.neighbours = [neighbour(2, "10.0.0.5", MAC.text, STALE)]
        self.pending: list[bytes | OSError] = []
        self.dumps: list[int] = []
        self.refuse = 0
        self.interrupt = 0
        self.silent = False
        self.opened = 0
        self.closed = 0
        self.sender = 0

    def open(self) -> Kernel:
        self.opened += 1
        return self

    def fileno(self) -> int:
        return 77

    def close(self) -> None:
        self.closed += 1

    def send(self, data: bytes, /) -> int:
        _, kind, _, sequence, _ = struct.unpack_from("=IHHII", data)
        self.dumps.append(kind)
        if self.silent:
            return len(data)
        if self.refuse:
            self.refuse -= 1
            self.pending.append(message(netlink.NLMSG_ERROR, struct.pack("=i", -errno.EBUSY), sequence=sequence))
            return len(data)
        rows = {
            netlink.RTM_GETLINK: self.links,
            netlink.RTM_GETADDR: self.addresses,
            netlink.RTM_GETNEIGH: self.neighbours,
        }[kind]
        if self.interrupt:
            self.interrupt -= 1
            self.pending.append(message(99, b"", flags=0x10, sequence=sequence))
        self.pending += [b"".join(rows), done(sequence)]
        return len(data)

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]:
        if not self.pending:
            raise BlockingIOError
        first = self.pending.pop(0)
        if isinstance(first, OSError):
            raise first
        return first, (self.sender, 0)


class FDClock(Clock):
    """A clock that is also a reactor of descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)
