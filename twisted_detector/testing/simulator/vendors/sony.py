"""Sony's discovery protocol from the device's end."""

from __future__ import annotations

from twisted_detector.testing.simulator.vendors.device import BROADCAST, DeviceFacts, Request, VendorDevice


class SonyDevice(VendorDevice):
    """A camera of Sony."""

    name = "sony"
    ports = (2380,)
    reply_to = BROADCAST

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if request.data != b"\x02ENQ:allinfo\xff\x03":
            return None
        said = {
            "MAC": facts.mac.text.replace(":", "-"),
            "MODEL": facts.model,
            "SERIAL": facts.serial_number,
            "INFO": "allinfo",
            "DHCP": "OFF",
            "IPADR": facts.address,
            "MASK": facts.netmask,
            "GATEWAY": facts.gateway,
            "WEBPORT": str(facts.http_port),
            "TIMEZONE": "0",
            "SOFTVERSION": facts.firmware_version,
        }
        texts = (f"{key}:{value}".encode() + b"\xff" for key, value in said.items())
        return b"\x02" + b"".join(texts) + b"\x03"
