"""Codec of the search of Hanwha (Wisenet, Samsung); by broadcast to port 7701, answers come to port 7711.

One structure of 334 octets for both ways, of which older devices send the first 262 (the maker's "SUNAPI IP Installer",
UniversalScanner, wisenet-camera-discovery). The field for a password stays zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT, REPLY_PORT = 7_701, 7_711
_SIZE, _PACKET_ID = 334, 18
#: Searches, the older one and the extended one; answers, of the first 262 octets and of all.
_SEARCH, _SEARCH_EXTENDED, _BASE, _ALL = 1, 6, 11, 12
#: Answers to settings.
_OTHERS = frozenset({13, 23, 24, 25, 33, 66, 77})
_MAC, _ADDRESS, _SHORT_MODEL, _HTTP, _CHANNELS = 0x13, 0x25, 0x6D, 0x78, 0x82
_ALIAS, _MODEL, _KIND, _IS_HTTPS, _HTTPS, _NO_PASSWORD = 0x105, 0x125, 0x145, 0x148, 0x14A, 0x14D
#: Behind the field that the oldest answers have to reach: device port, and all before it.
_LEAST = 0x7C
_KINDS = {0: DeviceKind.CAMERA, 1: DeviceKind.ENCODER, 3: DeviceKind.RECORDER, 9: DeviceKind.DOORBELL}


class Hanwha(VendorProtocol):
    """Hanwha's search. Both searches are sent: old devices answer to the older one alone."""

    name = "hanwha"
    ports = (PORT,)
    reply_port = REPLY_PORT

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return tuple(Query(search(mode, random(_PACKET_ID)), PORT) for mode in (_SEARCH_EXTENDED, _SEARCH))

    def recognises(self, data: bytes) -> bool:
        if len(data) < _LEAST:
            return False
        is_search = data[0] in (_SEARCH, _SEARCH_EXTENDED)
        return (is_search and not any(data[_MAC:_SIZE])) or data[_MAC + 2 : _MAC + 3] in (b":", b"-")

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not a message of this protocol", shown=data[:48].hex())
        mode = data[0]
        if mode in (_SEARCH, _SEARCH_EXTENDED) or mode in _OTHERS:
            return None
        mac = fields.mac(fields.text_at(data, _MAC, 18))
        short = fields.text_at(data, _SHORT_MODEL, 10)
        if mode not in (_BASE, _ALL) or not (mac or short):
            raise Malformed("an answer that says nothing of its device", shown=data[:48].hex())
        # What stands behind its first part in a shorter answer is the rest of somebody's buffer.
        more = data if mode == _ALL else b""
        kind = _KINDS.get(more[_KIND], DeviceKind.OTHER) if len(more) > _KIND else DeviceKind.UNKNOWN
        return Answer(
            announced=Announced(
                manufacturer="Hanwha",
                model=fields.text_at(more, _MODEL, 32) or short,
                name=fields.text_at(more, _ALIAS, 32),
                kind=kind,
                channels=fields.number(fields.port_at(more, _CHANNELS), fields.MAX_CHANNELS),
                conditions=(Condition.OPEN,) if more[_NO_PASSWORD : _NO_PASSWORD + 1] == b"\1" else (),
            ),
            mac=mac,
            address=fields.address(fields.text_at(data, _ADDRESS, 16)),
            http_port=fields.port_at(data, _HTTP),
            https_port=fields.port_at(more, _HTTPS) if more[_IS_HTTPS : _IS_HTTPS + 1] == b"\1" else 0,
        )


def search(mode: int, packet_id: bytes) -> bytes:
    """A search: the mode, the id by which answers can be told apart, and zeros."""
    return bytes((mode,)) + packet_id + bytes(_SIZE - 1 - len(packet_id))
