"""The bytes of one RTP packet go in; its header fields and its payload come out (RFC 3550 section 5.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from twisted_detector.errors import RemoteError

#: Version and flags, marker and payload type, sequence, timestamp, SSRC.
FIXED_HEADER = struct.Struct("!BBHII")


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet without its padding; CSRC list and header extension are passed over when parsed.

    :ivar payload_type: 0..127.
    :ivar sequence: 0..65535, wraps round.
    :ivar timestamp: 32 bits in units of the payload's clock rate.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def parse(data: bytes) -> RtpPacket:
    """Read one packet.

    :raises RemoteError: shorter than it says, or not version 2.
    """
    if len(data) < FIXED_HEADER.size:
        raise RemoteError("an RTP packet has at least 12 bytes", shown=f"{len(data)} bytes")
    first, second, sequence, timestamp, ssrc = FIXED_HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise RemoteError("not RTP version 2", shown=f"{first >> 6}")
    start = FIXED_HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            raise RemoteError("an RTP header extension is cut short")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if first & 0x20:
        end -= data[-1]  # 0: there is none, whatever the bit says
    if start > end and start < len(data):
        end = len(data)  # nor where it would be more than all that there is
    if start > end:
        raise RemoteError("an RTP packet is shorter than its header says", shown=f"{len(data)} bytes")
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, data[start:end], bool(second & 0x80))
