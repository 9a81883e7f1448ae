"""Codecs of TP-Link's searches: Kasa's at port 9999, and the one of Tapo, VIGI and newer Kasa at 20002 and 20004.

Both by broadcast (python-kasa). Plugs and lamps answer too: they are no cameras. The hash of its owner's account that a
device sends is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

KASA_PORT = 9_999
PORTS = (20_002, 20_004)
#: Without a body: header of version 2, operation 1, no serial number, CRC 32.
_SEARCH = bytes.fromhex("02 00 00 01 00 00 00 00 00 00 00 00 46 3c b5 d3")
_HEADER = 16
_KASA_SEARCH = b'{"system":{"get_sysinfo":{}}}'
_FIRST_KEY = 171
#: Over TCP the length stands before it; some send that by UDP too.
_PREFIX = 4
#: What JSON begins with.
_BEGINNINGS = (b'{"', b"{ ", b"{\n", b"{\r")

#: Beginnings of the types of what has a picture.
_KINDS = {
    "SMART.TAPODOORBELL": DeviceKind.DOORBELL,
    "SMART.IPCAMERA": DeviceKind.CAMERA,
    "IOT.IPCAMERA": DeviceKind.CAMERA,
}


class TplinkKasa(VendorProtocol):
    """TP-Link's first search."""

    name = "tplink-kasa"
    ports = (KASA_PORT,)
    unicast = True

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return (Query(encrypt(_KASA_SEARCH), KASA_PORT),)

    def recognises(self, data: bytes) -> bool:
        return any(_decrypt(data[begin : begin + 2]) in _BEGINNINGS for begin in (0, _PREFIX))

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not a message of this protocol", shown=data[:32].hex())
        plain = _decrypt(data[: fields.MAX_JSON])
        if not plain.startswith(b"{"):
            plain = _decrypt(data[_PREFIX : fields.MAX_JSON])
        system = fields.lower_names(fields.json_in(plain).get("system"))
        device = fields.lower_names(system.get("get_sysinfo"))
        if not device:
            if "get_sysinfo" in system:
                return None
            raise Malformed("not a message of this protocol", shown=ascii(plain[:40]))
        return _kasa_answer(fields.lower_names(device.get("system")) or device)


class Tplink(VendorProtocol):
    """TP-Link's second search."""

    name = "tplink"
    ports = PORTS
    unicast = True

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        return tuple(Query(_SEARCH, port) for port in PORTS)

    def recognises(self, data: bytes) -> bool:
        return data[:2] == _SEARCH[:2] and len(data) >= _HEADER

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not a message of this protocol", shown=data[:32].hex())
        if len(data) == _HEADER:
            return None
        content = fields.json_in(data)
        device = fields.lower_names(content.get("result"))
        if not device:
            if "params" in content:
                return None  # a search with a key
            raise Malformed("an answer that says nothing of its device")
        return _answer(device)


def encrypt(plain: bytes) -> bytes:
    """Autokey cipher: each octet is the key of the next."""
    key, encrypted = _FIRST_KEY, bytearray()
    for octet in plain:
        key ^= octet
        encrypted.append(key)
    return bytes(encrypted)


def _decrypt(data: bytes) -> bytes:
    return bytes(octet ^ key for octet, key in zip(data, bytes((_FIRST_KEY,)) + data, strict=False))


def _kasa_answer(device: Mapping[str, object]) -> Answer:
    def said(*names: str) -> str:
        return next((found for name in names if (found := fields.text(device.get(name)))), "")

    return Answer(
        announced=Announced(
            manufacturer="TP-Link",
            model=said("model"),
            name=said("alias"),
            firmware_version=said("sw_ver"),
            kind=_kind(said("type", "mic_type")),
        ),
        mac=fields.mac(said("mac", "mic_mac")),
        vendor_id=said("deviceid"),
    )


def _answer(device: Mapping[str, object]) -> Answer:
    web = fields.lower_names(device.get("mgt_encrypt_schm"))
    port, is_https = fields.port(web.get("http_port")), web.get("is_support_https") is True
    return Answer(
        announced=Announced(
            manufacturer="TP-Link",
            model=fields.text(device.get("device_model")),
            firmware_version=fields.text(device.get("firmware_version")),
            kind=_kind(fields.text(device.get("device_type"))),
            conditions=(Condition.DEFAULT_STATE,) if device.get("factory_default") is True else (),
        ),
        mac=fields.mac(device.get("mac")),
        vendor_id=fields.text(device.get("device_id")),
        address=fields.address(device.get("ip")),
        http_port=0 if is_https else port,
        https_port=port if is_https else 0,
    )


def _kind(said: str) -> DeviceKind:
    return next((kind for begin, kind in _KINDS.items() if said.upper().startswith(begin)), DeviceKind.OTHER)
