"""The octets of a body as they were sent go in; its content comes out, and where the frame says that it ends.

RFC 9112, sections 6 and 7: a length, chunks, or the end of the connection. A frame is a claim of the device: who reads
the content decides whether it is whole (:mod:`wire.http.response`), so what is wrong with a frame is recorded, not
raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from twisted_detector.wire.http.head import ResponseHead

#: Octets of the line before a chunk, with what is no part of its size: servers write below 20.
MAX_LINE = 1_024
#: Lines without content, one after the other: the empty one after each chunk, and trailers, which nobody sends.
MAX_IDLE_LINES = 64
_SIZE = re.compile(rb"[ \t]*(?:0x)?([0-9a-f]{1,16})[ \t]*(?:;.*)?", re.IGNORECASE)
_MAY_BEGIN_SIZE = b"0123456789abcdefABCDEF \t\r\n"


class Frame:
    """Reader of a body that ends with its connection; the others derive from it.

    :ivar is_bounded: it says where it ends.
    :ivar ended: its end came. What comes afterwards is passed on: a length is often too small.
    :ivar over: nothing more of it can come: after chunks, that there are no trailers either.
    :ivar clean: it is over, and nothing came after it: the connection can be used again.
    :ivar broken: it cannot be followed any more.
    """

    def __init__(self) -> None:
        self.is_bounded = self.ended = self.over = self.clean = self.broken = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces of content in the next octets."""
        yield data

    def close(self) -> None:
        """The connection ended."""
        if not self.is_bounded:
            self.ended = True


class LengthFrame(Frame):
    """Reader of a body whose length was said. Its end stands between two pieces, never within one."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.is_bounded = True
        self._left = length
        self.ended = self.over = self.clean = not length

    def feed(self, data: bytes) -> Iterator[bytes]:
        inside = data[: self._left]
        self._left -= len(inside)
        self.ended = self.over = not self._left
        self.clean = self.ended and len(inside) == len(data)
        if inside:
            yield inside
        if len(inside) < len(data):
            yield data[len(inside) :]


class ChunkFrame(Frame):
    """Reader of chunks; a body that was only called so is passed to ``otherwise``."""

    def __init__(self, otherwise: Frame) -> None:
        super().__init__()
        self.is_bounded = True
        self._otherwise = otherwise
        self._is_otherwise = False
        self._first = True
        self._line = bytearray()
        self._left = 0
        self._idle_lines = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        position = 0
        while position < len(data) and not self.broken:
            if self._is_otherwise:
                yield from self._pass_on(data[position:])
                return
            if self.over:
                self.clean = False  # something came after the end
                return
            if self._left:
                piece = data[position : position + self._left]
                self._left -= len(piece)
                position += len(piece)
                yield piece
                continue
            end = data.find(b"\n", position)
            begin, position = position, end + 1 if end >= 0 else len(data)
            self._line += data[begin:position]
            if self._first and (self._line[0] not in _MAY_BEGIN_SIZE or len(self._line) > MAX_LINE):
                yield from self._was_no_chunk()
            elif len(self._line) > MAX_LINE:
                self.broken = True
            elif end >= 0:
                yield from self._read_line()

    def _read_line(self) -> Iterator[bytes]:
        line = self._line.strip(b" \t\r\n")
        self._idle_lines += 1
        size = _SIZE.fullmatch(line)
        if self._idle_lines > MAX_IDLE_LINES:
            self.broken = True
        elif self.ended:
            self.over = self.clean = not line  # what stands before the empty line are trailers
        elif size is not None:
            self._first = False
            self._left = int(size[1], 16)
            self.ended = not self._left
            self._idle_lines = 0
        elif line and self._first:
            yield from self._was_no_chunk()
        elif line:
            self.broken = True
        self._line.clear()

    def _was_no_chunk(self) -> Iterator[bytes]:
        self._is_otherwise = True
        yield from self._pass_on(bytes(self._line))

    def _pass_on(self, data: bytes) -> Iterator[bytes]:
        for piece in self._otherwise.feed(data):
            self.is_bounded, self.ended = self._otherwise.is_bounded, self._otherwise.ended
            self.over, self.clean = self._otherwise.over, self._otherwise.clean
            yield piece

    def close(self) -> None:
        if self._is_otherwise:
            self._otherwise.close()
            self.ended = self._otherwise.ended
        elif self._line.strip() == b"0":
            self.ended = True  # the last line lacks its end


def frame_of(head: ResponseHead) -> Frame:
    """The frame that a head announces."""
    length = head.length
    plain = Frame() if length is None else LengthFrame(length)
    return ChunkFrame(plain) if head.is_chunked else plain
