"""Our own examples of what each parser reads: tables and writers of the project come in, seed inputs come out.

No captured data: the corpus is added by the runner where it is present.
"""

from __future__ import annotations

import gzip
import json
import struct
from ipaddress import ip_address

from tests.doubles import ssdp_device
from tests.outputs.frigate_rules import Broken
from tests.peers.frigate_words import of_schema, of_variable
from twisted_detector.model import Announced, Evidence, Mac, Sighting
from twisted_detector.model.announced import Condition
from twisted_detector.testing.simulator.wire import onvif_answers as said, wsdiscovery as wsd_device
from twisted_detector.testing.simulator.wire.rtp import (
    format_packet,
    format_sprop_h264,
    goodbye,
    packetize,
    packetize_h265,
    sender_report,
)
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.testing.simulator.wire.soap import fault_envelope
from twisted_detector.wire.eyes.envelope import Envelope, EnvelopeKind
from twisted_detector.wire.eyes.report import Departure, SignOfLife, encode_report
from twisted_detector.wire.eyes.topics import EyeTopics
from twisted_detector.wire.lan import mdns, ssdp, wsdiscovery as wsd
from twisted_detector.wire.onvif.answers import NS_DEVICE, NS_MEDIA, DeviceInformation, NetworkInterface, Profile
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtp.jpeg import JpegPictures
from twisted_detector.wire.rtsp.messages import format_request, format_response
from twisted_detector.wire.soap import envelope as soap

SPS_H264 = bytes.fromhex("6742c01fda014016ec05a808080a000003000200000300790c002e0f8c")
PPS_H264 = bytes.fromhex("68ce3c80")
#: x265, Main profile, 640x360.
VPS_H265 = bytes.fromhex("40010c01ffff01600000030090000003000003003c959809")
SPS_H265 = bytes.fromhex("42010101600000030090000003000003003ca00a080b9f79659a924caf016808000003000800000300f040")
PPS_H265 = bytes.fromhex("4401c172b46240")

MATCH = wsd.Match(
    "urn:uuid:0000000a-1111-2222-3333-0200000000a1",
    (wsd.NETWORK_VIDEO_TRANSMITTER, wsd.DEVICE),
    ("onvif://www.onvif.org/name/Porch%20%26%20door", "onvif://www.onvif.org/MAC/02:00:00:00:00:a1"),
    ("http://10.0.0.5/onvif/device_service", "http://[fe80::5]:8106:8106/onvif/device_service?a=1&b=2"),
    3,
)
WSDISCOVERY = (
    wsd.probe("urn:uuid:1", wsd.Dialect.TRANSMITTER),
    wsd_device.probe_match([MATCH, MATCH], message_id="urn:uuid:1", relates_to="urn:uuid:2"),
    wsd_device.hello(MATCH, message_id="urn:uuid:1", version=wsd.VERSION_2009),
    wsd_device.bye(MATCH.endpoint_reference, message_id="urn:uuid:1"),
    wsd_device.probe_match([MATCH, MATCH], message_id="urn:uuid:1", relates_to="urn:uuid:2")[:-90],
    b"<a:Envelope><a:Body><ProbeMatch><Types>wsdp:Device,pub:Computer</Types><Scopes>onvif://a/b/mac/0200000000a1;x</Scopes>"
    b"<XAddrs>http://10.0.0.5/onvif/a,10.0.0.6/b;http://10.0.0.5:99999/|</XAddrs></ProbeMatch></a:Body></a:Envelope>",
)
SCOPES = (
    "\n".join(MATCH.scopes).encode(),
    b"onvif://www.onvif.org/acc/name/x\nonvif://www.onvif.org/macaddress/0200aa",
)
XADDRS = ("\n".join(MATCH.xaddrs).encode(), b"http://[::1]/x\nhttp://user:pw@192.0.2.1:80/a\nhttps://fe80::1:2/x")

