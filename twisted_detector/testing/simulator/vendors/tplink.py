"""TP-Link devices' ends of their two searches."""

from __future__ import annotations

import json
import struct
from zlib import crc32

from twisted_detector.model.announced import DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice

_TYPES = {DeviceKind.CAMERA: "SMART.IPCAMERA", DeviceKind.DOORBELL: "SMART.TAPODOORBELL"}
_PLACE_OF_CRC = 0x5A6B7C8D


class TplinkKasaDevice(VendorDevice):
    """It answers ``get_sysinfo``, scrambled with the autokey cipher and without a length before it."""

    name = "tplink-kasa"
    ports = (9_999,)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        try:
            asked = json.loads(_unscrambled(request.data))
        except ValueError:
            return None
        if not isinstance(asked, dict) or asked.get("system") != {"get_sysinfo": {}}:
            return None
        is_camera = facts.kind is DeviceKind.CAMERA
        device = {
            "sw_ver": facts.firmware_version,
            "model": facts.model,
            "deviceId": facts.uid,
            "type" if is_camera else "mic_type": "IOT.IPCAMERA" if is_camera else "IOT.SMARTPLUGSWITCH",
            "mic_mac" if is_camera else "mac": facts.mac.compact.upper(),
            "alias": facts.name,
        }
        info = {"err_code": 0, "system": device} if is_camera else {"err_code": 0, **device}
        return _scrambled(json.dumps({"system": {"get_sysinfo": info}}).encode())


class TplinkDevice(VendorDevice):
    """It answers a search whose check sum is right, with a body or without."""

    name = "tplink"
    ports = (20_002, 20_004)

    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        data = request.data
        if len(data) < 16 or data[:4] != b"\x02\0\0\x01" or int.from_bytes(data[4:6], "big") != len(data) - 16:
            return None
        if data[12:16] != _check_sum(data):
            return None
        port = facts.https_port or facts.http_port
        result = {
            "device_id": facts.uid,
            "owner": "0F1E2D3C4B5A69788796A5B4C3D2E1F0",
            "device_type": _TYPES.get(facts.kind, "SMART.TAPOPLUG"),
            "device_model": facts.model,
            "ip": facts.address,
            "mac": str(facts.mac).upper().replace(":", "-"),
            "hw_ver": "2.0",
            "firmware_version": facts.firmware_version,
            "factory_default": not facts.activated,
            "mgt_encrypt_schm": {
                "is_support_https": bool(facts.https_port),
                "encrypt_type": "AES",
                "http_port": port,
                "lv": 2,
            },
        }
        body = json.dumps({"result": result, "error_code": 0}).encode()
        answer = struct.pack(">BBHHBBII", 2, 0, 1, len(body), 17, 0, 1, _PLACE_OF_CRC) + body
        return answer[:12] + _check_sum(answer) + answer[16:]


def _check_sum(datagram: bytes) -> bytes:
    return crc32(datagram[:12] + _PLACE_OF_CRC.to_bytes(4, "big") + datagram[16:]).to_bytes(4, "big")


def _scrambled(plain: bytes) -> bytes:
    last, scrambled = 0xAB, []
    for octet in plain:
        last ^= octet
        scrambled.append(last)
    return bytes(scrambled)


def _unscrambled(data: bytes) -> str:
    return bytes(octet ^ last for last, octet in zip(b"\xab" + data, data, strict=False)).decode("ascii", "replace")
