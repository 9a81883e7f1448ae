"""LAN search of PPPP from the device's end."""

from __future__ import annotations

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice


class PpppDevice(VendorDevice):
    """A camera that speaks PPPP; of the first generation at its older port."""

    name = "pppp"
    ports = (32108, 32100)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        own_port = 32100 if facts.first_generation else 32108
        if request.port != own_port or request.data != b"\xf1\x30\x00\x00":
            return None
        prefix, number, check = facts.uid.split("-")
        return b"".join(
            (
                b"\xf1\x41\x00\x14",
                prefix.encode().ljust(8, b"\0"),
                int(number).to_bytes(4, "big"),
                check.encode().ljust(8, b"\0"),
            )
        )
