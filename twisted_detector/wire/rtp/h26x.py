"""RTP payloads go in, NAL units come out: H.264 (RFC 6184) and H.265 (RFC 7798); and ``sprop`` parameters of an SDP.

Some devices leave the start codes of a byte stream (annex B of either standard) in what they send: before each unit, or
between several that they call one. No unit can hold a start code, so each is a border, wherever it stands.
"""

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

#: Units of one payload that are told apart at start codes: a picture has at most some 70 slices.
MAX_SPLIT = 128
START_CODE = b"\0\0\1"
#: Types of parameter sets: SPS, PPS, SPS extension, subset SPS; VPS, SPS, PPS.
PARAMETER_SETS = {H264: (7, 8, 13, 15), H265: (32, 33, 34)}
#: Bytes of a NAL unit's header.
HEADER = {H264: 1, H265: 2}
#: Values that ``profile_idc`` and ``level_idc`` of an H.264 parameter set can have (annexes A, G, H, I).
_PROFILES = frozenset({44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
_LEVELS = frozenset({9, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62})

_H264_SPS, _H264_IDR, _H264_STAP_A, _H264_STAP_B, H264_FU_A, _H264_FU_B = 7, 5, 24, 25, 28, 29
_H265_SPS, _H265_AGGREGATION, H265_FRAGMENT = 33, 48, 49
#: IRAP pictures (H.265 table 7-1): BLA, IDR, CRA and the reserved ones.
_H265_IRAP = range(16, 24)
#: Types that devices send (H.264 table 7-1 without data partitions, RFC 6184; H.265 table 7-1 without what is reserved,
#: RFC 7798): a part of a unit of the one has no type of the other, so most packets are told apart by their first octet.
_H264_USED = frozenset({1, *range(5, _H264_FU_B + 1)})
_H265_USED = frozenset({*range(10), *_H265_IRAP, *range(32, 41), _H265_AGGREGATION, H265_FRAGMENT})


@dataclass(frozen=True, slots=True)
class Fragment:
    """A NAL unit, or a part of one, as an RTP payload carries it.

    :ivar kind: NAL unit type; later parts may say another, and do not count.
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


def is_plausible(payload: bytes, codec: str) -> bool:
    """Whether a payload can be of this codec; that of another hardly ever is, in type, layer and temporal id."""
    if payload.startswith((START_CODE, b"\0" + START_CODE)):
        return True
    if codec == H264:
        return bool(payload) and not payload[0] & 0x80 and payload[0] & 0x1F in _H264_USED
    # forbidden_zero_bit and nuh_layer_id 0; some write no temporal id
    return len(payload) > 2 and not payload[0] & 0x81 and payload[1] < 8 and payload[0] >> 1 in _H265_USED


def is_part(payload: bytes, codec: str) -> bool:
    """Whether a payload is, by its type, a part of a unit, whatever else is wrong with it."""
    if codec == H264:
        return bool(payload) and payload[0] & 0x1F in (H264_FU_A, _H264_FU_B)
    return bool(payload) and payload[0] >> 1 & 0x3F == H265_FRAGMENT


def is_certain_sps(nal: bytes, codec: str) -> bool:
    """Whether a sequence parameter set that could be read is one beyond doubt: its fixed fields have known values."""
    if codec == H264:
        return nal[1] in _PROFILES and not nal[2] & 3 and nal[3] in _LEVELS
    return is_plausible(nal, codec)


def split_units(data: bytes) -> tuple[bytes, ...]:
    """The units between the start codes of a byte stream, and what is before the first; at most MAX_SPLIT."""
    parts = data.split(START_CODE, MAX_SPLIT)[:MAX_SPLIT]
    whole = (part.rstrip(b"\0") for part in parts[:-1])
    return tuple(unit for unit in (*whole, parts[-1]) if unit)


def fragments(payload: bytes, codec: str = H264) -> tuple[Fragment, ...]:
    """What one RTP payload carries: one unit, several (STAP, AP), or a part of one (FU).

    Start codes are left where they are, see :class:`UnitSplitter`.

    :raises RemoteError: empty, cut short, too many units, or an MTAP, which no device here sends.
    """
    kind = nal_type(payload, codec)
    if payload.startswith((START_CODE, b"\0" + START_CODE)):
        return (Fragment(kind, True, True, payload),)
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
    """The units of an aggregation packet; at the first that cannot be read it ends."""
    units: list[Fragment] = []
    position = 0
    while position + 2 <= len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "big")
        unit = data[position + 2 : end]
        if end > len(data) or len(unit) < HEADER[codec]:
            break
        if len(units) >= MAX_AGGREGATED:
            raise RemoteError("an aggregation packet of too many units")
        units.append(Fragment(nal_type(unit, codec), True, True, unit))
        position = end
    if not units:
        raise RemoteError("an aggregation packet without units")
    return tuple(units)


class UnitSplitter:
    """Splitter of fragments into the true NAL units: at start codes, also at those that two fragments share."""

    def __init__(self) -> None:
        self._open = False
        self._zeros = b""

    def cut(self) -> None:
        """A packet is missing: what comes before the next unit belongs to none."""
        self._open = False

    def finish(self) -> tuple[tuple[bool, bool, bytes], ...]:
        """End a unit of which the last part never came: some devices do not mark it."""
        if not self._open:
            return ()
        self._open = False
        return ((False, True, self._zeros),)

    def feed(self, fragment: Fragment) -> list[tuple[bool, bool, bytes]]:
        """The parts of units in the next fragment, each as (first, last, bytes); a first one begins with its header."""
        first, data = fragment.first, fragment.header + fragment.data
        if not first:
            if not self._open:
                return []
            data = self._zeros + data
        parts: list[tuple[bool, bool, bytes]] = []
        if START_CODE in data:
            *ended, data = data.split(START_CODE, MAX_SPLIT)
            for unit in ended:
                unit = unit.rstrip(b"\0")
                if unit or not first:
                    parts.append((first, True, unit))
                first = True
        self._open = not fragment.last
        if self._open:
            # What may be the beginning of a start code waits for the next part.
            kept = data.removesuffix(b"\0").removesuffix(b"\0")
            data, self._zeros = kept, data[len(kept) :]
        parts.append((first, fragment.last, data))
        return parts


def parameter_sets(format_parameters: Mapping[str, str], codec: str = H264) -> tuple[bytes, ...]:
    """The parameter sets of an ``a=fmtp``: ``sprop-parameter-sets``, ``sprop-vps``, ``-sps`` and ``-pps``.

    What is no base64 or no parameter set of this codec is left out; start codes around a set or between several, which
    some devices write, are taken off.
    """
    kinds = PARAMETER_SETS[_checked(codec)]
    names = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")
    texts = [text for name in names for text in format_parameters.get(name, "").split(",")]
    sets = []
    for text in texts[:MAX_PARAMETER_SETS]:
        stripped = text.strip().rstrip("=")
        try:
            decoded = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        units = (unit for unit in split_units(decoded) if len(unit) > HEADER[codec])
        sets += [unit for unit in units if nal_type(unit, codec) in kinds]
    return tuple(sets[:MAX_PARAMETER_SETS])


def video_parameters(format_parameters: Mapping[str, str], codec: str = H264) -> VideoParameters | None:
    """Content of the first readable sequence parameter set of an ``a=fmtp``, None when there is none."""
    for unit in parameter_sets(format_parameters, codec):
        try:
            return parse_sps(unit, codec)
        except RemoteError:
            continue
    return None
