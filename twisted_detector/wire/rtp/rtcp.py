"""A sender's counts go in; RTCP reports come out, and what a receiver's compound packet holds (RFC 3550, section 6)."""

from __future__ import annotations

import struct

from twisted_detector.errors import LocalError, RemoteError

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203

#: Seconds from 1900 (NTP) to 1970 (Unix), RFC 5905 figure 4.
_NTP_OFFSET = 2_208_988_800
#: SDES item CNAME, RFC 3550 section 6.5.1; its length is one octet.
_CNAME = 1
_MAX_CNAME = 255


def sender_report(ssrc: int, *, seconds: float, timestamp: int, packets: int, octets: int, cname: str) -> bytes:
    """A compound packet of a sender report without report blocks and a source description (6.4.1, 6.5).

    :param seconds: wall time since the epoch at which the picture with ``timestamp`` was taken.
    :param packets: RTP packets sent; counts over 32 bits wrap, as the field does.
    :raises LocalError: a CNAME over 255 bytes.
    """
    whole = int(seconds // 1)
    fraction = int((seconds - whole) * 2**32)
    report = struct.pack(
        "!BBHIIIIII",
        0x80,
        SENDER_REPORT,
        6,
        ssrc & 0xFFFFFFFF,
        (whole + _NTP_OFFSET) & 0xFFFFFFFF,
        fraction & 0xFFFFFFFF,
        timestamp & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    return report + _source_description(ssrc, cname)


def goodbye(ssrc: int, *, cname: str) -> bytes:
    """A compound packet that ends a stream: an empty receiver report, a source description and BYE (6.6)."""
    empty = struct.pack("!BBHI", 0x80, RECEIVER_REPORT, 1, ssrc & 0xFFFFFFFF)
    return empty + _source_description(ssrc, cname) + struct.pack("!BBHI", 0x81, GOODBYE, 1, ssrc & 0xFFFFFFFF)


def packet_types(data: bytes) -> tuple[int, ...]:
    """The types of the packets in a compound packet, in order.

    :raises RemoteError: not RTCP version 2, or a length that does not fit.
    """
    found = []
    rest = memoryview(data)
    while rest:
        if len(rest) < 4 or rest[0] >> 6 != 2:
            raise RemoteError("not an RTCP packet", shown=data[:16].hex())
        size = 4 + 4 * int.from_bytes(rest[2:4], "big")
        if size > len(rest):
            raise RemoteError("an RTCP packet that is cut off", shown=data[:16].hex())
        found.append(rest[1])
        rest = rest[size:]
    if not found:
        raise RemoteError("an empty RTCP packet")
    return tuple(found)


def _source_description(ssrc: int, cname: str) -> bytes:
    name = cname.encode("utf-8")
    if len(name) > _MAX_CNAME:
        raise LocalError("a CNAME has at most 255 bytes", shown=cname)
    chunk = struct.pack("!IBB", ssrc & 0xFFFFFFFF, _CNAME, len(name)) + name
    chunk += b"\0" * (4 - len(chunk) % 4)  # one to four zero octets end the list of items
    return struct.pack("!BBH", 0x81, SOURCE_DESCRIPTION, len(chunk) // 4) + chunk
