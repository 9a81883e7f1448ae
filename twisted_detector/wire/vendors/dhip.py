"""Codec of DHIP, the discovery protocol of Dahua and its rebrands: search out, ``client.notifyDevInfo`` in.

JSON behind a header of 32 octets, to 239.255.255.251:37810 and by broadcast. The header of answers varied in the field
(rroller/dahua), so the JSON is found by its first brace. Meaning of ``Init``: the maker's SDK (``byInitStatus`` of
``DEVICE_NET_INFO_EX``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from twisted_detector.errors import Malformed
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT, GROUP = 37_810, "239.255.255.251"
MAGIC = b"DHIP"
_HEADER = struct.Struct("<I4s8xQQ")
_SEARCH = b'{"method":"DHDiscover.search","params":{"mac":"","uni":1}}\n'
#: Octets in which the magic stands, and in which the method does where the header is another or missing.
_HEAD, _BARE = 64, 1_024

#: ``DeviceClass``. An indoor monitor (VTH) has no picture of its own.
_KINDS = {
    "IPC": DeviceKind.CAMERA, "SD": DeviceKind.CAMERA, "TPC": DeviceKind.CAMERA,
    "NVR": DeviceKind.RECORDER, "DVR": DeviceKind.RECORDER, "HDVR": DeviceKind.RECORDER, "XVR": DeviceKind.RECORDER,
    "HCVR": DeviceKind.RECORDER, "EVS": DeviceKind.RECORDER, "NVS": DeviceKind.ENCODER,
    "VTO": DeviceKind.DOORBELL, "VTH": DeviceKind.OTHER,
}  # fmt: skip
#: What stands for Dahua itself, or for nobody, where a brand would.
_NO_BRAND = frozenset({"", "general", "private"})
#: The lowest two bits of ``Init``: 0, a device too old for it; 1, nobody has set a password; 2, somebody has.
_INIT, _NOT_INITIALISED = 0b11, 1
_CHANNELS = ("videoinputchannels", "remotevideoinputchannels")


class Dhip(VendorProtocol):
    """Dahua's DHIP."""

    name = "dhip"
    ports = (PORT,)
    unicast = True

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        search = _HEADER.pack(_HEADER.size, MAGIC, len(_SEARCH), len(_SEARCH)) + _SEARCH
        return (Query(search, PORT, to=GROUP), Query(search, PORT))

    def recognises(self, data: bytes) -> bool:
        return MAGIC in data[:_HEAD] or b"client.notifyDevInfo" in data[:_BARE]

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not a message of DHIP", shown=data[:32].hex())
        content = fields.json_in(data)
        parameters = fields.lower_names(content.get("params"))
        device = fields.lower_names(parameters.get("deviceinfo"))
        if device:
            return _answer(content, device)
        method = content.get("method")
        if not isinstance(method, str) or method == "client.notifyDevInfo":
            raise Malformed("an answer that says nothing of its device")
        return None  # a search, or what somebody's setting was answered


def _answer(content: Mapping[str, object], device: Mapping[str, object]) -> Answer:
    def said(name: str) -> str:
        return fields.text(device.get(name))

    mac = fields.mac(content.get("mac")) or fields.mac(device.get("mac"))
    serial, model, name = said("serialno"), said("devicetype"), said("machinename")
    if not (mac or serial or model):
        raise Malformed("an answer that says nothing of its device")
    brands = (said("vendor"), said("manufacturer"))
    local, remote = (fields.number(device.get(one), fields.MAX_CHANNELS) for one in _CHANNELS)
    init = device.get("init")
    fresh = isinstance(init, int) and not isinstance(init, bool) and init & _INIT == _NOT_INITIALISED
    return Answer(
        announced=Announced(
            manufacturer=next((one for one in brands if one.lower() not in _NO_BRAND), "Dahua"),
            model=model,
            name="" if name == serial else name,
            serial_number=serial,
            firmware_version=said("version"),
            kind=_KINDS.get(said("deviceclass").upper(), DeviceKind.UNKNOWN),
            channels=local + remote,
            conditions=(Condition.DEFAULT_STATE,) if fresh else (),
        ),
        mac=mac,
        address=fields.address(fields.lower_names(device.get("ipv4address")).get("ipaddress")),
        http_port=fields.port(device.get("httpport")),
    )
