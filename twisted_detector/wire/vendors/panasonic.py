"""Panasonic's and i-PRO's discovery protocol: asked at UDP port 10669 or 10670, answered by broadcast to the other.

A header of 52 octets and an octet, then fields: type, length (both big endian), value, up to type 0xFFFF. The layout is
from a packet that was captured. The one public source contradicts itself about which port is asked, so both are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_MAGIC = b"\x00\x01"
_SEARCH, _ANSWER = b"\x00\x0d", b"\x00\x0e"
_COMMAND, _MAC, _HEADER, _FIELDS = 4, 6, 52, 53
_IPV4, _HTTP_PORT, _MODEL, _SHORT_NAME, _FIRMWARE, _END = 0x20, 0x25, 0xA7, 0xA8, 0xA9, 0xFFFF
#: An answer has about thirty fields.
_MAX_FIELDS = 128


class Panasonic(VendorProtocol):
    """Discovery protocol of Panasonic and i-PRO, asked at port 10670."""

    name = "panasonic"
    ports = (10670, 10669)
    reply_port = 10669

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        head = _MAGIC + bytes(2) + _SEARCH + bytes(6)
        asker = b"\xff" * 6 + IPv4Address(own_address).packed  # a MAC that is nobody's is taken
        wants = bytes.fromhex("0001 20111e11231f1e1913 0000020000") + bytes(8)
        checksum = bytes(2)  # of zero is taken
        return (Query(head + asker + wants + b"\x00\x00\xff\xff" + checksum, self.ports[0]),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(_MAGIC) and data[_COMMAND:_MAC] in (_SEARCH, _ANSWER) and len(data) >= _HEADER

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not Panasonic's discovery protocol", shown=data[:32].hex())
        if data[_COMMAND:_MAC] == _SEARCH:
            return None
        said: dict[int, bytes] = {}
        for kind, value in _fields(data):
            said.setdefault(kind, value)
        short, model, firmware = (
            fields.text(fields.octets_text(said.get(kind, b""))) for kind in (_SHORT_NAME, _MODEL, _FIRMWARE)
        )
        mac = fields.mac_at(data, _MAC)
        if mac is None and not (model or short):
            raise Malformed("an answer of Panasonic that says nothing", shown=data[:32].hex())
        return Answer(
            Announced(manufacturer="Panasonic", model=model or short, firmware_version=firmware),
            mac=mac,
            address=fields.address_at(said.get(_IPV4, b""), 0),
            http_port=fields.port_at(said.get(_HTTP_PORT, b""), 0, "big"),
        )


class PanasonicReversed(Panasonic):
    """The same with the ports the other way round."""

    name = "panasonic-10669"
    ports = (10669, 10670)
    reply_port = 10670


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and values, up to the first that does not fit."""
    at = _FIELDS
    for _ in range(_MAX_FIELDS):
        kind, length = fields.port_at(data, at, "big"), fields.port_at(data, at + 2, "big")
        at += 4
        value = data[at : at + length]
        if kind == _END or len(value) != length or at > len(data):
            return
        yield kind, value
        at += length