_RTSP_KIND = (b"_rtsp", b"_tcp", b"local")
_PORCH = (b"Porch No. 1", *_RTSP_KIND)
_HOST = (b"cam-1", b"local")
MDNS = (
    mdns.response(
        (
            mdns.Record(_RTSP_KIND, mdns.PTR, 4500, _PORCH),
            mdns.Record(_PORCH, mdns.SRV, 120, mdns.Location(554, _HOST)),
            mdns.Record(_PORCH, mdns.TXT, 4500, (b"a=1", b"macaddress=0200000000a1", b"ci=17")),
            mdns.Record(_HOST, mdns.A, 120, "10.0.0.5"),
            mdns.Record(_HOST, mdns.AAAA, 120, "fe80::5"),
        )
    ),
    mdns.query((mdns.Question(_RTSP_KIND, mdns.PTR, unicast=True),)),
    # A count too high, a record of a wrong length, a pointer that leads forward, and a record that is cut off.
    b"\0\0\x84\0\0\1\0\x09\0\0\0\0\1a\0\0\x01\0\1\0\0\0\1\0\3\1\2\3\xc0\x29\0\x0c\0\1\0\0\0\1\0\2\xc0\x29\1b\0\0\x10\0\1"
    b"\0\0\0\1\0\4\3x=y\1b\0\0\x21\0\1\0\0\0\1\0\x63\0\0\0\0\0\x50\1",
)
_NOTICE = ssdp.Notice(
    "response",
    "upnp:rootdevice",
    "uuid:Upnp-BasicDevice-1_0-ACCC8E123456::upnp:rootdevice",
    "Linux/2.6.35, UPnP/1.0",
    "http://10.0.0.5:49152/rootdesc1.xml",
)
SSDP = (ssdp.search("ssdp:all", version=4, wait=1), ssdp_device.response(_NOTICE), ssdp_device.notify(_NOTICE))

_PROFILE = Profile("P1", "main", "VS1", "H264", 2560, 1440, 25.0, "PCMU")
ONVIF = (
    said.system_date_and_time(1_700_000_000.0),
    said.services({NS_DEVICE: "http://10.0.0.5/onvif/device_service", NS_MEDIA: "http://10.0.0.5/onvif/media"}),
    said.capabilities({NS_DEVICE: "http://10.0.0.5/onvif/device_service", NS_MEDIA: "http://10.0.0.5/onvif/media"}),
    said.device_information(DeviceInformation("Acme", "Eye 1", "1.2", "SN42", "hw")),
    said.scopes(MATCH.scopes),
    said.hostname("cam-1"),
    said.endpoint_reference(MATCH.endpoint_reference),
    said.network_interfaces((NetworkInterface("eth0", "02:00:00:00:00:a1"),)),
    said.profiles((_PROFILE,)),
    said.profiles2((_PROFILE,)),
    said.stream_uri("rtsp://10.0.0.5:554/a?b=c&d"),
    said.stream_uri2("rtsp://10.0.0.5:554/a?b=c&d"),
)
SOAP = (
    *ONVIF[:2],
    fault_envelope("ter:NotAuthorized", "You still have 3 attempt(s), then it is locked"),
    said.not_authorized("Sender not Authorized"),
    soap.envelope(
        "<a/>", header_xml=soap.username_token("admin", "pw", nonce=b"0123456789abcdef", created=soap.format_time(1e9))
    ),
)
XML = (
    *WSDISCOVERY[:2],
    b'<?xml version="1.0" encoding="gb2312"?><a b="c"><d/>&amp;&#65;</a>',
    b"<!DOCTYPE a><a>&b;</a>",
)

