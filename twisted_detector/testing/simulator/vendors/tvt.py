"""A TVT device's end of its search."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted_detector.model.announced import DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_SIZE, _SEARCH_SIZE = 240, 140


class TvtDevice(VendorDevice):
    """It answers to its second group, and says the same unasked."""

    name = "tvt"
    ports = (23_456,)
    groups = ("234.55.55.55",)
    reply_port = 23_456
    reply_to = "234.55.55.56"

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        searches = [b"MHED" + bytes((version, 0, 1, 0, 1, 0)) for version in (8, 9)]
        if len(request.data) != _SEARCH_SIZE or request.data[:10] not in searches or any(request.data[10:]):
            return None
        return self.announcement(facts)

    def announcement(self, facts: DeviceFacts) -> bytes:
        answer = bytearray(_SIZE)
        for offset, field in (
            (0, b"MHED" + bytes((8, 0, 1, 0, 2, 0))),
            (12, ("NVR" if facts.kind is DeviceKind.RECORDER else facts.name or "IPC").encode()[:20]),
            (0x20, bytes.fromhex(facts.mac.compact)),
            (0x28, IPv4Address(facts.address).packed),
            (0x2C, IPv4Address(facts.netmask).packed),
            (0x30, IPv4Address(facts.gateway).packed),
            (0x38, (20_240_511).to_bytes(4, "little")),
            (0x3C, facts.http_port.to_bytes(2, "little")),
            (0x3E, facts.rtsp_port.to_bytes(2, "little")),
            (0x8C, facts.serial_number.encode()[:16]),
            (0x9C, facts.firmware_version.encode()[:16]),
            (0xC4, facts.model.encode()[:16]),
            (0xD4, facts.manufacturer.encode()[:16]),
        ):
            answer[offset : offset + len(field)] = field
        return bytes(answer)
