"""Facts about devices go in as text from many protocols; frozen values that the rest of the program agrees on come out.

Every stamp named ``…_at`` or ``since`` is wall time in seconds since the epoch; it is for people and documents.
Durations are never computed from them (the wall clock jumps); offline is decided by missed checks.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from ipaddress import ip_address

from twisted_detector.addressing import (
    MAX_ID_LENGTH as MAX_ID_LENGTH,
    Mac as Mac,
    host_for_url as host_for_url,
    parse_address as parse_address,
    safe_id as safe_id,
)
from twisted_detector.errors import LocalError
from twisted_detector.records import dataclass
from twisted_detector.secret import Login as Login, Secret as Secret


class EvidenceKind(StrEnum):
    """What sort of identifier a piece of evidence is; the weight of each is ``identity``'s affair."""

    MAC = "mac"  #: seen at layer 2
    ENDPOINT_REFERENCE = "epr"
    SCOPE_MAC = "scope_mac"
    SERIAL = "serial"
    HARDWARE_ADDRESS = "hardware_address"  #: said by GetNetworkInterfaces
    MDNS = "mdns"  #: host name, or HomeKit's id, of a service
    UPNP = "upnp"  #: unique device name
    ANNOUNCED_MAC = "announced_mac"  #: said in a service's TXT record, or in a unique device name
    VENDOR = "vendor"  #: the maker's name: of no unit
    VENDOR_ID = "vendor_id"  #: a unit's identifier in its maker's own protocol
    CERTIFICATE = "certificate"  #: SHA-256 of the one it shows over TLS: whole series ship with one, so of no unit
    SHARED_MAC = "shared_mac"  #: seen at layer 2, but of a repeater or a host that has several devices behind it
    SHARED_EPR = "shared_epr"  #: of two devices at once, as all that follow
    SHARED_SERIAL = "shared_serial"
    SHARED_SCOPE_MAC = "shared_scope_mac"
    SHARED_HARDWARE_ADDRESS = "shared_hardware_address"
    SHARED_MDNS = "shared_mdns"
    SHARED_UPNP = "shared_upnp"
    SHARED_ANNOUNCED_MAC = "shared_announced_mac"
    SHARED_VENDOR_ID = "shared_vendor_id"


