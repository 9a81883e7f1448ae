"""A camera that is good in everything: HTTP with ONVIF, RTSP, WS-Discovery. A kind of rudeness overrides one method.

Bytes are written by hand, so that a kind can write any others.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.peers.rude.logins import Account
from twisted_detector.testing.simulator.media.clip import AccessUnit, main_clip
from twisted_detector.testing.simulator.onvif import PRE_AUTH
from twisted_detector.testing.simulator.wire import onvif_answers as answers, wsdiscovery as wsd
from twisted_detector.testing.simulator.wire.rtp import format_packet, format_sprop_h264, packetize
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.testing.simulator.wire.soap import SoapRequest, fault_envelope, parse_request
from twisted_detector.wire.lan import wsdiscovery
from twisted_detector.wire.onvif.answers import NS_DEVICE, NS_MEDIA, DeviceInformation, NetworkInterface, Profile
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.soap.xml import first, text_of

MTU = 1400
VIDEO = 96
Headers = tuple[tuple[str, bytes], ...]


@dataclass
class Answer:
    """An answer of HTTP or RTSP before it is written."""

    status: str
    body: bytes = b""
    headers: Headers = ()
    kind: str = "application/soap+xml; charset=utf-8"


@dataclass
class Request:
    method: str
    target: str
    headers: Mapping[str, bytes]
    body: bytes


@dataclass
class Session:
    """What one RTSP connection plays."""

    id: str = "6B8B4567"
    playing: asyncio.Task[None] | None = field(default=None)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; interleaved frames before it are passed over. None: the connection is closed."""
    try:
        while (first_byte := await reader.readexactly(1)) == b"$":
            _, length = struct.unpack("!BH", await reader.readexactly(3))
            await reader.readexactly(length)
        head = first_byte + await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip().encode("latin-1")
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", b"0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, target, _ = lines[0].split(" ", 2)
    return Request(method, target, headers, body)


