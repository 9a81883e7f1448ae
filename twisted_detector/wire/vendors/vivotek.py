"""Vivotek's discovery protocol: asked at UDP port 10000, which Foscam's has too; the magic tells them apart.

Five octets (a number of the search, which comes back, and a magic), in an answer followed by fields: type, length,
value. The layout is from packets that were captured and from what a public scanner reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_MAGIC = bytes.fromhex("4a5d8f1c")
_HEADER = 5
_NAME, _MAC, _IPV4, _BARE, _HTTP_PORT, _MODEL = 1, 2, 3, 4, 6, 9
#: An answer has eleven fields.
_MAX_FIELDS = 64


class Vivotek(VendorProtocol):
    """Discovery protocol of Vivotek."""

    name = "vivotek"
    ports = (10000,)

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(random(1) + _MAGIC, 10000),)

    def recognises(self, data: bytes) -> bool:
        return data[1:_HEADER] == _MAGIC

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not Vivotek's discovery protocol", shown=data[:32].hex())
        if len(data) == _HEADER:
            return None
        said: dict[int, bytes] = {}
        for kind, value in _fields(data):
            said.setdefault(kind, value)
        model, name = (fields.text(fields.octets_text(said.get(kind, b""))) for kind in (_MODEL, _NAME))
        mac, port = said.get(_MAC, b""), said.get(_HTTP_PORT, b"")
        answer = Answer(
            Announced(manufacturer="Vivotek", model=model, name=name),
            mac=fields.mac_at(mac, 0) if len(mac) == 6 else None,
            address=fields.address_at(said.get(_IPV4, b""), 0),
            http_port=fields.port_at(port, 0) if len(port) == 2 else 0,
        )
        if answer.mac is None and not (answer.address or model):
            raise Malformed("an answer of Vivotek that says nothing", shown=data[:32].hex())
        return answer


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and values, up to the first that does not fit; the field of type 4 is one octet without a length."""
    at = _HEADER
    for _ in range(_MAX_FIELDS):
        kind, length = data[at : at + 1], data[at + 1 : at + 2]
        if not length:
            return
        if kind[0] != _BARE:
            value = data[at + 2 : at + 2 + length[0]]
            if len(value) != length[0]:
                return
            yield kind[0], value
            at += length[0]
        at += 2
