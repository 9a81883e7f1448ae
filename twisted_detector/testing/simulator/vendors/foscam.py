"""Foscam's discovery protocol from the device's end."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import BROADCAST, DeviceFacts, Request, VendorDevice

_KEY = b"\x01\x7fkey\x00\xa5\x5a"


class FoscamDevice(VendorDevice):
    """A camera of Foscam: its body is XORed, but not that of its first generation."""

    name = "foscam"
    ports = (10000,)
    reply_port = 10000
    reply_to = BROADCAST

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if len(request.data) != 27 or request.data[:6] != b"MO_I\x00\x00" or request.data[15] != 4:
            return None
        versions = bytes(int(part) for part in facts.firmware_version.split("."))
        body = b"".join(
            (
                facts.mac.compact.upper().encode().ljust(13, b"\0"),
                facts.name.encode()[:20].ljust(21, b"\0"),
                *(IPv4Address(one).packed for one in (facts.address, facts.netmask, facts.gateway, facts.gateway)),
                bytes(4),
                versions.ljust(4, b"\0"),
                bytes(4),
                facts.http_port.to_bytes(2, "big"),
            )
        )
        key = bytes(8) if facts.first_generation else _KEY
        mixed = bytes(octet ^ key[number % 8] for number, octet in enumerate(body))
        flag = b"\x00" if facts.first_generation else b"\x01"
        return b"MO_I\x01\x00" + flag + key + bytes((len(body),)) + bytes(7) + mixed
