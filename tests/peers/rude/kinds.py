"""Twelve kinds of rude camera. Each does what devices of the field do, and any common player plays it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.peers.rude.camera import VIDEO, Answer, Camera, Headers, Request, Session, joined
from twisted_detector.testing.simulator.media.clip import AccessUnit, main_clip
from twisted_detector.testing.simulator.wire import onvif_answers as answers
from twisted_detector.testing.simulator.wire.rtp import packetize
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.testing.simulator.wire.soap import SoapRequest, fault_envelope
from twisted_detector.wire.onvif.answers import NS_DEVICE, NS_MEDIA, NS_MEDIA2, Profile

START_CODE = b"\0\0\0\1"


class OpenEnded(Camera):
    """HTTP says no length and keeps the connection open; its heads have a line without a colon and odd names."""

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        head = self.head(answer, (("Server ", b"httpd/0.9"), ("X Cache", b"none"), ("", b"nothing")))
        first_line, _, rest = head.partition(b"\r\n")
        return (first_line + b"\r\nThu Nov 30 02:12:00 2006\r\n" + rest, answer.body)


class Endless(Camera):
    """Chunked without a last chunk and kept open; gzip that nobody asked for; each nonce is good for one request."""

    one_time = ("http",)

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        headers: Headers = (("Transfer-Encoding", b"chunked"),)
        body = answer.body
        if b"GetProfilesResponse" in body:
            body = gzip.compress(body)
            headers = (*headers, ("Content-Encoding", b"gzip"))
        half = len(body) // 2
        chunks = tuple(b"%x \r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
        return (self.head(answer, headers), *chunks)


class BasicFaced(Camera):
    """A gSOAP device: ``Basic`` on each 401, the fault beside it, and only the token is taken; answers are MTOM."""

    window = 300.0

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        part = b'--==uuid:7\r\nContent-Type: application/xop+xml; type="application/soap+xml"\r\n\r\n'
        answer.body = part + answer.body + b"\r\n--==uuid:7--\r\n"
        answer.kind = 'multipart/related; type="application/xop+xml"; boundary="==uuid:7"'
        return super().http_bytes(answer)

    def lets_in(self, request: Request, soap: SoapRequest) -> bool:
        if authorization := request.headers.get("authorization", b""):
            return self.account.fails("http", f"{authorization.split()[0].decode()}, where the token is wanted")
        return self.account.takes_token(soap.header, self.now(), self.window)

    def refusal(self) -> Answer:
        challenge = b'Basic realm="gSOAP Web Service"'
        return Answer("401 Unauthorized", answers.not_authorized(), (("WWW-Authenticate", challenge),))


class DigestFaced(BasicFaced):
    """Digest is offered on each 401, and only the token is taken; each length is too small by five."""

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        return (self.head(answer, (("Content-Length", str(len(answer.body) - 5).encode()),)), answer.body)

    def refusal(self) -> Answer:
        challenge = self.challenge("http", 'qop="auth", algorithm=MD5, ')
        return Answer("401 Unauthorized", answers.not_authorized(), (("WWW-Authenticate", challenge),))


class NoBattery(BasicFaced):
    """Its clock began in 2000 when it was switched on; it says LocalDateTime only, without a zone, and no Date.

    It forgets the last closing tag.
    """

    window = 10.0
    _began = time.monotonic()

    def now(self) -> float:
        return 946_684_850.0 + time.monotonic() - self._began

    def clock(self) -> bytes:
        said = answers.system_date_and_time(self.now(), local=self.now(), utc=False)
        begin, end = said.index(b"<tt:TimeZone>"), said.index(b"</tt:TimeZone>") + len(b"</tt:TimeZone>")
        return said[:begin] + said[end:]

    def refusal(self) -> Answer:
        return Answer("400 Bad Request", answers.not_authorized())

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        answer.body = answer.body.rstrip().removesuffix(b"</s:Envelope>")
        return Camera.http_bytes(self, answer)


class OldTls(Camera):
    """HTTPS only: TLS 1.0, a key exchange of 1024 bits, a certificate of 1024 bits with SHA-1."""

    http_port = 443
    context = staticmethod(lambda: old_context())

    @property
    def base(self) -> str:
        return f"https://{self.address}"

    async def start(self) -> None:
        await asyncio.start_server(self.serve_http, self.address, self.http_port, ssl=self.context())
        self.discovery()
        await asyncio.start_server(self.serve_rtsp, self.address, self.rtsp_port)


class CseqZero(Camera):
    """RTSP alone, on a path of the catalog: CSeq is always 0, OPTIONS has no answer, Session is first said to PLAY."""

    http_port = 0
    path = "/stream1"
    realm = b"TP-Link IP-Camera"

    def cseq(self, request: Request) -> bytes:
        return b"0"

    def rtsp(self, request: Request, session: Session) -> Answer | None:
        return None if request.method == "OPTIONS" else super().rtsp(request, session)

    def rtsp_granted(self, request: Request, session: Session) -> Answer:
        answer = super().rtsp_granted(request, session)
        if request.method == "SETUP":
            answer.headers = tuple(one for one in answer.headers if one[0] != "Session")
        return answer


class Redirecting(Camera):
    """Its stream has moved to another path of itself; heads end in bare LF; nonces of RTSP are good for one request."""

    path = "/real/h264/av"
    one_time = ("rtsp",)

    @property
    def stream_url(self) -> str:
        return f"rtsp://{self.address}:{self.rtsp_port}/profile1"

    def rtsp(self, request: Request, session: Session) -> Answer | None:
        if request.target.endswith("/profile1"):
            location = f"rtsp://{self.address}:{self.rtsp_port}{self.path}".encode()
            return Answer("301 Moved Permanently", headers=(("Location", location),))
        return super().rtsp(request, session)

    def rtsp_granted(self, request: Request, session: Session) -> Answer:
        answer = super().rtsp_granted(request, session)
        answer.headers = tuple(one for one in answer.headers if one[0] != "Content-Base")
        return answer

    def rtsp_bytes(self, request: Request, answer: Answer) -> bytes:
        head, _, body = super().rtsp_bytes(request, answer).partition(b"\r\n\r\n")
        return head.replace(b"\r\n", b"\n") + b"\n\n" + body


class Joined(Camera):
    """A picture's units joined by start codes, in the parts of one; SDP without parameter sets, metadata first."""

    def sdp_media(self) -> tuple[str, ...]:
        return (
            "m=video 0 RTP/AVP 107",
            "a=rtpmap:107 vnd.onvif.metadata/90000",
            "a=control:track0",
            f"m=video 0 RTP/AVP {VIDEO}",
            f"a=rtpmap:{VIDEO} H264/90000",
            f"a=fmtp:{VIDEO} packetization-mode=1",
            "a=control:track1",
        )

    def payloads(self, unit: AccessUnit) -> Iterator[bytes]:
        # behind the stream's own start code the first part begins with one as well
        yield from packetize(START_CODE.join(unit.nals), 1000)