#: The source of the evidence that comes from the registry of MAC addresses (IEEE's MA-L, MA-M and MA-S).
OUI = "oui"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One identifier of a device: what it is, its value, who said so and when."""

    kind: str
    value: str
    source: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class Interface:
    """One address of one network interface of this machine.

    ``address`` is without a scope; ``prefix_length`` tells its network; ``index`` is the kernel's; ``arp`` tells
    whether neighbours there have a MAC (a tunnel's have none).
    """

    name: str
    index: int
    address: str
    prefix_length: int
    multicast: bool = True
    loopback: bool = False
    arp: bool = True

    @property
    def version(self) -> int:
        """4 or 6."""
        return ip_address(self.address).version


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one method saw of one address: untrusted, and never more than a reason to look closer.

    :ivar method: the discoverer's or watcher's name.
    :ivar address: the address that the bytes came from (IPv6 link-local with ``%scope``).
    :ivar endpoint_reference: WS-Addressing EndpointReference, normalised, or "".
    :ivar xaddrs: ONVIF service addresses, best first, already judged by the XAddr rules.
    :ivar scopes: ONVIF scopes, as said.
    :ivar rtsp_ports: TCP ports that answered as RTSP would, or were announced as such.
    :ivar open_ports: TCP ports that accepted a connection, or were announced as such.
    :ivar evidence: identifiers that the announcement carried.
    """

    method: str
    address: str
    seen_at: float
    mac: Mac | None = None
    endpoint_reference: str = ""
    xaddrs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rtsp_ports: tuple[int, ...] = ()
    open_ports: tuple[int, ...] = ()
    name: str = ""
    interface: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device as an inspector is asked about it: where it is and what is known already.

    ``known_urls`` are stream URLs (without login) that worked before; try them first.
    ``at_layer2`` tells whether this machine saw a MAC where it stands now: condition for giving it a secret.
    ``behind_shared_mac``: that MAC is not its own.
    ``vendors``: who made it, by whatever says so: itself, its server, the registry of MACs.
    """

    device_id: str
    address: str
    mac: Mac | None = None
    endpoint_reference: str = ""
    xaddrs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    rtsp_ports: tuple[int, ...] = ()
    open_ports: tuple[int, ...] = ()
    known_urls: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    behind_shared_mac: bool = False
    vendors: tuple[str, ...] = ()

    @property
    def at_layer2(self) -> bool:
        return self.mac is not None or self.behind_shared_mac


class Proof(StrEnum):
    """How far a stream was proved: a ladder, each rung includes those before it."""

    UNREACHABLE = "unreachable"
    TCP = "tcp"
    RTSP = "rtsp"
    AUTH = "auth"
    SDP = "sdp"
    RTP = "rtp"
    KEYFRAME = "keyframe"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of one camera.

    :ivar url: RTSP URL without user and password, always.
    :ivar name: the ONVIF profile's name, or the path's role ("main", "sub") from the catalog.
    :ivar source: ONVIF video source token: streams of one token are one camera of the device.
    :ivar codec: ``H264``, ``H265``, ``JPEG``…, the encoding name of its rtpmap; "" when unknown.
    :ivar fps: frames per second, 0.0 when unknown.
    :ivar audio: encoding name of its audio, or "".
    :ivar validated: whether the last check proved it.
    :ivar reason: in plain words why not, or "".
    """

    url: str
    name: str = ""
    profile: str = ""
    source: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio: str = ""
    proof: Proof = Proof.UNREACHABLE
    validated: bool = False
    reason: str = ""
    code: str = ""  #: a ``ReasonCode``, "" when it is proved
    back_channel: bool = False  #: it offers to take sound for its loudspeaker (ONVIF); never opened


@dataclass(frozen=True, slots=True)
class StreamReport:
    """The answer of a stream check: how far it came, what was seen, and why it went no further.

    :ivar keyframe: digest of the keyframe that came, "" when none can be made: two equal ones are one picture.
    """

    proof: Proof
    validated: bool
    reason: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio: str = ""
    server: str = ""
    code: str = ""  #: a ``ReasonCode``
    certificate: str = ""  #: SHA-256 of the server's certificate (RTSPS), which nobody vouches for
    back_channel: bool = False
    keyframe: str = ""  #: a digest of its bytes: equal ones are the same picture


class Status(StrEnum):
    """A camera's state as consumers read it (``camera/status/<id>``)."""

    ONLINE = "online"
    OFFLINE = "offline"
    STREAM_ERROR = "stream_error"
    AUTH_REQUIRED = "auth_required"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspector found out about one candidate. Empty texts mean "not said"."""

    inspector: str
    address: str
    at: float
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware_version: str = ""
    serial_number: str = ""
    hardware_id: str = ""
    onvif_url: str = ""
    http_url: str = ""
    snapshot_url: str = ""
    snapshots: tuple[tuple[str, str], ...] = ()  #: (video source token, URL of its picture), where the device says
    streams: tuple[Stream, ...] = ()
    capabilities: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    clock_offset: float | None = None  #: seconds by which the device's clock is ahead of ours
    status: Status = Status.ONLINE
    reason: str = ""
    login: str = ""  #: name of the login that was accepted, "" when none was needed
    doubted: bool = False  #: it was refused after that: the device may have counted a failure


@dataclass(frozen=True, slots=True)
class Camera:
    """One picture source with its identity, address, streams and state: the unit that consumers know."""

    id: str
    device_id: str
    address: str
    channel: int = 1
    source: str = ""
    mac: Mac | None = None
    endpoint_reference: str = ""
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    firmware_version: str = ""
    onvif_url: str = ""
    http_url: str = ""
    snapshot_url: str = ""
    streams: tuple[Stream, ...] = ()
    capabilities: tuple[str, ...] = ()
    status: Status = Status.OFFLINE
    reason: str = ""
    since: float = 0.0
    first_seen: float = 0.0
    last_seen: float = 0.0
    last_validated: float = 0.0
    clock_offset: float = 0.0  #: seconds by which its clock was ahead when that was last worth telling
    ip_history: tuple[tuple[str, float], ...] = ()
    methods: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def online(self) -> bool:
        return self.status is Status.ONLINE

    @property
    def primary_url(self) -> str:
        """The first proved stream's URL, else the first known."""
        for stream in self.streams:
            if stream.validated:
                return stream.url
        return self.streams[0].url if self.streams else ""


class Priority(IntEnum):
    """Order in which queued messages leave; lower leaves first, FIFO within one class."""

    CRITICAL = 0
    STATE = 1
    EVENT = 2
    TELEMETRY = 3


#: MQTT 3.1.1 section 1.5.3: a UTF-8 string has at most 65 535 bytes.
MAX_TOPIC_BYTES = 65_535
#: MQTT 3.1.1 section 2.2.3: remaining length is at most 268 435 455; the topic and its length come off it.
MAX_PAYLOAD_BYTES = 268_435_455 - MAX_TOPIC_BYTES - 4


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message to be said.

    :ivar qos: 0 or 1. QoS 2 is refused: with many in flight at a reconnect, paho and mosquitto reconnect for ever.
    :ivar retain: the newest per topic is *state*: a newer one replaces it in the outbox.
    :ivar expires_after: seconds after which it is not worth sending, None for never.
    :raises LocalError: wildcards, NUL or nothing in the topic; payload too large; QoS other than 0 or 1.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    priority: Priority = Priority.EVENT
    expires_after: float | None = None

    def __post_init__(self) -> None:
        topic = self.topic
        if not topic or "#" in topic or "+" in topic or "\0" in topic:  # not any(): this runs for every message
            raise LocalError("a topic must be non-empty and free of '#', '+' and NUL", shown=repr(topic[:80]))
        try:
            encoded = topic.encode("utf-8")
        except UnicodeEncodeError:
            raise LocalError("a topic must be valid Unicode", shown=ascii(topic[:80])) from None
        if len(encoded) > MAX_TOPIC_BYTES:
            raise LocalError("a topic has at most 65 535 bytes", shown=f"{len(encoded)} bytes")
        if not isinstance(self.payload, bytes):
            raise LocalError("a payload is bytes", shown=type(self.payload).__name__)
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            raise LocalError("a payload is too large for MQTT", shown=f"{len(self.payload)} bytes")
        if self.qos not in (0, 1):
            raise LocalError("QoS must be 0 or 1", shown=repr(self.qos))
