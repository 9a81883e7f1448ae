"""Twelve kinds of rude camera more: siblings of those in :mod:`tests.peers.rude.kinds`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from tests.peers.rude.camera import MTU, Answer, Camera, Request, Session
from tests.peers.rude.kinds import START_CODE, BasicFaced, OldTls, old_context
from twisted_detector.testing.simulator.media.clip import AccessUnit, main_clip
from twisted_detector.testing.simulator.wire import onvif_answers as answers
from twisted_detector.testing.simulator.wire.rtp import packetize, sender_report
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.testing.simulator.wire.soap import SoapRequest, fault_envelope
from twisted_detector.wire.lan.wsdiscovery import Match
from twisted_detector.wire.onvif.answers import NS_DEVICE, NS_MEDIA, NS_MEDIA2, Profile


class TooLong(Camera):
    """Lengths are too great by nine, then it closes; heads of HTTP end in bare LF, one line is folded."""

    http_closes = True

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        head = self.head(answer, (("Content-Length", str(len(answer.body) + 9).encode()), ("X-Long", b"a\r\n b")))
        return (head.replace(b"\r\n", b"\n"), answer.body)


class HalfChunks(Camera):
    """The last chunk has no line end, then it closes; its realm is Latin-1, in HTTP and RTSP."""

    http_closes = True
    realm = "Caméra 7".encode("latin-1")

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        chunk = b"%X;a=b\r\n%b\r\n0" % (len(answer.body), answer.body)
        return (self.head(answer, (("Transfer-Encoding", b"chunked"),)), chunk)


class Commas(Camera):
    """Commas and semicolons between XAddrs, a port that is none before the right one, on ports that nobody tries."""

    http_port = 7999
    rtsp_port = 6557

    def match(self) -> Match:
        urls = (f"http://{self.address}:99999/onvif/device_service", f"{self.base}/onvif/device_service")
        return replace(super().match(), xaddrs=(f"{urls[0]},{urls[1]};http://[fe80::1]/onvif/device_service",))


class CseqOne(Camera):
    """CSeq is always 1, the session has blanks around it, OPTIONS is answered 404."""

    def cseq(self, request: Request) -> bytes:
        return b"1"

    def rtsp(self, request: Request, session: Session) -> Answer | None:
        return Answer("404 Not Found") if request.method == "OPTIONS" else super().rtsp(request, session)

    def rtsp_granted(self, request: Request, session: Session) -> Answer:
        answer = super().rtsp_granted(request, session)
        answer.headers = tuple(
            (name, b"  4 2 ") if name == "Session" else (name, said) for name, said in answer.headers
        )
        return answer


class NoCseq(Camera):
    """No CSeq at all, an empty session; each 401 of RTSP closes the connection, OPTIONS is answered with one too."""

    def rtsp_bytes(self, request: Request, answer: Answer) -> bytes:
        return super().rtsp_bytes(request, answer).replace(b"CSeq: " + self.cseq(request) + b"\r\n", b"")

    def rtsp(self, request: Request, session: Session) -> Answer | None:
        if request.method == "OPTIONS" and "authorization" not in request.headers:
            return Answer("401 Unauthorized", headers=(("WWW-Authenticate", self.challenge("rtsp")),))
        return super().rtsp(request, session)

    def rtsp_closes(self, answer: Answer) -> bool:
        return answer.status.startswith("401")

    def rtsp_granted(self, request: Request, session: Session) -> Answer:
        session.id = ""
        return super().rtsp_granted(request, session)


class StartCodes(Camera):
    """A start code before each unit, in parts of units too; parameter sets in parts, none in the SDP."""

    def sdp_media(self) -> tuple[str, ...]:
        lines = super().sdp_media()
        return (*lines[:2], *lines[3:])

    def payloads(self, unit: AccessUnit) -> Iterator[bytes]:
        for nal in unit.nals:
            if nal[0] & 31 in (7, 8):
                yield from packetize(nal, max(3, len(nal) // 2))
            elif len(nal) <= MTU:
                yield START_CODE + nal
            else:
                first, *rest = packetize(nal, MTU)
                yield first[:2] + START_CODE + nal[:1] + first[2:]
                yield from rest


class Relative(Camera):
    """Moved for the time being, to a path without host; the control URL is absolute and names its other address."""

    @property
    def stream_url(self) -> str:
        return f"rtsp://{self.address}:{self.rtsp_port}/moved"

    def rtsp(self, request: Request, session: Session) -> Answer | None:
        if request.target.rstrip("/").endswith("/moved"):
            return Answer("302 Found", headers=(("Location", self.path.encode()),))
        return super().rtsp(request, session)

    def rtsp_granted(self, request: Request, session: Session) -> Answer:
        answer = super().rtsp_granted(request, session)
        answer.headers = tuple(one for one in answer.headers if one[0] != "Content-Base")
        return answer

    def sdp_media(self) -> tuple[str, ...]:
        return (*super().sdp_media()[:-1], f"a=control:rtsp://192.168.1.10:554{self.path}/track1")


class StaticAddress(Camera):
    """It knows GetCapabilities only; services and streams are named with the address of its factory."""

    def services(self) -> dict[str, str]:
        base = "http://192.168.1.10"
        return {NS_DEVICE: f"{base}/onvif/device_service", NS_MEDIA: f"{base}/onvif/media"}

    def soap(self, request: Request, soap: SoapRequest) -> Answer:
        if soap.operation == "GetServices":
            return Answer("500 Internal Server Error", fault_envelope("ter:ActionNotSupported", "no"))
        return super().soap(request, soap)

    def stream_uri(self, token: str) -> Answer:
        return Answer("200 OK", answers.stream_uri(f"rtsp://192.168.1.10:554{self.path}"))


class LocalZone(BasicFaced):
    """LocalDateTime alone, of a clock that is right, in a zone east of us; refused without a challenge."""

    window = 10.0

    def clock(self) -> bytes:
        return answers.system_date_and_time(time.time(), local=time.time() + 8 * 3600, zone="CST-8", utc=False)

    def refusal(self) -> Answer:
        return Answer("401 Unauthorized", answers.not_authorized())


class OldTlsLater(OldTls):
    """TLS 1.1, RSA for the key exchange; lengths are not said."""

    http_closes = True
    context = staticmethod(lambda: old_context("AES128-SHA:@SECLEVEL=0", "TLSv1_1"))

    def http_bytes(self, answer: Answer) -> tuple[bytes, ...]:
        return (self.head(answer), answer.body)


class Media2Only(Camera):
    """Media is named and faults; profiles and streams are Media2's, the first profile has no video."""

    def services(self) -> dict[str, str]:
        return {**super().services(), NS_MEDIA2: f"{self.base}/onvif/media2_service"}

    def service_paths(self) -> tuple[str, ...]:
        return (*super().service_paths(), "/onvif/media2_service")

    def soap(self, request: Request, soap: SoapRequest) -> Answer:
        if soap.namespace == NS_MEDIA:
            return Answer("500 Internal Server Error", b"<html><body>500</body></html>", kind="text/html")
        if (soap.namespace, soap.operation) == (NS_MEDIA2, "GetProfiles"):
            clip = main_clip()
            main = Profile("main", "main", "vs0", "H264", clip.width, clip.height, clip.fps)
            return Answer("200 OK", answers.profiles2((Profile("audio", "audio"), main)))
        if (soap.namespace, soap.operation) == (NS_MEDIA2, "GetStreamUri"):
            return Answer("200 OK", answers.stream_uri2(self.stream_url))
        return super().soap(request, soap)


class Ageing(Camera):
    """Nonces are good for two seconds, unsaid; a report comes before the first picture, rubbish behind each report."""

    nonce_seconds = 2.0

    def frame(self, packet: bytes) -> bytes:
        frame = super().frame(packet)
        if packet[3] % 8:
            return frame
        report = sender_report(7, seconds=time.time(), timestamp=0, packets=0, octets=0, cname="$$")
        return format_interleaved(1, report) + b"\0\0" + frame


OTHERS = (
    TooLong, HalfChunks, Commas, CseqOne, NoCseq, StartCodes, Relative, StaticAddress, LocalZone, OldTlsLater,
    Media2Only, Ageing,
)  # fmt: skip
