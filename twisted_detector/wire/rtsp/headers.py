"""The values of RTSP's own header fields go in; their parts come out (RFC 2326 sections 12.37 and 12.39)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted_detector.errors import LocalError, RemoteError

#: RFC 2326 section 12.37: a session without a timeout parameter has one of 60 seconds.
DEFAULT_SESSION_TIMEOUT = 60
#: Nobody keeps a session for longer than a day; a larger number is noise.
_MAX_SESSION_TIMEOUT = 86_400
_NUMBER = re.compile(r"[0-9]{1,10}")
_SSRC = re.compile(r"[0-9a-fA-F]{1,8}")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Of one transport; RFC 2326 knows twelve.
_MAX_PARAMETERS = 32


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A ``SessionHeader`` header: the identifier, and after how many seconds of silence the server ends the session."""

    id: str
    timeout: int = DEFAULT_SESSION_TIMEOUT


@dataclass(frozen=True, slots=True)
class TransportHeader:
    """One transport specification of a ``TransportHeader`` header.

    :ivar lower: ``tcp`` (interleaved), ``udp`` or ``udp-multicast``.
    :ivar interleaved: channel of RTP and of RTCP.
    :ivar ssrc: eight upper-case hex digits, or "".
    """

    lower: str
    profile: str = "RTP/AVP"
    interleaved: tuple[int, int] | None = None
    client_port: tuple[int, int] | None = None
    server_port: tuple[int, int] | None = None
    port: tuple[int, int] | None = None
    ttl: int | None = None
    source: str = ""
    destination: str = ""
    ssrc: str = ""
    mode: str = ""


def parse_session(text: str) -> SessionHeader:
    """Read a ``SessionHeader`` header; a timeout that is no number counts as the default.

    The identifier goes back as it came, blanks in it too, as all players send it; "" where there is none.

    :raises RemoteError: an identifier that would break a header line.
    """
    identifier, *parameters = (part.strip() for part in text.split(";"))
    if _UNSAFE.search(identifier) or len(identifier) > 256:
        raise RemoteError("a Session header without a usable identifier", shown=ascii(text[:80]))
    timeout = DEFAULT_SESSION_TIMEOUT
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        number = _number(value, _MAX_SESSION_TIMEOUT)
        if name.strip().lower() == "timeout" and number:
            timeout = number
    return SessionHeader(identifier, timeout)


def parse_transport(text: str) -> TransportHeader:
    """Read the first transport specification of a ``TransportHeader`` header.

    :raises RemoteError: no specification that is RTP.
    """
    return parse_transports(text)[0]


def parse_transports(text: str) -> tuple[TransportHeader, ...]:
    """Read all transport specifications, in the client's order of preference; those that are not RTP are left out.

    One without a profile but with the channels of interleaved media is RTP over TCP: nothing else has channels.

    :raises RemoteError: none is RTP.
    """
    found = []
    for specification in text.split(",")[:16]:  # a client that offers more than 16 is not in earnest
        parts = [part.strip() for part in specification.split(";")]
        # RFC 2326, 12.39 has the profile first; some firmware writes it behind unicast.
        words = (part.upper().partition(" ")[0] for part in parts[:_MAX_PARAMETERS])
        name = next((word for word in words if word.startswith("RTP/")), "")
        transport = _transport(name or "RTP/AVP", parts)
        if name or (transport.interleaved and "/" not in parts[0]):
            found.append(transport)
    if not found:
        raise RemoteError("a Transport header without RTP", shown=ascii(text[:80]))
    return tuple(found)


def _transport(name: str, parameters: list[str]) -> TransportHeader:
    profile, lower = name, "udp"
    for suffix in ("/TCP", "/UDP"):
        if name.endswith(suffix):
            profile, lower = name[: -len(suffix)], suffix[1:].lower()
    values: dict[str, str] = {}
    for parameter in parameters[:_MAX_PARAMETERS]:
        key, _, value = parameter.partition("=")
        values.setdefault(key.strip().lower(), value.strip().strip('"'))
    interleaved = _pair(values.get("interleaved", ""), 255)
    if interleaved is not None:
        lower = "tcp"
    elif "multicast" in values:
        lower = "udp-multicast"
    ssrc = values.get("ssrc", "")
    return TransportHeader(
        lower=lower,
        profile=profile,
        interleaved=interleaved,
        client_port=_pair(values.get("client_port", ""), 65_535),
        server_port=_pair(values.get("server_port", ""), 65_535),
        port=_pair(values.get("port", ""), 65_535),
        ttl=_number(values.get("ttl", ""), 255),
        source=values.get("source", ""),
        destination=values.get("destination", ""),
        ssrc=ssrc.upper().zfill(8) if _SSRC.fullmatch(ssrc) else "",
        mode=values.get("mode", "").upper(),
    )


def format_transport(transport: TransportHeader) -> str:
    """The text of one transport specification.

    :raises LocalError: ``lower`` is unknown.
    """
    if transport.lower not in ("tcp", "udp", "udp-multicast"):
        raise LocalError("a transport is tcp, udp or udp-multicast", shown=transport.lower)
    parts = [transport.profile + ("/TCP" if transport.lower == "tcp" else "")]
    parts.append("multicast" if transport.lower == "udp-multicast" else "unicast")
    for name in ("destination", "source"):
        value = getattr(transport, name)
        if value:
            parts.append(f"{name}={value}")
    for name in ("interleaved", "client_port", "server_port", "port"):
        pair = getattr(transport, name)
        if pair is not None:
            parts.append(f"{name}={pair[0]}-{pair[1]}")
    if transport.ttl is not None:
        parts.append(f"ttl={transport.ttl}")
    if transport.ssrc:
        parts.append(f"ssrc={transport.ssrc}")
    if transport.mode:
        parts.append(f'mode="{transport.mode}"')
    return ";".join(parts)


def _number(text: str, highest: int) -> int | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    value = int(text)
    return value if value <= highest else None


def _pair(text: str, highest: int) -> tuple[int, int] | None:
    """``a-b``, or ``a`` alone, which stands for ``a-(a+1)``: RTCP has the next higher number (RFC 3550 section 11)."""
    if not text:
        return None
    low, _, high = text.partition("-")
    first = _number(low, highest)
    if first is None:
        return None
    second = _number(high, highest)
    return first, min(first + 1, highest) if second is None else second
