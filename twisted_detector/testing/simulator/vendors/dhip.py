"""A Dahua device's end of DHIP."""

from __future__ import annotations

import json
import struct

from twisted_detector.model.announced import DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_CLASSES = {DeviceKind.RECORDER: "NVR", DeviceKind.DOORBELL: "VTO", DeviceKind.OTHER: "VTH"}
#: ``Init``: the lowest two bits are 1 or 2, the others say what else was set up.
_FRESH, _INITIALISED = 149, 150


class DhipDevice(VendorDevice):
    """It answers the search behind a right header, and neither bare JSON nor another method."""

    name = "dhip"
    ports = (37_810,)
    groups = ("239.255.255.251",)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        header, body = request.data[:32], request.data[32:]
        length = struct.pack("<Q", len(body))
        if header != b"\x20\0\0\0DHIP" + bytes(8) + length + length:
            return None
        try:
            asked = json.loads(body)
        except ValueError:
            return None
        if not isinstance(asked, dict) or asked.get("method") != "DHDiscover.search" or "params" not in asked:
            return None
        is_recorder = facts.kind is DeviceKind.RECORDER
        device = {
            "AlarmInputChannels": 0,
            "AlarmOutputChannels": 0,
            "DeviceClass": _CLASSES.get(facts.kind, "IPC"),
            "DeviceType": facts.model,
            "Find": "BD",
            "HttpPort": facts.http_port,
            "IPv4Address": {
                "DefaultGateway": facts.gateway,
                "DhcpEnable": True,
                "IPAddress": facts.address,
                "SubnetMask": facts.netmask,
            },
            "IPv6Address": {"DefaultGateway": "", "DhcpEnable": True, "IPAddress": "/64", "LinkLocalAddress": "/64"},
            "Init": _INITIALISED if facts.activated else _FRESH,
            "MachineName": facts.name or facts.serial_number,
            "Manufacturer": facts.manufacturer or "General",
            "Port": facts.device_port or 37_777,
            "RemoteVideoInputChannels": facts.channels if is_recorder else 0,
            "SerialNo": facts.serial_number,
            "Vendor": facts.manufacturer or "General",
            "Version": facts.firmware_version,
            "VideoInputChannels": 0 if is_recorder else facts.channels,
            "VideoOutputChannels": 0,
        }
        answer = {"mac": str(facts.mac), "method": "client.notifyDevInfo", "params": {"deviceInfo": device}}
        content = json.dumps(answer).replace("/", "\\/").encode() + b"\n"
        length = struct.pack("<Q", len(content))
        return b"\x20\0\0\0DHIP" + bytes(8) + length + length + content
