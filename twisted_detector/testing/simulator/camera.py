"""Values that describe one simulated camera: its facts and quirks, and the identity, URLs and scopes that follow.

A quirk is something that a real camera was seen to do and that a detector has to live with. Each is one field of
:class:`Quirks`, so that a test names it in one line.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import quote

from twisted_detector.errors import ConfigError, LocalError
from twisted_detector.model import Login, Mac, Secret, host_for_url
from twisted_detector.testing.simulator.media.clip import Clip, main_clip, sub_clip

#: Name space for EndpointReferences: a fixed number of our own, so that a seed gives the same camera for ever.
_NAMESPACE = uuid.UUID("6f0c2b1e-6a57-4c0e-9a58-7a0c6d0e11a3")

#: The login of cameras that were given none: made up, and printed where a person needs it.
MADE_UP_LOGIN = Login("viewer", Secret("not-a-secret"))


#: What a camera may give instead of a snapshot.
SNAPSHOTS = ("", "denied", "huge", "html", "multipart", "elsewhere")


class Auth(StrEnum):
    """The authentication that a camera asks for (ONVIF Core, "Authentication")."""

    NONE = "none"
    DIGEST = "digest"  #: HTTP and RTSP Digest with MD5
    DIGEST_SHA256 = "digest-sha256"  #: SHA-256 offered first, MD5 second (RFC 7616, 3.7)
    WSSE = "wsse"  #: WS-UsernameToken only: 400 with ter:NotAuthorized; RTSP by Digest, as such cameras do
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a camera does that it should not. Every default is good behaviour.

    :ivar silent: HTTP and RTSP accept a connection and never send a byte.
    :ivar garbage: HTTP and RTSP answer with bytes of no protocol.
    :ivar no_frames: PLAY is answered with 200, and no packet follows.
    :ivar busy: SETUP is answered with 453, as when all sessions are taken.
    :ivar auth_first: DESCRIBE of an unknown path is answered with 401 before 404.
    :ivar pretty: SOAP on many indented lines.
    :ivar mute: WS-Discovery is not answered at all.
    :ivar matches: ProbeMatch elements in one datagram, 1 to 8; those before the camera's own are no cameras.
    :ivar xaddr_host: host that is announced instead of the camera's address; "" for the address.
    :ivar stream_host: host in stream URIs instead of the camera's address; "" for the address.
    :ivar secret_path: the only RTSP path that exists; "" for the usual ones.
    :ivar frozen: stream and snapshot show the same picture for ever.
    :ivar snapshot: what comes instead of a snapshot: ``denied`` (401 for the right login too), ``huge`` (without end),
        ``html``, ``multipart`` (motion JPEG), ``elsewhere`` (a redirect to another host); "" for a picture.
    :ivar delay: seconds that each answer takes longer.
    :ivar clock_skew: seconds by which the camera's clock is ahead.
    :ivar clock_window: seconds that the Created of a WS-UsernameToken may be off.
    :ivar local_as_utc: its time zone, seconds east, when it gives out its local time as UTC though its clock is right.
    :ivar lock_after: failed logins after which the account is locked, over ONVIF and RTSP together; 0 for never.
    :ivar lock_seconds: how long it stays locked.
    :ivar lock_silent: its answers say neither how many attempts are left nor that it is locked.
    """

    silent: bool = False
    garbage: bool = False
    no_frames: bool = False
    busy: bool = False
    auth_first: bool = False
    pretty: bool = False
    mute: bool = False
    matches: int = 1
    xaddr_host: str = ""
    stream_host: str = ""
    secret_path: str = ""
    frozen: bool = False
    snapshot: str = ""
    delay: float = 0.0
    clock_skew: float = 0.0
    clock_window: float = 5.0
    local_as_utc: float = 0.0
    lock_after: int = 0
    lock_seconds: float = 1800.0
    lock_silent: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.matches <= 8:
            raise LocalError("one datagram holds 1 to 8 matches", shown=str(self.matches))
        if self.snapshot not in SNAPSHOTS:
            raise LocalError("a snapshot is one of " + ", ".join(filter(None, SNAPSHOTS)), shown=self.snapshot)
        if self.delay < 0 or self.lock_after < 0:
            raise LocalError("a delay and a count of failures are not negative")


