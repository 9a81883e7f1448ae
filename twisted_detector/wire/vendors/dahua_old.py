"""Codec of the discovery protocol that Dahua had before DHIP: search out, answer in; by broadcast to port 5050.

Layout as UniversalScanner reads it in captured answers: a head of fixed length, the MAC in text, and lines of
``key:value``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT = 5_050
SEARCH, ANSWER = b"\xa3\x01\x00\x01", 0xB3
_HEAD, _MAC = 0x78, 17
#: Lines that are read of one answer; four are known.
_MAX_LINES = 32


class DahuaOld(VendorProtocol):
    """Dahua's first discovery protocol."""

    name = "dahua-old"
    ports = (PORT,)

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(SEARCH + bytes(12) + b"\x02" + bytes(15), PORT),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(SEARCH) or (data[:1] == bytes((ANSWER,)) and len(data) >= _HEAD)

    def parse(self, data: bytes) -> Answer | None:
        if data.startswith(SEARCH):
            return None
        if not self.recognises(data):
            raise Malformed("not an answer of this protocol", shown=data[:16].hex())
        second, third = data[2], int.from_bytes(data[0x14:0x16], "little")
        mac = fields.mac(fields.text_at(data, _HEAD, _MAC))
        if _HEAD + second + third != len(data):
            # The lengths are the only sign but one octet; with a MAC in its place they may be wrong.
            if mac is None:
                raise Malformed("sections that do not add up", shown=data[:32].hex())
            if _HEAD + second + third > len(data) or second < _MAC:
                second, third = _MAC, len(data)
        model = fields.text(fields.octets_text(data[_HEAD + _MAC : _HEAD + second]))
        lines = _lines(data[_HEAD + second :][:third])
        return Answer(
            announced=Announced(
                manufacturer="Dahua",
                model=model or fields.text_at(data, 0x28, 16) or lines.get("device", ""),
                name=lines.get("name", ""),
                serial_number=lines.get("serialno", ""),
            ),
            mac=mac,
            address=fields.address_at(data, 0x38),
        )


def _lines(section: bytes) -> Mapping[str, str]:
    """The values of the lines by key in lower case; without the last if it has no end, for it may have been cut off."""
    found: dict[str, str] = {}
    for line in section.split(b"\r\n")[:-1][:_MAX_LINES]:
        key, _, value = fields.octets_text(line).partition(":")
        found.setdefault(fields.text(key).lower(), fields.text(value))
    return found
