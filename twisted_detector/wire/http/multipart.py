"""The bytes of a multipart answer go in piece by piece; the first part comes out as soon as it is whole.

``multipart/x-mixed-replace`` is how cameras send motion JPEG over HTTP: parts without end (RFC 2046 section 5.1 for the
grammar; section 5.1.3 says what an unknown subtype is). Devices differ about dashes, quotes and empty lines.
"""

from __future__ import annotations

import re

from twisted_detector.errors import RemoteError

#: What may stand before the first part's content: a preamble, the delimiter and headers; devices send below 300 bytes.
MAX_HEAD = 8_192
#: RFC 2046 section 5.1.1: a boundary has at most 70 characters; devices put dashes before it.
MAX_BOUNDARY = 80

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;,"]{1,200}))""", re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


def is_multipart(content_type: str) -> bool:
    """Whether a ``Content-Type`` announces parts."""
    return content_type.strip().lower().startswith("multipart/")


class FirstPart:
    """Reader of a stream up to the end of its first part.

    :param content_type: of the answer, with its boundary.
    :param limit: most bytes of the part's content.
    :ivar content: the part's content, b"" while it is not whole.
    :raises RemoteError: no boundary, or one that is none.
    """

    def __init__(self, content_type: str, *, limit: int) -> None:
        found = _BOUNDARY.search(content_type[:1_000])
        name = (found[1] or found[2]).strip().lstrip("-") if found else ""
        if not name or len(name) > MAX_BOUNDARY or not name.isascii():
            raise RemoteError("a multipart answer without a boundary", shown=ascii(content_type[:100]))
        self.content = b""
        # A delimiter stands at the beginning of a line, after dashes. In one expression: a device may choose a boundary
        # of one letter, and looking at each place where that stands would take hours.
        self._name = name.encode("ascii")
        self._delimiter = re.compile(rb"\r?\n-{1,%d}%s" % (MAX_BOUNDARY, re.escape(self._name)))
        self._limit = limit
        self._buffer = bytearray()
        self._begin = -1
        self._length: int | None = None
        self._searched = 0

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True when :attr:`content` is whole (further bytes are ignored).

        :raises RemoteError: a head or a content that is too long, or nothing in the part.
        """
        if self.content:
            return True
        self._buffer += data
        if self._begin < 0 and not self._read_head():
            return False
        end = self._end()
        if end is None:
            if len(self._buffer) - self._begin > self._limit + MAX_BOUNDARY + 8:
                raise RemoteError("a part that is too long", shown=f"over {self._limit} bytes")
            return False
        if not 0 < end - self._begin <= self._limit:
            raise RemoteError("a part of an impossible length", shown=f"{end - self._begin} bytes")
        self.content = bytes(self._buffer[self._begin : end])
        self._buffer.clear()
        return True

    def _read_head(self) -> bool:
        """Whether the first part's headers are there: those after the first delimiter."""
        delimiter = self._buffer.find(self._name, 0, MAX_HEAD)
        found = None
        if delimiter >= 0:
            found = _END_OF_HEAD.search(self._buffer, delimiter + len(self._name), MAX_HEAD)
        if found is None:
            if len(self._buffer) >= MAX_HEAD:
                raise RemoteError("a multipart answer without a part", shown=self._buffer[:60].hex())
            return False
        said = _LENGTH.search(self._buffer, delimiter, found.end())
        self._length = int(said[1]) if said else None
        self._begin = self._searched = found.end()
        return True

    def _end(self) -> int | None:
        """Where the content ends, None while that has not come."""
        if self._length is not None:
            end = self._begin + self._length
            if self._length > self._limit:
                return end
            return end if len(self._buffer) >= end else None
        found = self._delimiter.search(self._buffer, self._searched)
        if found is None:
            self._searched = max(self._begin, len(self._buffer) - len(self._name) - MAX_BOUNDARY - 2)
            return None
        return found.start()
