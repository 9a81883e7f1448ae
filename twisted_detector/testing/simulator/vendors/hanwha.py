"""A Hanwha (Wisenet) device's end of its search."""

from __future__ import annotations

from twisted_detector.model.announced import DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_SIZE, _OLD_SIZE = 334, 262
_KINDS = {DeviceKind.ENCODER: 1, DeviceKind.RECORDER: 3, DeviceKind.OTHER: 5, DeviceKind.DOORBELL: 9}


class HanwhaDevice(VendorDevice):
    """It answers to port 7711, whichever asked: of the first generation mode 1 in short, a newer one mode 6 in full.

    A search is 334 octets, with nothing but zeros behind the packet id.
    """

    name = "hanwha"
    ports = (7_701,)
    reply_port = 7_711

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        data = request.data
        if len(data) != _SIZE or any(data[0x13:]) or data[0] != (1 if facts.first_generation else 6):
            return None
        answer = bytearray(_SIZE)
        answer[0] = 11 if facts.first_generation else 12
        answer[1:0x13] = data[1:0x13]
        texts = [
            (0x13, 18, str(facts.mac).upper()),
            (0x25, 16, facts.address),
            (0x35, 16, facts.netmask),
            (0x45, 16, facts.gateway),
            (0x6D, 10, facts.model),
            (0x85, 128, f"http://{facts.address}/"),
        ]
        if not facts.first_generation:
            texts += [(0x105, 32, facts.name), (0x125, 32, facts.model)]
        for offset, size, text in texts:
            answer[offset : offset + size] = text.encode()[: size - 1].ljust(size, b"\0")
        channels = 0 if facts.first_generation else facts.channels
        ports = (
            (0x78, facts.http_port),
            (0x7A, facts.device_port or 4_520),
            (0x7C, 4_520),
            (0x82, channels),
            (0x14A, facts.https_port or 443),
        )
        for offset, number in ports:
            answer[offset : offset + 2] = number.to_bytes(2, "little")
        answer[0x84] = 1
        answer[0x145], answer[0x148] = _KINDS.get(facts.kind, 0), bool(facts.https_port)
        answer[0x14D] = not facts.password_set
        return bytes(answer[:_OLD_SIZE] if facts.first_generation else answer)
