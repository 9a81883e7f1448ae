"""360 Vision's discovery protocol from the device's end."""

from __future__ import annotations

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice


class Vision360Device(VendorDevice):
    """A camera of 360 Vision."""

    name = "360vision"
    ports = (3600,)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if request.data != b"DISCOVER\n":
            return None
        return f"DISCOVER TYPE={facts.model} KEY='{facts.mac}' ID=2210376922\r\n".encode()
