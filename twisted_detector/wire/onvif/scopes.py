"""ONVIF scopes, URIs that a device announces, go in; the facts that they tell in clear come out.

Source: ONVIF Core section 7.3.3.2 (``name``, ``hardware``, ``location``, ``MacAddress``, ``SerialNumber``); older
devices and vendors have words of their own for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.soap.xml import clean

SCOPE_PREFIX = "onvif://www.onvif.org/"
#: Cameras announce 5 to 20 scopes; one that is longer than 512 characters is no name.
MAX_SCOPES, MAX_SCOPE_LENGTH = 128, 512

#: First segment of the path → field. ``mfr`` is FLIR's and some Chinese vendors' word.
_FIELDS = {
    "name": "name",
    "hardware": "hardware",
    "manufacturer": "manufacturer",
    "mfr": "manufacturer",
    "serialnumber": "serial_number",
    "serial": "serial_number",
    "location": "location",
}
_MAC_WORDS = ("mac", "macaddress")


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """What scopes tell; "" and None for what they do not."""

    name: str = ""
    hardware: str = ""
    manufacturer: str = ""
    serial_number: str = ""
    location: str = ""
    mac: Mac | None = None


def is_onvif_scope(scope: str) -> bool:
    """Whether it is one of ONVIF's, which no printer announces."""
    return scope.lower().startswith(SCOPE_PREFIX)


def read_scopes(scopes: Sequence[str]) -> ScopeFacts:
    """Content of ``onvif://www.onvif.org/…``, percent-decoded; the first of several wins, others are ignored."""
    found: dict[str, str] = {}
    mac: Mac | None = None
    for scope in scopes[:MAX_SCOPES]:
        if not is_onvif_scope(scope) or len(scope) > MAX_SCOPE_LENGTH:
            continue
        segments = scope[len(SCOPE_PREFIX) :].split("/")
        if segments[0].lower() == "acc":  # FLIR and DVTel put everything one level down
            del segments[0]
        key, value = segments[0].lower() if segments else "", clean(unquote("/".join(segments[1:]))).strip("/ ")
        if key in _MAC_WORDS:
            mac = mac or _mac(value)
        elif key in _FIELDS and value:
            found.setdefault(_FIELDS[key], value)
    return ScopeFacts(**found, mac=mac)


def _mac(text: str) -> Mac | None:
    try:
        return Mac.parse(text)
    except RemoteError:
        return None
