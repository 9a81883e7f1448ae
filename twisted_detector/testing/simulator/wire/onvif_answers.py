"""Facts of a device go in; the SOAP envelopes with which it answers ONVIF requests come out.

Each function is the answer to the request of the same name in :mod:`wire.onvif.requests`; faults come from
:func:`soap.fault_envelope` and the two short forms here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from twisted_detector.testing.simulator.wire.soap import fault_envelope
from twisted_detector.wire.onvif.answers import (
    CATEGORIES,
    NS_DEVICE,
    NS_MEDIA,
    NS_MEDIA2,
    NS_SCHEMA,
    DeviceInformation,
    NetworkInterface,
    Profile,
)
from twisted_detector.wire.soap.envelope import envelope
from twisted_detector.wire.soap.xml import escape

#: Categories that GetCapabilities puts into Extension (Core 8.1.2.2).
_EXTENSION = ("DeviceIO", "Recording", "Search", "Replay")
_MEDIA1_AUDIO = {"PCMU": "G711", "MPEG4-GENERIC": "AAC"}


def not_authorized(text: str = "Sender not Authorized") -> bytes:
    """The fault for a missing or wrong login; goes with HTTP 400 (WS-UsernameToken) or 401 (HTTP Digest)."""
    return fault_envelope("ter:NotAuthorized", text)


def action_not_supported() -> bytes:
    """The fault for an operation that the device does not have; goes with HTTP 500."""
    return fault_envelope("ter:ActionNotSupported", "Optional Action Not Implemented", code="s:Receiver")


def system_date_and_time(
    seconds: float, *, zone: str = "UTC0", local: float | None = None, daylight_saving: bool = False, utc: bool = True
) -> bytes:
    """The clock.

    :param seconds: what the device holds for UTC, seconds since the epoch.
    :param local: what it holds for local time, the digits counted as if UTC; None leaves LocalDateTime out.
    :param utc: False leaves UTCDateTime out, as old firmware does.
    """
    said = f"<tt:UTCDateTime>{_date_time(seconds)}</tt:UTCDateTime>" if utc else ""
    said += f"<tt:LocalDateTime>{_date_time(local)}</tt:LocalDateTime>" if local is not None else ""
    return _device(
        "GetSystemDateAndTime",
        "<tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        f"<tt:DaylightSavings>{_boolean(daylight_saving)}</tt:DaylightSavings>"
        f"<tt:TimeZone><tt:TZ>{escape(zone)}</tt:TZ></tt:TimeZone>{said}</tds:SystemDateAndTime>",
    )


def services(xaddrs: Mapping[str, str]) -> bytes:
    """Namespace → XAddr of every service."""
    return _device(
        "GetServices",
        "".join(
            f"<tds:Service><tds:Namespace>{escape(name)}</tds:Namespace><tds:XAddr>{escape(xaddr)}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for name, xaddr in xaddrs.items()
        ),
    )


def service_capabilities(*, username_token: bool, http_digest: bool) -> bytes:
    """How the device takes a login."""
    said = f'UsernameToken="{_boolean(username_token)}" HttpDigest="{_boolean(http_digest)}"'
    return _device(
        "GetServiceCapabilities", f'<tds:Capabilities><tds:Security TLS1.2="true" {said}/></tds:Capabilities>'
    )


def capabilities(xaddrs: Mapping[str, str]) -> bytes:
    """Namespace → XAddr as for :func:`services`; what GetCapabilities has no category for (Media2) is left out."""
    said = {name: xaddrs[space] for name, space in CATEGORIES.items() if space in xaddrs}
    plain = "".join(_capability(name, xaddr) for name, xaddr in said.items() if name not in _EXTENSION)
    extension = "".join(_capability(name, xaddr) for name, xaddr in said.items() if name in _EXTENSION)
    if extension:
        plain += f"<tt:Extension>{extension}</tt:Extension>"
    return _device("GetCapabilities", f"<tds:Capabilities>{plain}</tds:Capabilities>")


def device_information(information: DeviceInformation) -> bytes:
    """Vendor, model, firmware, serial number, hardware."""
    return _device(
        "GetDeviceInformation",
        f"<tds:Manufacturer>{escape(information.manufacturer)}</tds:Manufacturer>"
        f"<tds:Model>{escape(information.model)}</tds:Model>"
        f"<tds:FirmwareVersion>{escape(information.firmware_version)}</tds:FirmwareVersion>"
        f"<tds:SerialNumber>{escape(information.serial_number)}</tds:SerialNumber>"
        f"<tds:HardwareId>{escape(information.hardware_id)}</tds:HardwareId>",
    )


def scopes(items: Iterable[str]) -> bytes:
    """The scopes, all as Configurable."""
    return _device(
        "GetScopes",
        "".join(
            "<tds:Scopes><tt:ScopeDef>Configurable</tt:ScopeDef>"
            f"<tt:ScopeItem>{escape(item)}</tt:ScopeItem></tds:Scopes>"
            for item in items
        ),
    )


def hostname(name: str) -> bytes:
    """The host name; "" for a device without one."""
    said = f"<tt:Name>{escape(name)}</tt:Name>" if name else ""
    return _device(
        "GetHostname",
        f"<tds:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP>{said}</tds:HostnameInformation>",
    )


def endpoint_reference(guid: str) -> bytes:
    """The EndpointReference, for instance ``urn:uuid:…``."""
    return _device("GetEndpointReference", f"<tds:GUID>{escape(guid)}</tds:GUID>")


def network_interfaces(interfaces: Iterable[NetworkInterface]) -> bytes:
    """The interfaces with their hardware addresses."""
    return _device(
        "GetNetworkInterfaces",
        "".join(
            f'<tds:NetworkInterfaces token="{escape(item.token)}"><tt:Enabled>{_boolean(item.enabled)}</tt:Enabled>'
            f"<tt:Info><tt:Name>{escape(item.name or item.token)}</tt:Name>"
            f"<tt:HwAddress>{escape(item.hardware_address)}</tt:HwAddress><tt:MTU>1500</tt:MTU></tt:Info>"
            "</tds:NetworkInterfaces>"
            for item in interfaces
        ),
    )


def profiles(items: Iterable[Profile]) -> bytes:
    """Media1. H.265 cannot be said in it: such a profile has no VideoEncoderConfiguration, as with real devices."""
    return _answer(NS_MEDIA, "trt", "GetProfiles", "".join(map(_profile1, items)))


def profiles2(items: Iterable[Profile], *, configurations: bool = True) -> bytes:
    """Media2; without ``configurations`` as a device answers a request that names no Type."""
    return _answer(NS_MEDIA2, "tr2", "GetProfiles", "".join(_profile2(item, configurations) for item in items))


def stream_uri(uri: str) -> bytes:
    """Media1: the RTSP URI of a profile."""
    return _answer(NS_MEDIA, "trt", "GetStreamUri", _media_uri(uri))


def stream_uri2(uri: str) -> bytes:
    """Media2: the RTSP URI of a profile."""
    return _answer(NS_MEDIA2, "tr2", "GetStreamUri", f"<tr2:Uri>{escape(uri)}</tr2:Uri>")


def snapshot_uri(uri: str) -> bytes:
    """Media1: the HTTP URI of a picture."""
    return _answer(NS_MEDIA, "trt", "GetSnapshotUri", _media_uri(uri))


def snapshot_uri2(uri: str) -> bytes:
    """Media2: the HTTP URI of a picture."""
    return _answer(NS_MEDIA2, "tr2", "GetSnapshotUri", f"<tr2:Uri>{escape(uri)}</tr2:Uri>")


# --- Details --------------------------------------------------------------------------------------------------------


def _answer(namespace: str, prefix: str, operation: str, inner: str) -> bytes:
    name = f"{prefix}:{operation}Response"
    return envelope(f'<{name} xmlns:{prefix}="{namespace}" xmlns:tt="{NS_SCHEMA}">{inner}</{name}>')


def _device(operation: str, inner: str) -> bytes:
    return _answer(NS_DEVICE, "tds", operation, inner)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _date_time(seconds: float) -> str:
    moment = datetime.fromtimestamp(int(seconds), UTC)
    return (
        f"<tt:Time><tt:Hour>{moment.hour}</tt:Hour><tt:Minute>{moment.minute}</tt:Minute>"
        f"<tt:Second>{moment.second}</tt:Second></tt:Time><tt:Date><tt:Year>{moment.year}</tt:Year>"
        f"<tt:Month>{moment.month}</tt:Month><tt:Day>{moment.day}</tt:Day></tt:Date>"
    )


def _capability(name: str, xaddr: str) -> str:
    return f"<tt:{name}><tt:XAddr>{escape(xaddr)}</tt:XAddr></tt:{name}>"


def _media_uri(uri: str) -> str:
    return (
        f"<trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
        "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>"
    )


def _configuration(tag: str, token: str, inner: str) -> str:
    return (
        f'<{tag} token="{escape(token)}"><tt:Name>{escape(token)}</tt:Name><tt:UseCount>1</tt:UseCount>{inner}</{tag}>'
    )


def _source(tag: str, item: Profile) -> str:
    if not item.source:
        return ""
    bounds = f'<tt:Bounds x="0" y="0" width="{item.width}" height="{item.height}"/>'
    return _configuration(tag, f"vsc_{item.source}", f"<tt:SourceToken>{escape(item.source)}</tt:SourceToken>{bounds}")


def _encoder(tag: str, item: Profile, rate: str) -> str:
    return _configuration(
        tag,
        f"vec_{item.token}",
        f"<tt:Encoding>{escape(item.codec)}</tt:Encoding><tt:Resolution><tt:Width>{item.width}</tt:Width>"
        f"<tt:Height>{item.height}</tt:Height></tt:Resolution><tt:Quality>5</tt:Quality>"
        f"<tt:RateControl><tt:FrameRateLimit>{rate}</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>"
        "<tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>",
    )


def _profile1(item: Profile) -> str:
    inner = f"<tt:Name>{escape(item.name)}</tt:Name>" + _source("tt:VideoSourceConfiguration", item)
    if item.codec and item.codec != "H265":
        inner += _encoder("tt:VideoEncoderConfiguration", item, str(int(item.fps)))
    if item.audio:
        audio = f"<tt:Encoding>{escape(_MEDIA1_AUDIO.get(item.audio, item.audio))}</tt:Encoding>"
        inner += _configuration("tt:AudioEncoderConfiguration", f"aec_{item.token}", audio)
    if item.ptz:
        inner += _configuration("tt:PTZConfiguration", "ptz", "<tt:NodeToken>ptz_node</tt:NodeToken>")
    return f'<trt:Profiles token="{escape(item.token)}" fixed="true">{inner}</trt:Profiles>'


def _profile2(item: Profile, configurations: bool) -> str:
    inner = ""
    if configurations:
        inner = _source("tr2:VideoSource", item)
        if item.codec:
            inner += _encoder("tr2:VideoEncoder", item, f"{item.fps:g}")
        if item.audio:
            audio = f"<tt:Encoding>{escape(item.audio)}</tt:Encoding>"
            inner += _configuration("tr2:AudioEncoder", f"aec_{item.token}", audio)
        if item.ptz:
            inner += _configuration("tr2:PTZ", "ptz", "<tt:NodeToken>ptz_node</tt:NodeToken>")
        inner = f"<tr2:Configurations>{inner}</tr2:Configurations>"
    name = f"<tr2:Name>{escape(item.name)}</tr2:Name>"
    return f'<tr2:Profiles token="{escape(item.token)}" fixed="true">{name}{inner}</tr2:Profiles>'
