"""360 Vision's discovery protocol: asked at UDP port 3600, answered from there with one line of ``KEY=value``.

``DISCOVER TYPE=… KEY='MAC' ID=…``; what ID numbers is not known, so it is not taken for an identifier. The layout is
from one answer that was captured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_WORD = b"DISCOVER"
_QUERY = _WORD + b"\n"
#: What follows the word, in quotes or not.
_PAIR = re.compile(r"\b([A-Za-z_]\w{0,31})=(?:'([^']{0,128})'|\"([^\"]{0,128})\"|([^\s'\"]{1,128})(?=\s|\Z))", re.ASCII)
#: Octets that are read: the answer has 60.
_MAX_OCTETS = 1_024


class Vision360(VendorProtocol):
    """Discovery protocol of 360 Vision."""

    name = "360vision"
    ports = (3600,)

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_QUERY, 3600),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(_WORD)

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not 360 Vision's discovery protocol", shown=data[:32].hex())
        line = fields.octets_text(data[len(_WORD) : _MAX_OCTETS])
        if not line.strip():
            return None
        said: dict[str, str] = {}
        for key, *values in _PAIR.findall(line):
            said.setdefault(key.upper(), fields.text("".join(values)))
        mac = fields.mac(said.get("KEY", ""))
        if mac is None:
            raise Malformed("an answer of 360 Vision without a MAC", shown=data[:64].hex())
        return Answer(Announced(manufacturer="360 Vision", model=said.get("TYPE", "")), mac=mac)
