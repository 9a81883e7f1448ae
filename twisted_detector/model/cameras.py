"""Values about cameras: their streams, the result of an inspection, the camera that consumers get, and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from twisted_detector.model.addresses import Mac
from twisted_detector.model.adoption import Adoption
from twisted_detector.model.announced import STREAMLESS, Announced, Condition
from twisted_detector.model.clocks import restamped
from twisted_detector.model.devices import Evidence
from twisted_detector.model.reasons import BEING_CHECKED

#: Word in the capabilities of a device that takes a WS-UsernameToken, or wants no login at all for what it is asked.
WSS_CAPABILITY = "username_token"
#: Names of the streams whose addresses a person gave.
MAIN, SUB = "main", "sub"


class Proof(StrEnum):
    """How far a stream was proved: steps in order, each includes those before it."""

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
    :ivar reason: in plain words why it is not validated, or "".
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
    back_channel: bool = False  #: it offers to take sound for a loudspeaker (ONVIF); never opened
    own: bool = False  #: a person gave its address; its name is :data:`MAIN` or :data:`SUB`


def deciding_streams(streams: Sequence[Stream]) -> Sequence[Stream]:
    """Those by which a camera is judged: the main one that a person gave, where he gave one; else all.

    No other stream takes its place when it does not play: he would look at another picture and not know.
    """
    return [one for one in streams if one.own and one.name == MAIN][:1] or streams


@dataclass(frozen=True, slots=True)
class StreamReport:
    """Result of a stream check: how far the stream was proved, what was seen of it, and why no more.

    :ivar certificate: SHA-256 of the server's certificate (RTSPS), which no authority vouches for.
    :ivar keyframe: digest of the keyframe that came, "" when none can be made: equal digests are the same picture.
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
    certificate: str = ""
    back_channel: bool = False
    keyframe: str = ""


class Status(StrEnum):
    """Status of a camera as consumers read it (``camera/status/<id>``)."""

    ONLINE = "online"
    OFFLINE = "offline"
    STREAM_ERROR = "stream_error"
    AUTH_REQUIRED = "auth_required"
    BUSY = "busy"
    SLEEPS = "sleeps"  #: it has a battery, and is away as such cameras are


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspector found out about one candidate. Empty texts mean that the device did not give them.

    :ivar name_source: what ``name`` comes from: ``scope`` or ``hostname`` (both ONVIF); ``device``: not known.
    """

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
    snapshots: tuple[tuple[str, str], ...] = ()  #: (video source token, URL of its picture), where the device has these
    streams: tuple[Stream, ...] = ()
    capabilities: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    clock_offset: float | None = None  #: seconds by which the device's clock is ahead of ours
    status: Status = Status.ONLINE
    reason: str = ""
    login: str = ""  #: name of the login that was accepted, "" when none was needed
    doubted: bool = False  #: the login was refused after that: the device may have counted a failure
    name_source: str = ""
    unfinished: bool = False  #: its time was up before all was tried: another follows at once and goes on


@dataclass(frozen=True, slots=True)
class Camera:
    """One video source with its identity, address, streams and status: the unit that consumers know.

    :ivar adopted: whether its device is adopted, and by what.
    :ivar name_source: what ``name`` comes from, see :attr:`Inspection.name_source`; "" while it has no name.
    :ivar given_name: what a person calls it; ``area``: where it hangs, and ``note``: what he remarked, by his word.
    :ivar code: of ``reason``: a :class:`Condition` that explains the status, "" for any other reason.
    :ivar announced: what it says of itself unasked, or in its manufacturer's protocol: hearsay.
    :ivar hearsay: which of its facts (``model``, ...) only that gives, and no inspection.
    :ivar unconfirmed: it is known by its word alone: no inspection has found a camera there yet.
    """

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
    clock_offset: float = 0.0  #: seconds by which its clock was ahead at the last ``ClockSkewed`` event
    ip_history: tuple[tuple[str, float], ...] = ()
    methods: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    adopted: Adoption = Adoption.NO
    name_source: str = ""
    given_name: str = ""
    area: str = ""
    note: str = ""
    code: str = ""
    announced: Announced | None = None
    hearsay: tuple[str, ...] = ()
    unconfirmed: bool = False

    def restamped(self, by: float, now: float) -> Camera:
        """As it is after the wall's clock was set, see :func:`restamped`."""
        return replace(
            self,
            since=restamped(self.since, by, now),
            first_seen=restamped(self.first_seen, by, now),
            last_seen=restamped(self.last_seen, by, now),
            last_validated=restamped(self.last_validated, by, now),
            ip_history=tuple((address, restamped(at, by, now)) for address, at in self.ip_history),
        )

    @property
    def called(self) -> str:
        """What it is called: by a person, else by itself; "" by neither."""
        return self.given_name or self.name

    @property
    def online(self) -> bool:
        return self.status is Status.ONLINE

    @property
    def established(self) -> bool:
        """Whether it is more than a claim: a stream of it was proved once, or a person vouches for it.

        Any device can call itself a camera. What is not established is published, but it is not announced to Home
        Assistant, makes room for others, and is forgotten when it is away for a day.
        """
        return self.online or self.last_validated > 0 or self.adopted.is_trusted

    @property
    def proved_manufacturer(self) -> str:
        """The manufacturer by which logins may be chosen: as an inspection found it; "" where it is only announced."""
        return "" if "manufacturer" in self.hearsay else self.manufacturer

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What it says of its state that nothing disproves: a stream that plays does, and an answer as a camera."""
        said = self.announced.conditions if self.announced is not None else ()
        asked = self.unconfirmed and self.reason != BEING_CHECKED
        return tuple(
            one
            for one in said
            if not (one in STREAMLESS and not asked) and not (one is Condition.NOT_ACTIVATED and self.online)
        )

    @property
    def primary_url(self) -> str:
        """The first proved stream's URL, else the first known."""
        for stream in self.streams:
            if stream.validated:
                return stream.url
        return self.streams[0].url if self.streams else ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One still image of one camera.

    :ivar data: the bytes of the image, as the camera or our encoder made them.
    :ivar media_type: ``image/jpeg`` or ``image/png``; decided by the bytes, not by the camera's header.
    :ivar taken_at: wall seconds at which it was taken.
    :ivar source: ``snapshot`` (the camera's own, GetSnapshotUri) or ``keyframe`` (decoded from a stream).
    :ivar frozen_since: wall seconds since which the picture has not changed at all, None while it changes.
    :ivar coded: digest of the keyframe as the camera coded it, where ``data`` is our encoder's; else "".
    """

    camera_id: str
    data: bytes = field(repr=False)
    media_type: str
    taken_at: float
    source: str
    frozen_since: float | None = None
    coded: str = ""

    @property
    def version(self) -> str:
        """Changes when the picture does; part of its URL, so that a browser may keep it."""
        return str(int(self.taken_at * 1000))
