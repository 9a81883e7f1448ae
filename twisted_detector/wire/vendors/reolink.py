"""Codec of Reolink's search: four octets by broadcast to port 2000; answers of 388 octets come to port 3000.

Offsets as a public integration reads them in captured answers (xannor/ha_reolink_discovery). A battery camera that
sleeps does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.addresses import Mac
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT, REPLY_PORT = 2_000, 3_000
SEARCH = b"\xaa\xaa\x00\x00"
_MAC, _ECHO, _WRITTEN_MAC = 80, 104, 164
_KINDS = (
    (re.compile("doorbell", re.I), DeviceKind.DOORBELL),
    (re.compile("NVR|RLN|HOME ?HUB", re.I), DeviceKind.RECORDER),
    (re.compile("IPC|RLC|CAM", re.I), DeviceKind.CAMERA),
)


class Reolink(VendorProtocol):
    """Reolink's search."""

    name = "reolink"
    ports = (PORT,)
    reply_port = REPLY_PORT

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(SEARCH, PORT),)

    def recognises(self, data: bytes) -> bool:
        return data == SEARCH or data[_ECHO : _ECHO + 4] == SEARCH or _macs_agree(data)

    def parse(self, data: bytes) -> Answer | None:
        if data == SEARCH:
            return None
        if not self.recognises(data):
            raise Malformed("not an answer of this protocol", shown=data[:32].hex())
        mac, uid = fields.mac_at(data, _MAC) or _written_mac(data), fields.text_at(data, 228, 32)
        if not (mac or uid):
            raise Malformed("an answer that says nothing of its device")
        model = fields.text_at(data, 58, 18)
        return Answer(
            announced=Announced(
                manufacturer="Reolink",
                model=model,
                name=fields.text_at(data, 132, 32),
                kind=next((kind for pattern, kind in _KINDS if pattern.search(model)), DeviceKind.UNKNOWN),
            ),
            mac=mac,
            vendor_id=uid,
            address=fields.address(fields.text_at(data, 108, 16)),
        )


def _written_mac(data: bytes) -> Mac | None:
    return fields.mac(fields.text_at(data, _WRITTEN_MAC, 18))


def _macs_agree(data: bytes) -> bool:
    """Whether the MAC stands in both of its places: then it is an answer, whatever came back of the search."""
    mac = fields.mac_at(data, _MAC)
    return mac is not None and mac == _written_mac(data)
