"""RTSP messages as values, and values as the bytes of RTSP messages (RFC 2326 sections 6, 7 and 10.12)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twisted_detector.errors import LocalError

Headers = tuple[tuple[str, str], ...]

#: RFC 2326 section 10.12: the length of an interleaved frame has 16 bits.
MAX_INTERLEAVED = 65_535

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHOD = re.compile(r"[A-Z_]{1,32}")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_NUMBER = re.compile(r"[0-9]{1,10}")
_LINE_END = re.compile(r"[\r\n\0]")

REASONS = {
    200: "OK",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}


@dataclass(frozen=True, slots=True)
class RtspMessage:
    """What requests and responses have in common."""

    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of this name (any case), "" when there is none."""
        wanted = name.lower()
        for key, value in self.headers:  # a loop: this is asked for some twenty times for each stream
            if key.lower() == wanted:
                return value
        return ""

    def all(self, name: str) -> tuple[str, ...]:
        """All headers of this name (any case), in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key.lower() == wanted)

    @property
    def cseq(self) -> int | None:
        """The sequence number, None where it is missing or no number."""
        text = self.header("CSeq").strip()
        return int(text) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class RtspResponse(RtspMessage):
    """A server's answer (RFC 2326 section 7); ``reason`` may be ""."""

    status: int = 200
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RtspRequest(RtspMessage):
    """A client's, or rarely a server's, request (RFC 2326 section 6); ``url`` may be ``*``."""

    method: str = "OPTIONS"
    url: str = "*"


@dataclass(frozen=True, slots=True)
class InterleavedFrame:
    """One frame of binary data on the RTSP connection (RFC 2326 section 10.12)."""

    channel: int
    data: bytes


RtspEvent = RtspResponse | RtspRequest | InterleavedFrame


def format_request(
    method: str, url: str, cseq: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """The bytes of a request. ``CSeq`` and, with a body, ``Content-Length`` are added.

    ``CSeq`` is the last header: servers look for it wherever it is, and one sees it at no other place (Foscam C1).

    :raises LocalError: what would break the lines: blanks or control characters in ``url``, line ends in a header.
    """
    if not _METHOD.fullmatch(method):
        raise LocalError("an RTSP method is upper-case letters", shown=method[:40])
    if not _PRINTABLE.fullmatch(url):
        raise LocalError("an RTSP URL is printable ASCII without blanks")
    length = [("Content-Length", str(len(body)))] if body else []
    return _format(f"{method} {url} RTSP/1.0", [*headers, *length, ("CSeq", str(cseq))], body)


def format_response(
    status: int, cseq: int | None, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, reason: str = ""
) -> bytes:
    """The bytes of a response; ``reason`` defaults to the usual phrase. ``cseq`` None leaves the header out.

    :raises LocalError: a status that is none, or line ends in a header.
    """
    if not 100 <= status <= 599:
        raise LocalError("an RTSP status is 100..599", shown=str(status))
    phrase = reason or REASONS.get(status, "Unknown")
    if not phrase.isprintable():
        raise LocalError("a reason phrase is printable")
    number = [("CSeq", str(cseq))] if cseq is not None else []
    length = [("Content-Length", str(len(body)))] if body else []
    return _format(f"RTSP/1.0 {status} {phrase}", [*number, *headers, *length], body)


def _format(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = [start]
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or _LINE_END.search(value):
            raise LocalError("a header that would break the lines", shown=ascii(name[:40]))
        lines.append(f"{name}: {value}")
    # What came as octets that are no UTF-8 (see the parser) goes back as the same octets.
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
