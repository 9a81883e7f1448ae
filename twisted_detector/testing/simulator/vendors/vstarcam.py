"""VStarcam's own discovery protocol from the device's end."""

from __future__ import annotations

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice


class VStarcamDevice(VendorDevice):
    """A camera of VStarcam."""

    name = "vstarcam"
    ports = (8600,)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if request.data != b"DH\x01\x01":
            return None
        texts = (facts.address, facts.netmask, facts.gateway, facts.gateway, facts.gateway)
        whole = b"".join(
            (
                b"DH\x01\x08",
                *(one.encode().ljust(16, b"\0") for one in texts),
                bytes.fromhex(facts.mac.compact),
                facts.http_port.to_bytes(2, "little"),
                facts.serial_number.encode()[:31].ljust(32, b"\0"),
                facts.name.encode()[:31].ljust(32, b"\0"),
                bytes(48),
                facts.firmware_version.encode()[:31].ljust(32, b"\0"),
            )
        )
        return whole.ljust(0x210, b"\0")
