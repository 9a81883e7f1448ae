"""Pictures and counts go in; RTP packets and RTCP reports come out, as a sender writes them.

RTP: RFC 3550 section 5.1; its payloads: RFC 6184 (H.264) and RFC 7798 (H.265). RTCP: RFC 3550 section 6.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable

from twisted_detector.errors import LocalError
from twisted_detector.wire.rtp.h26x import H264_FU_A, H265_FRAGMENT
from twisted_detector.wire.rtp.packets import FIXED_HEADER, RtpPacket

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203

#: Seconds from 1900 (NTP) to 1970 (Unix), RFC 5905 figure 4.
_NTP_OFFSET = 2_208_988_800
#: SDES item CNAME, RFC 3550 section 6.5.1; its length is one octet.
_CNAME = 1
_MAX_CNAME = 255
_START_CODE = re.compile(rb"\x00\x00\x01")


def format_packet(packet: RtpPacket) -> bytes:
    """The bytes of one packet, without padding, extension and CSRC.

    :raises LocalError: a field that does not fit.
    """
    if not 0 <= packet.payload_type < 128:
        raise LocalError("an RTP payload type has 7 bits", shown=str(packet.payload_type))
    try:
        header = FIXED_HEADER.pack(
            0x80, packet.payload_type | (packet.marker << 7), packet.sequence, packet.timestamp, packet.ssrc
        )
    except struct.error:
        raise LocalError("an RTP header field does not fit") from None
    return header + packet.payload


def packetize(nal: bytes, mtu: int) -> tuple[bytes, ...]:
    """The RTP payloads of one H.264 NAL unit: itself, or FU-A parts (RFC 6184 sections 5.6 and 5.8).

    :param mtu: most bytes of one payload, at least 3.
    :raises LocalError: an empty unit or too small an ``mtu``.
    """
    if not nal or mtu < 3:
        raise LocalError("nothing to packetize, or no room for it", shown=f"{len(nal)} bytes, mtu {mtu}")
    if len(nal) <= mtu:
        return (nal,)
    indicator = (nal[0] & 0xE0) | H264_FU_A
    return _split(nal[1:], bytes((indicator,)), nal[0] & 0x1F, mtu)


def packetize_h265(nal: bytes, mtu: int) -> tuple[bytes, ...]:
    """The RTP payloads of one H.265 NAL unit: itself, or FU parts (RFC 7798 sections 4.4.1 and 4.4.3).

    :param mtu: most bytes of one payload, at least 4.
    :raises LocalError: a unit without header or too small an ``mtu``.
    """
    if len(nal) < 2 or mtu < 4:
        raise LocalError("nothing to packetize, or no room for it", shown=f"{len(nal)} bytes, mtu {mtu}")
    if len(nal) <= mtu:
        return (nal,)
    header = bytes(((nal[0] & 0x81) | H265_FRAGMENT << 1, nal[1]))
    return _split(nal[2:], header, nal[0] >> 1 & 0x3F, mtu)


def _split(body: bytes, header: bytes, kind: int, mtu: int) -> tuple[bytes, ...]:
    room = mtu - len(header) - 1
    payloads = []
    for start in range(0, len(body), room):
        first, last = start == 0, start + room >= len(body)
        flags = kind | (0x80 if first else 0) | (0x40 if last else 0)
        payloads.append(header + bytes((flags,)) + body[start : start + room])
    return tuple(payloads)


def split_annex_b(data: bytes) -> tuple[bytes, ...]:
    """The NAL units of a byte stream with start codes (H.264 and H.265 annex B); bytes before the first are dropped."""
    borders = [(match.start(), match.end()) for match in _START_CODE.finditer(data)]
    ends = [start for start, _ in borders[1:]] + [len(data)]
    units = (data[begin:end].rstrip(b"\0") for (_, begin), end in zip(borders, ends, strict=False))
    return tuple(unit for unit in units if unit)


def format_sprop_h264(sets: Iterable[bytes]) -> str:
    """The value of ``sprop-parameter-sets`` for these units."""
    return ",".join(base64.b64encode(unit).decode("ascii") for unit in sets)


def format_sprop_h265(vps: bytes, sps: bytes, pps: bytes) -> str:
    """The three ``sprop-…`` parameters of an H.265 ``a=fmtp``."""
    names = (("sprop-vps", vps), ("sprop-sps", sps), ("sprop-pps", pps))
    return ";".join(f"{name}={base64.b64encode(unit).decode('ascii')}" for name, unit in names)


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


def _source_description(ssrc: int, cname: str) -> bytes:
    name = cname.encode("utf-8")
    if len(name) > _MAX_CNAME:
        raise LocalError("a CNAME has at most 255 bytes", shown=cname)
    chunk = struct.pack("!IBB", ssrc & 0xFFFFFFFF, _CNAME, len(name)) + name
    chunk += b"\0" * (4 - len(chunk) % 4)  # one to four zero octets end the list of items
    return struct.pack("!BBH", 0x81, SOURCE_DESCRIPTION, len(chunk) // 4) + chunk
