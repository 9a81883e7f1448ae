"""An XM (Xiongmai) device's end of its search."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address

from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_SEARCH = b"\xff" + bytes(13) + b"\xfa\x05" + bytes(4)


class XmDevice(VendorDevice):
    """It answers to its own port, whichever asked, and only one of three searches."""

    name = "xm"
    ports = (34_569,)
    reply_port = 34_569
    answers_each = 3

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        if request.data != _SEARCH:
            return None
        device = {
            "BuildDate": "2024-05-11 10:00:00",
            "ChannelNum": facts.channels,
            "DeviceType": 1,
            "GateWay": _reversed(facts.gateway),
            "HostIP": _reversed(facts.address),
            "HostName": facts.name,
            "HttpPort": facts.http_port,
            "MAC": str(facts.mac),
            "MaxBps": 0,
            "MonMode": "TCP",
            "SN": facts.serial_number,
            "SSLPort": 8443,
            "Submask": _reversed(facts.netmask),
            "TCPMaxConn": 10,
            "TCPPort": facts.device_port or 34_567,
            "TransferPlan": "Quality",
            "UDPPort": 34_568,
            "UseHSDownLoad": False,
            "Version": facts.firmware_version,
        }
        content = json.dumps({"NetWork.NetCommon": device, "Ret": 100, "SessionID": "0x0"}).encode() + b"\n\0"
        return b"\xff\x01" + bytes(12) + struct.pack("<HI", 1531, len(content)) + content


def _reversed(text: str) -> str:
    return f"0x{int.from_bytes(IPv4Address(text).packed, 'little'):08X}"
