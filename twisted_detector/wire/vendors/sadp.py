"""Codec of SADP, the discovery protocol of Hikvision and its rebrands: probe out, ProbeMatch in.

XML over UDP to 239.255.255.250:37020 and by broadcast; a device ignores what is sent to it alone. Field names as public
readers of captured answers have them (UniversalScanner, hikvision-tooling); no firmware sends all of them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.wire.soap.xml import Element, local, parse_xml, text_of
from twisted_detector.wire.vendors import fields
from twisted_detector.wire.vendors.protocol import Answer, Query, VendorProtocol

PORT, GROUP = 37_020, "239.255.255.250"
#: What is read of a datagram: an answer has about 1 kB and 40 elements, and behind it the rest of a buffer may stand.
MAX_BYTES, MAX_ELEMENTS = 16_384, 256
#: Octets in which the root's name stands.
_HEAD = 512
#: Ways to say no; the second stands in answers of real firmware, for other fields.
_NO = frozenset({"false", "flase", "0", "no"})
_CHANNELS = ("analogchannelnum", "digitalchannelnum")

#: What the maker's model names begin with. Indoor monitors and switches have no picture.
_KINDS = (
    (re.compile(r"i?DS-(?:[789]\d|A[78]\d)|\w*(?:NVR|DVR)\b", re.I), DeviceKind.RECORDER),
    (re.compile(r"DS-(?:KV|KD|KB|HD)\d", re.I), DeviceKind.DOORBELL),
    (re.compile(r"DS-(?:KH|3E|3T|3W)\d", re.I), DeviceKind.OTHER),
    (re.compile(r"DS-67\d", re.I), DeviceKind.ENCODER),
    (re.compile(r"(?:i|T)?DS-(?:2|B\d|T)\w|IPC|HWI-|CS-", re.I), DeviceKind.CAMERA),
)


class Sadp(VendorProtocol):
    """Hikvision's SADP.

    Its socket is bound to the port that devices listen at, as the maker's own tool does: some answer to the group, and
    with that also those whose address is of another network (a camera that nobody has set up).
    """

    name = "sadp"
    ports = (PORT,)
    reply_port = PORT
    groups = (GROUP,)

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        first = probe(random(16), "inquiry")
        return (
            Query(first, PORT, to=GROUP),
            Query(first, PORT),
            Query(probe(random(16), "inquiry_v32"), PORT, to=GROUP),
        )

    def recognises(self, data: bytes) -> bool:
        head = data[:_HEAD].replace(b"\0", b"").lower()
        return b"<" in head and b"probe" in head and b"envelope" not in head

    def parse(self, data: bytes) -> Answer | None:
        if not self.recognises(data):
            raise Malformed("not a message of SADP", shown=ascii(data[:40]))
        match = _match(data)
        return None if match is None else _answer(_texts(match))


def probe(octets: bytes, kind: str) -> bytes:
    """A search, on one line; ``octets``: sixteen random ones."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Probe><Uuid>{str(uuid.UUID(bytes=octets)).upper()}</Uuid>'
        f"<Types>{kind}</Types></Probe>"
    ).encode("ascii")


def _match(data: bytes) -> Element | None:
    """The element that describes the device; None in a search or another message of a tool."""
    try:
        root = parse_xml(data[:MAX_BYTES])
    except RemoteError as problem:
        raise Malformed(problem.what, shown=problem.shown) from None
    names = {local(element).lower(): element for element in islice(root.iter(), MAX_ELEMENTS)}
    if "probematch" in names:
        return names["probematch"]
    if "probe" in names:
        return None
    raise Malformed("not a message of SADP", shown=local(root))


def _texts(match: Element) -> Mapping[str, str]:
    """The texts in a ProbeMatch by name in lower case, the first of two alike."""
    texts: dict[str, str] = {}
    for element in islice(match.iter(), MAX_ELEMENTS):
        if len(element) == 0:
            texts.setdefault(local(element).lower(), fields.text(text_of(element)))
    return texts


def _answer(texts: Mapping[str, str]) -> Answer | None:
    def said(name: str) -> str:
        return texts.get(name, "")

    mac, serial, model = fields.mac(said("mac")), said("devicesn"), said("devicedescription")
    if not (mac or serial or model):
        if not said("types").lower().startswith("inquiry"):
            return None  # the answer to somebody's setting
        raise Malformed("a ProbeMatch that says nothing of its device")
    brand = said("oeminfo")
    if brand.lower().startswith("hikvision") or not any(one.isalpha() for one in brand):
        brand = "Hikvision"  # some send "HIKVISION-…", or a number
    analog, digital = (fields.number(said(name), fields.MAX_CHANNELS) for name in _CHANNELS)
    return Answer(
        announced=Announced(
            manufacturer=brand,
            model=model,
            serial_number=serial,
            firmware_version=said("softwareversion"),
            kind=next((kind for pattern, kind in _KINDS if pattern.match(model)), DeviceKind.UNKNOWN),
            channels=analog + digital,
            conditions=(Condition.NOT_ACTIVATED,) if said("activated").lower() in _NO else (),
        ),
        mac=mac,
        address=fields.address(said("ipv4address")),
        http_port=fields.port(said("httpport")),
        https_port=fields.port(said("httpsport")),
        rtsp_port=fields.port(said("rtspport")),
    )
