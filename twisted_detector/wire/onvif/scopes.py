"""ONVIF scopes, URIs that a device announces, go in; the facts that they tell in clear come out.

Source: ONVIF Core section 7.3.3.2 (``name``, ``hardware``, ``location``, ``MacAddress``, ``SerialNumber``); older
devices and vendors have words of their own for the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote

from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.soap.xml import clean

SCHEME, AUTHORITY = "onvif://", "www.onvif.org"
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
#: Before a MAC, at whatever place of the path vendors have it: ``/mac/…``, ``/acc/mac/…``, ``/avigilon/mac/…``.
_MAC_WORDS = ("mac", "macaddress", "mac_address", "macaddr", "hwaddr", "hwaddress")
#: Where one of several ends: at a blank (WS-Discovery 4.1), or at a comma, semicolon or bar before the next one: names
#: have commas too.
_BETWEEN = re.compile(r"\s+|[,;|](?=[,;|\s]|\Z|[a-z][a-z0-9+.-]{1,15}://)", re.I)


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """What scopes tell; "" and None for what they do not."""

    name: str = ""
    hardware: str = ""
    manufacturer: str = ""
    serial_number: str = ""
    location: str = ""
    mac: Mac | None = None


def split_scopes(text: str) -> list[str]:
    """The scopes in the text of Scopes, as written."""
    return [one for one in _BETWEEN.split(text) if one]


def is_onvif_scope(scope: str) -> bool:
    """Whether it is one of ONVIF's or of its vendors', which no printer announces."""
    return scope.lower().startswith(SCHEME)


def read_scopes(scopes: Sequence[str]) -> ScopeFacts:
    """Content of ``onvif://www.onvif.org/…``, percent-decoded; the first of several wins, others are ignored.

    The MAC may stand deeper in the path, and under a vendor's name instead of ``www.onvif.org``.
    """
    found: dict[str, str] = {}
    mac: Mac | None = None
    for scope in scopes[:MAX_SCOPES]:
        if not is_onvif_scope(scope) or len(scope) > MAX_SCOPE_LENGTH:
            continue
        authority, *segments = scope[len(SCHEME) :].split("/")
        if segments and segments[0].lower() == "acc":  # FLIR and DVTel put everything one level down
            del segments[0]
        mac = mac or _mac(segments)
        if authority.lower() != AUTHORITY:
            continue
        key, value = segments[0].lower() if segments else "", clean(unquote("/".join(segments[1:]))).strip("/ ")
        if key in _FIELDS and value:
            found.setdefault(_FIELDS[key], value)
    return ScopeFacts(**found, mac=mac)


def _mac(path: Sequence[str]) -> Mac | None:
    """The MAC that stands in a path after the word for it; None without, and in a name or location."""
    if path and path[0].lower() in _FIELDS:
        return None
    for word, text in pairwise(path):
        if word.lower() in _MAC_WORDS:
            with suppress(RemoteError):
                return Mac.parse(clean(unquote(text)))
    return None
