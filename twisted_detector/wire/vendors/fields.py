"""Fields of manufacturers' datagrams: octets and texts of a device go in; clean, bounded values come out.

What cannot be read is empty, and costs nothing else of its datagram. What a cut would make another value (a serial
number, a MAC) is never taken in part: a field that is not whole in the datagram is empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Literal

from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.model.addresses import Mac, canonical_address
from twisted_detector.wire.soap.xml import clean

#: Characters of one text: the longest seen, a serial number of Hikvision's, has 48.
MAX_TEXT = 128
#: Octets of JSON that are read, ten times the largest answer that was seen, so that a firmware may send its whole
#: buffer; and brackets, which bound the depth as well.
MAX_JSON, MAX_BRACKETS = 16_384, 256
#: Video inputs; a device that says it has more says nothing.
MAX_CHANNELS = 1_024
#: What firmware writes where it knows nothing.
_NOTHING = frozenset({"n/a", "na", "null", "none", "(null)", "unknown", "undefined", "-", "--"})


def text(value: object) -> str:
    """A text or number of JSON or XML; "" for anything else, and for what says that nothing is known."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    cleaned = clean(value.partition("\0")[0][: 4 * MAX_TEXT])[:MAX_TEXT].strip()
    return "" if cleaned.lower() in _NOTHING else cleaned


def text_at(data: bytes, begin: int, size: int) -> str:
    """The text in a field of fixed width, up to its first NUL: behind it stands what was in memory before."""
    field = data[begin : begin + size]
    return text(octets_text(field)) if len(field) == size else ""


def octets_text(octets: bytes) -> str:
    """Octets as text; what is no UTF-8 (a name in GBK, memory that was never written) is left out."""
    return octets.partition(b"\0")[0].decode("utf-8", "ignore")


def mac(value: object) -> Mac | None:
    """A MAC in any notation; None for what identifies no single device."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    try:
        return Mac.parse(value.partition("\0")[0])
    except RemoteError:
        return None


def mac_at(data: bytes, begin: int) -> Mac | None:
    """The six octets of a MAC; None for what identifies no single device."""
    try:
        return Mac.from_bytes(data[begin : begin + 6])
    except RemoteError:
        return None


def address(value: object) -> str:
    """An IPv4 address in text; "" for what is none, or that of no single device."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return ""
    try:
        return canonical_address(str(IPv4Address(value.partition("\0")[0].strip())))
    except (RemoteError, AddressValueError):
        return ""


def address_at(data: bytes, begin: int) -> str:
    """The four octets of an IPv4 address, in network order."""
    field = data[begin : begin + 4]
    return address(str(IPv4Address(field))) if len(field) == 4 else ""


def number(value: object, most: int) -> int:
    """A whole number from 0 to ``most``, as number or text; 0 for anything else."""
    if isinstance(value, str) and len(value) <= 10 and value.strip().isascii() and value.strip().isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else 0


def port(value: object) -> int:
    """A TCP port; 0 for what is none."""
    return number(value, 65_535)


def port_at(data: bytes, begin: int, order: Literal["little", "big"] = "little") -> int:
    """Two octets, the lower one first unless said; 0 when they are not there."""
    field = data[begin : begin + 2]
    return int.from_bytes(field, order) if len(field) == 2 else 0


def json_in(data: bytes) -> Mapping[str, object]:
    """The first object of JSON in ``data``, its names in lower case; whatever stands before and behind it is ignored.

    :raises Malformed: there is none, it is cut short, too long or nested too deeply.
    """
    begin = data.find(b"{")
    if begin < 0:
        raise Malformed("no JSON in it", shown=data[:40].hex())
    content = data[begin : begin + MAX_JSON]
    if content.count(b"{") + content.count(b"[") > MAX_BRACKETS:
        raise Malformed("JSON that is too deep", shown=ascii(content[:40]))
    try:
        # Some firmware writes line feeds into its strings.
        found, _ = json.JSONDecoder(strict=False).raw_decode(content.decode("utf-8", "replace"))
    except ValueError:
        raise Malformed("JSON that cannot be read", shown=ascii(content[:40])) from None
    return lower_names(found)


def lower_names(value: object) -> Mapping[str, object]:
    """An object of JSON with its names in lower case, the first of two alike; an empty one in the place of all else."""
    names: dict[str, object] = {}
    for name, content in value.items() if isinstance(value, dict) else ():
        names.setdefault(str(name).lower(), content)
    return names
