"""The Body of a device's answer to an ONVIF request goes in; frozen values come out.

Sources: ONVIF Core Specification (device service, sections 8.1 to 8.3), ONVIF Media Service (Media1) and Media2 Service
Specification. Element names are read by their local part, because devices get prefixes and namespaces wrong, and looked
for whatever stands around them: which answer it is is known from what was asked. No parser here raises for a missing
field: what is not given is "" or 0, and the caller decides what it cannot do without. Requests are in
:mod:`wire.onvif.requests`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from twisted_detector.model.bounds import MAX_NAME
from twisted_detector.wire.soap.xml import Element, attribute, children, descendants, find, first, text_at, text_of

NS_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
NS_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
NS_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
NS_EVENTS = "http://www.onvif.org/ver10/events/wsdl"
NS_PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
NS_IMAGING = "http://www.onvif.org/ver20/imaging/wsdl"
NS_ANALYTICS = "http://www.onvif.org/ver20/analytics/wsdl"
NS_DEVICE_IO = "http://www.onvif.org/ver10/deviceIO/wsdl"
NS_RECORDING = "http://www.onvif.org/ver10/recording/wsdl"
NS_SEARCH = "http://www.onvif.org/ver10/search/wsdl"
NS_REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
NS_SCHEMA = "http://www.onvif.org/ver10/schema"

#: Category of GetCapabilities → namespace of GetServices.
CATEGORIES = {
    "Device": NS_DEVICE,
    "Media": NS_MEDIA,
    "Events": NS_EVENTS,
    "PTZ": NS_PTZ,
    "Imaging": NS_IMAGING,
    "Analytics": NS_ANALYTICS,
    "DeviceIO": NS_DEVICE_IO,
    "Recording": NS_RECORDING,
    "Search": NS_SEARCH,
    "Replay": NS_REPLAY,
}
#: Namespace → the short word for it in ``capabilities`` of an Inspection.
CAPABILITY_WORDS = {
    NS_MEDIA: "media",
    NS_MEDIA2: "media2",
    NS_PTZ: "ptz",
    NS_EVENTS: "events",
    NS_IMAGING: "imaging",
    NS_ANALYTICS: "analytics",
    NS_DEVICE_IO: "deviceio",
    NS_RECORDING: "recording",
    NS_SEARCH: "search",
    NS_REPLAY: "replay",
}

#: Most profiles read of one device: an NVR of 64 channels with 4 streams each.
MAX_PROFILES = 256
#: Longest token of a profile: four times what ONVIF allows. It goes back to the device, and cannot be cut.
MAX_TOKEN = 256
#: Most scopes, services and interfaces read: real devices have below 40 of any.
MAX_ITEMS = 128
#: A picture is at most as large as H.265 level 6.2 allows in one direction; more is not a measure.
MAX_PIXELS = 16_888

_CODECS = {"H.264": "H264", "AVC": "H264", "H.265": "H265", "HEVC": "H265", "MJPEG": "JPEG", "MPEG4": "MP4V-ES"}
_AUDIO_CODECS = {"G711": "PCMU", "AAC": "MPEG4-GENERIC"}
_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{1,10}|<[A-Za-z0-9+-]{1,10}>)([+-]?)(\d{1,2})(?::(\d{2}))?")


# --- Values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """Answer to GetDeviceInformation; any of it may be empty or untrue."""

    manufacturer: str = ""
    model: str = ""
    firmware_version: str = ""
    serial_number: str = ""
    hardware_id: str = ""


@dataclass(frozen=True, slots=True)
class SystemTime:
    """A device's clock.

    :ivar utc: seconds since the epoch by UTCDateTime, None when not given or no date.
    :ivar local: the same digits of LocalDateTime read as if they were UTC, None when not given.
    :ivar zone: its time zone as given (POSIX 1003.1, for instance ``CST-8``).
    :ivar daylight_saving: whether summer time is on.
    """

    utc: float | None = None
    local: float | None = None
    zone: str = ""
    daylight_saving: bool = False

    @property
    def utc_offset(self) -> float | None:
        """Seconds that its local time is ahead of UTC by its own statement, None when it names no zone."""
        zone = _POSIX_ZONE.match(self.zone)
        if zone is None:
            return None
        west = (int(zone[2]) * 3600 + int(zone[3] or 0) * 60) * (-1 if zone[1] == "-" else 1)
        return (3600 if self.daylight_saving else 0) - west

    @property
    def seconds(self) -> float | None:
        """The device's time, seconds since the epoch: UTC when given, else local time less its zone, or None."""
        if self.utc is not None:
            return self.utc
        return None if self.local is None or self.utc_offset is None else self.local - self.utc_offset

    @property
    def has_summer_time(self) -> bool:
        """Whether it says that it has summer time: then either offset may be meant, for many never set the flag."""
        zone = _POSIX_ZONE.match(self.zone)
        return self.daylight_saving or (zone is not None and self.zone[zone.end() :][:1].isalpha())


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """One interface by GetNetworkInterfaces; ``hardware_address`` as written."""

    token: str
    hardware_address: str
    name: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """One media profile of Media1 or Media2.

    :ivar source: token of its video source, which tells the channels of one device apart.
    :ivar codec: encoding name as in rtpmap (``H264``, ``H265``, ``JPEG``), "" when not given.
    :ivar width, height: pixels, 0 when not given.
    :ivar fps: the limit of its frame rate, 0.0 when not given.
    :ivar audio: encoding name as in rtpmap, "" without audio.
    """

    token: str
    name: str = ""
    source: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio: str = ""
    ptz: bool = False


