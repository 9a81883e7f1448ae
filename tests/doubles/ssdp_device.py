"""Writer of a device's SSDP messages: answers to searches, and notices to the group, as bytes.

Source: UPnP Device Architecture 1.1, sections 1.2 and 1.3.3.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted_detector.wire.lan.ssdp import GROUP_IPV4, GROUP_IPV6, PORT, Notice


def response(notice: Notice) -> bytes:
    """A device's answer to a search."""
    headers = {"CACHE-CONTROL": "max-age=1800", "EXT": "", "LOCATION": notice.location, "SERVER": notice.server}
    return _message("HTTP/1.1 200 OK", {**headers, "ST": notice.target, "USN": notice.usn})


def notify(notice: Notice, *, version: int = 4) -> bytes:
    """A device's notice to the group when it comes (kind ``alive``) or leaves (``byebye``)."""
    host = GROUP_IPV4 if version == 4 else f"[{GROUP_IPV6.upper()}]"
    headers = {"HOST": f"{host}:{PORT}", "NTS": f"ssdp:{notice.kind}", "NT": notice.target, "USN": notice.usn}
    if notice.kind == "alive":
        headers |= {"CACHE-CONTROL": "max-age=1800", "LOCATION": notice.location, "SERVER": notice.server}
    return _message("NOTIFY * HTTP/1.1", headers)


def _message(start: str, headers: Mapping[str, str]) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()