class Camera:
    """The good camera.

    :ivar http_port: of ONVIF; 0: it knows none, and no WS-Discovery.
    :ivar path: of its one stream; nobody would guess it.
    :ivar one_time, nonce_seconds: as of :class:`Account`.
    :ivar http_closes: after each answer.
    """

    http_port = 80
    rtsp_port = 554
    path = "/rude/4711/av"
    realm = b""
    one_time: tuple[str, ...] = ()
    nonce_seconds = 1e9
    http_closes = False

    def __init__(self, address: str, mac: str, login: str) -> None:
        self.address, self.mac = address, mac
        name, _, password = login.partition(":")
        self.account = Account(
            name, password, self.realm or f"IPC-{mac[-5:]}".encode(), self.one_time, self.nonce_seconds
        )
        self.uuid = uuid.uuid5(uuid.NAMESPACE_OID, mac)

    async def start(self) -> None:
        if self.http_port:
            await asyncio.start_server(self.serve_http, self.address, self.http_port)
            self.discovery()
        await asyncio.start_server(self.serve_rtsp, self.address, self.rtsp_port)

    # --- HTTP and ONVIF --------------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        return f"http://{self.address}:{self.http_port}"

    async def serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            answer = self.http(request)
            for part in self.http_bytes(answer):
                writer.write(part)
            await writer.drain()
            if self.http_closes:
                break
        writer.close()

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        """An answer as it goes over the connection, which stays open."""
        return (self.head(answer, (("Content-Length", str(len(answer.body)).encode()),)), answer.body)

    @staticmethod
    def head(answer: Answer, more: Headers = ()) -> bytes:
        headers = (("Content-Type", answer.kind.encode()), *answer.headers, *more)
        lines = [f"HTTP/1.1 {answer.status}".encode(), *(name.encode() + b": " + value for name, value in headers)]
        return b"\r\n".join([*lines, b"", b""])

    def http(self, request: Request) -> Answer:
        if request.target.partition("?")[0] not in self.service_paths():
            return Answer("404 Not Found", b"<html><body>404</body></html>", kind="text/html")
        if request.method != "POST":
            return Answer("405 Method Not Allowed", b"", kind="text/html")
        soap = parse_request(request.body)
        if soap.operation not in PRE_AUTH and not self.lets_in(request, soap):
            return self.refusal()
        return self.soap(request, soap)

    def service_paths(self) -> tuple[str, ...]:
        return ("/onvif/device_service", "/onvif/media_service")

    def lets_in(self, request: Request, soap: SoapRequest) -> bool:
        return self.account.takes_digest("http", request.headers.get("authorization", b""), request.method)

    def refusal(self) -> Answer:
        challenge = self.challenge("http", 'qop="auth", ')
        return Answer("401 Unauthorized", answers.not_authorized(), (("WWW-Authenticate", challenge),))

    def challenge(self, where: str, more: str = "") -> bytes:
        nonce = self.account.nonce(where)
        return b'Digest realm="%b", %bnonce="%b"' % (self.account.realm, more.encode(), nonce.encode())

    def now(self) -> float:
        """Its clock."""
        return time.time()

    def clock(self) -> bytes:
        return answers.system_date_and_time(self.now())

    def services(self) -> dict[str, str]:
        return {NS_DEVICE: f"{self.base}/onvif/device_service", NS_MEDIA: f"{self.base}/onvif/media_service"}

    def profiles(self) -> bytes:
        clip = main_clip()
        return answers.profiles((Profile("main", "main", "vs0", "H264", clip.width, clip.height, clip.fps),))

    def stream_uri(self, token: str) -> Answer:
        return Answer("200 OK", answers.stream_uri(self.stream_url))

    @property
    def stream_url(self) -> str:
        return f"rtsp://{self.address}:{self.rtsp_port}{self.path}"

    def soap(self, request: Request, soap: SoapRequest) -> Answer:
        """The answer of a service to whoever may ask."""
        if (soap.namespace, soap.operation) == (NS_MEDIA, "GetStreamUri"):
            return self.stream_uri(text_of(first(soap.element, "ProfileToken")))
        bodies = {
            (NS_DEVICE, "GetSystemDateAndTime"): self.clock,
            (NS_DEVICE, "GetServices"): lambda: answers.services(self.services()),
            (NS_DEVICE, "GetCapabilities"): lambda: answers.capabilities(self.services()),
            (NS_DEVICE, "GetDeviceInformation"): lambda: answers.device_information(
                DeviceInformation("Rude", type(self).__name__, "1.0", self.mac.replace(":", ""), "1")
            ),
            (NS_DEVICE, "GetNetworkInterfaces"): lambda: answers.network_interfaces(
                (NetworkInterface("eth0", self.mac),)
            ),
            (NS_DEVICE, "GetScopes"): lambda: answers.scopes(self.scopes()),
            (NS_MEDIA, "GetProfiles"): self.profiles,
        }
        body = bodies.get((soap.namespace, soap.operation))
        if body is None:
            return Answer("400 Bad Request", fault_envelope("ter:ActionNotSupported", "Not Implemented"))
        return Answer("200 OK", body())

    # --- WS-Discovery ----------------------------------------------------------------------------------------------

    def scopes(self) -> tuple[str, ...]:
        return (
            "onvif://www.onvif.org/type/video_encoder",
            f"onvif://www.onvif.org/name/{type(self).__name__}",
            "onvif://www.onvif.org/Profile/Streaming",
        )

    def match(self) -> wsdiscovery.Match:
        return wsdiscovery.Match(
            endpoint_reference=self.uuid.urn,
            types=("{http://www.onvif.org/ver10/network/wsdl}NetworkVideoTransmitter",),
            scopes=self.scopes(),
            xaddrs=(f"{self.base}/onvif/device_service",),
            metadata_version=1,
        )

    def discovery(self) -> None:
        """Answer each Probe."""
        heard = joined(wsdiscovery.GROUP_IPV4, wsdiscovery.PORT, self.address)

        def read() -> None:
            data, sender = heard.recvfrom(65_535)
            asked = wsdiscovery.parse(data)
            if asked.kind == "probe":
                said = wsd.probe_match((self.match(),), message_id=uuid.uuid4().urn, relates_to=asked.message_id)
                heard.sendto(said, sender)

        asyncio.get_running_loop().add_reader(heard, read)

    # --- RTSP ------------------------------------------------------------------------------------------------------

    async def serve_rtsp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        try:
            while (request := await read_request(reader)) is not None:
                answer = self.rtsp(request, session)
                if answer is not None:
                    writer.write(self.rtsp_bytes(request, answer))
                    await writer.drain()
                if request.method == "PLAY" and answer is not None and answer.status == "200 OK":
                    session.playing = asyncio.ensure_future(self.play(writer))
                if request.method == "TEARDOWN" or (answer is not None and self.rtsp_closes(answer)):
                    break
        finally:
            if session.playing is not None:
                session.playing.cancel()
            writer.close()

    def rtsp_bytes(self, request: Request, answer: Answer) -> bytes:
        headers: Headers = (("CSeq", self.cseq(request)), *answer.headers)
        if answer.body:
            headers = (*headers, ("Content-Length", str(len(answer.body)).encode()))
        lines = [f"RTSP/1.0 {answer.status}".encode(), *(name.encode() + b": " + value for name, value in headers)]
        return b"\r\n".join([*lines, b"", b""]) + answer.body

    def rtsp_closes(self, answer: Answer) -> bool:
        """Whether the connection ends after an answer."""
        return False

    def cseq(self, request: Request) -> bytes:
        return request.headers.get("cseq", b"")

    def rtsp(self, request: Request, session: Session) -> Answer | None:
        """The answer to one request; None: none at all."""
        if request.method == "OPTIONS":
            return Answer("200 OK", headers=(("Public", b"OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY"),))
        if request.method not in ("DESCRIBE", "SETUP", "PLAY", "TEARDOWN"):
            return Answer("501 Not Implemented")
        if not self.account.takes_digest("rtsp", request.headers.get("authorization", b""), request.method):
            return Answer("401 Unauthorized", headers=(("WWW-Authenticate", self.challenge("rtsp")),))
        return self.rtsp_granted(request, session)

    def rtsp_granted(self, request: Request, session: Session) -> Answer:
        path = re.sub(r"^rtsp://[^/]*", "", request.target)
        if not path.startswith(self.path):
            return Answer("404 Not Found")
        said: Headers = (("Session", session.id.encode()),)
        if request.method == "DESCRIBE":
            kind = (("Content-Type", b"application/sdp"), ("Content-Base", self.stream_url.encode() + b"/"))
            return Answer("200 OK", self.sdp(), kind)
        if request.method == "SETUP":
            if b"TCP" not in request.headers.get("transport", b""):
                return Answer("461 Unsupported Transport")
            said = (("Transport", b"RTP/AVP/TCP;unicast;interleaved=0-1"), *said)
        return Answer("200 OK", headers=said)

    def sdp(self) -> bytes:
        lines = ["v=0", f"o=- 0 0 IN IP4 {self.address}", "s=-", "t=0 0", *self.sdp_media(), ""]
        return "\r\n".join(lines).encode()

    def sdp_media(self) -> tuple[str, ...]:
        clip = main_clip()
        sets = format_sprop_h264((clip.sps, clip.pps))
        profile = clip.sps[1:4].hex().upper()
        return (
            f"m=video 0 RTP/AVP {VIDEO}",
            f"a=rtpmap:{VIDEO} H264/90000",
            f"a=fmtp:{VIDEO} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}",
            "a=control:track1",
        )

    async def play(self, writer: asyncio.StreamWriter) -> None:
        sequence = 0
        clip = main_clip()
        try:
            for number in range(1_000_000):
                unit = clip.units[number % len(clip.units)]
                payloads = list(self.payloads(unit))
                for n, payload in enumerate(payloads):
                    last = n == len(payloads) - 1
                    packet = RtpPacket(VIDEO, sequence, number * 6000 % 2**32, 7, payload, last)
                    writer.write(self.frame(format_packet(packet)))
                    sequence = (sequence + 1) % 2**16
                await writer.drain()
                await asyncio.sleep(1 / clip.fps)
        except ConnectionError:
            return

    def payloads(self, unit: AccessUnit) -> Iterator[bytes]:
        """The RTP payloads of one picture."""
        for nal in unit.nals:
            yield from packetize(nal, MTU)

    def frame(self, packet: bytes) -> bytes:
        return format_interleaved(0, packet)


def joined(group: str, port: int, address: str) -> socket.socket:
    """A socket that hears a group on the interface with ``address`` and sends from there."""
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.setblocking(False)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    heard.bind(("", port))
    own = socket.inet_aton(address)
    heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + own)
    heard.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
    heard.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    return heard
