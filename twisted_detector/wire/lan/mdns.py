"""Codec of Multicast DNS: datagrams in, questions and records out; and the other way round.

A record that cannot be read costs itself, not its datagram: where it ends is said (RFC 1035, 4.1.3), so what follows is
read. RFC 6762 has no rule that drops a message for one of its records, and python-zeroconf drops none.

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
#: A recorder that announces 64 channels with four records each has 256; what follows more is not read.
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
#: What reading beyond the end of a datagram raises, and what is wrong within it.
_UNREADABLE = (struct.error, IndexError, RemoteError)
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
    """Read one datagram: all that can be read of it, MAX_RECORDS questions and records at most.

    :raises RemoteError: it is too long, is no message of Multicast DNS (RFC 6762, 18.3 and 18.11), or claims questions
        or records of which none can be read.
    """
    if len(data) > MAX_MESSAGE:
        raise RemoteError("a message of Multicast DNS is too long", shown=f"{len(data)} bytes")
    if len(data) < _HEADER.size:
        raise RemoteError("a message of Multicast DNS is cut off", shown=data.hex())
    number, flags, question_count, *sections = _HEADER.unpack_from(data)
    if flags & (_OPCODE | _RCODE):
        raise RemoteError("not a message of Multicast DNS", shown=data[:32].hex())
    count = sum(sections)
    questions, records, problem = _read_all(data, question_count, count)
    if question_count and not records and flags & _RESPONSE:
        # Responses hardly have questions (RFC 6762, 6): where that makes nonsense of the records, there are none.
        without, found, _ = _read_all(data, 0, count + question_count)
        questions, records = (without, found) if found else (questions, records)
    if problem is not None and not questions and not records:
        raise _refusal(problem, data) from None
    return DnsMessage(number, bool(flags & _RESPONSE), tuple(questions), tuple(records))


def _refusal(problem: Exception, data: bytes) -> RemoteError:
    if isinstance(problem, RemoteError):
        return problem
    return RemoteError("a message of Multicast DNS is cut off", shown=data[:32].hex())


def _read_all(
    data: bytes, question_count: int, record_count: int
) -> tuple[list[Question], list[Record], Exception | None]:
    """The questions and the records that can be read, and the first fault of the others."""
    questions: list[Question] = []
    records: list[Record] = []
    problem: Exception | None = None
    position = _HEADER.size
    for number in range(min(question_count + record_count, MAX_RECORDS)):
        is_question = number < question_count
        try:
            # Some devices count higher than they write: this fails where nothing is left.
            after_name = _end_of_name(data, position)
            end = after_name + _QUESTION.size
            if not is_question:
                end = after_name + _RECORD.size + _RECORD.unpack_from(data, after_name)[3]
        except _UNREADABLE as fault:
            return questions, records, problem or fault  # where it ends is not known: nothing can follow
        try:
            if is_question:
                questions.append(_read_question(data, position, after_name))
            else:
                records += _read_record(data, position, after_name, end)
        except _UNREADABLE as fault:
            problem = problem or fault
        position = end
    return questions, records, problem


def _read_question(data: bytes, position: int, after_name: int) -> Question:
    kind, of_class = _QUESTION.unpack_from(data, after_name)
    return Question(_read_name(data, position)[0], kind, bool(of_class & _UNICAST))


def _read_record(data: bytes, position: int, after_name: int, end: int) -> tuple[Record, ...]:
    """The record, () when it is of a class or type that is not read.

    The last one of a datagram may be cut: what is whole in spite of it is taken, as a name that ends.
    """
    kind, of_class, ttl, _ = _RECORD.unpack_from(data, after_name)
    if of_class & _CLASS != _IN or kind not in (A, PTR, TXT, AAAA, SRV):
        return ()
    content = _read_data(data, after_name + _RECORD.size, end, kind)
    return (Record(_read_name(data, position)[0], kind, ttl, content),)


def _end_of_name(data: bytes, position: int) -> int:
    """Where the name at ``position`` ends, whatever it is and wherever it points.

    :raises RemoteError: it has a label of a kind that nobody can read (RFC 1035, 4.1.4: the two bits are reserved).
    :raises IndexError: it is cut off.
    """
    while length := data[position]:
        if length >= 0xC0:
            return position + 2
        if length > 63:
            raise RemoteError("not a name", shown=data[position : position + 16].hex())
        position += 1 + length
    return position + 1


def _read_name(data: bytes, position: int) -> tuple[Name, int]:
    """A name, and where it ends.

    A pointer shall lead back (RFC 1035, 4.1.4), but some lead forward, and other readers follow them: their number is
    bounded, so that nothing can loop.
    """
    labels: list[bytes] = []
    size, pointers, after, begin = 1, 0, 0, position
    while length := data[position]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[position + 1]
            after = after or position + 2
            pointers += 1
            if target < _HEADER.size or pointers > MAX_POINTERS:
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
        return _read_strings(content, cut=end > len(data))
    if kind in (PTR, SRV):
        skipped = _SRV.size if kind == SRV else 0
        name, after = _read_name(data, begin + skipped)
        if after <= end:  # what follows the name, some firmware's padding, says nothing
            return name if kind == PTR else Location(_SRV.unpack_from(data, begin)[2], name)
    raise RemoteError("a record with the wrong length", shown=content[:32].hex())


def _read_strings(content: bytes, *, cut: bool) -> tuple[bytes, ...]:
    """The strings of a text record; one that claims to be longer than the record is what is there of it.

    :raises RemoteError: ``cut``, the datagram ends within a string or before the first: the rest can be asked for.
    """
    if cut and not content:
        raise RemoteError("a text record is cut off")
    strings = []
    position = 0
    while position < len(content):
        end = position + 1 + content[position]
        if cut and end > len(content):
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
