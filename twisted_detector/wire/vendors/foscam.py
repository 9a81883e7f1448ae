"""Foscam's discovery protocol, its clones' too: asked at UDP port 10000 (as Vivotek's), answered there by broadcast.

A header of 23 octets (``MO_I``, kind of message, whether the body is XORed, its key, its size) and a body of fields of
fixed size. The layout is from packets that were captured. Messages of other kinds set addresses: none is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_MAGIC = b"MO_I"
_SEARCH, _ANSWER = 0, 1
_XORED, _KEY, _BODY = 6, 7, 0x17
#: In the body: an id (the MAC's digits), a name, IPv4 address, version of the firmware, port of the page.
_ID, _ID_SIZE, _NAME, _NAME_SIZE, _ADDRESS, _FIRMWARE, _HTTP_PORT = 0, 13, 0x0D, 21, 0x22, 0x36, 0x3E
_QUERY = _MAGIC + bytes(3) + bytes(8) + b"\x04" + bytes(7) + b"\0\0\0\x01"
_BODY_SIZE = 0x40


class Foscam(VendorProtocol):
    """Discovery protocol of Foscam."""

    name = "foscam"
    ports = (10000,)
    reply_port = 10000

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_QUERY, 10000),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(_MAGIC)

    def parse(self, data: bytes) -> Answer | None:
        kind = data[4:6]
        if not self.recognises(data) or len(kind) < 2:
            raise Malformed("not Foscam's discovery protocol", shown=data[:32].hex())
        if int.from_bytes(kind, "little") != _ANSWER:
            return None
        body = _body(data)
        written = fields.text_at(body, _ID, _ID_SIZE)
        if not written:
            raise Malformed("an answer of Foscam without an id", shown=data[:32].hex())
        mac = fields.mac(written)
        version = body[_FIRMWARE : _FIRMWARE + 4]
        announced = Announced(
            manufacturer="Foscam",
            name=fields.text_at(body, _NAME, _NAME_SIZE),
            firmware_version=".".join(map(str, version)) if len(version) == 4 and any(version) else "",
        )
        return Answer(
            announced,
            mac=mac,
            vendor_id="" if mac else written,
            address=fields.address_at(body, _ADDRESS),
            http_port=fields.port_at(body, _HTTP_PORT, "big"),
        )


def _body(data: bytes) -> bytes:
    """The body in clear: as the header says, or the other way when only so there is an id in it."""
    plain = data[_BODY : _BODY + _BODY_SIZE]
    key = data[_KEY : _KEY + 8]
    clear = bytes(octet ^ key[number % 8] for number, octet in enumerate(plain))
    one, other = (clear, plain) if data[_XORED : _XORED + 1].strip(b"\0") else (plain, clear)
    return other if _has_id(other) and not _has_id(one) else one


def _has_id(body: bytes) -> bool:
    written = body[_ID : _ID + _ID_SIZE].partition(b"\0")[0]
    return written.isalnum()