DIGEST = (
    b'Digest realm="a, \\"b\\"", qop="auth,auth-int", nonce="n", opaque="", algorithm=SHA-256-sess, stale="TRUE"',
    b'Basic realm="x", Digest realm=y, nonce=z, stale=false, Digest realm="y", nonce="z", algorithm=MD5',
    b'Digest realm="x"nonce="n" algorithm=md5 stale=FALSE; opaque=a b Basic realm=IP Camera qop=auth',
    b"Negotiate abc==, Digest\r\n  realm=a,,nonce=b",
    b"Basic dXNlcjpwYXNz",
)
DEVICE_URL = (
    b"rtsp://rtsp://admin:p/w@10.0.0.5:554:554/user=admin_password=x_channel=1_stream=0.sdp?real_stream",
    b"http://[fe80::1%eth0]:80/onvif-http/snapshot?usr=a&pwd=b&x=%20",
)

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=Front door\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    b"a=x-dimensions:1920,1080\r\nm=video 0 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
    b" profile-level-id=4D001F; sprop-parameter-sets="
    + format_sprop_h264((SPS_H264, PPS_H264)).encode()
    + b"\r\na=framerate:12.5\r\na=framesize:96 640-480\r\na=control:trackID=1\r\nm=audio 0 RTP/AVP 8\r\na=sendonly\r\n",
    b"v=0\nm=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\na=fmtp:98 sprop-vps=QAE=;sprop-sps=QgEB;sprop-pps=RAE=\n",
    b"v=0\nm=video 0 RTP/AVP 97 96\na=rtpmap:97\trtx/90000\na=rtpmap:96  H265/90000\na=fmtp:96 packetization-mode=1\n",
)
_OK = format_response(200, 3, (("Content-Type", "application/sdp"), ("Content-Base", "rtsp://10.0.0.5/a/")), SDP[0])
RTSP = (
    b"\x07" + _OK + format_interleaved(0, b"\x80\x60\0\1\0\0\0\1\0\0\0\1abc") + _OK,
    b"\x09" + _OK + b"x\n$\0\0\1" + format_interleaved(1, b"\x80\xc8" + bytes(8)) + b"Content-Length: 9\nRTSP/",
    b"\0" + _OK + bytes(9) + format_interleaved(0, b"\x80\x60" + bytes(12)) + b"RTSP/1.0 200\nContent-Length: 9\n\nv=0",
    b"\xff" + format_request("SETUP", "rtsp://10.0.0.5/a", 4, (("Transport", "RTP/AVP/TCP;interleaved=0-1"),)),
    b"\x01RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n" + b"WWW-Authenticate: " + DIGEST[0] + b"\r\n\r\n\r\n$\0\0\4abcd",
)
RTSP_HEADERS = (
    b'\0RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=0A0B;mode="PLAY",RTP/AVP;unicast;client_port=4588-4589',
    b"\1" + b"47112344;timeout=60",
    b"\2url=rtsp://10.0.0.5/a/trackID=1;seq=1;rtptime=2,url=b;seq=3",
    b"\3OPTIONS, DESCRIBE,SETUP PLAY",
    b"\4rtsp://10.0.0.5/a?b=c\nrtsp://10.0.0.5/a/\ntrackID=1",
    b"\4rtsp://10.0.0.5/a\n/b?c\n*",
    b"\5rtsp://u:p@[fe80::1%25eth0]:554/a?b#c",
)


def _rtp(*payloads: bytes, kind: int = 96) -> bytes:
    """Packets as the stateful targets take them: each after its length in two octets."""
    packets = [
        format_packet(rtp.RtpPacket(kind, number, 9, 1, payload, number == len(payloads) - 1))
        for number, payload in enumerate(payloads)
    ]
    return b"".join(struct.pack("!H", len(packet)) + packet for packet in packets)


