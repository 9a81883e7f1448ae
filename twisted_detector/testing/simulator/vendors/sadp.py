"""A Hikvision device's end of SADP."""

from __future__ import annotations

import re

from twisted_detector.model.announced import DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice
from twisted_detector.wire.soap.xml import escape

#: On one line, with the two elements in this order.
_PROBE = re.compile(
    rb"<\?xml version=\"1\.0\" encoding=\"utf-8\"\?>\s?<Probe><Uuid>([0-9A-Fa-f-]{36})</Uuid>"
    rb"<Types>(inquiry(?:_v32)?)</Types></Probe>"
)


class SadpDevice(VendorDevice):
    """It answers what comes to its group or by broadcast, and repeats the probe's Uuid."""

    name = "sadp"
    ports = (37_020,)
    groups = ("239.255.255.250",)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        probe = None if request.unicast else _PROBE.fullmatch(request.data)
        if probe is None:
            return None
        is_recorder = facts.kind is DeviceKind.RECORDER
        elements = (
            ("Uuid", probe[1].decode("ascii")),
            ("Types", probe[2].decode("ascii")),
            ("DeviceType", "138417" if is_recorder else "1"),
            ("DeviceDescription", facts.model),
            ("DeviceSN", facts.serial_number),
            ("CommandPort", str(facts.device_port or 8000)),
            ("HttpPort", str(facts.http_port)),
            ("MAC", str(facts.mac).replace(":", "-")),
            ("IPv4Address", facts.address),
            ("IPv4SubnetMask", facts.netmask),
            ("IPv4Gateway", facts.gateway),
            ("IPv6Address", "::"),
            ("DHCP", "true"),
            ("AnalogChannelNum", "0" if is_recorder else str(facts.channels)),
            ("DigitalChannelNum", str(facts.channels) if is_recorder else "0"),
            ("SoftwareVersion", facts.firmware_version),
            ("DSPVersion", "V7.3 build 201224"),
            ("BootTime", "2026-11-30 08:00:00"),
            ("OEMInfo", facts.manufacturer or "N/A"),
            ("Encrypt", "true"),
            ("PasswordResetAbility", "true"),
            ("Activated", "true" if facts.activated else "false"),
        )
        inner = "".join(f"<{name}>{escape(text)}</{name}>\r\n" for name, text in elements)
        return f'<?xml version="1.0" encoding="UTF-8" ?>\r\n<ProbeMatch>\r\n{inner}</ProbeMatch>\r\n'.encode()