def parse_quirks(words: list[str]) -> Quirks:
    """Quirks from the words of a command line: ``busy``, ``delay=2``, ``xaddr_host=127.0.0.1``.

    :raises ConfigError: unknown names and values that do not fit, all of them at once.
    """
    faults, values = [], {}
    defaults = Quirks()
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip().replace("-", "_")
        default = getattr(defaults, name, None) if name in Quirks.__dataclass_fields__ else None
        try:
            if default is None:
                raise ValueError("no such quirk; known are " + ", ".join(Quirks.__dataclass_fields__))
            if isinstance(default, bool):
                if equals:
                    raise ValueError("takes no value")
                values[name] = True
            else:
                values[name] = type(default)(text)
        except ValueError as error:
            faults.append(f"--quirk {word}: {error}")
    if faults:
        raise ConfigError(tuple(faults))
    try:
        return replace(defaults, **values)  # type: ignore[arg-type]  # each value has the type of its default
    except LocalError as error:
        raise ConfigError((f"--quirk: {error}",)) from None


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream: its ONVIF profile, its RTSP path (with query) and the clip it plays."""

    token: str
    name: str
    path: str
    clip: Clip


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """Everything that makes one simulated camera the one it is.

    :ivar address: IP address it lives on, without brackets; its answers come from there.
    :ivar seed: gives identity (EndpointReference, serial, made-up MAC); the same seed is the same camera.
    :ivar http_port: port of its ONVIF service; 0 lets the system choose.
    :ivar rtsp_port: port of its streams; 0 lets the system choose.
    :ivar onvif: whether it knows ONVIF and WS-Discovery at all.
    :ivar rtsp_auth: None for what ``auth`` implies.
    :ivar media2: whether it has the Media2 service beside Media.
    :ivar vendors: names of the manufacturers' discovery protocols that it answers too.
    """

    address: str
    seed: str = "1"
    name: str = "Simulated camera"
    manufacturer: str = "camdetect"
    model: str = "SIM-360"
    firmware: str = "1.0.0"
    location: str = "nowhere"
    mac: Mac | None = None
    http_port: int = 8000
    rtsp_port: int = 8554
    onvif: bool = True
    media2: bool = True
    vendors: tuple[str, ...] = ()
    auth: Auth = Auth.NONE
    rtsp_auth: Auth | None = None
    login: Login = MADE_UP_LOGIN
    quirks: Quirks = field(default_factory=Quirks)

    @property
    def uuid(self) -> str:
        """The number in its EndpointReference, for ever the same for one seed."""
        return str(uuid.uuid5(_NAMESPACE, self.seed))

    @property
    def endpoint_reference(self) -> str:
        return f"urn:uuid:{self.uuid}"

    @property
    def serial_number(self) -> str:
        return "SIM" + self.uuid.replace("-", "")[:12].upper()

    @property
    def hardware_address(self) -> Mac:
        """Its MAC; where none was given, one that is marked as locally administered."""
        return self.mac or Mac.from_bytes(b"\x02" + uuid.uuid5(_NAMESPACE, "mac " + self.seed).bytes[:5])

    @property
    def stream_auth(self) -> Auth:
        """How RTSP wants to be logged in to."""
        chosen = self.auth if self.rtsp_auth is None else self.rtsp_auth
        return Auth.DIGEST if chosen is Auth.WSSE else chosen

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """Main and sub stream."""
        main, sub = "/stream1", "/stream2"
        if secret := self.quirks.secret_path:
            main, sub = secret, secret + "_sub"
        return (
            StreamSpec("main", "mainStream", main, main_clip()),
            StreamSpec("sub", "subStream", sub, sub_clip()),
        )

    @property
    def scopes(self) -> tuple[str, ...]:
        """ONVIF scopes (Core specification, "Scope parameters"), values percent-encoded."""
        values = {
            "type": "video_encoder",
            "Profile": "Streaming",
            "name": self.name,
            "hardware": self.model,
            "location": self.location,
            "MAC": self.hardware_address.text,
        }
        return tuple(f"onvif://www.onvif.org/{key}/{quote(value, safe=':')}" for key, value in values.items())

    @property
    def types(self) -> tuple[tuple[str, str], ...]:
        """WS-Discovery types as (namespace, local name)."""
        return (
            ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
            ("http://www.onvif.org/ver10/device/wsdl", "Device"),
        )

    def service_url(self, service: str) -> str:
        """Where a service stands, as the camera announces it: ``device`` → ``http://…/onvif/device_service``."""
        host = self.quirks.xaddr_host or self.address
        return f"http://{host_for_url(host)}:{self.http_port}/onvif/{service}_service"

    @property
    def snapshot_url(self) -> str:
        return f"http://{host_for_url(self.quirks.xaddr_host or self.address)}:{self.http_port}/snapshot.jpg"

    def stream_url(self, stream: StreamSpec) -> str:
        """The RTSP URL of one stream, never with a login in it."""
        return f"rtsp://{host_for_url(self.quirks.stream_host or self.address)}:{self.rtsp_port}{stream.path}"
