"""Arguments of an ONVIF operation go in; the request comes out.

Sources: ONVIF Core Specification (device service, sections 8.1 to 8.3), Media and Media2 Service Specification. The
prefixes are the specification's own: some devices look for them instead of reading namespaces.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.wire.onvif.answers import NS_DEVICE, NS_MEDIA, NS_MEDIA2, NS_SCHEMA
from twisted_detector.wire.soap.xml import escape

#: Operations of the access class PRE_AUTH that are used here: whoever asks is answered (Core, annex on access classes).
PRE_AUTH = frozenset(
    {
        "GetSystemDateAndTime",
        "GetServices",
        "GetServiceCapabilities",
        "GetCapabilities",
        "GetHostname",
        "GetEndpointReference",
    }
)


@dataclass(frozen=True, slots=True)
class OnvifRequest:
    """One operation with its arguments.

    :ivar namespace: of its service, which tells Media1 from Media2.
    :ivar body: XML that stands in the Body of an envelope.
    """

    namespace: str
    operation: str
    body: str

    @property
    def key(self) -> tuple[str, str]:
        """What is asked, whatever the arguments: service and operation."""
        return self.namespace, self.operation

    @property
    def needs_no_login(self) -> bool:
        """Whether everybody may ask it, by the specification; some devices refuse even that."""
        return self.namespace == NS_DEVICE and self.operation in PRE_AUTH

    @property
    def action(self) -> str:
        """The SOAP action, for the ``action`` parameter of Content-Type."""
        return f"{self.namespace}/{self.operation}"


def _device(operation: str, inner: str = "") -> OnvifRequest:
    return _request("tds", NS_DEVICE, operation, inner)


def _media(operation: str, inner: str = "") -> OnvifRequest:
    return _request("trt", NS_MEDIA, operation, inner)


def _media2(operation: str, inner: str = "") -> OnvifRequest:
    return _request("tr2", NS_MEDIA2, operation, inner)


def _request(prefix: str, namespace: str, operation: str, inner: str) -> OnvifRequest:
    tag = f"{prefix}:{operation}"
    return OnvifRequest(namespace, operation, f'<{tag} xmlns:{prefix}="{namespace}">{inner}</{tag}>')


def get_system_date_and_time() -> OnvifRequest:
    """Request of the clock; no login needed (Core 8.3.5, access class PRE_AUTH)."""
    return _device("GetSystemDateAndTime")


def get_services() -> OnvifRequest:
    """Request of namespace and XAddr of every service; no login needed."""
    return _device("GetServices", "<tds:IncludeCapability>false</tds:IncludeCapability>")


def get_service_capabilities() -> OnvifRequest:
    """Request of what the device service can do, how it takes a login among it; no login needed (Core 8.1.2)."""
    return _device("GetServiceCapabilities")


def get_capabilities() -> OnvifRequest:
    """The older request of services; it knows nothing of Media2."""
    return _device("GetCapabilities", "<tds:Category>All</tds:Category>")


def get_device_information() -> OnvifRequest:
    """Request of vendor, model, firmware, serial number."""
    return _device("GetDeviceInformation")


def get_scopes() -> OnvifRequest:
    """Request of the scopes that the device announces."""
    return _device("GetScopes")


def get_hostname() -> OnvifRequest:
    """Request of the host name; no login needed."""
    return _device("GetHostname")


def get_endpoint_reference() -> OnvifRequest:
    """Request of the EndpointReference of WS-Discovery; no login needed."""
    return _device("GetEndpointReference")


def get_network_interfaces() -> OnvifRequest:
    """Request of the interfaces with their hardware addresses."""
    return _device("GetNetworkInterfaces")


def get_profiles() -> OnvifRequest:
    """Media1: requests all profiles."""
    return _media("GetProfiles")


def get_profiles2() -> OnvifRequest:
    """Media2: requests all profiles with their configurations (without ``Type`` a device leaves those out)."""
    return _media2("GetProfiles", "<tr2:Type>All</tr2:Type>")


def get_stream_uri(token: str) -> OnvifRequest:
    """Media1: requests the RTSP URI of one profile."""
    return _media(
        "GetStreamUri",
        f'<trt:StreamSetup><tt:Stream xmlns:tt="{NS_SCHEMA}">RTP-Unicast</tt:Stream>'
        f'<tt:Transport xmlns:tt="{NS_SCHEMA}"><tt:Protocol>RTSP</tt:Protocol></tt:Transport></trt:StreamSetup>'
        f"<trt:ProfileToken>{escape(token)}</trt:ProfileToken>",
    )


def get_stream_uri2(token: str) -> OnvifRequest:
    """Media2: requests the RTSP URI of one profile, RTP within the RTSP connection."""
    return _media2(
        "GetStreamUri",
        f"<tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>{escape(token)}</tr2:ProfileToken>",
    )


def get_snapshot_uri(token: str) -> OnvifRequest:
    """Media1: requests the HTTP URI of a JPEG picture of one profile."""
    return _media("GetSnapshotUri", f"<trt:ProfileToken>{escape(token)}</trt:ProfileToken>")


def get_snapshot_uri2(token: str) -> OnvifRequest:
    """Media2: requests the HTTP URI of a JPEG picture of one profile."""
    return _media2("GetSnapshotUri", f"<tr2:ProfileToken>{escape(token)}</tr2:ProfileToken>")
