"""The text of an RTSP URL goes in; host, port and target come out, never a user, a password or a fragment.

The rule for the ``a=control`` attributes of an SDP is here too, since it makes URLs out of URLs.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from twisted_detector.errors import RemoteError

#: Longer than any real one (the longest seen are below 300); a request line has to hold it.
MAX_URL_LENGTH = 2_048
#: IANA: rtsp 554, rtsps 322.
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}

_URL = re.compile(r"(?P<scheme>rtsps?)://(?P<authority>[^/?#]*)(?P<target>.*)", re.IGNORECASE | re.DOTALL)
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[^\]\s]+)?\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WRITABLE = re.compile(r"[\x21-\x7e]*")
#: Everything printable in ASCII stays as it is: URLs go back to the device as it wrote them.
_KEEP = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """Where an RTSP URL points to.

    :ivar host: name or address, IPv6 without brackets, scope after ``%``.
    :ivar target: path and query as written, "" when there is none.
    :ivar explicit_port: whether the URL named its port.
    """

    host: str
    port: int
    target: str
    tls: bool = False
    explicit_port: bool = True

    def __str__(self) -> str:
        scheme = "rtsps" if self.tls else "rtsp"
        bare, percent, scope = self.host.partition("%")
        host = (f"[{bare}%25{scope}]" if percent else f"[{bare}]") if ":" in bare else self.host
        port = f":{self.port}" if self.explicit_port else ""
        return f"{scheme}://{host}{port}{self.target}"


def split_url(text: str) -> RtspUrl:
    """Read an ``rtsp://`` or ``rtsps://`` URL; user and password in it are dropped, unread, and so is a fragment.

    :raises RemoteError: another scheme, no host, a port that is none, control characters, or too long.
        The text is not shown: it may hold a password.
    """
    if len(text) > MAX_URL_LENGTH:
        raise RemoteError("a URL is too long", shown=f"{len(text)} characters")
    match = _URL.fullmatch(text.strip())
    if match is None:
        raise RemoteError("not an RTSP URL")
    place = _HOST_PORT.fullmatch(match["authority"].rpartition("@")[2])
    if place is None:
        raise RemoteError("an RTSP URL without a usable host and port")
    scheme = match["scheme"].lower()
    port = int(place["port"]) if place["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65_536:
        raise RemoteError("an RTSP URL with an impossible port", shown=str(port))
    host = unquote(place["host"].strip("[]")) if place["host"].startswith("[") else place["host"]
    target = _writable(match["target"].partition("#")[0])
    return RtspUrl(host, port, target, scheme == "rtsps", place["port"] is not None)


def resolve_aggregate(base_url: str, content_base: str, control: str | None) -> str:
    """The URL of the whole presentation, which is the base of its medias' controls, too: as FFmpeg and GStreamer do.

    The session's own ``a=control`` where it is a whole URL; a relative one is passed over.

    :param base_url: the URL that was asked.
    :param content_base: ``Content-Base`` of the answer, or ""; ignored where it is no RTSP URL.
    """
    for text in (control or "", content_base):
        # Real cameras write "rtsp://rtsp://host" and "host:port/": what we asked counts then.
        with suppress(RemoteError):
            return str(split_url(text))
    return str(split_url(base_url))


def resolve_control(base: str, control: str | None) -> str:
    """The URL that a media's ``a=control`` means, by the rule that live555 and FFmpeg follow rather than RFC 3986.

    A relative control goes *after* the whole base, its query too, with a ``/`` between them where neither side has one.
    ``*`` and no control at all mean the base. A whole URL is the device's own: also one that nobody could connect to
    (``rtsp://:554/track1``), for it goes nowhere but to the device.

    :param base: see :func:`resolve_aggregate`.
    :raises RemoteError: a URL that cannot stand in a request line.
    """
    wanted = (control or "").strip()
    if wanted in ("", "*"):
        return base
    if _ABSOLUTE.match(wanted):
        return _as_written(wanted)
    separator = "" if base.endswith("/") or wanted.startswith("/") else "/"
    if base.endswith("/") and wanted.startswith("/"):
        wanted = wanted[1:]
    resolved = base + separator + _writable(wanted.partition("#")[0])
    if len(resolved) > MAX_URL_LENGTH:
        raise RemoteError("a URL is too long", shown=f"{len(resolved)} characters")
    return resolved


def _as_written(text: str) -> str:
    """An absolute URL without user, password and fragment, whatever its scheme, host and port are.

    :raises RemoteError: as :func:`split_url`, of control characters and length.
    """
    try:
        return str(split_url(text))
    except RemoteError:
        scheme, _, rest = text.partition("://")
        authority, slash, path = rest.partition("/")
        written = _writable(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}".partition("#")[0])
        if len(written) > MAX_URL_LENGTH:
            raise
        return written


def redirected_url(url: str, location: str) -> str:
    """The URL of a redirection to another path of the same host, port and scheme; "" for any other.

    :param url: that was asked.
    :param location: ``Location`` of the answer: a URL, or a path, which may be one from where the asked one is.
    """
    try:
        asked = split_url(url)
        if location and not location.startswith("//") and not _ABSOLUTE.match(location):
            folder = asked.target.partition("?")[0].rpartition("/")[0] + "/"
            path = location if location.startswith("/") else folder + location
            location = f"{replace(asked, target='')}{path}"
        there = split_url(location)
    except RemoteError:
        return ""
    if (there.host.lower(), there.port, there.tls) != (asked.host.lower(), asked.port, asked.tls):
        return ""
    return str(replace(asked, target=there.target)) if there.target != asked.target else ""


def _writable(text: str) -> str:
    """``text`` so that it may stand in a request line: blanks and non-ASCII are percent-encoded.

    :raises RemoteError: control characters, which would end the line.
    """
    if _WRITABLE.fullmatch(text):
        return text
    if _CONTROL.search(text):
        raise RemoteError("control characters in a URL")
    try:
        return quote(text, safe=_KEEP, errors="surrogateescape")
    except UnicodeEncodeError:
        raise RemoteError("a URL that is no valid Unicode") from None
