"""A Ubiquiti device's end of its discovery protocol."""

from __future__ import annotations

import uuid
from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice


class UbiquitiDevice(VendorDevice):
    """It answers both versions of the search, each in its own."""

    name = "ubiquiti"
    ports = (10_001,)
    groups = ("233.89.188.1",)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        version = {b"\x01\0\0\0": b"\x01\0", b"\x02\x08\0\0": b"\x02\x09"}.get(request.data)
        if version is None:
            return None
        mac = bytes.fromhex(facts.mac.compact)
        items = [
            (0x02, mac + IPv4Address(facts.address).packed),
            (0x01, mac),
            (0x0A, (86_400).to_bytes(4, "big")),
            (0x0B, facts.name.encode()),
            (0x0C, facts.model.encode()),
            (0x03, f"{facts.model}.v{facts.firmware_version}.0000000".encode()),
            (0x16, facts.firmware_version.encode()),
            (0x10, b"\x34\xa5"),
            (0x17, b"\0\0\0" + bytes((not facts.managed,))),
        ]
        if facts.uid:
            items.append((0x20, uuid.UUID(facts.uid).bytes))
        body = b"".join(bytes((kind,)) + len(value).to_bytes(2, "big") + value for kind, value in items)
        return version + len(body).to_bytes(2, "big") + body