class Miscalled(Camera):
    """H.264 called H265, retransmission as the first payload type, rubbish between interleaved frames."""

    def sdp_media(self) -> tuple[str, ...]:
        lines = super().sdp_media()
        return (
            f"m=video 0 RTP/AVP 97 {VIDEO}",
            "a=rtpmap:97 rtx/90000",
            f"a=fmtp:97 apt={VIDEO}",
            lines[1].replace("H264", "H265"),
            *lines[2:],
        )

    def frame(self, packet: bytes) -> bytes:
        return os.urandom(1 + packet[3] % 7).replace(b"$", b"%").replace(b"R", b"r") + format_interleaved(0, packet)


class WrongWay(Camera):
    """The path of its media service is wrong; Media2 is named and always faults; the first profiles have no stream.

    Its envelopes are of SOAP 1.1, its lengths have a unit.
    """

    def services(self) -> dict[str, str]:
        return {
            NS_DEVICE: f"{self.base}/onvif/device_service",
            NS_MEDIA: f"{self.base}/onvif/Media",
            NS_MEDIA2: f"{self.base}/onvif/media2_service",
        }

    def service_paths(self) -> tuple[str, ...]:
        return (*super().service_paths(), "/onvif/media2_service")

    def soap(self, request: Request, soap: SoapRequest) -> Answer:
        if soap.namespace == NS_MEDIA2:
            return Answer(
                "500 Internal Server Error", fault_envelope("ter:Action", "Internal error", code="s:Receiver")
            )
        return super().soap(request, soap)

    def profiles(self) -> bytes:
        clip = main_clip()
        good = Profile("main", "main", "vs0", "H264", clip.width, clip.height, clip.fps)
        return answers.profiles(
            (Profile("audio", "audio"), Profile("dead", "dead", "vs0", "H264", 352, 288, 5.0), good)
        )

    def stream_uri(self, token: str) -> Answer:
        if token != "main":
            return Answer("400 Bad Request", fault_envelope("ter:IncompleteConfiguration", "No URI"))
        return super().stream_uri(token)

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        answer.body = answer.body.replace(
            b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/"
        )
        answer.kind = "text/xml"
        return (self.head(answer, (("Content-Length", b"%d bytes" % len(answer.body)),)), answer.body)