#: RFC 2435: type 1, Q 50, 16x16, one fragment.
_JPEG_PAYLOAD = b"\0\0\0\0\1\x32\2\2" + bytes(24)
_JPEG_TABLES = b"\0\0\0\0\x41\xff\2\2" + b"\0\0\0\0" + b"\0\0\0\x80" + bytes(range(1, 129)) + bytes(16)
RTP = (
    format_packet(rtp.RtpPacket(96, 1, 2, 3, b"abc", True)),
    b"\xb1\x60\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1abcd\0\0\0\4",
)
RTCP = (sender_report(1, seconds=1e9, timestamp=2, packets=3, octets=4, cname="x"), goodbye(1, cname="x"))
SPS = (b"\0" + SPS_H264, b"\1" + SPS_H265)
FRAGMENTS = (
    b"\0" + packetize(b"\x65" + bytes(90), 40)[0],
    b"\0\x78\0\4" + SPS_H264[:4] + b"\0\4" + PPS_H264,
    b"\1" + packetize_h265(b"\x26\1" + bytes(90), 40)[1],
)
#: Codec, type of the slice, an H.265 picture parameter set, and after FE FE a slice or a recovery point.
SLICES = (
    b"\0\1\xfe\xfe\x41\x9a\x24\x6c",
    b"\0\6\xfe\xfe\x06\x05\x03abc\x06\x01\xc4\x80",
    b"\1\1" + PPS_H265 + b"\xfe\xfe\x02\x01\xd0\x10",
    b"\1\x27" + PPS_H265 + b"\xfe\xfe\x4e\x01\x06\x02\x14\x40\x80",
    b"\0\0\1\x20\x08\xd4\x8d\x88\x03\x25\x14\x04\x3c\x14\x44\x0f",
)
KEYFRAME = (
    b"\0" + _rtp(SPS_H264, PPS_H264, *packetize(b"\x65\x88" + bytes(range(1, 200)) * 3, 150), b"\x41\x9a123"),
    b"\1" + _rtp(VPS_H265, SPS_H265, PPS_H265, *packetize_h265(b"\x26\1\xaf" + bytes(range(1, 200)) * 3, 150)),
    b"\2" + _rtp(_JPEG_PAYLOAD, kind=26) + _rtp(_JPEG_TABLES, kind=26),
    # A unit of type 7 that holds all of an access unit, in parts; a recovery point; a start code before each unit.
    b"\0" + _rtp(*packetize(b"\0\0\0\1".join((SPS_H264, PPS_H264, b"\x65\x88" + bytes(range(1, 200)))), 60)),
    b"\5" + _rtp(SPS_H264, PPS_H264, b"\x06\x06\x01\xc4\x80", b"\0\0\1\x41\x9a\x24\x6c", b"\x41\x9a\x24\x6d"),
    b"\4" + _rtp(b"\0\0\1\x20\x08\xd4\x8d\x88\x03\x25\x14\x04\x3c\x14\x44\x0f\0\0\1\xb6\x10abc"),
)


def _jpeg() -> bytes:
    assembler = JpegPictures()
    assembler.packet(rtp.RtpPacket(26, 1, 9, 1, _JPEG_PAYLOAD, True))
    return assembler.unit


IMAGE = (
    _jpeg(),
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\2\0\0\0\0\0\0\0\0\0\0\4IDATabcd\0\0\0\0\0\0\0\0IEND\0\0\0\0",
)
_ANSWER = b'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><a>b</a></s:Body></s:Envelope>'
_PARTS = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nwait\r\n--b\r\nContent-Length: 9\r\n\r\n" + IMAGE[0] + b"\r\n--b--\r\n"
)
#: The first octet says in which pieces it comes, the last one what is wanted: a document (even) or a picture (odd).
HTTP = (
    b"\x20HTTP/1.1 200 OK\r\nContent-Length: 83\r\n\r\n" + _ANSWER + b"\x0a",
    b"\x40HTTP/1.1 100 x\n\nHTTP/1.0 200\nServer\n : a\n b\nContent-Length : 9 bytes\n\n" + _ANSWER + b"\x0a",
    b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n53  ;x\r\n" + _ANSWER + b"\r\n0\r\nT: y\r\n\r\n\x0a",
    b"\0HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(_ANSWER, mtime=0) + b"\x0a",
    b"\0HTTP/1.1 401 no\r\nWWW-Authenticate: Digest realm=x\r\n\x0a",
    b"\x30HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n" + _PARTS + b"\x0b",
    b"\0HTTP/1.1 206 OK\r\n\r\n" + IMAGE[0][:-2] + b"\x0b",
)
ENVELOPE = (b"\x09" + _ANSWER, b"\0--b\r\nContent-Id: <a@b>\r\n\r\n" + _ANSWER + b"\r\n--b--", b"\0" + _ANSWER[:-13])


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _netlink(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 7, 0) + body + bytes(-len(body) % 4)


_LINK = _netlink(16, struct.pack("=BxHiII", 0, 1, 2, 0x1043, 0) + _attribute(3, b"eth0\0"))
_ADDRESS = _netlink(
    20, struct.pack("=BBBBI", 2, 24, 0, 0, 2) + _attribute(1, ip_address("10.0.0.9").packed) + _attribute(8, bytes(4))
)
_NEIGHBOUR = _netlink(
    28, struct.pack("=BxxxiHBB", 2, 2, 2, 0, 1) + _attribute(1, bytes((10, 0, 0, 5))) + _attribute(2, b"\2\0\0\0\0\5")
)
NETLINK = (_LINK + _ADDRESS + _NEIGHBOUR, _netlink(3, bytes(4)), _netlink(2, struct.pack("=i", -16) + bytes(16)))

