"""What the tests read of an RTSP server's answers and reports beyond what camdetect reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted_detector.errors import RemoteError

#: More streams than any camera has; the rest of a longer RTP-Info is passed over.
_MAX_RTP_INFOS = 64
_RTP_INFO_BORDER = re.compile(r",\s*(?=url\s*=)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RtpInfo:
    """One entry of an ``RTP-Info`` header; ``url`` may be relative."""

    url: str
    sequence: int | None = None
    rtptime: int | None = None


def parse_public(text: str) -> frozenset[str]:
    """The methods of a ``Public`` (or ``Allow``) header, upper case; separated by commas or, by some, spaces."""
    return frozenset(word.upper() for word in re.split(r"[,\s]+", text) if word)


def parse_rtp_info(text: str) -> tuple[RtpInfo, ...]:
    """The entries of an ``RTP-Info`` header; what is no entry is left out. A comma inside a URL is allowed."""
    entries = []
    for entry in _RTP_INFO_BORDER.split(text.strip())[:_MAX_RTP_INFOS]:
        match = re.match(r"url\s*=\s*(.*?)((?:;\s*(?:seq|rtptime|ssrc)\s*=[^;]*)*);?\s*$", entry.strip(), re.IGNORECASE)
        if match is None:
            continue
        fields = dict(re.findall(r"(seq|rtptime)\s*=\s*(\d{1,10})", match[2].lower()))
        entries.append(
            RtpInfo(
                url=match[1].strip().strip('"'),
                sequence=_number(fields.get("seq", ""), 65_535),
                rtptime=_number(fields.get("rtptime", ""), 0xFFFF_FFFF),
            )
        )
    return tuple(entries)


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


def _number(text: str, highest: int) -> int | None:
    return int(text) if text and int(text) <= highest else None