class Muttering(Camera):
    """Found by Multicast DNS alone, whose datagram has a bad record; a realm in GBK, blanks for commas beside it."""

    http_port = 0
    rtsp_port = 6554
    path = "/cam/realmonitor?channel=1&subtype=0"
    realm = b"Login to " + "摄像机".encode("gbk")

    async def start(self) -> None:
        await super().start()
        heard = joined("224.0.0.251", 5353, self.address)

        def read() -> None:
            data, _ = heard.recvfrom(65_535)
            if not data[2] & 0x80:
                heard.sendto(self.announcement(), ("224.0.0.251", 5353))

        asyncio.get_running_loop().add_reader(heard, read)

    def announcement(self) -> bytes:
        kind, host = (b"_rtsp", b"_tcp", b"local"), (b"ipc", b"local")
        instance = (b"ipc", *kind)
        port = struct.pack("!HHH", 0, 0, self.rtsp_port) + dns_name(host)
        records = (
            (kind, 12, dns_name(instance)),
            (host, 1, socket.inet_aton(self.address) + bytes(12)),  # an A record of 16 bytes
            (host, 28, socket.inet_aton(self.address)),  # an AAAA record of 4
            (instance, 33, port),
            (instance, 16, b"\x09txtvers=1"),
            (host, 1, socket.inet_aton(self.address)),
        )
        head = struct.pack("!HHHHHH", 0, 0x8400, 0, len(records) + 2, 0, 0)  # and two more than there are
        return head + b"".join(
            dns_name(name) + struct.pack("!HHIH", kind, 1, 120, len(data)) + data for name, kind, data in records
        )

    def challenge(self, where: str, more: str = "") -> bytes:
        return b'Digest realm="%b" nonce="%b" algorithm=md5' % (self.account.realm, self.account.nonce(where).encode())

    def cseq(self, request: Request) -> bytes:
        return request.headers.get("cseq", b"") + b"\r\nCSeq: " + request.headers.get("cseq", b"")


KINDS = (
    OpenEnded, Endless, BasicFaced, DigestFaced, NoBattery, OldTls, CseqZero, Redirecting, Joined, Miscalled, WrongWay,
    Muttering,
)  # fmt: skip


def dns_name(labels: tuple[bytes, ...]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


#: RFC 2409, section 6.2: the group of 1024 bits.
_OAKLEY_2 = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
#: DHParameter of PKCS #3: a sequence of the prime and the base, 2.
_DH_PARAMETERS = bytes.fromhex("308187028181 00") + _OAKLEY_2 + bytes.fromhex("020102")


def old_context(ciphers: str = "DHE-RSA-AES128-SHA:@SECLEVEL=0", version: str = "TLSv1") -> ssl.SSLContext:
    """What a camera of 2009 can do, and no more."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate, parameters = (str(Path(folder, name)) for name in ("key", "certificate", "parameters"))
        making = ("openssl", "req", "-x509", "-sha1", "-newkey", "rsa:1024", "-nodes", "-days", "1", "-subj", "/CN=IPC")
        subprocess.run((*making, "-keyout", key, "-out", certificate), check=True, capture_output=True)
        text = base64.encodebytes(_DH_PARAMETERS).decode()
        Path(parameters).write_text(f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n", "ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(ciphers)
        with warnings.catch_warnings():  # that nobody should speak it any more is the point
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        context.load_cert_chain(certificate, key)
        context.load_dh_params(parameters)
    return context
