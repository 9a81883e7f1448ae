"""A Reolink device's end of its search."""

from __future__ import annotations

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_SEARCH = b"\xaa\xaa\0\0"
_SIZE = 388


class ReolinkDevice(VendorDevice):
    """It answers to port 3000, whichever asked."""

    name = "reolink"
    ports = (2_000,)
    reply_port = 3_000

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if request.data != _SEARCH:
            return None
        answer = bytearray(_SIZE)
        for offset, size, field in (
            (58, 18, (facts.model or "IPC").encode()),
            (80, 6, bytes.fromhex(facts.mac.compact)),
            (104, 4, _SEARCH),
            (108, 16, facts.address.encode()),
            (132, 32, facts.name.encode()),
            (164, 18, str(facts.mac).encode()),
            (228, 32, facts.uid.encode()),
        ):
            answer[offset : offset + size] = field[:size].ljust(size, b"\0")
        return bytes(answer)
