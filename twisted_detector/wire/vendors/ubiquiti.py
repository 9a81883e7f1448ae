"""Codec of Ubiquiti's discovery protocol; by broadcast and to 233.89.188.1:10001.

Answers are a header and items of type, length and value; the length has two octets, as nmap and others read it. Access
points, switches and gateways answer too: cameras are those whose model begins with ``UVC``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT, GROUP = 10_001, "233.89.188.1"
_SEARCH, _SEARCH_2 = b"\x01\x00\x00\x00", b"\x02\x08\x00\x00"
_HEADER = 4
#: Items of one answer: a console with many interfaces has 40.
_MAX_ITEMS = 256
_MAC, _MAC_AND_ADDRESS, _FIRMWARE, _NAME, _MODEL, _MAC_AGAIN = 0x01, 0x02, 0x03, 0x0B, 0x0C, 0x13
_MODEL_2, _VERSION, _UNMANAGED, _DEVICE_ID = 0x15, 0x16, 0x17, 0x20
_CAMERA = "UVC"
#: Type and length of the items with which nearly all answers begin.
_FIRST_ITEMS = (b"\x01\x00\x06", b"\x02\x00\x0a", b"\x13\x00\x06")


class Ubiquiti(VendorProtocol):
    """Ubiquiti's discovery protocol, in both versions."""

    name = "ubiquiti"
    ports = (PORT,)
    unicast = True

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(_SEARCH, PORT), Query(_SEARCH, PORT, to=GROUP), Query(_SEARCH_2, PORT))

    def recognises(self, data: bytes) -> bool:
        if data in (_SEARCH, _SEARCH_2):
            return True
        if len(data) <= _HEADER + 3 or data[0] not in (1, 2):
            return False
        is_whole = int.from_bytes(data[2:4], "big") == len(data) - _HEADER
        return is_whole or data[_HEADER : _HEADER + 3] in _FIRST_ITEMS

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not a message of this protocol", shown=data[:16].hex())
        if len(data) == _HEADER:
            return None  # a search
        items = _items(data)
        pairs = [one for one in items.get(_MAC_AND_ADDRESS, ()) if len(one) == 10]
        macs = (fields.mac_at(one, 0) for kind in (_MAC, _MAC_AND_ADDRESS, _MAC_AGAIN) for one in items.get(kind, ()))
        mac = next((one for one in macs if one is not None), None)
        firmware, model = _text(items, _FIRMWARE), _text(items, _MODEL) or _text(items, _MODEL_2)
        vendor_id = _device_id(items)
        if not (mac or vendor_id or firmware or model):
            raise Malformed("an answer that says nothing of its device", shown=data[:32].hex())
        is_camera = any(one.upper().startswith(_CAMERA) for one in (model, firmware))
        other = DeviceKind.OTHER if model or firmware else DeviceKind.UNKNOWN
        # 1, or as four octets that end in 1, as long as no console manages it.
        unmanaged = items.get(_UNMANAGED, (b"",))[0]
        return Answer(
            announced=Announced(
                manufacturer="Ubiquiti",
                model=model,
                name=_text(items, _NAME),
                firmware_version=_text(items, _VERSION) or firmware,
                kind=DeviceKind.CAMERA if is_camera else other,
                conditions=(Condition.MANAGED,) if is_camera and unmanaged and not any(unmanaged) else (),
            ),
            mac=mac,
            vendor_id=vendor_id,
            address=next((found for one in pairs if (found := fields.address_at(one, 6))), ""),
        )


def _items(data: bytes) -> Mapping[int, list[bytes]]:
    """The values of each type, as far as they are whole, whatever length the header says."""
    items: dict[int, list[bytes]] = {}
    position = _HEADER
    for _ in range(_MAX_ITEMS):
        value = position + 3
        end = value + int.from_bytes(data[position + 1 : value], "big")
        if value > len(data) or end > len(data):
            break
        items.setdefault(data[position], []).append(data[value:end])
        position = end
    return items


def _text(items: Mapping[int, Sequence[bytes]], kind: int) -> str:
    return fields.text(fields.octets_text(items.get(kind, (b"",))[0]))


def _device_id(items: Mapping[int, Sequence[bytes]]) -> str:
    """A UUID, as text or as its sixteen octets."""
    value = items.get(_DEVICE_ID, (b"",))[0]
    if len(value) == 16 and not value.isalnum():
        return str(uuid.UUID(bytes=value)) if any(value) else ""
    return fields.text(fields.octets_text(value))
