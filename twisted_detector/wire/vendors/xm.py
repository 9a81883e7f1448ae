"""Codec of the search of XM (Xiongmai: Sofia, DVRIP, and hundreds of rebrands); by broadcast to port 34569.

Answers go to that port too, whichever asked, and devices "sometimes do not answer": the search is sent three times
(AlexxIT/go2rtc). Nothing is ever sent to TCP port 34567, which an answer names: cameras log that as an illegal login.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT = 34_569
_HEADER = struct.Struct("<B13xHI")
_MAGIC, _SEARCH = 0xFF, 1530
_ANSWER = 1531
#: Octets in which the name of the answer's object stands, when the head is another.
_BARE = 128
#: From so many channels on it is a recorder; cameras have up to three lenses.
_RECORDER_CHANNELS = 4


class Xm(VendorProtocol):
    """Xiongmai's search."""

    name = "xm"
    ports = (PORT,)
    reply_port = PORT

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_HEADER.pack(_MAGIC, _SEARCH, 0), PORT, times=3, interval=0.1),)

    def recognises(self, data: bytes) -> bool:
        return _message(data) in (_SEARCH, _ANSWER) or b"NetWork.NetCommon" in data[:_BARE]

    def parse(self, data: bytes) -> Answer | None:
        if _message(data) == _SEARCH and b"{" not in data:
            return None
        if not self.recognises(data):
            raise Malformed("not a message of this protocol", shown=data[:32].hex())
        device = fields.lower_names(fields.json_in(data).get("network.netcommon"))
        mac, serial = fields.mac(device.get("mac")), fields.text(device.get("sn"))
        if not (mac or serial):
            raise Malformed("an answer that says nothing of its device")
        channels = fields.number(device.get("channelnum"), fields.MAX_CHANNELS)
        kind = DeviceKind.CAMERA if channels == 1 else DeviceKind.UNKNOWN
        return Answer(
            announced=Announced(
                manufacturer="Xiongmai",
                name=fields.text(device.get("hostname")),
                serial_number=serial,
                firmware_version=fields.text(device.get("version")),
                kind=DeviceKind.RECORDER if channels >= _RECORDER_CHANNELS else kind,
                channels=channels,
            ),
            mac=mac,
            address=_address(device),
            http_port=fields.port(device.get("httpport")),
        )


def _message(data: bytes) -> int:
    """The message id in the header; 0 without one."""
    if len(data) < _HEADER.size or data[0] != _MAGIC:
        return 0
    return int.from_bytes(data[14:16], "little")


def _address(device: Mapping[str, object]) -> str:
    """``HostIP``: ``0x`` and eight digits, the lowest octet first; some rebrands write it as others do."""
    text = fields.text(device.get("hostip"))
    if not text.lower().startswith("0x"):
        return fields.address(text)
    try:
        return fields.address_at(int(text, 16).to_bytes(4, "little"), 0)
    except (ValueError, OverflowError):
        return ""
