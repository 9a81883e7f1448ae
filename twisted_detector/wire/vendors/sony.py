"""Sony's discovery protocol: asked at UDP port 2380, answered by broadcast to the port that asked.

Texts ``KEY:value``, each ended by 0xFF, between 0x02 and 0x03. The layout is from a packet that was captured. The same
port takes settings: none is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_QUERY = b"\x02ENQ:allinfo\xff\x03"
_BEGIN = re.compile(rb"\x02\s*[A-Za-z0-9_]{2,16}\s*:")
#: Keys of what a tool sends: a search, a setting.
_ASKING = ("ENQ", "SETMAC")
#: Octets that are read: an answer has about twenty texts in 220.
_MAX_OCTETS = 1_024


class Sony(VendorProtocol):
    """Discovery protocol of Sony."""

    name = "sony"
    ports = (2380,)

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_QUERY, 2380),)

    def recognises(self, data: bytes) -> bool:
        return _BEGIN.match(data) is not None

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not Sony's discovery protocol", shown=data[:32].hex())
        said: dict[str, str] = {}
        texts = data[1:_MAX_OCTETS].split(b"\xff")
        if not texts[-1].rstrip(b"\0\r\n").endswith(b"\x03"):
            del texts[-1]  # it was cut off
        for one in texts:
            key, colon, value = one.partition(b":")
            if colon:
                said.setdefault(fields.octets_text(key).strip().upper(), fields.text(fields.octets_text(value)))
        if any(key in said for key in _ASKING):
            return None
        announced = Announced(
            manufacturer="Sony",
            model=said.get("MODEL", ""),
            serial_number=said.get("SERIAL", ""),
            firmware_version=said.get("SOFTVERSION", ""),
        )
        mac = fields.mac(said.get("MAC", ""))
        if mac is None and not (announced.serial_number or announced.model):
            raise Malformed("an answer of Sony that says nothing", shown=data[:32].hex())
        return Answer(
            announced,
            mac=mac,
            address=fields.address(said.get("IPADR", "")),
            http_port=fields.port(said.get("WEBPORT", "")),
        )
