"""VStarcam's own discovery protocol: asked at UDP port 8600, answered from there in 528 octets of fixed fields.

The layout is from a packet that was captured. A unit that answers here mostly speaks PPPP too (:mod:`.pppp`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_MAGIC = b"DH\x01"
_SEARCH, _ANSWER = 1, 8
_ADDRESS, _MAC, _HTTP_PORT, _SERIAL, _NAME, _FIRMWARE = 0x04, 0x54, 0x5A, 0x5C, 0x7C, 0xCC


class VStarcam(VendorProtocol):
    """Discovery protocol of VStarcam."""

    name = "vstarcam"
    ports = (8600,)

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_MAGIC + bytes((_SEARCH,)), 8600),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(_MAGIC)

    def parse(self, data: bytes) -> Answer | None:
        kind = data[3:4]
        if not self.recognises(data) or not kind:
            raise Malformed("not VStarcam's discovery protocol", shown=data[:32].hex())
        if kind[0] != _ANSWER:
            return None
        announced = Announced(
            manufacturer="VStarcam",
            name=fields.text_at(data, _NAME, 32),
            serial_number=fields.text_at(data, _SERIAL, 32),
            firmware_version=fields.text_at(data, _FIRMWARE, 32),
        )
        mac = fields.mac_at(data, _MAC)
        if mac is None and not announced.serial_number:
            raise Malformed("an answer of VStarcam without MAC and serial number", shown=data[:32].hex())
        return Answer(
            announced,
            mac=mac,
            address=fields.address(fields.text_at(data, _ADDRESS, 16)),
            http_port=fields.port_at(data, _HTTP_PORT),
        )
