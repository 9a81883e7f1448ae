"""Codec of SSDP: datagrams in, notices of devices out; searches out as bytes.

Sources: UPnP Device Architecture 1.1, section 1 (HTTP over UDP: a start line and headers). Real devices end lines with
LF or CR alone, leave out the empty line at the end or have one before the start line, and write header names as they
like. A line that is odd costs itself, and what does not fit into the bounds is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.soap.xml import clean

PORT = 1900
GROUP_IPV4 = "239.255.255.250"
GROUP_IPV6 = "ff02::c"

#: Notices are meant to fit into one packet; a few vendors add headers of their own. What is longer is not read further.
MAX_DATAGRAM = 8192
MAX_HEADERS, MAX_VALUE = 64, 1024

ROOT_DEVICE = "upnp:rootdevice"
#: What Axis devices call their service, and the type that the UPnP Forum has for cameras.
AXIS = "urn:axis-com:service:BasicService:1"
CAMERA = "urn:schemas-upnp-org:device:DigitalSecurityCamera:1"
#: What is searched: everything once, and what distinguishes a camera where the general answer does not.
TARGETS = (ROOT_DEVICE, CAMERA, AXIS)

_START = re.compile(
    r"(?:HTTP/[0-9](?:\.[0-9])?[ \t]+(?P<status>[0-9]{3})|(?P<method>NOTIFY|M-SEARCH)[ \t]+\*(?:[ \t]+HTTP/[0-9.]*)?)"
    r"(?:[ \t].*)?",
    re.I,
)
_LINE_END = re.compile(r"\r*\n|\r")
_KINDS = {"ssdp:alive": "alive", "ssdp:update": "alive", "ssdp:byebye": "byebye"}
#: Axis: the name of libupnp's sample device and its MAC. HomeMatic has the same in lower case and with a serial number.
_AXIS_DEVICE = re.compile(r"Upnp-BasicDevice-1_0-([0-9A-F]{12})")
#: Words in the names and types of cameras. EmbeddedNetDevice is the type of recorders of TVT, Swann and others.
_HINTS = re.compile(
    r"camera|ip[-_]?cam|onvif|networkvideo|embeddednetdevice|axis-com|\baxis\b|hikvision|dahua|amcrest|reolink|vivotek"
    r"|foscam|hanwha|wisenet|mobotix|uniview|doorbell|(?<![a-z])[nd]vr(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One datagram.

    :ivar kind: ``response``, ``alive`` (``ssdp:update`` too), ``byebye``, ``search`` or ``other``.
    :ivar target: what it is about: the header ST, of a notice NT.
    :ivar usn: the unique service name: the device, ``::`` and the target.
    :ivar server: operating system and program, as the device claims.
    :ivar location: URL of its description, as written. Anybody can forge it.
    """

    kind: str
    target: str = ""
    usn: str = ""
    server: str = ""
    location: str = ""

    @property
    def device(self) -> str:
        """The name that the device is known by, without ``uuid:``; "" when it has none."""
        name = self.usn.partition("::")[0]
        return name[5:] if name[:5].lower() == "uuid:" else name

    @property
    def mac(self) -> Mac | None:
        """The MAC in the name of a device of Axis, None in any other."""
        match = _AXIS_DEVICE.fullmatch(self.device)
        try:
            return Mac.parse(match[1]) if match else None
        except RemoteError:
            return None


def parse(data: bytes) -> Notice:
    """Read one datagram.

    :raises RemoteError: no start line that SSDP has. A response other than 200 is of kind ``other``.
    """
    start, *lines = _LINE_END.split(data[:MAX_DATAGRAM].decode("utf-8", "replace").lstrip("\ufeff\0 \t\r\n"))
    match = _START.fullmatch(start)
    if match is None:
        raise RemoteError("not an SSDP message", shown=ascii(start[:60]))
    headers = _headers(lines)
    kind = "other"
    if match["status"] == "200":
        kind = "response"
    elif match["method"]:
        search = match["method"].upper() == "M-SEARCH"
        kind = "search" if search else _KINDS.get(headers.get("nts", "").strip('"').lower(), "other")
    return Notice(
        kind,
        target=headers.get("nt" if kind in ("alive", "byebye") else "st", ""),
        usn=headers.get("usn", ""),
        server=headers.get("server", ""),
        location=headers.get("location", ""),
    )


def _headers(lines: list[str]) -> Mapping[str, str]:
    """Headers by their name in lower case, up to the empty line; the first of several counts."""
    headers: dict[str, str] = {}
    for line in lines[:MAX_HEADERS]:
        name, colon, value = line.partition(":")
        if not line.strip():
            break
        if colon and len(value) <= MAX_VALUE:
            headers.setdefault(name.strip().lower(), clean(value))
    return headers


def is_camera(notice: Notice) -> bool:
    """Whether it may be a camera: by the name that Axis gives its devices, or by a word in its names.

    Media servers, routers and bulbs use the same group, and most devices cannot be told apart: those are not reported.
    Some answer every search with the target that was searched: it tells nothing when their own name says another.
    """
    path = _split(notice.location).path
    told = _own_target(notice)
    return notice.mac is not None or any(_HINTS.search(text) for text in (told, notice.usn, notice.server, path))


def is_axis(notice: Notice) -> bool:
    """Whether it is a device of Axis."""
    return notice.mac is not None or "urn:axis-com:" in f"{_own_target(notice)} {notice.usn}".lower()


def _own_target(notice: Notice) -> str:
    """What it is about, "" where its unique service name contradicts."""
    named = notice.usn.partition("::")[2]
    return notice.target if not named or named.lower() == notice.target.lower() else ""


def port_on(notice: Notice, host: str) -> int | None:
    """The TCP port of the description, when it stands on ``host`` (without scope) itself; else None."""
    split = _split(notice.location)
    try:
        named, port = (split.hostname or "").partition("%")[0], split.port
    except ValueError:
        return None
    default = {"http": 80, "https": 443}.get(split.scheme)
    return (port or default) if default and named == host.lower() else None


def _split(location: str) -> SplitResult:
    try:
        return urlsplit(location)
    except ValueError:
        return SplitResult("", "", "", "", "")


# --- Writing --------------------------------------------------------------------------------------------------------


def search(target: str, *, version: int, wait: int) -> bytes:
    """A search for ``target`` by IP ``version``; devices answer within ``wait`` seconds (1 to 5)."""
    if "\r" in target or "\n" in target:
        raise LocalError("a header of one line", shown="M-SEARCH * HTTP/1.1")
    host = GROUP_IPV4 if version == 4 else f"[{GROUP_IPV6.upper()}]"
    headers = ("M-SEARCH * HTTP/1.1", f"HOST: {host}:{PORT}", 'MAN: "ssdp:discover"', f"MX: {wait}", f"ST: {target}")
    return "\r\n".join((*headers, "", "")).encode()
