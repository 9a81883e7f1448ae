"""A URL that a device gave and the device's address go in; a URL that leads to that device comes out.

Devices give loopback, 0.0.0.0, an address they had once, a public one, a port twice, no scheme, a slash too few, quotes
around it, "&" escaped twice, or a login. ONVIF Core (section 8.1.1) has a device match the address of an XAddr to the
one that was asked, so the host is always replaced: no login can be led to another host by what a device sends. Port,
path and query stay as given; a fragment goes, for it is never sent to a device (RFC 3986, 3.5), and what stands in one
reaches go2rtc as options of the source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import quote

from twisted_detector.errors import RemoteError
from twisted_detector.model import host_for_url

#: Longest URL: what every client takes; the longest seen has below 300 characters.
MAX_URL = 2048

_URL = re.compile(r"([a-z]{2,10})://(.*)", re.IGNORECASE | re.DOTALL)
#: No scheme, but an address with a path after it: ``192.0.2.1:554/stream1``, ``[fe80::1]/onvif/media``.
_BARE = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[^\]/]*)?\]|(?:\d{1,3}\.){3}\d{1,3})(?::\d+)*/.*", re.DOTALL)
#: A slash or a colon too few before an address: ``rtsp:/192.0.2.1/stream1``.
_FEW_SLASHES = re.compile(r"([a-z]{2,10})(?::/?|//)(?=\[|\d)", re.IGNORECASE)
#: What some firmware puts around a URL.
_AROUND = " \t\r\n\"'<>"
#: A password with "/" in it, not encoded: then the real host is the last address after an "@" before the query.
_LATE_HOST = re.compile(r"[^?]*@(?=(?:\[[0-9A-Fa-f:.]+\]|(?:\d{1,3}\.){3}\d{1,3})(?::\d+)*(?:[/?#]|$))", re.DOTALL)
_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::(\d{1,5}))?(?::\d*)*")
#: Logins in path or query: ``/user=admin_password=secret_channel=1…`` (Xiongmai), ``?usr=admin&pwd=secret`` (Foscam).
_PASSWORD = re.compile(
    r"((?:^|[/?&_;])(?:password|passwd|pass|pwd)=)(?!_?(?:channel|stream)=)(.+?)(?=_(?:channel|stream)=|[&?/;#]|$)",
    re.I,
)
_USER = re.compile(r"((?:^|[/?&_;])(?:username|user|usr)=)(.*?)(?=_(?:password|passwd|pass|pwd)=|[&?/;#]|$)", re.I)
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Everything printable in ASCII stays as it is: devices compare paths byte by byte.
_KEEP = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>\\^`{|}')


def device_url(text: str, address: str, *, schemes: Sequence[str] = ("http", "https"), base: str = "") -> str:
    """``text`` with its host replaced by ``address``, without a login and without a fragment.

    :param address: IPv4, IPv6, or IPv6 link-local with ``%scope``.
    :param schemes: those that are accepted; the first stands in for one that is missing.
    :param base: URL of the device whose answer gave ``text``: what ``text`` lacks before its path is taken from there.
    :raises RemoteError: not a URL, another scheme, or too long. It is not shown: it may hold a password.
    """
    match = _URL.fullmatch(_completed(text.strip(_AROUND).replace("&amp;", "&"), schemes, base))
    if match is None or len(text) > MAX_URL:
        raise RemoteError("a device gave something that is not a URL")
    scheme, rest = match[1].lower(), match[2]
    if scheme not in schemes:
        raise RemoteError("a device gave a URL of another kind", shown=scheme)
    again = _URL.fullmatch(rest)
    if again is not None and again[1].lower() == scheme:  # "rtsp://rtsp://…"
        rest = again[2]
    late = _LATE_HOST.match(rest)
    rest = rest[late.end() :] if late else rest
    end = min((position for position in map(rest.find, "/?#") if position >= 0), default=len(rest))
    authority, target = rest[:end].rpartition("@")[2], rest[end:].partition("#")[0]
    return f"{scheme}://{host_for_url(address)}{_port(authority)}{_quoted(_without_login(target))}"


def _quoted(target: str) -> str:
    # A text may hold lone surrogates (bytes that were no UTF-8): they name nothing, and must not end in an exception.
    return quote(_SURROGATE.sub("\ufffd", target), safe=_KEEP)


def _completed(text: str, schemes: Sequence[str], base: str) -> str:
    """``text`` with a scheme, and with a host where ``base`` has one to give (RFC 3986, 5.2)."""
    origin = _URL.fullmatch(base)
    scheme = origin[1] if origin is not None and origin[1].lower() in schemes else schemes[0]
    if text.startswith("//"):
        return f"{scheme}:{text}"
    if text.startswith("/") and origin is not None:
        return f"{scheme}://{re.split('[/?#]', origin[2], maxsplit=1)[0]}{text}"
    few = _FEW_SLASHES.match(text)
    if few is not None and few[1].lower() in schemes:
        return f"{few[1]}://{text[few.end() :]}"
    return f"{scheme}://{text}" if _BARE.fullmatch(text) else text


def _port(authority: str) -> str:
    """``:port`` or "" for the default one; of two ports the first (``192.0.2.1:8106:8106``)."""
    try:
        ip_address(authority.partition("%")[0])
    except ValueError:
        match = _PORT.fullmatch(authority)
        if match is not None and match[1] and 0 < int(match[1]) < 65_536:
            return f":{int(match[1])}"
    return ""  # a bare IPv6 address: its last group is no port


def _without_login(target: str) -> str:
    """Path and query with password and user emptied; an empty password is no secret, and such a path is left alone."""
    stripped = _PASSWORD.sub(r"\1", target)
    return target if stripped == target else _USER.sub(r"\1", stripped)
