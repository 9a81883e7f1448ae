"""Bosch's discovery protocol: asked at UDP port 1757, answered to 1758, in 32 octets or as an XML document.

The layout is from a packet that was captured and from what a public scanner reads; Bosch has published none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.model.announced import Announced
from twisted_detector.wire.soap.xml import first, parse_xml, text_of
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_MAGIC = bytes.fromhex("9939a427")
#: What a search has where an answer has its MAC.
_SEARCH = bytes.fromhex("ff0006de")
_MAC, _ADDRESS = 8, 0x10
#: Names that only Bosch's documents have; ``friendlyName`` is UPnP's as well.
_XML = re.compile(rb"<(?:[\w.-]{1,40}:)?(?:physAddress|unitIPAddress|deviceGUID|RCPPort)[\s>]")
#: Octets of a document: the one that was captured has 700.
_MAX_XML = 8_192


class Bosch(VendorProtocol):
    """Discovery protocol of Bosch's cameras, encoders and recorders."""

    name = "bosch"
    ports = (1757,)
    reply_port = 1758

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_MAGIC + random(4) + _SEARCH, 1757),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(_MAGIC) or _XML.search(data[:_MAX_XML]) is not None

    def parse(self, data: bytes) -> Answer | None:
        if not data.startswith(_MAGIC):
            return _parse_xml(data)
        if data[8:12] == _SEARCH:
            return None
        mac = fields.mac_at(data, _MAC)
        if mac is None:
            raise Malformed("an answer of Bosch without a MAC", shown=data[:32].hex())
        return Answer(Announced(manufacturer="Bosch"), mac=mac, address=fields.address_at(data, _ADDRESS))


def _parse_xml(data: bytes) -> Answer:
    if _XML.search(data[:_MAX_XML]) is None:
        raise Malformed("not Bosch's discovery protocol", shown=data[:32].hex())
    try:
        root = parse_xml(data, limit=_MAX_XML)
    except RemoteError as error:
        raise Malformed(error.what, shown=error.shown) from None

    def said(name: str) -> str:
        return fields.text(text_of(first(root, name)))

    guid = said("deviceGUID").strip("{}").lower()
    announced = Announced(
        manufacturer="Bosch",
        model=said("friendlyName"),
        name=said("unitName"),
        serial_number=said("serialNumber"),
    )
    mac = fields.mac(said("physAddress"))
    address = fields.address(said("unitIPAddress"))
    return Answer(announced, mac=mac, vendor_id=guid if guid.strip("0-") else "", address=address)
