"""The head of a response goes in; its status, phrase and fields come out, read as browsers read them.

RFC 9112 (sections 2 to 5) says what a head is; small devices write lines without a colon, blanks before it, names that
are no tokens, folded lines, LF alone. What can be no field costs itself, not the answer. Whoever sends a head decides
nothing but his own answer here: one answer is read for one request, and nothing is passed on to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: 64 KiB for the heads of one answer, interim ones too: those of devices have below 1 kB, servers allow 8 to 64.
MAX_HEAD = 65_536
#: Fields that are kept: devices send below 30; browsers stop at some thousand.
MAX_FIELDS = 256

#: Chrome passes over four octets before "HTTP" (what is left of an earlier answer), and over empty lines.
_STATUS = re.compile(
    rb"[^\n]{0,4}?HTTP(?:/(?P<major>\d{1,2})(?:\.(?P<minor>\d{1,2}))?)?[ \t]+"
    rb"(?P<status>\d{3})(?!\d)[ \t]*(?P<phrase>.*)",
    re.IGNORECASE | re.DOTALL,
)
_BLANK = b" \t\r\0\v\f"
_NUMBER = re.compile(r"\s*\+?(\d{1,18})")


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Head of one response.

    :ivar fields: name as it was written and value, in order.
    """

    status: int
    phrase: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    version: tuple[int, int] = (1, 1)

    def values(self, name: str) -> list[str]:
        """All values of one field, whatever the case of its name."""
        return [value for key, value in self.fields if key.lower() == name]

    @property
    def is_interim(self) -> bool:
        """Whether another head follows (RFC 9110, 15.2); after 101 none does."""
        return self.status < 200 and self.status != 101

    @property
    def is_success(self) -> bool:
        """Whether the device did what was asked (RFC 9110, 15.3)."""
        return 200 <= self.status < 300

    @property
    def says_what_to_do(self) -> bool:
        """Whether it says how to log in, or where else to ask: then the body says nothing more."""
        return bool(self.values("www-authenticate") or self.values("location"))

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks, as the head says."""
        return any("chunked" in value.lower() for value in self.values("transfer-encoding"))

    @property
    def length(self) -> int | None:
        """``Content-Length``, also of ``123 bytes``; None where none is said, or two that contradict each other."""
        said = {_number(part) for value in self.values("content-length") for part in value.split(",")}
        return said.pop() if len(said) == 1 else None

    @property
    def keeps_connection(self) -> bool:
        """Whether the device agrees to another request on this connection."""
        options = ",".join(self.values("connection")).lower()
        return "close" not in options and (self.version >= (1, 1) or "keep-alive" in options)


def read_status(line: bytes) -> ResponseHead | None:
    """The first line of a head; None when it is none."""
    found = _STATUS.match(line.strip(_BLANK))
    if found is None:
        return None
    version = (int(found["major"] or 1), int(found["minor"] or 0))
    return ResponseHead(int(found["status"]), found["phrase"].strip(_BLANK), version=version)


def read_fields(lines: Iterable[bytes]) -> tuple[tuple[str, str], ...]:
    """The fields in the lines after the first; those of RTSP have the same grammar.

    A line that begins with a blank goes on with the one before it. Octets of a value that are no UTF-8 are kept as
    surrogates: the text of a challenge is hashed.
    """
    found: list[tuple[bytes, list[bytes]]] = []
    folding: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            folding.append(line.strip(_BLANK))
            continue
        name, colon, value = line.partition(b":")
        name, folding = name.strip(_BLANK), [value.strip(_BLANK)]
        if colon and name:
            if len(found) == MAX_FIELDS:
                break
            found.append((name, folding))
    return tuple(
        (name.decode("latin-1"), b" ".join(parts).strip().decode("utf-8", "surrogateescape")) for name, parts in found
    )


def _number(text: str) -> int | None:
    found = _NUMBER.match(text)
    return int(found[1]) if found else None