@dataclass(frozen=True, slots=True)
class SecurityCapabilities:
    """How a device says that it takes a login; both False where it does not say."""

    username_token: bool = False
    http_digest: bool = False


# --- Parsers --------------------------------------------------------------------------------------------------------


def parse_system_date_and_time(body: Element) -> SystemTime:
    """The answer to GetSystemDateAndTime."""
    return SystemTime(
        utc=_date_time(first(body, "UTCDateTime")),
        local=_date_time(first(body, "LocalDateTime")),
        zone=text_at(first(body, "TimeZone"), "TZ"),
        daylight_saving=_is_true(text_of(first(body, "DaylightSavings"))),
    )


def parse_security_capabilities(body: Element) -> SecurityCapabilities:
    """The Security of the device service in the answer to GetServiceCapabilities."""
    security = first(body, "Security")
    return SecurityCapabilities(
        username_token=_is_true(attribute(security, "UsernameToken")),
        http_digest=_is_true(attribute(security, "HttpDigest")),
    )


def parse_services(body: Element) -> dict[str, str]:
    """Namespace → XAddr as given; of two services of one namespace the first."""
    services: dict[str, str] = {}
    for service in descendants(body, "Service"):
        name, xaddr = text_at(service, "Namespace"), text_at(service, "XAddr")
        if name and xaddr and len(services) < MAX_ITEMS:
            services.setdefault(name, xaddr)
    return services


def parse_capabilities(body: Element) -> dict[str, str]:
    """Category → XAddr as given, those within Extension included."""
    categories: dict[str, str] = {}
    for xaddr in descendants(first(body, "Capabilities"), "XAddr"):
        parent = xaddr.getparent()
        text = text_of(xaddr)
        if parent is not None and text and len(categories) < MAX_ITEMS:
            categories.setdefault(str(parent.tag).rpartition("}")[2].rpartition(":")[2], text)
    return categories


def services_of(categories: Mapping[str, str]) -> dict[str, str]:
    """Categories of :func:`parse_capabilities` as :func:`parse_services` would give them, without unknown ones."""
    return {CATEGORIES[name]: xaddr for name, xaddr in categories.items() if name in CATEGORIES}


