"""An ONVIF operation goes in; the XML that asks for it, to stand in the Body of an envelope, comes out.

Sources: ONVIF Core Specification (device service, sections 8.1 to 8.3), Media and Media2 Service Specification. The
prefixes are the specification's own: some devices look for them instead of reading namespaces.
"""

from __future__ import annotations

from twisted_detector.wire.onvif.answers import NS_DEVICE, NS_MEDIA, NS_MEDIA2, NS_SCHEMA
from twisted_detector.wire.soap.xml import escape


def action(namespace: str, operation: str) -> str:
    """The SOAP action of an operation, for the ``action`` parameter of Content-Type."""
    return f"{namespace}/{operation}"


def _device(operation: str, inner: str = "") -> str:
    return f'<tds:{operation} xmlns:tds="{NS_DEVICE}">{inner}</tds:{operation}>'


def _media(operation: str, inner: str = "") -> str:
    return f'<trt:{operation} xmlns:trt="{NS_MEDIA}">{inner}</trt:{operation}>'


def _media2(operation: str, inner: str = "") -> str:
    return f'<tr2:{operation} xmlns:tr2="{NS_MEDIA2}">{inner}</tr2:{operation}>'


def get_system_date_and_time() -> str:
    """Asks for the clock; no login needed (Core 8.3.5, access class PRE_AUTH)."""
    return _device("GetSystemDateAndTime")


def get_services() -> str:
    """Asks for namespace and XAddr of every service; no login needed."""
    return _device("GetServices", "<tds:IncludeCapability>false</tds:IncludeCapability>")


def get_capabilities() -> str:
    """The older question for services; knows nothing of Media2."""
    return _device("GetCapabilities", "<tds:Category>All</tds:Category>")


def get_device_information() -> str:
    """Asks for vendor, model, firmware, serial number."""
    return _device("GetDeviceInformation")


def get_scopes() -> str:
    """Asks for the scopes that the device announces."""
    return _device("GetScopes")


def get_hostname() -> str:
    """Asks for the host name; no login needed."""
    return _device("GetHostname")


def get_endpoint_reference() -> str:
    """Asks for the EndpointReference of WS-Discovery; no login needed."""
    return _device("GetEndpointReference")


def get_network_interfaces() -> str:
    """Asks for the interfaces with their hardware addresses."""
    return _device("GetNetworkInterfaces")


def get_profiles() -> str:
    """Media1: asks for all profiles."""
    return _media("GetProfiles")


def get_profiles2() -> str:
    """Media2: asks for all profiles with their configurations (without ``Type`` a device leaves those out)."""
    return _media2("GetProfiles", "<tr2:Type>All</tr2:Type>")


def get_stream_uri(token: str) -> str:
    """Media1: asks for the RTSP URI of one profile."""
    return _media(
        "GetStreamUri",
        f'<trt:StreamSetup><tt:Stream xmlns:tt="{NS_SCHEMA}">RTP-Unicast</tt:Stream>'
        f'<tt:Transport xmlns:tt="{NS_SCHEMA}"><tt:Protocol>RTSP</tt:Protocol></tt:Transport></trt:StreamSetup>'
        f"<trt:ProfileToken>{escape(token)}</trt:ProfileToken>",
    )


def get_stream_uri2(token: str) -> str:
    """Media2: asks for the RTSP URI of one profile, RTP within the RTSP connection."""
    return _media2(
        "GetStreamUri",
        f"<tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>{escape(token)}</tr2:ProfileToken>",
    )


def get_snapshot_uri(token: str) -> str:
    """Media1: asks for the HTTP URI of a JPEG picture of one profile."""
    return _media("GetSnapshotUri", f"<trt:ProfileToken>{escape(token)}</trt:ProfileToken>")


def get_snapshot_uri2(token: str) -> str:
    """Media2: asks for the HTTP URI of a JPEG picture of one profile."""
    return _media2("GetSnapshotUri", f"<tr2:ProfileToken>{escape(token)}</tr2:ProfileToken>")
