"""Codec of TVT's search ("MHED"), which many rebranded recorders and cameras have; groups 234.55.55.55 and .56.

Answers, and what devices announce unasked, go to the second group; layout by two independent readers of captures.
Command 3 of the same structure sets addresses: it is never built.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT, GROUP, REPLY_GROUP = 23_456, "234.55.55.55", "234.55.55.56"
MAGIC = b"MHED"
_HEADER = struct.Struct("<4sHHH")
_SEARCH_SIZE, _SEARCH_VERSION = 140, 9
_SEARCH, _ANSWER = 1, 2
#: Behind the RTSP port, the last field without which an answer says too little.
_LEAST = 0x40
_KINDS = (
    (re.compile("NVR|DVR|XVR|HVR", re.I), DeviceKind.RECORDER),
    (re.compile("IPC|CAM|DOME", re.I), DeviceKind.CAMERA),
)


class Tvt(VendorProtocol):
    """TVT's search."""

    name = "tvt"
    ports = (PORT,)
    reply_port = PORT
    groups = (GROUP, REPLY_GROUP)
    announces = True

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        search = _HEADER.pack(MAGIC, _SEARCH_VERSION, 1, _SEARCH)
        return (Query(search + bytes(_SEARCH_SIZE - len(search)), PORT, to=GROUP),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith(MAGIC)

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data) or len(data) < _HEADER.size:
            raise Malformed("not a message of this protocol", shown=data[:16].hex())
        if _HEADER.unpack_from(data)[3] != _ANSWER:
            return None
        mac, serial = fields.mac_at(data, 0x20), fields.text_at(data, 0x8C, 16)
        if len(data) < _LEAST or not (mac or serial):
            raise Malformed("an answer that says nothing of its device", shown=data[:48].hex())
        title, model = fields.text_at(data, 12, 20), fields.text_at(data, 0xC4, 16)
        kinds = (kind for said in (title, model) for pattern, kind in _KINDS if pattern.search(said))
        return Answer(
            announced=Announced(
                manufacturer=fields.text_at(data, 0xD4, 16) or "TVT",
                model=model,
                name=title,
                serial_number=serial,
                firmware_version=fields.text_at(data, 0x9C, 16),
                kind=next(kinds, DeviceKind.UNKNOWN),
            ),
            mac=mac,
            address=fields.address_at(data, 0x28),
            http_port=fields.port_at(data, 0x3C),
            rtsp_port=fields.port_at(data, 0x3E),
        )
