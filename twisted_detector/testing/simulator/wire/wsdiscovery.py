"""Writer of a device's WS-Discovery messages: ProbeMatches, ResolveMatches, Hello and Bye, as bytes.

Source: WS-Discovery, April 2005, and OASIS 1.1 of 2009.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_detector.wire.lan.wsdiscovery import (
    VERSION_2005,
    Match,
    Version,
    format_message,
    format_reference,
    format_types,
)
from twisted_detector.wire.soap.xml import escape


def probe_match(
    matches: Sequence[Match], *, message_id: str, relates_to: str, version: Version = VERSION_2005, instance: int = 1
) -> bytes:
    """The ProbeMatches that answers the Probe with the message id ``relates_to``; of several devices when given."""
    body = "".join(f"<d:ProbeMatch>{_format_match(match, version)}</d:ProbeMatch>" for match in matches)
    return format_message("ProbeMatches", version, body, message_id, relates_to, instance)


def resolve_match(
    match: Match, *, message_id: str, relates_to: str, version: Version = VERSION_2005, instance: int = 1
) -> bytes:
    """The ResolveMatches that answers the Resolve with the message id ``relates_to``."""
    body = f"<d:ResolveMatch>{_format_match(match, version)}</d:ResolveMatch>"
    return format_message("ResolveMatches", version, body, message_id, relates_to, instance)


def hello(match: Match, *, message_id: str, version: Version = VERSION_2005, instance: int = 1) -> bytes:
    """A Hello (WS-Discovery 4.1): a device came, or changed its address. ``instance`` grows with each of its starts."""
    return format_message("Hello", version, _format_match(match, version), message_id, "", instance)


def bye(endpoint_reference: str, *, message_id: str, version: Version = VERSION_2005, instance: int = 1) -> bytes:
    """A Bye (WS-Discovery 4.2): the device leaves."""
    return format_message("Bye", version, format_reference(endpoint_reference), message_id, "", instance)


def _format_match(match: Match, version: Version) -> str:
    return (
        f"{format_reference(match.endpoint_reference)}{format_types(match.types, version)}"
        f"<d:Scopes>{escape(' '.join(match.scopes))}</d:Scopes>"
        f"<d:XAddrs>{escape(' '.join(match.xaddrs))}</d:XAddrs>"
        f"<d:MetadataVersion>{match.metadata_version}</d:MetadataVersion>"
    )
