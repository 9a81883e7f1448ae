"""Panasonic's and i-PRO's discovery protocol from the device's end."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import BROADCAST, DeviceFacts, Request, VendorDevice

_WANTS = bytes.fromhex("20111e11231f1e191300000202020000")


class PanasonicDevice(VendorDevice):
    """A camera of Panasonic or i-PRO that is asked at port 10670."""

    name = "panasonic"
    ports = (10670,)
    reply_port = 10669
    reply_to = BROADCAST

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        asked = request.data
        if len(asked) != 52 or asked[:6] != b"\x00\x01\x00\x00\x00\x0d" or asked[48:50] != b"\xff\xff":
            return None
        body = b"".join(
            (
                b"\x02",
                _field(0x01, b"\x00"),
                _field(0x20, IPv4Address(facts.address).packed),
                _field(0x21, IPv4Address(facts.netmask).packed),
                _field(0x22, IPv4Address(facts.gateway).packed),
                _field(0x25, facts.http_port.to_bytes(2, "big")),
                _field(0x40, bytes.fromhex("fe80") + bytes(13) + b"\x01"),
                _field(0xA7, facts.model.encode()[:15].ljust(16, b"\0")),
                _field(0xA8, facts.model.encode()[:15].ljust(16, b"\0")),
                _field(0xA9, facts.firmware_version.encode()[:15].ljust(16, b"\0")),
                b"\xff\xff",
            )
        )
        asker = asked[12:22]
        head = b"\x00\x01" + (len(body) + 2).to_bytes(2, "big") + b"\x00\x0e" + bytes.fromhex(facts.mac.compact)
        whole = head + asker + b"\x00\x00" + _WANTS + bytes(12) + body
        return whole + (sum(whole) & 0xFFFF).to_bytes(2, "big")


class PanasonicReversedDevice(PanasonicDevice):
    """One that is asked at port 10669."""

    name = "panasonic-10669"
    ports = (10669,)
    reply_port = 10670


def _field(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
