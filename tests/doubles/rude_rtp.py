"""NAL units of pictures go in; RTP packets come out, as rude devices cut them.

Each way is of a device that FFmpeg, GStreamer or go2rtc plays; the names tell what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from twisted_detector.testing.simulator.wire.rtp import packetize, packetize_h265
from twisted_detector.wire.rtp.packets import RtpPacket

START = b"\0\0\0\1"
MTU = 400
Units = Sequence[bytes]
#: Picture's units and codec → payloads.
Way = Callable[[Units, str], list[bytes]]


def cut(unit: bytes, codec: str, mtu: int = MTU) -> list[bytes]:
    """One unit as the standards have it."""
    return list(packetize(unit, mtu) if codec == "H264" else packetize_h265(unit, mtu))


def _part_flags(payload: bytes, codec: str) -> int:
    """Where the FU header stands, 0 in a payload that is no part of a unit."""
    if codec == "H264":
        return 1 if payload[0] & 0x1F == 28 else 0
    return 2 if payload[0] >> 1 == 49 else 0


def _with_flags(payload: bytes, codec: str, change: Callable[[int], int]) -> bytes:
    place = _part_flags(payload, codec)
    if not place:
        return payload
    return payload[:place] + bytes((change(payload[place]),)) + payload[place + 1 :]


def usual(units: Units, codec: str) -> list[bytes]:
    return [payload for unit in units for payload in cut(unit, codec)]


def joined_in_one_unit(units: Units, codec: str) -> list[bytes]:
    """All in one unit of the first one's type, in parts where it is long (V380)."""
    return cut(START.join(units), codec)


def joined_with_short_start_codes(units: Units, codec: str) -> list[bytes]:
    return cut(b"\0\0\1".join(units), codec)


def start_code_before_each(units: Units, codec: str) -> list[bytes]:
    """Units that fit are sent behind their start code; the parts of others begin with it."""
    payloads: list[bytes] = []
    for unit in units:
        if len(unit) + 4 <= MTU:
            payloads.append(START + unit)
            continue
        header = 1 if codec == "H264" else 2
        payloads += cut(unit[:header] + START + unit, codec)
    return payloads


def start_code_as_header(units: Units, codec: str) -> list[bytes]:
    """The start code is taken for the unit's header: parts of type 0."""
    return [payload for unit in units for payload in cut(START + unit, codec)]


def whole_picture_in_one_packet(units: Units, codec: str) -> list[bytes]:
    """As it came out of the encoder, start codes first: over TCP a packet has up to 64 KiB."""
    return [b"".join(START + unit for unit in units)]


def whole_picture_as_one_unit(units: Units, codec: str) -> list[bytes]:
    return cut(b"".join(START + unit for unit in units), codec)


def _aggregate(units: Units, codec: str) -> bytes:
    head = b"\x78" if codec == "H264" else b"\x60\1"
    return head + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def aggregated(units: Units, codec: str) -> list[bytes]:
    return [_aggregate(units[:-1], codec), *cut(units[-1], codec)] if units[1:] else usual(units, codec)


def aggregated_with_start_codes(units: Units, codec: str) -> list[bytes]:
    if not units[1:]:
        return usual(units, codec)
    return [_aggregate([START + unit for unit in units[:-1]], codec), *cut(units[-1], codec)]


def aggregated_as_one_unit(units: Units, codec: str) -> list[bytes]:
    return [_aggregate([START.join(units)], codec)]


def parts_without_end(units: Units, codec: str) -> list[bytes]:
    """The last part of a unit is not marked; the next unit or picture shows it."""
    return [_with_flags(payload, codec, lambda flags: flags & ~0x40) for payload in usual(units, codec)]


def parts_of_differing_type(units: Units, codec: str) -> list[bytes]:
    """Only the first part has the unit's type; the others say what stands in them, or anything."""
    return [
        _with_flags(payload, codec, lambda flags: flags if flags & 0x80 else (flags & 0xC0) | 1)
        for payload in usual(units, codec)
    ]


def small_parts(units: Units, codec: str) -> list[bytes]:
    """Parameter sets too come in parts."""
    return [
        payload for unit in units for payload in cut(unit, codec, 12 if len(unit) < 64 else MTU)
    ]  # fmt: skip


WAYS: tuple[Way, ...] = (
    usual, joined_in_one_unit, joined_with_short_start_codes, start_code_before_each, start_code_as_header,
    whole_picture_in_one_packet, whole_picture_as_one_unit, aggregated, aggregated_with_start_codes,
    aggregated_as_one_unit, parts_without_end, parts_of_differing_type, small_parts,
)  # fmt: skip


def packets(pictures: Iterable[Units], codec: str, way: Way = usual, *, first: int = 65_530) -> list[RtpPacket]:
    """Each picture with its timestamp, its last packet marked; sequence numbers wrap."""
    made: list[RtpPacket] = []
    for number, units in enumerate(pictures):
        payloads = way(units, codec)
        for index, payload in enumerate(payloads):
            sequence = (first + len(made)) & 0xFFFF
            made.append(RtpPacket(96, sequence, 3000 * number, 7, payload, index == len(payloads) - 1))
    return made


def as_sent(given: Iterable[RtpPacket]) -> dict[str, list[RtpPacket]]:
    """The same packets with headers as rude devices write them."""
    usual_ones = list(given)
    return {
        "as it should be": usual_ones,
        "marker on each": [replace(one, marker=True) for one in usual_ones],
        "marker never": [replace(one, marker=False) for one in usual_ones],
        "timestamp always 0": [replace(one, timestamp=0) for one in usual_ones],
        "timestamp of its own for each": [replace(one, timestamp=n) for n, one in enumerate(usual_ones)],
        "sequence always 0": [replace(one, sequence=0) for one in usual_ones],
        "another payload type": [replace(one, payload_type=35) for one in usual_ones],
    }
