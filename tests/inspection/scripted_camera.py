"""A camera in memory that stands where an inspector's HTTP transport would: it answers by ``onvif_answers``.

It keeps what a test wants to know: every URL and operation asked, how each login went, and whether it was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.testing.simulator.wire.digest import format_challenge, verify
from twisted_detector.testing.simulator.wire.soap import fault_envelope, parse_request, verify_username_token
from twisted_detector.wire.http import digest
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.soap.xml import text_at

PRE_AUTH = {
    "GetSystemDateAndTime", "GetServices", "GetServiceCapabilities", "GetCapabilities", "GetEndpointReference",
    "GetHostname",
}  # fmt: skip
MAIN = onvif.Profile("P1", "main", "VS1", "H264", 2560, 1440, 25.0, "PCMU")
SUB = onvif.Profile("P2", "sub", "VS1", "H264", 640, 360, 10.0)

Reaction = bytes | HttpResponse | Exception


@dataclass
class ScriptedCamera:
    """A camera at ``http://192.0.2.9``.

    :ivar auth: ``none``, ``digest``, ``basic`` or ``wsse``.
    :ivar skew: seconds by which its clock is ahead when it checks a login; ``said_skew`` is what it tells of that
        (None: the same), ``zone`` its time zone, ``local`` how far it tells local time to be ahead (None: nothing).
    :ivar dated: whether its answers have a Date, which is that of its clock.
    :ivar nonce_uses: requests for which a nonce is good.
    :ivar stale: whether it says so when a nonce is used up.
    :ivar stated: how it says that it takes a login, by GetServiceCapabilities: of ``token`` and ``digest``; empty: it
        does not have that operation.
    :ivar refusal: text of its NotAuthorized fault.
    :ivar script: operation → what comes instead of the usual answer, one after the other, then as usual.
    """

    now: Callable[[], float]
    auth: str = "none"
    password: str = "secret"
    skew: float = 0.0
    said_skew: float | None = None
    zone: str = "UTC0"
    local: float | None = None
    dated: bool = False
    window: float = 5.0
    nonce_uses: int = 1000
    stale: bool = True
    algorithm: str = ""
    stated: tuple[str, ...] = ()
    refusal: str = "Sender not Authorized"
    pre_auth: set[str] = field(default_factory=lambda: set(PRE_AUTH))
    services: dict[str, str] = field(
        default_factory=lambda: {
            onvif.NS_DEVICE: "http://192.0.2.9/onvif/device_service",
            onvif.NS_MEDIA: "http://192.0.2.9/onvif/media_service",
            onvif.NS_EVENTS: "http://192.0.2.9/onvif/event_service",
        }
    )
    profiles: tuple[onvif.Profile, ...] = (MAIN, SUB)
    certificate: str = ""
    uri: str = "rtsp://192.0.2.9:554/stream/"
    script: dict[str, list[Reaction]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    sent: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)
    closed: int = 0
    _nonce: int = 0
    _uses: int = 0

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        answer = self._react(url, body, headers)
        date = (("Date", formatdate(self.now() + self.skew, usegmt=True)),) if self.dated else ()
        return replace(answer, headers=(*answer.headers, *date), certificate=self.certificate)

    def _react(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        request = parse_request(body)
        self.asked.append(request.operation)
        self.urls.append(url)
        self.sent.append((body, headers))
        if self.script.get(request.operation):
            reaction = self.script[request.operation].pop(0)
            if isinstance(reaction, Exception):
                raise reaction
            return HttpResponse(200, (), reaction) if isinstance(reaction, bytes) else reaction
        if self.auth != "none" and request.operation not in self.pre_auth:
            refused = self._refuse(body, headers.get("Authorization", ""))
            if refused is not None:
                return refused
        return self._answer(request.operation, request.namespace, text_at(request.element, "ProfileToken"))

    async def close(self) -> None:
        self.closed += 1

    def _refuse(self, body: bytes, header: str) -> HttpResponse | None:
        passwords = {"admin": self.password}.get
        if self.auth == "wsse":
            security = parse_request(body).header
            if security is None:
                return HttpResponse(400, (), onvif_answers.not_authorized(self.refusal))
            right = verify_username_token(security, passwords, now=self.now() + self.skew, window=self.window)
            self.logins.append("right" if right else "wrong")
            return None if right else HttpResponse(400, (), onvif_answers.not_authorized(self.refusal))
        if not header and self._uses >= self.nonce_uses:
            self._nonce, self._uses = self._nonce + 1, 0
        asked = digest.Challenge("digest", "cam", f"nonce{self._nonce}", self.algorithm, "auth")
        if self.auth == "basic":
            asked = digest.Challenge("basic", "cam")
        stale = False
        if header:
            known = verify(header, "POST", passwords)
            if known and verify(header, "POST", passwords, challenge=asked) and self._uses < self.nonce_uses:
                self._uses += 1
                self.logins.append("right")
                return None
            stale = known and self.stale
            self.logins.append("stale" if known else "wrong")
            self._nonce += 1
            self._uses = 0
        again = digest.Challenge(asked.scheme, "cam", f"nonce{self._nonce}", self.algorithm, asked.qop, stale=stale)
        return HttpResponse(401, (("WWW-Authenticate", format_challenge(again)),), b"")

    def _answer(self, operation: str, namespace: str, token: str) -> HttpResponse:
        media2 = namespace == onvif.NS_MEDIA2
        now = self.now() + (self.skew if self.said_skew is None else self.said_skew)
        match operation:
            case "GetSystemDateAndTime":
                local = None if self.local is None else now + self.local
                answer = onvif_answers.system_date_and_time(now, zone=self.zone, local=local)
            case "GetServiceCapabilities" if self.stated:
                answer = onvif_answers.service_capabilities(
                    username_token="token" in self.stated, http_digest="digest" in self.stated
                )
            case "GetServices":
                answer = onvif_answers.services(self.services)
            case "GetCapabilities":
                answer = onvif_answers.capabilities(self.services)
            case "GetEndpointReference":
                answer = onvif_answers.endpoint_reference("urn:uuid:5F5A69C2-E0AE-504F-829B-00408CABCDEF")
            case "GetHostname":
                answer = onvif_answers.hostname("eye-1")
            case "GetDeviceInformation":
                answer = onvif_answers.device_information(onvif.DeviceInformation("Acme", "Eye 1", "1.2", "SN42", "hw"))
            case "GetNetworkInterfaces":
                answer = onvif_answers.network_interfaces(
                    [
                        onvif.NetworkInterface("eth0", "00-40-8C-AB-CD-EF"),
                        onvif.NetworkInterface("eth1", "00:00:00:00:00:00"),
                    ]
                )
            case "GetScopes":
                answer = onvif_answers.scopes(["onvif://www.onvif.org/name/Front%20door"])
            case "GetProfiles":
                answer = (onvif_answers.profiles2 if media2 else onvif_answers.profiles)(self.profiles)
            case "GetStreamUri":
                answer = (onvif_answers.stream_uri2 if media2 else onvif_answers.stream_uri)(self.uri + token)
            case "GetSnapshotUri":
                uri = f"http://192.0.2.9/snap/{token}"
                answer = (onvif_answers.snapshot_uri2 if media2 else onvif_answers.snapshot_uri)(uri)
            case _:
                return HttpResponse(500, (), fault_envelope("ter:ActionNotSupported", operation))
        return HttpResponse(200, (), answer)
