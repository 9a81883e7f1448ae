"""RTP payloads go in, NAL units come out: H.264 (RFC 6184) and H.265 (RFC 7798); and ``sprop`` parameters of an SDP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.wire.rtp.sps import VideoParameters, parse_sps_h264, parse_sps_h265

H264, H265 = "H264", "H265"
#: An aggregation packet holds parameter sets and a slice or two.
MAX_AGGREGATED = 64
#: A device sends one to three parameter sets of each kind.
MAX_PARAMETER_SETS = 32

_H264_SPS, _H264_IDR, _H264_STAP_A, _H264_STAP_B, H264_FU_A, _H264_FU_B = 7, 5, 24, 25, 28, 29
_H265_SPS, _H265_AGGREGATION, H265_FRAGMENT = 33, 48, 49
#: IRAP pictures (H.265 table 7-1): BLA, IDR, CRA and the reserved ones.
_H265_IRAP = range(16, 24)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A NAL unit, or a part of one, as an RTP payload carries it.

    :ivar kind: NAL unit type.
    :ivar data: the whole unit with its header when ``first`` and ``last``; else the part's bytes without header.
    :ivar header: of the first part: the header that the whole unit has.
    """

    kind: int
    first: bool
    last: bool
    data: bytes
    header: bytes = b""


def _checked(codec: str) -> str:
    if codec not in (H264, H265):
        raise LocalError("a codec is H264 or H265 here", shown=codec[:20])
    return codec


def nal_type(nal: bytes, codec: str = H264) -> int:
    """The type of a NAL unit.

    :raises RemoteError: it is empty (H.265: shorter than its header).
    """
    if len(nal) < (1 if _checked(codec) == H264 else 2):
        raise RemoteError("a NAL unit without header")
    return nal[0] & 0x1F if codec == H264 else nal[0] >> 1 & 0x3F


def is_keyframe(kind: int, codec: str = H264) -> bool:
    """Whether a decoder may begin at this NAL unit type: H.264 IDR slice, H.265 IRAP."""
    return kind == _H264_IDR if _checked(codec) == H264 else kind in _H265_IRAP


def is_sps(kind: int, codec: str = H264) -> bool:
    """Whether this NAL unit type is a sequence parameter set."""
    return kind == (_H264_SPS if _checked(codec) == H264 else _H265_SPS)


def parse_sps(nal: bytes, codec: str = H264) -> VideoParameters:
    """Read the sequence parameter set of either codec.

    :raises RemoteError: as :func:`parse_sps_h264` and :func:`parse_sps_h265`.
    """
    return parse_sps_h264(nal) if _checked(codec) == H264 else parse_sps_h265(nal)


def fragments(payload: bytes, codec: str = H264) -> tuple[Fragment, ...]:
    """What one RTP payload carries: one unit, several (STAP, AP), or a part of one (FU).

    :raises RemoteError: empty, cut short, too many units, or an MTAP, which no device here sends.
    """
    kind = nal_type(payload, codec)
    if codec == H264:
        if kind in (H264_FU_A, _H264_FU_B):
            return (_fragment(payload, 2 if kind == H264_FU_A else 4, 1, 0x1F),)
        if kind in (_H264_STAP_A, _H264_STAP_B):
            return _aggregated(payload[1 if kind == _H264_STAP_A else 3 :], codec)
        if not 0 < kind < 24:
            raise RemoteError("an H.264 payload of a type that is not known", shown=str(kind))
    else:
        if kind == H265_FRAGMENT:
            return (_fragment(payload, 3, 2, 0x3F),)
        if kind == _H265_AGGREGATION:
            return _aggregated(payload[2:], codec)
        if kind > H265_FRAGMENT:
            raise RemoteError("an H.265 payload of a type that is not known", shown=str(kind))
    return (Fragment(kind, True, True, payload),)


def _fragment(payload: bytes, header: int, indicator: int, mask: int) -> Fragment:
    if len(payload) <= header:
        raise RemoteError("a fragment of a NAL unit is cut short")
    flags = payload[indicator]
    kind, first, own = flags & mask, bool(flags & 0x80), b""
    if first:
        # The indicator bytes are the unit's own but for the type (RFC 6184 section 5.8, RFC 7798 section 4.4.3).
        long = indicator == 2
        own = bytes((payload[0] & 0x81 | kind << 1, payload[1])) if long else bytes((payload[0] & 0xE0 | kind,))
    return Fragment(kind, first, bool(flags & 0x40), payload[header:], own)


def _aggregated(data: bytes, codec: str) -> tuple[Fragment, ...]:
    units: list[Fragment] = []
    position = 0
    while position + 2 <= len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "big")
        unit = data[position + 2 : end]
        if end > len(data) or not unit:
            raise RemoteError("an aggregation packet is cut short")
        if len(units) >= MAX_AGGREGATED:
            raise RemoteError("an aggregation packet of too many units")
        units.append(Fragment(nal_type(unit, codec), True, True, unit))
        position = end
    if not units:
        raise RemoteError("an aggregation packet without units")
    return tuple(units)


def parameter_sets(format_parameters: Mapping[str, str], codec: str = H264) -> tuple[bytes, ...]:
    """The parameter sets of an ``a=fmtp``: ``sprop-parameter-sets``, or ``sprop-vps``, ``-sps`` and ``-pps``.

    What is no base64 is left out; start codes around a set, which some devices write, are taken off.
    """
    names = ("sprop-parameter-sets",) if _checked(codec) == H264 else ("sprop-vps", "sprop-sps", "sprop-pps")
    texts = [text for name in names for text in format_parameters.get(name, "").split(",")]
    sets = []
    for text in texts[:MAX_PARAMETER_SETS]:
        stripped = text.strip().rstrip("=")
        try:
            decoded = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        unit = decoded.removeprefix(b"\0\0\0\1").removeprefix(b"\0\0\1").removesuffix(b"\0\0\0\1")
        if unit:
            sets.append(unit)
    return tuple(sets)


def video_parameters(format_parameters: Mapping[str, str], codec: str = H264) -> VideoParameters | None:
    """Content of the first readable sequence parameter set of an ``a=fmtp``, None when there is none."""
    for unit in parameter_sets(format_parameters, codec):
        try:
            return parse_sps(unit, codec)
        except RemoteError:
            continue
    return None
