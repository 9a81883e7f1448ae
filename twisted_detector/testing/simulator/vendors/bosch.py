"""Bosch's discovery protocol from the device's end."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice
from twisted_detector.wire.soap.xml import escape

_MAGIC, _SEARCH = b"\x99\x39\xa4\x27", b"\xff\x00\x06\xde"


class BoschDevice(VendorDevice):
    """A camera of Bosch: an XML document, or the 32 octets of its first generation."""

    name = "bosch"
    ports = (1757,)
    reply_port = 1758

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if len(request.data) != 12 or request.data[:4] != _MAGIC or request.data[8:] != _SEARCH:
            return None
        if not facts.first_generation:
            return _document(facts)
        network = (IPv4Address(one).packed for one in (facts.address, facts.netmask, facts.gateway))
        mac = bytes.fromhex(facts.mac.compact)
        return request.data[:8] + mac + b"\x03\xff" + b"".join(network) + b"\x00\x03\x00\x71"


def _document(facts: DeviceFacts) -> bytes:
    said = {
        "deviceType": "OEMExt00:device:deviceID0",
        "App": "1",
        "friendlyName": facts.model,
        "unitName": facts.name,
        "deviceGUID": facts.uid,
        "serialNumber": facts.serial_number,
        "physAddress": facts.mac.text.replace(":", "-"),
        "unitIPAddress": facts.address,
        "unitSubnetMask": facts.netmask,
        "RCPPort": str(facts.device_port or 1756),
    }
    content = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in said.items())
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{declaration}<root xmlns="OEMExt00:device-1-0"><device>{content}</device></root>'.encode()
