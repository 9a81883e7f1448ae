"""ONVIF services of a simulated camera: device, Media and Media2, and its snapshot.

The order of things is that of ONVIF Core: an operation of the PRE_AUTH class is answered to anybody; for the others a
camera with HTTP Digest or Basic answers 401, one with WS-UsernameToken only answers 400 with ter:NotAuthorized.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import ClassVar

from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import RemoteError
from twisted_detector.testing.simulator.access import AccessVerdict, SimulatedAccess
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, StreamSpec
from twisted_detector.testing.simulator.http import HttpAnswer, HttpRequest
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.testing.simulator.wire import onvif_answers as answers
from twisted_detector.testing.simulator.wire.soap import SoapRequest, fault_envelope, parse_request
from twisted_detector.wire.onvif.answers import (
    NS_DEVICE,
    NS_MEDIA,
    NS_MEDIA2,
    DeviceInformation,
    NetworkInterface,
    Profile,
)
from twisted_detector.wire.soap.xml import first, text_of

#: Operations that need no login (ONVIF Core, access class PRE_AUTH).
PRE_AUTH = frozenset(
    {
        "GetCapabilities",
        "GetEndpointReference",
        "GetHostname",
        "GetServiceCapabilities",
        "GetServices",
        "GetSystemDateAndTime",
        "GetWsdlUrl",
    }
)
#: Token of the one video source: both streams show the same picture.
SOURCE = "VideoSource_1"
#: Bytes of a snapshot that is too large for anybody.
HUGE = 24 * 1024 * 1024


class OnvifService:
    """The services of one camera.

    :ivar requests: calls of each operation, for tests.
    """

    def __init__(self, spec: CameraSpec, access: SimulatedAccess, *, clock: IReactorTime) -> None:
        self.requests: dict[str, int] = {}
        self._spec = spec
        self._access = access
        self._clock = clock

    def now(self) -> float:
        """The camera's clock: wall time and its skew."""
        return self._clock.seconds() + self._spec.quirks.clock_skew

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one HTTP request."""
        if request.path == "/snapshot.jpg" and request.method in ("GET", "HEAD"):
            return self._snapshot(request)
        if request.path not in self._paths():
            return HttpAnswer(404, b"Not found\n", "text/plain")
        if request.method != "POST":
            return HttpAnswer(405, b"POST only\n", "text/plain", {"Allow": ("POST",)})
        try:
            soap = parse_request(request.body)
        except RemoteError:
            return self._soap(400, fault_envelope("ter:WellFormed", "Well-formed Error"))
        handler = self._handlers.get((soap.namespace, soap.operation))
        if handler is None:
            return self._soap(500, answers.action_not_supported())
        # Only operations of our own table are counted, so the table of counts is bounded too.
        self.requests[soap.operation] = self.requests.get(soap.operation, 0) + 1
        if soap.operation not in PRE_AUTH:
            refusal = self._refuse(request, soap)
            if refusal is not None:
                return refusal
        return handler(self, soap)

    def _paths(self) -> tuple[str, ...]:
        services = ("device", "media", "media2") if self._spec.media2 else ("device", "media")
        return tuple(f"/onvif/{service}_service" for service in services)

    def _refuse(self, request: HttpRequest, soap: SoapRequest) -> HttpAnswer | None:
        """The answer to a request without the right login; None when access is granted."""
        auth = self._spec.auth
        if auth is Auth.WSSE:
            verdict = self._access.check_token(soap.header, now=self.now())
        else:
            verdict = self._access.check(auth, request.authorization, request.method, request.target, request.body)
        if verdict is AccessVerdict.GRANTED:
            return None
        body = answers.not_authorized(". ".join(filter(None, ("Sender not Authorized", self._access.warning(verdict)))))
        if auth is Auth.WSSE:
            return self._soap(400, body)
        challenges = self._access.challenges(auth, stale=verdict is AccessVerdict.STALE)
        return HttpAnswer(401, self._lay_out(body), headers={"WWW-Authenticate": challenges})

    def _snapshot(self, request: HttpRequest) -> HttpAnswer:
        # A picture is fetched with a GET, which has no place for a WS-UsernameToken: such cameras ask for Digest here.
        auth = Auth.DIGEST if self._spec.auth is Auth.WSSE else self._spec.auth
        verdict = self._access.check(auth, request.authorization, request.method, request.target)
        if verdict is not AccessVerdict.GRANTED:
            challenges = self._access.challenges(auth, stale=verdict is AccessVerdict.STALE)
            return HttpAnswer(401, b"Unauthorized\n", "text/plain", {"WWW-Authenticate": challenges})
        return self._picture(auth)

    def _picture(self, auth: Auth) -> HttpAnswer:
        """The snapshot, or what the camera's quirk makes of it."""
        quirk = self._spec.quirks.snapshot
        if quirk == "denied":
            challenges = self._access.challenges(auth) or self._access.challenges(Auth.DIGEST)
            return HttpAnswer(401, b"No right to see that\n", "text/plain", {"WWW-Authenticate": challenges})
        if quirk == "huge":
            return HttpAnswer(200, b"\xff\xd8" + bytes(HUGE), "image/jpeg")
        if quirk == "html":
            return HttpAnswer(200, b"<html><body>Please log in</body></html>\n", "image/jpeg")
        if quirk == "elsewhere":
            return HttpAnswer(302, b"", "text/plain", {"Location": ("http://192.0.2.1/snapshot.jpg",)})
        now = self._clock.seconds()
        picture = paint(0.0, Random(0)) if self._spec.quirks.frozen else paint(now, Random(now))  # noqa: S311 - noise
        if quirk == "multipart":
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
            return HttpAnswer(200, (head + picture + b"\r\n") * 3, "multipart/x-mixed-replace; boundary=frame")
        return HttpAnswer(200, picture, "image/jpeg")

    def _soap(self, status: int, body: bytes) -> HttpAnswer:
        return HttpAnswer(status, self._lay_out(body))

    def _lay_out(self, body: bytes) -> bytes:
        return pretty(body) if self._spec.quirks.pretty else body

    # --- Bodies of the answers ---

    def _services(self) -> dict[str, str]:
        found = {NS_DEVICE: self._spec.service_url("device"), NS_MEDIA: self._spec.service_url("media")}
        if self._spec.media2:
            found[NS_MEDIA2] = self._spec.service_url("media2")
        return found

    def _information(self) -> DeviceInformation:
        spec = self._spec
        return DeviceInformation(spec.manufacturer, spec.model, spec.firmware, spec.serial_number, spec.model)

    def _profiles(self) -> tuple[Profile, ...]:
        return tuple(
            Profile(
                token=stream.token,
                name=stream.name,
                source=SOURCE,
                codec="H264",
                width=stream.clip.width,
                height=stream.clip.height,
                fps=stream.clip.fps,
            )
            for stream in self._spec.streams
        )

    def _for_profile(self, soap: SoapRequest, body: Callable[[StreamSpec], bytes]) -> HttpAnswer:
        token = text_of(first(soap.element, "ProfileToken"))
        stream = next((stream for stream in self._spec.streams if stream.token == token), None)
        if stream is None:
            return self._soap(400, fault_envelope("ter:NoProfile", "The requested profile token does not exist"))
        return self._soap(200, body(stream))

    def _date_and_time(self) -> bytes:
        shown = self.now() + self._spec.quirks.local_as_utc
        hours, seconds = divmod(abs(int(self._spec.quirks.local_as_utc)), 3600)
        zone = f"LT{'-' if self._spec.quirks.local_as_utc > 0 else ''}{hours}:{seconds // 60:02}"
        return answers.system_date_and_time(shown, local=shown, zone=zone)

    def _interfaces(self) -> bytes:
        return answers.network_interfaces((NetworkInterface("eth0", self._spec.hardware_address.text),))

    _handlers: ClassVar[dict[tuple[str, str], Callable[[OnvifService, SoapRequest], HttpAnswer]]] = {
        (NS_DEVICE, "GetSystemDateAndTime"): lambda self, _: self._soap(200, self._date_and_time()),
        (NS_DEVICE, "GetServiceCapabilities"): lambda self, _: self._soap(
            200,
            answers.service_capabilities(
                username_token=self._spec.auth is Auth.WSSE,
                http_digest=self._spec.auth in (Auth.DIGEST, Auth.DIGEST_SHA256),
            ),
        ),
        (NS_DEVICE, "GetServices"): lambda self, _: self._soap(200, answers.services(self._services())),
        (NS_DEVICE, "GetCapabilities"): lambda self, _: self._soap(200, answers.capabilities(self._services())),
        (NS_DEVICE, "GetDeviceInformation"): lambda self, _: self._soap(
            200, answers.device_information(self._information())
        ),
        (NS_DEVICE, "GetScopes"): lambda self, _: self._soap(200, answers.scopes(self._spec.scopes)),
        (NS_DEVICE, "GetHostname"): lambda self, _: self._soap(
            200, answers.hostname(f"{self._spec.model}-{self._spec.serial_number[-6:]}".lower())
        ),
        (NS_DEVICE, "GetEndpointReference"): lambda self, _: self._soap(
            200, answers.endpoint_reference(self._spec.endpoint_reference)
        ),
        (NS_DEVICE, "GetNetworkInterfaces"): lambda self, _: self._soap(200, self._interfaces()),
        (NS_MEDIA, "GetProfiles"): lambda self, _: self._soap(200, answers.profiles(self._profiles())),
        (NS_MEDIA, "GetStreamUri"): lambda self, soap: self._for_profile(
            soap, lambda stream: answers.stream_uri(self._spec.stream_url(stream))
        ),
        (NS_MEDIA, "GetSnapshotUri"): lambda self, soap: self._for_profile(
            soap, lambda _: answers.snapshot_uri(self._spec.snapshot_url)
        ),
        (NS_MEDIA2, "GetProfiles"): lambda self, soap: self._soap(
            200, answers.profiles2(self._profiles(), configurations=first(soap.element, "Type") is not None)
        ),
        (NS_MEDIA2, "GetStreamUri"): lambda self, soap: self._for_profile(
            soap, lambda stream: answers.stream_uri2(self._spec.stream_url(stream))
        ),
        (NS_MEDIA2, "GetSnapshotUri"): lambda self, soap: self._for_profile(
            soap, lambda _: answers.snapshot_uri2(self._spec.snapshot_url)
        ),
    }


def pretty(document: bytes) -> bytes:
    """One line of XML on many: a line break and blanks between tags, and around a list of words."""
    text = re.sub(r">\s*<", ">\n    <", document.decode("utf-8"))
    return re.sub(r"(XAddrs>|Scopes>)([^<]+)<", r"\1\n        \2\n    <", text).encode("utf-8")
