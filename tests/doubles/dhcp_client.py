"""DHCP requests and ARP packets of one client, as their bytes stand on the wire."""

from __future__ import annotations

import struct

from twisted_detector.model import Mac

MAC = Mac.parse("00:40:8c:01:02:03")
REQUESTED = b"\x32\x04" + bytes((192, 168, 1, 77))
NAMED = b"\x0c\x08axis-cam"


def dhcp(options: bytes, *, kind: int = 3, client: bytes = bytes(4), operation: int = 1) -> bytes:
    """RFC 2131, figure 1."""
    head = bytes((operation, 1, 6, 0)) + bytes(8) + client + bytes(12)
    return (
        head
        + bytes.fromhex(MAC.compact)
        + bytes(10 + 64 + 128)
        + b"\x63\x82\x53\x63\x35\x01"
        + bytes((kind,))
        + options
    )


def packet(message: bytes, *, port: int = 67, protocol: int = 17, fragment: int = 0, options: bytes = b"") -> bytes:
    header = bytes((0x45 + len(options) // 4, 0)) + struct.pack("!HHH", 28 + len(message), 0, fragment)
    header += bytes((64, protocol)) + bytes(10) + options
    return header + struct.pack("!HHHH", 68, port, 8 + len(message), 0) + message


def arp(sender: bytes = bytes((10, 0, 0, 5)), operation: int = 1) -> bytes:
    return (
        bytes.fromhex("000108000604") + struct.pack("!H", operation) + bytes.fromhex(MAC.compact) + sender + bytes(10)
    )


REQUEST = dhcp(REQUESTED + NAMED + b"\xff")
