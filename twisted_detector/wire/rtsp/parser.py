"""Bytes of an RTSP connection go in, cut anywhere; requests, responses and interleaved frames come out.

RTSP 1.0 (RFC 2326), both directions: a client parses responses and formats requests, a server the other way round.
Lenient where devices are sloppy: the headers as those of HTTP (:mod:`wire.http.head`), CR twice, no reason phrase, a
Content-Length with a unit or without a number, none for a session description, octets that belong to nothing between
messages.
"""

from __future__ import annotations

import re

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.head import read_fields
from twisted_detector.wire.rtsp.messages import (
    InterleavedFrame,
    RtspEvent,
    RtspMessage,
    RtspRequest,
    RtspResponse,
)

#: Start line and headers together; those of real answers stay below 2 KiB.
MAX_HEAD = 16_384
#: An SDP of a recorder with many tracks has a few KiB.
MAX_BODY = 262_144
#: Between messages: what a server sends beyond the body that it announced, or puts between interleaved frames, is
#: passed over up to here, and as many octets more as its frames had.
MAX_GARBAGE = 16_384
#: Highest channel that a server may be expected to use before it used any, then that of the highest pair in use: each
#: track has two, counted from 0 (the first to be used may be that of a report), and no camera has more than a few.
_MAX_CHANNEL = 31
#: An RTCP packet has eight octets at least (RFC 3550 section 6.4.1), an RTP packet twelve.
_MIN_MEDIA = 8
#: Octets by which a frame is known among garbage: its header and the first of its packet.
_FRAME_START = 5

#: Interleaved frames: some thousand of any size, and then on the average 64 octets each with their header. Video has
#: 1 400, sound 100 and more; a frame of one octet costs as much work as one of these.
MAX_SMALL_FRAMES, OCTETS_OF_FRAME = 4096, 64

_STATUS_LINE = re.compile(rb"RTSP/[\d.]{1,8}[ \t]+(\d{3})(?!\d)(.*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z_]{2,31})[ \t]+([!-~]+)[ \t]+RTSP/\d\.\d")
#: What a line may be of which the end has not come yet.
_PART_OF_STATUS_LINE = re.compile(
    rb"R(?:T(?:S(?:P(?:/(?:[\d.]{1,8}(?:[ \t]+(?:\d{1,2}|\d{3}(?:\D.*)?)?)?)?)?)?)?)?", re.DOTALL | re.IGNORECASE
)
_PART_OF_REQUEST_LINE = re.compile(rb"[A-Z][A-Z_]{0,31}|[A-Z][A-Z_]{2,31}[ \t][\t -~]*")
_NUMBER = re.compile(r"\+?([0-9]+)")
_END_OF_HEAD = re.compile(rb"\n\r{0,2}\n")
#: What follows a session description of which no length is told: its own lines begin otherwise.
_AFTER_DESCRIPTION = re.compile(rb"(?:\A|\n)(?=RTSP/|\$)")
#: Where a message may begin after garbage: a status line anywhere, any other at the beginning of a line, a frame.
_START_AFTER_GARBAGE = re.compile(rb"RTSP/|\$|\n")


