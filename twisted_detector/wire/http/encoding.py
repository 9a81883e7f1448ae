"""Octets as a server encoded them go in; the content comes out, within a bound.

We ask for none of the encodings of RFC 9110 (section 8.4.1), and some devices send gzip all the same. The content says
what it is: gzip begins with its own mark, whatever the head says, and what has none is no gzip. Words that are no
encodings (``utf-8``, ``binary``) say nothing. A few octets of it can be gigabytes, so what comes
out is bounded while it is being unpacked.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Protocol

from twisted_detector.errors import RemoteError

_GZIP_MARK = b"\x1f\x8b"
#: Encodings that have no mark (IANA, HTTP Content Coding Registry); the first is undone.
_UNMARKED = frozenset({"deflate", "br", "compress", "x-compress", "zstd", "dcb", "dcz"})
#: Octets before a content that are waited for: some servers begin a body with line ends.
_BLANK, _MAX_BLANK = b"\r\n\t ", 64
#: What begins so is no encoding: XML, a page, JPEG, PNG, the first line of a multipart body.
_PLAIN = (b"<", b"\xff\xd8", b"\x89P", b"--", b"\xef\xbb\xbf")


class BadEncoding(RemoteError):
    """Content is in an encoding that was not asked for and cannot be undone."""

    def __init__(self, shown: str) -> None:
        super().__init__("an answer in an encoding that was not asked for, and cannot be undone", shown=shown)


class TooLong(RemoteError):
    """A head or a content is longer than its bound, or comes in too many pieces."""

    def __init__(self) -> None:
        super().__init__("an answer is too long")


class _Unpacker(Protocol):
    """What :func:`zlib.decompressobj` makes."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class ContentDecoder:
    """Decoder of one body.

    :param codings: those that the head names, in lower case.
    :param limit: octets of content at most.
    """

    def __init__(self, codings: Iterable[str], limit: int) -> None:
        self._codings = _UNMARKED.intersection(codings)
        self._room = limit
        self._begin = b""
        self._decided = False
        self._unpacker: _Unpacker | None = None

    def feed(self, data: bytes) -> bytes:
        """The content of the next octets.

        :raises BadEncoding: it cannot be read.
        :raises TooLong: there is more of it than the bound.
        """
        if not self._decided:
            data = self._begin + data
            if len(data) < 2 or (self._codings and len(data) < _MAX_BLANK and len(data.lstrip(_BLANK)) < 2):
                self._begin = data
                return b""
            self._decided, self._begin = True, b""
            self._unpacker = self._choose(data)
        if self._unpacker is not None:
            data = self._unpack(self._unpacker, data)
        self._room -= len(data)
        if self._room < 0:
            raise TooLong
        return data

    def finish(self) -> bytes:
        """What was kept back to see how it begins; call it at the body's end."""
        kept, self._begin, self._decided = self._begin, b"", True
        return kept

    def _choose(self, data: bytes) -> _Unpacker | None:
        if data.startswith(_GZIP_MARK):
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        if not self._codings or data.lstrip(_BLANK).startswith(_PLAIN):
            return None
        if self._codings == {"deflate"}:
            # RFC 1950's wrapper, as RFC 9110 says; or none, as some servers understood it.
            wrapped = data[0] & 0x0F == zlib.DEFLATED and (data[0] << 8 | data[1]) % 31 == 0
            return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        raise BadEncoding(", ".join(sorted(self._codings)))

    def _unpack(self, unpacker: _Unpacker, data: bytes) -> bytes:
        if unpacker.eof:
            return b""
        try:
            content = unpacker.decompress(data, self._room + 1)
        except zlib.error as error:
            raise BadEncoding(str(error)) from None
        if unpacker.unconsumed_tail and len(content) > self._room:
            raise TooLong
        return content
