"""Vivotek's discovery protocol from the device's end."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice


class VivotekDevice(VendorDevice):
    """A camera of Vivotek."""

    name = "vivotek"
    ports = (10000,)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if len(request.data) != 5 or request.data[1:] != b"\x4a\x5d\x8f\x1c":
            return None
        return b"".join(
            (
                request.data,
                _field(1, facts.name.encode()),
                _field(2, bytes.fromhex(facts.mac.compact)),
                _field(3, IPv4Address(facts.address).packed),
                b"\x04\x1b",  # the type that has no length
                _field(6, facts.http_port.to_bytes(2, "little")),
                _field(8, b"en"),
                _field(9, facts.model.encode()),
                _field(0x10, b"\x03\x00\x82\x00"),
            )
        )


def _field(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value))) + value
