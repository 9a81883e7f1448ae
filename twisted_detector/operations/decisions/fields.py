"""Checks of what a person types, one function a field; each refusal names its field first."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import ip_address, ip_network
from urllib.parse import unquote

from twisted_detector.config.kinds import MAX_NETWORK_ADDRESSES
from twisted_detector.errors import RemoteError
from twisted_detector.model import Login, Secret
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.model.decisions import StreamAddress, Verdict
from twisted_detector.model.reach import Network
from twisted_detector.wire.rtsp.url import split_url

#: Characters: a name has to fit a line of every consumer's page, a note a small box.
MAX_NAME, MAX_NOTE = 64, 500
#: Octets: RFC 7617 sets no bound; the longest that a camera takes are 32 and 64.
MAX_USER_OCTETS, MAX_PASSWORD_OCTETS = 64, 256
#: They change how what follows is shown, beyond the text they stand in (UAX 9, 2.1 to 2.4).
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_USERINFO = re.compile(r"\A\s*rtsps?://(?P<login>[^/?#]*)@", re.IGNORECASE)
_VERDICTS = {"yes": Verdict.ADOPTED, "no": Verdict.UNADOPTED, "blocked": Verdict.BLOCKED}


def read_line(field: str, text: object, most: int = MAX_NAME) -> str:
    """A name or an area: one line, NFC, without blanks around it; "" takes it back.

    :raises RemoteError: it is no text, too long, or has characters that are not shown where they stand.
    """
    if not isinstance(text, str):
        raise RemoteError(f"{field}: must be text")
    line = unicodedata.normalize("NFC", text).strip()
    _check_shown(field, line, allowed="")
    if len(line) > most:
        raise RemoteError(f"{field}: at most {most} characters; this has {len(line)}")
    return line


def read_note(field: str, text: object) -> str:
    """A note: as a name, but of several lines.

    :raises RemoteError: as :func:`read_line`.
    """
    if not isinstance(text, str):
        raise RemoteError(f"{field}: must be text")
    note = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    _check_shown(field, note, allowed="\n\t")
    if len(note) > MAX_NOTE:
        raise RemoteError(f"{field}: at most {MAX_NOTE} characters; this has {len(note)}")
    return note


def _check_shown(field: str, text: str, *, allowed: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for one in text:
        if one in allowed:
            continue
        if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or one in _BIDI_CONTROLS:
            raise RemoteError(f"{field}: contains the character U+{ord(one):04X}, which cannot be displayed")


def read_login(user: object, password: object) -> Login:
    """A user name and a password.

    :raises RemoteError: one is no text, empty (the user), too long, or has control characters; the user has a colon.
    """
    if not isinstance(user, str) or not user:
        raise RemoteError("user: must not be empty")
    if not isinstance(password, str):
        raise RemoteError("password: must be text")
    for field, text, most in (("user", user, MAX_USER_OCTETS), ("password", password, MAX_PASSWORD_OCTETS)):
        if not text.isprintable() and any(unicodedata.category(one) in ("Cc", "Cs") for one in text):
            raise RemoteError(f"{field}: contains a control character; was a line break copied with it?")
        if len(text.encode()) > most:
            raise RemoteError(f"{field}: at most {most} bytes; this has {len(text.encode())}")
    if ":" in user or user.startswith("["):
        raise RemoteError("user: must not contain a colon (RFC 7617) or begin with a bracket")
    return Login(user, Secret(password))


def read_stream(field: str, text: object) -> tuple[StreamAddress | None, Login | None, str]:
    """A stream's URL, taken apart: its address on the camera, a login that stood in it, and its host.

    (None, None, "") for "", which takes it back.

    :raises RemoteError: it is no RTSP URL. The text is not shown: it may hold a password.
    """
    if not isinstance(text, str):
        raise RemoteError(f"{field}: must be text")
    if not text.strip():
        return None, None, ""
    try:
        url = split_url(text.strip())
    except RemoteError as error:
        raise RemoteError(f"{field}: must be like rtsp://192.168.1.20:554/stream1; {error.what}") from None
    if url.port in SILENT_PORTS or not url.port:
        raise RemoteError(f"{field}: port {url.port} is not an RTSP port, and cameras log connections to it as attacks")
    found = _USERINFO.match(text)
    login = None
    if found is not None:
        user, _, password = found["login"].partition(":")
        login = read_login(unquote(user), unquote(password))
    return StreamAddress("rtsps" if url.tls else "rtsp", url.port, url.target or "/"), login, url.host


def read_network(field: str, text: object) -> Network | None:
    """A network in CIDR notation; None for "".

    :raises RemoteError: it is none; one with bits beyond its prefix is told with the one that is meant.
    """
    if not isinstance(text, str):
        raise RemoteError(f"{field}: must be text")
    if not text.strip():
        return None
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise RemoteError(f"{field}: must be a network such as 192.168.1.0/24") from None
    if network.network_address != ip_address(text.strip().partition("/")[0]):
        raise RemoteError(f"{field}: has bits beyond its prefix; is {network} meant?")
    return network


def read_searched_network(field: str, text: object) -> Network:
    """A network that is to be searched, within the limits of SCAN_NETWORKS; an address alone is one of a single host.

    :raises RemoteError: it is none, is too large, or is not a network of hosts on other machines.
    """
    network = read_network(field, text)
    if network is None:
        raise RemoteError(f"{field}: must be a network such as 192.168.1.0/24")
    if network.is_loopback:
        raise RemoteError(
            f"{field}: {network} is this machine itself; only SCAN_NETWORKS can add it, for simulated cameras"
        )
    if network.is_multicast or network.network_address.is_unspecified or str(network) == "255.255.255.255/32":
        raise RemoteError(f"{field}: {network} is not a network of hosts")
    if network.num_addresses > MAX_NETWORK_ADDRESSES:
        raise RemoteError(
            f"{field}: {network} is too large; at most {MAX_NETWORK_ADDRESSES} addresses"
            f" (a {'/16' if network.version == 4 else '/112'}) are searched, so enter the part with your cameras"
        )
    return network


def read_verdict(field: str, value: object) -> Verdict | None:
    """``yes``, ``no`` or ``blocked``, and TOML's true and false; None for "".

    :raises RemoteError: it is none of them.
    """
    if isinstance(value, bool):
        return Verdict.ADOPTED if value else Verdict.UNADOPTED
    if value == "":
        return None
    verdict = _VERDICTS.get(value) if isinstance(value, str) else None
    if verdict is None:
        raise RemoteError(f"{field}: must be one of {', '.join(_VERDICTS)}")
    return verdict
