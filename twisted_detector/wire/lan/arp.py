"""Codec of ARP for IPv4 on Ethernet: frames in, packets out; requests out as bytes.

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
    :ivar sender: its MAC.
    :ivar address: the address that the sender claims; 0.0.0.0 in a probe (RFC 5227 section 2.1.1).
    :ivar target: the address that is requested, or that of the host that is answered.
    """

    operation: int
    sender: Mac
    address: str
    target: str


def format_request(sender: Mac, address: str, target: str) -> bytes:
    """The broadcast frame that requests the MAC at ``target``.

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
    if len(frame) < _ETHERNET.size or _ETHERNET.unpack_from(frame)[2] != ETHERTYPE:
        raise RemoteError("not an ARP frame", shown=frame[:42].hex())
    return parse_packet(frame[_ETHERNET.size :])


def parse_packet(packet: bytes) -> ArpPacket:
    """Read one packet, without the head of its frame.

    :raises RemoteError: as :func:`parse`.
    """
    if len(packet) < _ARP.size:
        raise RemoteError("an ARP packet is cut off", shown=packet[:28].hex())
    hardware, protocol, hardware_size, protocol_size, operation, sender, address, _, target = _ARP.unpack_from(packet)
    if (hardware, protocol, hardware_size, protocol_size) != (HARDWARE, _IPV4, 6, 4):
        raise RemoteError("not ARP for IPv4 on Ethernet", shown=packet[:28].hex())
    if operation not in (REQUEST, REPLY):
        raise RemoteError("an unknown ARP operation", shown=str(operation))
    if sender[0] & 1 or sender == _NOBODY:
        raise RemoteError("an ARP sender that is no single device", shown=sender.hex())
    return ArpPacket(operation, Mac.from_bytes(sender), str(IPv4Address(address)), str(IPv4Address(target)))