ARP = (
    bytes.fromhex("ffffffffffff020000000009080600010800060400010200000000090a0000090000000000000a000005"),
    bytes.fromhex("020000000009020000000005080600010800060400020200000000050a0000050200000000090a000009") + bytes(18),
)
_DHCP = (
    bytes((1, 1, 6, 0)) + bytes(24) + bytes.fromhex("00408c010203") + bytes(202) + b"\x63\x82\x53\x63\x35\1\3"
    b"\x32\4\xc0\xa8\1\x4d\x0c\x08axis-cam\xff"
)
DHCP = (
    b"\0" + _DHCP,
    b"\1\x45\0" + struct.pack("!HHH", 28 + len(_DHCP), 0, 0) + b"\x40\x11" + bytes(10)
    + struct.pack("!HHHH", 68, 67, 8 + len(_DHCP), 0) + _DHCP,
    b"\2" + ARP[0][14:],
)  # fmt: skip
MQTT = (b"\x02\x40\x02\x00\x07\x40\x04\x00\x08\x10\x00", b"\x05\x30\x05\0\1abc\x40\2\0\1\x20\x02\0\0")
CREDENTIALS = (b"# cameras\nadmin:s3cret, with comma\r\nviewer:look\n", b"a:b:c\n\n:d\n\xff")


def _refusal(message: object, key: str = "message") -> bytes:
    return json.dumps({"success": False, key: message}).encode()


_FAULTS = [
    (("cameras", "side", "ffmpeg", "inputs"), "Value error, The detect role is required."),
    (("cameras", "side", "foo"), "Extra inputs are <not> permitted"),
]
_TWICE = (
    "ruamel.yaml.constructor.DuplicateKeyError: while constructing a mapping\nfound duplicate key &#34;side&#34; with"
    " value &#34;{&#39;path&#39;: &#39;rtsp://me:s@h/x&#39;, &#39;password&#39;: &#39;a\\&#39;b&#39;}&#34;\n"
)
#: What Frigate says of a configuration, what FastAPI, its rate limiter and its nginx say, and a web page.
REFUSALS = (
    _refusal(of_schema("cameras: {side: {foo: 1, ffmpeg: {inputs: []}}}", _FAULTS)),
    *(_refusal(of_variable(Broken(KeyError("FRIGATE_X_USER"), again=again), 17)) for again in (False, True)),
    *(_refusal(of_variable(Broken(KeyError("FRIGATE_X_USER"), again=False), minor)) for minor in (14, 18)),
    _refusal("\nTraceback (most recent call last):\n  File &#34;/a.py&#34;, line 1, in a\n    b()\n    ^^^\n" + _TWICE),
    _refusal("Config Error:\n\n1 validation error for FrigateConfig\ncameras.side.foo\n  Extra"),
    _refusal([{"type": "missing", "loc": ["query", "save_option"], "msg": "Field required"}, "x"], "detail"),
    _refusal("Rate limit exceeded: 1 per 1 second", "error"),
    b"Internal Server Error",
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><hr><center>nginx</center></body>\r\n</html>",
)

EYE_KEY, EYE_TOPIC = bytes(range(32)), EyeTopics("", "barn").report
EYE_REPORTS = tuple(
    encode_report(one)
    for one in (
        Sighting(
            "wsdiscovery",
            "10.0.0.5",
            1.0,
            Mac("02:00:00:00:00:05"),
            "urn:uuid:1",
            ("http://10.0.0.5/onvif/device_service",),
            ("onvif://www.onvif.org/name/Porch",),
            ("NetworkVideoTransmitter",),
            (554,),
            (80,),
            "Porch",
            evidence=(Evidence("serial", "S1", "wsdiscovery", 1.0),),
            announced=Announced("Acme", "M1", conditions=(Condition.NOT_ACTIVATED,)),
        ),
        Sighting("arp", "fd00::5", 1.0, Mac("02:00:00:00:00:05")),
        Departure("mdns", "10.0.0.5", "urn:uuid:1"),
        SignOfLife("1.2", {"reported": 3}),
    )
)
EYE_MESSAGE = Envelope(EnvelopeKind.REPORT, "ab" * 16, "cd" * 16, 7, EYE_REPORTS[0]).seal(EYE_KEY, EYE_TOPIC)
