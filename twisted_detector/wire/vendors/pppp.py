"""LAN search of PPPP, the relay protocol of CS2 and iLnkP2P: VStarcam, Eufy, Anker and many battery cameras speak it.

Asked at UDP port 32108, of old firmware at 32100. The answer has the unit's UID and nothing else, no MAC. Who scrambles
its packets with a key of its own does not answer. A device that answers has usually neither RTSP nor ONVIF, and says
so here as :attr:`Condition.CLOUD_ONLY`; some have RTSP all the same: a stream that was proved is worth more than this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, Condition
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

_SEARCH, _SEARCH_EXTENDED, _ANSWER = b"\xf1\x30", b"\xf1\x32", b"\xf1\x41"
_NO_BODY = bytes(2)
#: PREFIX (letters, some with digits) and check letters of a UID, each in eight octets; the number in four between them.
_PREFIX, _NUMBER, _CHECK, _END = 4, 12, 16, 24
#: A part, up to the end of its eight octets or a NUL.
_PART = re.compile(rb"([A-Za-z0-9]{1,8})(?:\0|\Z)")


class Pppp(VendorProtocol):
    """LAN search of PPPP."""

    name = "pppp"
    ports = (32108, 32100)
    unicast = True

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (
            Query(_SEARCH + _NO_BODY, 32108),
            Query(_SEARCH_EXTENDED + _NO_BODY, 32108),
            Query(_SEARCH + _NO_BODY, 32100),
        )

    def recognises(self, data: bytes) -> bool:
        return data[:2] in (_ANSWER, _SEARCH, _SEARCH_EXTENDED)

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not the LAN search of PPPP", shown=data[:32].hex())
        if not data.startswith(_ANSWER):
            return None
        if len(data) < _END:
            raise Malformed("an answer of PPPP is cut off", shown=data.hex())
        prefix, check = (_PART.match(data, at, at + 8) for at in (_PREFIX, _CHECK))
        if prefix is None or check is None:
            raise Malformed("an answer of PPPP without a UID", shown=data[:_END].hex())
        number = int.from_bytes(data[_NUMBER:_CHECK])
        uid = f"{prefix[1].decode()}-{number:06}-{check[1].decode()}".upper()
        return Answer(Announced(conditions=(Condition.CLOUD_ONLY,)), vendor_id=uid)