def parse_device_information(body: Element) -> DeviceInformation:
    """The answer to GetDeviceInformation."""
    return DeviceInformation(
        manufacturer=text_of(first(body, "Manufacturer")),
        model=text_of(first(body, "Model")),
        firmware_version=text_of(first(body, "FirmwareVersion")),
        serial_number=text_of(first(body, "SerialNumber")),
        hardware_id=text_of(first(body, "HardwareId")),
    )


def parse_scopes(body: Element) -> tuple[str, ...]:
    """The scopes as given, in order."""
    scopes = [text for text in map(text_of, descendants(body, "ScopeItem")) if text]
    return tuple(scopes[:MAX_ITEMS])


def parse_hostname(body: Element) -> str:
    """The host name, "" when the device has none."""
    return text_at(first(body, "HostnameInformation"), "Name")


def parse_endpoint_reference(body: Element) -> str:
    """The EndpointReference in lower case without ``urn:uuid:``, "" when not given."""
    text = text_of(first(body, "GUID")).lower()
    return text.removeprefix("urn:").removeprefix("uuid:")


def parse_network_interfaces(body: Element) -> tuple[NetworkInterface, ...]:
    """Interfaces that have a hardware address, in order. Enabled or not: some devices call the wrong one enabled."""
    interfaces = [
        NetworkInterface(
            token=attribute(item, "token"),
            hardware_address=text_at(item, "Info", "HwAddress"),
            name=text_at(item, "Info", "Name"),
            enabled=text_at(item, "Enabled").lower() not in ("false", "0"),
        )
        for item in descendants(body, "NetworkInterfaces")
    ]
    return tuple([item for item in interfaces if item.hardware_address][:MAX_ITEMS])


def parse_profiles(body: Element) -> tuple[Profile, ...]:
    """Profiles of Media1 or Media2 in order; those without a token, or with an endless one, are left out."""
    profiles: dict[str, Profile] = {}
    for item in descendants(body, "Profiles"):
        if len(profiles) >= MAX_PROFILES:
            break
        token = attribute(item, "token")
        if token and len(token) <= MAX_TOKEN and token not in profiles:
            profiles[token] = _profile(item, token)
    return tuple(profiles.values())


def parse_uri(body: Element) -> str:
    """The Uri of GetStreamUri or GetSnapshotUri (Media1: within MediaUri) as given, "" when there is none.

    Some firmware writes an empty one first (ZoneMinder #2825).
    """
    return next(filter(None, map(text_of, descendants(body, "Uri"))), "")


# --- Details --------------------------------------------------------------------------------------------------------


def _date_time(element: Element | None) -> float | None:
    fields = [text_at(element, "Date", name) for name in ("Year", "Month", "Day")]
    fields += [text_at(element, "Time", name) for name in ("Hour", "Minute", "Second")]
    try:
        year, month, day, hour, minute, second = (int(text) for text in fields)
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("true", "1")


def _profile(item: Element, token: str) -> Profile:
    media2 = next(children(item, "Configurations"), None)
    place = item if media2 is None else media2
    suffix = "Configuration" if media2 is None else ""
    encoder = find(place, f"VideoEncoder{suffix}")
    codec = text_at(encoder, "Encoding").upper()
    audio = text_at(place, f"AudioEncoder{suffix}", "Encoding").upper()
    return Profile(
        token=token,
        name=text_at(item, "Name")[:MAX_NAME],
        source=text_at(place, f"VideoSource{suffix}", "SourceToken"),
        codec=_CODECS.get(codec, codec),
        width=_pixels(text_at(encoder, "Resolution", "Width")),
        height=_pixels(text_at(encoder, "Resolution", "Height")),
        fps=_rate(text_at(encoder, "RateControl", "FrameRateLimit")),
        audio=_AUDIO_CODECS.get(audio, audio),
        ptz=find(place, f"PTZ{suffix}") is not None,
    )


def _pixels(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    number = int(text)
    return number if number <= MAX_PIXELS else 0


def _rate(text: str) -> float:
    """Frames per second; xs:int in Media1, xs:float in Media2. Above 1000 it is no frame rate."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and 0 < number <= 1000 else 0.0
