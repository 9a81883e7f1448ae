"""An old Dahua device's end of the discovery protocol before DHIP."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_SEARCH = b"\xa3\x01\x00\x01" + bytes(12) + b"\x02" + bytes(15)


class DahuaOldDevice(VendorDevice):
    """It answers the one search that there is."""

    name = "dahua-old"
    ports = (5_050,)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if request.data != _SEARCH:
            return None
        model = facts.model.encode()
        second = str(facts.mac).encode() + (model if len(model) > 15 else b"")
        lines = (
            ("Name", facts.name),
            ("Device", facts.model),
            ("IPv6Addr", "2001:db8::108/64;gateway:2001:db8::1"),
            ("SerialNo", facts.serial_number),
        )
        third = "".join(f"{key}:{value}\r\n" for key, value in lines).encode()
        head = bytearray(0x78)
        head[0], head[2], head[0x14:0x16] = 0xB3, len(second), len(third).to_bytes(2, "little")
        head[0x28:0x38] = model[:15].ljust(16, b"\0")
        for offset, text in ((0x38, facts.address), (0x3C, facts.netmask), (0x40, facts.gateway)):
            head[offset : offset + 4] = IPv4Address(text).packed
        return bytes(head) + second + third
