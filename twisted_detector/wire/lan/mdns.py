"""Codec of Multicast DNS: datagrams in, questions and records out; and the other way round.

Sources: RFC 6762 (Multicast DNS), RFC 1035 section 4 (the format).

Not by ``twisted.names.dns``: its reader joins labels by dots, which the names of services may contain (RFC 6763, 4.3),
and builds names of any length: a datagram of 10 kB keeps it busy for 0.7 s.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.wire.soap.xml import clean

PORT = 5353
GROUP_IPV4 = "224.0.0.251"
GROUP_IPV6 = "ff02::fb"
#: RFC 6762, 11: all messages are sent with it.
HOPS = 255

#: RFC 6762, 17: a message has at most 9000 bytes, headers of IP and UDP included.
MAX_MESSAGE = 9000
#: A recorder that announces 64 channels with four records each has 256.
MAX_RECORDS = 512
#: RFC 1035, 2.3.4: a name has at most 255 bytes. The longest in use, those of IPv6 addresses, have 34 labels; a message
#: full of longer ones would take 80 ms to read.
MAX_NAME, MAX_LABELS, MAX_POINTERS = 255, 40, 16

#: A name as its labels, as they were written; :func:`same` makes names comparable.
Name = tuple[bytes, ...]

A, PTR, TXT, AAAA, SRV = 1, 12, 16, 28, 33
_IN = 1
_CLASS = 0x7FFF  # the highest bit: cache-flush in records (RFC 6762, 10.2), unicast wanted in questions (5.4)
_UNICAST = 0x8000
_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_SRV = struct.Struct("!HHH")
_RESPONSE, _AUTHORITATIVE, _OPCODE, _RCODE = 0x8000, 0x0400, 0x7800, 0x000F


@dataclass(frozen=True, slots=True)
class Location:
    """An SRV record: the service is on ``port`` of ``host``."""

    port: int
    host: Name


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record of class IN.

    :ivar type: A, PTR, TXT, AAAA or SRV; others are not read.
    :ivar ttl: seconds; 0 is goodbye (RFC 6762, 10.1).
    :ivar data: PTR: a Name. SRV: a Location. TXT: its strings. A and AAAA: the address.
    """

    name: Name
    type: int
    ttl: int
    data: Name | Location | str


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a query. ``unicast``: the answer is wanted by unicast (RFC 6762, 5.4)."""

    name: Name
    type: int
    unicast: bool = False


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """One datagram. ``records``: of all three sections; of a query they are what it knows already."""

    id: int
    is_response: bool
    questions: tuple[Question, ...] = ()
    records: tuple[Record, ...] = ()


def same(name: Name) -> Name:
    """A name fit for comparing: ASCII letters count alike in both cases (RFC 6762, 16)."""
    return tuple(label.lower() for label in name)


def text_of(name: Name) -> str:
    """A name fit for showing."""
    return clean(b".".join(name).decode("utf-8", "replace"))


# --- Reading --------------------------------------------------------------------------------------------------------


def is_response(data: bytes) -> bool:
    """Whether a datagram claims to be a response, without parsing it: most datagrams to the group are queries."""
    return len(data) >= _HEADER.size and bool(data[2] & 0x80)


def parse(data: bytes) -> DnsMessage:
    """Read one datagram.

    :raises RemoteError: it is cut off, too long, has a name that loops or does not fit, or is no message of Multicast
        DNS (RFC 6762, 18.3 and 18.11).
    """
    if len(data) > MAX_MESSAGE:
        raise RemoteError("a message of Multicast DNS is too long", shown=f"{len(data)} bytes")
    try:
        return _parse(data)
    except (struct.error, IndexError):
        raise RemoteError("a message of Multicast DNS is cut off", shown=data[:32].hex()) from None


def _parse(data: bytes) -> DnsMessage:
    number, flags, question_count, *sections = _HEADER.unpack_from(data)
    if flags & (_OPCODE | _RCODE):
        raise RemoteError("not a message of Multicast DNS", shown=data[:32].hex())
    if question_count + sum(sections) > MAX_RECORDS:
        raise RemoteError("a message with too many records", shown=f"{question_count + sum(sections)}")
    position = _HEADER.size
    questions = []
    for _ in range(question_count):
        name, position = _read_name(data, position)
        kind, of_class = _QUESTION.unpack_from(data, position)
        position += _QUESTION.size
        questions.append(Question(name, kind, bool(of_class & _UNICAST)))
    records = []
    for _ in range(sum(sections)):
        name, position = _read_name(data, position)
        kind, of_class, ttl, length = _RECORD.unpack_from(data, position)
        position += _RECORD.size
        end = position + length
        if end > len(data):
            raise RemoteError("a record is cut off", shown=text_of(name))
        if of_class & _CLASS == _IN and kind in (A, PTR, TXT, AAAA, SRV):
            records.append(Record(name, kind, ttl, _read_data(data, position, end, kind)))
        position = end
    return DnsMessage(number, bool(flags & _RESPONSE), tuple(questions), tuple(records))


def _read_name(data: bytes, position: int) -> tuple[Name, int]:
    """A name, and where it ends. A pointer leads back only, so that nothing can loop (RFC 1035, 4.1.4)."""
    labels: list[bytes] = []
    size, pointers, after, begin = 1, 0, 0, position
    while length := data[position]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[position + 1]
            after = after or position + 2
            pointers += 1
            if target >= begin or pointers > MAX_POINTERS:
                raise RemoteError("a name that loops", shown=data[begin : begin + 16].hex())
            position = begin = target
            continue
        label = data[position + 1 : position + 1 + length]
        size += 1 + length
        if length > 63 or len(label) < length or size > MAX_NAME or len(labels) >= MAX_LABELS:
            raise RemoteError("not a name", shown=data[begin : begin + 16].hex())
        labels.append(label)
        position += 1 + length
    return tuple(labels), after or position + 1


def _read_data(data: bytes, begin: int, end: int, kind: int) -> Name | Location | str:
    content = data[begin:end]
    if kind == A and len(content) == 4:
        return str(IPv4Address(content))
    if kind == AAAA and len(content) == 16:
        return str(IPv6Address(content))
    if kind == TXT:
        return _read_strings(content)
    if kind in (PTR, SRV):
        skipped = _SRV.size if kind == SRV else 0
        name, after = _read_name(data, begin + skipped)
        if after == end:
            return name if kind == PTR else Location(_SRV.unpack_from(data, begin)[2], name)
    raise RemoteError("a record with the wrong length", shown=content[:32].hex())


def _read_strings(content: bytes) -> tuple[bytes, ...]:
    strings = []
    position = 0
    while position < len(content):
        end = position + 1 + content[position]
        if end > len(content):
            raise RemoteError("a text record is cut off", shown=content[:32].hex())
        strings.append(content[position + 1 : end])
        position = end
    return tuple(strings)


# --- Writing --------------------------------------------------------------------------------------------------------


def query(questions: Sequence[Question], *, message_id: int = 0) -> bytes:
    """A query. ``message_id``: 0 from port 5353; from another port any, and the answer repeats it (RFC 6762, 6.7)."""
    return _message(message_id, 0, questions, ())


def response(records: Sequence[Record], *, message_id: int = 0, questions: Sequence[Question] = ()) -> bytes:
    """A response, or what a device announces; to a query from another port than 5353 with its id and questions."""
    return _message(message_id, _RESPONSE | _AUTHORITATIVE, questions, records)


def _message(message_id: int, flags: int, questions: Sequence[Question], records: Sequence[Record]) -> bytes:
    """Names are written out, never as pointers: what is sent from here is short."""
    parts = [_HEADER.pack(message_id, flags, len(questions), len(records), 0, 0)]
    try:
        for question in questions:
            of_class = _IN | (_UNICAST if question.unicast else 0)
            parts.append(_write_name(question.name) + _QUESTION.pack(question.type, of_class))
        for record in records:
            data = _write_data(record)
            parts.append(_write_name(record.name) + _RECORD.pack(record.type, _IN, record.ttl, len(data)) + data)
    except (ValueError, struct.error) as error:
        raise LocalError("a record of Multicast DNS that cannot be written", shown=str(error)) from None
    message = b"".join(parts)
    if len(message) > MAX_MESSAGE:
        raise LocalError("a message of Multicast DNS is too long", shown=f"{len(message)} bytes")
    return message


def _write_name(labels: Name) -> bytes:
    if any(not 0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) >= MAX_NAME:
        raise LocalError("a name or label that is empty or too long", shown=text_of(labels))
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _write_data(record: Record) -> bytes:
    match record.data:
        case str() as address:
            return (IPv4Address if record.type == A else IPv6Address)(address).packed
        case Location(port, host):
            return _SRV.pack(0, 0, port) + _write_name(host)
        case name if record.type == PTR:
            return _write_name(name)
        case strings:
            # RFC 6763, 6.1: a text record has one string at least.
            return b"".join(bytes((len(text),)) + text for text in strings) or b"\0"