class RtspParser:
    """Turns a stream of bytes, cut anywhere, into events. Holds at most one unfinished message.

    The first bytes of a connection must be RTSP; later, what follows a message and is no message (an answer with a
    Content-Length that is too small, octets between two frames) is passed over, up to ``MAX_GARBAGE`` bytes.

    :ivar error: the fault that ended the parsing, None so far.
    :ivar skip_interleaved: ignore interleaved frames.
    :ivar describing: the next response may have a session description, also where it tells no length.
    """

    def __init__(self, *, max_body: int = MAX_BODY) -> None:
        self.error: RemoteError | None = None
        self.skip_interleaved = False
        self.describing = True
        self._max_body = max_body
        self._buffer = bytearray()
        self._garbage = 0
        self._channels: set[int] = set()
        self._frames = MAX_SMALL_FRAMES * OCTETS_OF_FRAME
        self._started = False
        self._in_garbage = False
        self._head: RtspResponse | RtspRequest | None = None
        self._body_length = 0
        self._unmeasured = False
        self._searched = 0

    @property
    def awaits_end(self) -> bool:
        """Whether a session description comes of which no length is told: it ends where nothing more comes of it."""
        return self._head is not None and self._unmeasured

    def receive(self, data: bytes) -> list[RtspEvent]:
        """Take the next bytes; return what they completed, in order.

        :raises RemoteError: bytes that are not RTSP, or a bound exceeded; when the same bytes also completed
            events those are returned first, ``error`` is set and the next call raises.
        """
        if self.error is not None:
            raise self.error
        self._buffer += data
        events: list[RtspEvent] = []
        try:
            while self._buffer:
                if self._take_frames(events):
                    continue
                event = self._next()
                if event is not None:
                    self._started = True
                    events.append(event)
                elif not self._take_frames(events):  # blank lines and garbage may have stood before one
                    break
        except RemoteError as error:
            self.error = error
            self._buffer.clear()
            if not events:
                raise
        return events

    def end(self) -> RtspResponse | None:
        """The connection has ended, or nothing more comes: the response that waits for more body, with what came."""
        head, self._head = self._head, None
        body = bytes(self._buffer)
        self._buffer.clear()
        if not isinstance(head, RtspResponse) or not (body or self._unmeasured):
            return None
        return RtspResponse(head.headers, body, head.status, head.reason)

    def _take_frames(self, events: list[RtspEvent]) -> bool:
        """Take the whole interleaved frames at the front off, all at once: they are most of what comes."""
        if self._head is not None or self._in_garbage:
            return False
        buffer, position, length = self._buffer, 0, len(self._buffer)
        channels = self._channels
        while length - position >= 4 and buffer[position] == 0x24:
            end = position + 4 + (buffer[position + 2] << 8 | buffer[position + 3])
            if end > length:
                break
            self._frames += end - position - OCTETS_OF_FRAME
            if self._frames < 0:
                raise RemoteError("too many small interleaved frames")
            if self._frames > MAX_SMALL_FRAMES * OCTETS_OF_FRAME:
                self._frames = MAX_SMALL_FRAMES * OCTETS_OF_FRAME
            channels.add(buffer[position + 1])
            if not self.skip_interleaved:
                events.append(InterleavedFrame(buffer[position + 1], bytes(buffer[position + 4 : end])))
            position = end
        if position:
            self._started = True
            self._garbage = max(self._garbage - position, 0)
            del buffer[:position]
        return position > 0

    def _next(self) -> RtspEvent | None:
        if self._head is None:
            self._skip_between()
            if not self._buffer or self._in_garbage:
                return None
            if self._buffer[0] == 0x24:
                return None  # cut off; what is whole was taken before, or will be at the next turn
            self._read_head()
            if self._head is None:
                return None
        if self._unmeasured:
            end = _AFTER_DESCRIPTION.search(self._buffer, self._searched)
            if end is None:
                self._searched = max(len(self._buffer) - len(b"\nRTSP/"), 0)
                if len(self._buffer) > self._max_body:
                    raise RemoteError("an RTSP body is too large", shown=f"{len(self._buffer)} bytes")
                return None
            self._body_length = end.end()
        if len(self._buffer) < self._body_length:
            return None
        head, self._head = self._head, None
        if not self._body_length:
            return head
        body = bytes(self._buffer[: self._body_length])
        del self._buffer[: self._body_length]
        if isinstance(head, RtspResponse):
            return RtspResponse(head.headers, body, head.status, head.reason)
        return RtspRequest(head.headers, body, head.method, head.url)

    def _skip_between(self) -> None:
        """Pass over blanks, blank lines and, once RTSP was spoken, over anything else that starts no message.

        A message starts at the beginning of a line or, after garbage, wherever ``RTSP/`` stands.
        """
        while self._buffer:
            if self._in_garbage:
                if not self._skip_garbage():
                    return
                continue
            if self._buffer[0] == 0x24:
                return
            if self._buffer[0] in b" \t":
                self._drop(1)
                continue
            end = self._buffer.find(b"\n")
            line = bytes(self._buffer[: end if end >= 0 else len(self._buffer)]).rstrip(b"\r")
            if not line:
                if end < 0:
                    return
                del self._buffer[: end + 1]
            elif _could_start(line) if end < 0 else _starts(line):
                if len(line) > MAX_HEAD:
                    raise RemoteError("an RTSP start line is too long")
                return
            elif not self._started:
                raise RemoteError("the answer is not RTSP", shown=ascii(line[:60].decode("latin-1")))
            else:
                self._drop(1)
                self._in_garbage = True

    def _skip_garbage(self) -> bool:
        """Pass over garbage; whether its end has come."""
        buffer, length = self._buffer, len(self._buffer)
        position = 0
        while (found := _START_AFTER_GARBAGE.search(buffer, position)) is not None:
            start = found.start()
            line_end = buffer[start] == 0x0A
            if length - start <= _FRAME_START and (line_end or buffer[start] == 0x24):
                self._drop(start)  # too little has come to judge what begins here
                return False
            start += line_end
            if buffer[start] != 0x24 or self._is_likely_frame(start):
                self._drop(start)
                self._in_garbage = False
                return True
            position = start + 1
        kept = next(size for size in (4, 3, 2, 1, 0) if buffer.endswith(b"RTSP/"[:size]))
        self._drop(length - kept)
        return False

    def _is_likely_frame(self, start: int) -> bool:
        """Whether a frame begins here, after garbage: on a channel that may be in use, with a packet of RTP or RTCP."""
        channel, size, first = self._buffer[start + 1], self._buffer[start + 2 : start + 4], self._buffer[start + 4]
        return (
            channel <= (max(self._channels) | 1 if self._channels else _MAX_CHANNEL)
            and int.from_bytes(size, "big") >= _MIN_MEDIA
            and first >> 6 == 2  # the version, RFC 3550 section 5.1
        )

    def _drop(self, length: int) -> None:
        self._garbage += length
        if self._garbage > MAX_GARBAGE:
            raise RemoteError("too many bytes between RTSP messages that belong to none")
        del self._buffer[:length]

    def _read_head(self) -> None:
        match = _END_OF_HEAD.search(self._buffer, 0, MAX_HEAD + 4)
        if match is None:
            if len(self._buffer) > MAX_HEAD:
                raise RemoteError("RTSP headers are too long", shown=f"{len(self._buffer)} bytes")
            return
        first, _, rest = bytes(self._buffer[: match.start()]).partition(b"\n")
        del self._buffer[: match.end()]
        headers = read_fields(rest.split(b"\n"))
        start = first.rstrip(b"\r ")
        status = _STATUS_LINE.fullmatch(start)
        head: RtspResponse | RtspRequest
        if status is not None:
            head = RtspResponse(headers, b"", int(status[1]), _text(status[2] or b"").strip())
        else:
            request = _REQUEST_LINE.fullmatch(start)
            if request is None:
                raise RemoteError("not an RTSP start line", shown=ascii(_text(start[:60])))
            head = RtspRequest(headers, b"", request[1].decode("ascii"), _text(request[2]))
        self._body_length = self._length_of(head)
        described = self.describing and isinstance(head, RtspResponse) and head.status == 200
        described = described and "application/sdp" in head.header("Content-Type").lower()
        self._unmeasured, self._searched = described and not self._body_length, 0
        self._head = head

    def _length_of(self, head: RtspMessage) -> int:
        """As FFmpeg reads it: the digits at the front, and no body where there are none."""
        digits = _NUMBER.match(head.header("Content-Length").strip())
        if digits is None:
            return 0
        if len(digits[1]) > 10 or int(digits[1]) > self._max_body:
            raise RemoteError("an RTSP body is too large", shown=f"{digits[1][:40]} bytes")
        return int(digits[1])


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _starts(line: bytes) -> bool:
    line = line.rstrip(b"\r ")
    return bool(_STATUS_LINE.fullmatch(line) or _REQUEST_LINE.fullmatch(line))


def _could_start(line: bytes) -> bool:
    """Whether a line of which the end has not come yet may become a start line."""
    return bool(_PART_OF_STATUS_LINE.fullmatch(line) or _PART_OF_REQUEST_LINE.fullmatch(line))
