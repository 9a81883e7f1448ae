"""Ethernet frames with ARP for IPv4 go in; who says to have which address comes out, and requests as bytes.

Sources: RFC 826 (ARP), RFC 5227 (probes and announcements), RFC 894 (IPv4 on Ethernet).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Mac

ETHERTYPE = 0x0806
REQUEST, REPLY = 1, 2
#: ARPHRD_ETHER of linux/if_arp.h: the only hardware that is spoken here (Wi-Fi calls itself so too).
HARDWARE = 1

_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_BROADCAST = b"\xff" * 6
_NOBODY = bytes(6)
_IPV4 = 0x0800


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """One ARP packet.

    :ivar operation: ``REQUEST`` or ``REPLY``.
    :ivar sender: who speaks.
    :ivar address: the address that the sender says to have; 0.0.0.0 in a probe (RFC 5227 section 2.1.1).
    :ivar target: the address that is asked for, or the one who is answered.
    """

    operation: int
    sender: Mac
    address: str
    target: str


def format_request(sender: Mac, address: str, target: str) -> bytes:
    """The frame that asks everybody on the link who has ``target``.

    :raises LocalError: a text that is no IPv4 address.
    """
    own = bytes.fromhex(sender.compact)
    try:
        source, wanted = IPv4Address(address).packed, IPv4Address(target).packed
    except AddressValueError:
        raise LocalError("not an IPv4 address", shown=f"{address} {target}") from None
    body = _ARP.pack(HARDWARE, _IPV4, 6, 4, REQUEST, own, source, _NOBODY, wanted)
    return _ETHERNET.pack(_BROADCAST, own, ETHERTYPE) + body


def parse(frame: bytes) -> ArpPacket:
    """Read one frame; padding after the packet is allowed.

    :raises RemoteError: not ARP for IPv4 on Ethernet, cut off, or a sender that is no single device.
    """
    if len(frame) < _ETHERNET.size + _ARP.size:
        raise RemoteError("an ARP frame is cut off", shown=frame[:42].hex())
    _, _, ethertype = _ETHERNET.unpack_from(frame)
    hardware, protocol, hardware_size, protocol_size, operation, sender, address, _, target = _ARP.unpack_from(
        frame, _ETHERNET.size
    )
    if (ethertype, hardware, protocol, hardware_size, protocol_size) != (ETHERTYPE, HARDWARE, _IPV4, 6, 4):
        raise RemoteError("not ARP for IPv4 on Ethernet", shown=frame[:42].hex())
    if operation not in (REQUEST, REPLY):
        raise RemoteError("an unknown ARP operation", shown=str(operation))
    if sender[0] & 1 or sender == _NOBODY:
        raise RemoteError("an ARP sender that is no single device", shown=sender.hex())
    return ArpPacket(operation, Mac.from_bytes(sender), str(IPv4Address(address)), str(IPv4Address(target)))
