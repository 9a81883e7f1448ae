"""Parser of claims to an address: of DHCP requests in IPv4 packets, and of ARP packets.

Sources: RFC 791 (IPv4), RFC 768 (UDP), RFC 2131 and 2132 (DHCP), RFC 826 (ARP), RFC 5227 (announcements).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.lan import arp

SERVER_PORT = 67
_COOKIE = b"\x63\x82\x53\x63"
_PAD, _HOST_NAME, _REQUESTED, _MESSAGE_TYPE, _END = 0, 12, 50, 53, 255
_REQUEST = 3
#: RFC 1035: a host name has at most 255 octets, a label 63; longer ones are cut.
_MAX_NAME = 63
_FIXED = 236


@dataclass(frozen=True, slots=True)
class Claim:
    """The device with ``mac`` uses ``address``, or will in a moment; ``name`` is what it calls itself, or ""."""

    mac: Mac
    address: str
    name: str = ""


def parse_packet(packet: bytes) -> Claim | None:
    """An IPv4 packet; None when it is no DHCPREQUEST with an address in it.

    :raises RemoteError: it is cut off or broken.
    """
    if len(packet) < 20 or packet[0] >> 4 != 4:
        raise RemoteError("not an IPv4 packet", shown=packet[:8].hex())
    start = (packet[0] & 15) * 4
    if packet[9] != 17 or int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return None
    if start < 20 or len(packet) < start + 8:
        raise RemoteError("a UDP header is cut off", shown=packet[:8].hex())
    port, length = struct.unpack_from("!HH", packet, start + 2)
    if port != SERVER_PORT:
        return None
    if length < 8 or start + length > len(packet):
        raise RemoteError("a UDP datagram is cut off", shown=str(length))
    return parse(packet[start + 8 : start + length])


def parse(message: bytes) -> Claim | None:
    """A DHCP message (RFC 2131, section 2); None when it is no DHCPREQUEST with an address in it.

    :raises RemoteError: it is cut off or broken.
    """
    if len(message) < _FIXED + 4 or message[_FIXED : _FIXED + 4] != _COOKIE:
        raise RemoteError("not a DHCP message", shown=message[:8].hex())
    operation, hardware, length = message[0], message[1], message[2]
    if operation != 1 or hardware != 1 or length != 6:
        return None
    options = _options(message[_FIXED + 4 :])
    if options.get(_MESSAGE_TYPE) != bytes((_REQUEST,)):
        return None
    # Selecting and rebooting clients name what they want; renewing ones what they have (RFC 2131, 4.3.2).
    wanted = options.get(_REQUESTED, b"") or message[12:16]
    if len(wanted) != 4:
        raise RemoteError("a requested address has four octets", shown=wanted[:8].hex())
    if not _usable(IPv4Address(wanted)):
        return None
    name = options.get(_HOST_NAME, b"")[:_MAX_NAME].decode("ascii", "replace")
    printable = "".join(one for one in name if one.isprintable())
    return Claim(Mac.from_bytes(message[28:34]), str(IPv4Address(wanted)), printable)


def _options(data: bytes) -> dict[int, bytes]:
    """RFC 2132, section 2; several of one kind are one (RFC 3396)."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(data) and data[position] != _END:
        kind = data[position]
        position += 1
        if kind == _PAD:
            continue
        if position >= len(data) or position + 1 + data[position] > len(data):
            raise RemoteError("a DHCP option is cut off", shown=str(kind))
        length = data[position]
        found[kind] = found.get(kind, b"") + data[position + 1 : position + 1 + length]
        position += 1 + length
    return found


def parse_arp(packet: bytes) -> Claim | None:
    """An ARP packet for IPv4 on Ethernet; None when its sender claims no address (a probe of RFC 5227).

    :raises RemoteError: it is cut off, of another kind, or its sender has no single MAC.
    """
    parsed = arp.parse_packet(packet)
    return Claim(parsed.sender, parsed.address) if _usable(IPv4Address(parsed.address)) else None


def _usable(address: IPv4Address) -> bool:
    return not (address.is_unspecified or address.is_multicast or address.is_loopback or int(address) == 2**32 - 1)
