"""The octets of a connection go in, one response comes out: as soon as its content is whole, whatever its frame says.

**Theory of operation.** A head is read (:mod:`.head`), the frame that it announces gives pieces of content
(:mod:`.framing`), which are unpacked where a server packed them (:mod:`.encoding`) and given to a *body*: it knows one
kind of content, and judges whether it is whole. Length, chunks and the end of a connection are claims of firmware; XML
that is closed and a JPEG with its end are facts. When both are silent, time speaks: the caller says when nothing has
come for a while.

======================  =============  ==================  =================  ==============  =============
what the body says      frame's end    closed before it    quiet before it    closed, no      quiet, no
                                                                              frame           frame
======================  =============  ==================  =================  ==============  =============
UNKNOWN                 done           broken off          wait               done            done
OPEN                    when quiet     broken off          wait               done            wait
USABLE                  done           done                done               done            done
WHOLE                   done           done                done               done            done (at once)
======================  =============  ==================  =================  ==============  =============

Past the frame's end only what is not whole is read on: a length may be too small. A success that ends before its first
octet is used when quiet: firmware that says a length of 0 and sends content all the same does so a moment later. A
refusal whose content is unknown is used as soon as it ends in any way: what matters of it stands in its head. Where no
octet of content came, a device may still be thinking: "quiet" is "wait", unless the head says what to do. "Wait" ends
with the caller's time-out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.encoding import BadEncoding, ContentDecoder, TooLong
from twisted_detector.wire.http.framing import Frame, LengthFrame, frame_of
from twisted_detector.wire.http.head import MAX_HEAD, ResponseHead, read_fields, read_status

__all__ = ["BadEncoding", "Body", "NotHttp", "Progress", "ResponseReader", "TooLong", "Wholeness"]

#: Pieces of a body, as they come from the network or as chunks (RFC 9112, 7.1): some thousand, and then on the average
#: 64 octets each. Servers write chunks of lines or buffers; a chunk of one octet costs as much as one of 4 kB.
MAX_PIECES, OCTETS_OF_PIECE = 1024, 64
#: Octets among which a response has said that it is one.
_FIRST_WORD = 12
#: The empty line behind a head. A server that writes CRLF in a file that is open as text sends CR twice.
_EMPTY_LINE = re.compile(rb"\n\r{0,3}\n")
_LONGEST_EMPTY_LINE = 5
#: Content that says by itself what it is: XML, an envelope, JPEG, PNG. Some servers send it without a head (HTTP/0.9).
_CONTENT = rb"<\?xml\s|<(?:[\w.-]{1,100}:)?Envelope[\s>]|\xff\xd8\xff|\x89PNG"
_HEADLESS = re.compile(rb"(?:\xef\xbb\xbf)?(?:" + _CONTENT + rb")")
#: Some firmware (Tapo: koush/scrypted #1246, AlexxIT/go2rtc #1589) sends the head of the request where its own should
#: be, with NUL where it was cut into words: no service that gives back whatever it is sent does that.
_REQUEST = re.compile(rb"(?:POST|GET) [!-~]{0,2048}(?P<cut>\0)?")
#: The content behind it may be the request's own, and the response stand behind that.
_BEHIND_REQUEST = (re.compile(rb"HTTP/1\.[01] [1-5]\d\d(?!\d)[^<\n]{0,80}(?:\n|\Z)"), re.compile(_CONTENT))
_LONGEST_BEGIN = 120
#: Octets of such a head: ours have below 1 kB.
_MAX_REQUEST = 8_192
#: What may become one of these.
_MAY_BEGIN = re.compile(
    rb"(?:\xef\xbb\xbf)?<\??[\w.-]{1,100}:?[\w.-]{0,8}|(?:POST|GET) [!-~]{0,2048}(?:\0.*)?", re.DOTALL
)


class NotHttp(RemoteError):
    """What came is no response of HTTP, or its frame cannot be followed."""

    def __init__(self, octets: bytes, what: str = "an answer that is not HTTP") -> None:
        super().__init__(what, shown=ascii(octets[:40].decode("latin-1")) if octets else "")


class Wholeness(Enum):
    """What a body says of the content that it has.

    :ivar UNKNOWN: it cannot tell; the frame decides.
    :ivar OPEN: more must follow.
    :ivar USABLE: all that matters is there; the mark at its end is missing.
    :ivar WHOLE: nothing more is needed.
    """

    UNKNOWN = auto()
    OPEN = auto()
    USABLE = auto()
    WHOLE = auto()


class Body(Protocol):
    """Reader of one kind of content."""

    def feed(self, data: bytes) -> bool:
        """Take the next octets; True when no more are needed: the content is whole.

        :raises errors.RemoteError: they are not what they should be.
        """

    def judge(self) -> Wholeness:
        """What can be said of what came; asked after each read, so it looks at no more than the end of it."""


class Progress(Enum):
    """What the caller is to do.

    :ivar MORE: wait for more.
    :ivar USABLE: the content lacks its end alone; use the response when nothing came for a moment.
    :ivar SETTLING: the content is whole; use the response a moment later, whatever comes: the frame's end is waited for
        so that the connection can be used again.
    :ivar DONE: use the response.
    """

    MORE = auto()
    USABLE = auto()
    SETTLING = auto()
    DONE = auto()


class ResponseReader:
    """Reader of the response to one request.

    :param limit: octets of the body at most, as they come and unpacked.
    :param body_for: makes the body of a response by its head.
    :param reuse: whether the connection should be used again after a success: then the frame's end is worth a moment.
        After a refusal it always is, for a login may follow.
    :ivar head: None before it is whole.
    :ivar began: an octet came.
    """

    def __init__(self, *, limit: int, body_for: Callable[[ResponseHead], Body], reuse: bool = True) -> None:
        self.head: ResponseHead | None = None
        self.began = False
        self._limit = self._room = limit
        self._body_for = body_for
        self._reuse = reuse
        self._buffer = bytearray()
        self._searched = 0
        self._head_room = MAX_HEAD
        self._pieces = MAX_PIECES * OCTETS_OF_PIECE
        self._frame = Frame()
        self._decoder = ContentDecoder((), limit)
        self._body: Body | None = None
        self._past_end = self._whole = self._came = False

    def feed(self, data: bytes) -> Progress:
        """Read the next octets of the connection.

        :raises NotHttp: they are no response.
        :raises BadEncoding: the content cannot be unpacked.
        :raises TooLong: head, body, or the number of their pieces.
        :raises errors.RemoteError: the body's.
        """
        self.began = True
        if self.head is None:
            rest = self._read_heads(data)
            if rest is None:
                return Progress.MORE
            data = rest
        self._room -= len(data)
        for piece in self._frame.feed(data):
            self._take(piece)
            if self._whole and not (self._reuse and self._frame.is_bounded):
                return Progress.DONE
        if self._room < 0:
            raise TooLong
        return self._progress()

    @property
    def can_be_reused(self) -> bool:
        """Whether the connection is as it was before the request, and the device agrees to another one.

        After content that lacks its end it is not: the rest may come yet, and would be taken for the next answer.
        """
        if self.head is None or not self._frame.clean or not self.head.keeps_connection:
            return False
        return self._judge() in (Wholeness.WHOLE, Wholeness.UNKNOWN)

    def pause(self) -> bool:
        """Whether the response is to be used as it is, after nothing came for a while."""
        return self.head is not None and self._is_enough(self._judge(), closed=False)

    def close(self) -> bool:
        """Whether the response is to be used as it is, now that the connection is closed.

        :raises NotHttp: what came can be none, or its chunks cannot be followed.
        """
        if self.head is None:
            return self._close_in_head()
        self._frame.close()
        if self._is_enough(self._judge(), closed=True):
            return True
        if self._frame.broken:
            raise NotHttp(b"", "an answer in chunks that cannot be read")
        return False

    # --- head -----------------------------------------------------------------------------------------------------

    def _read_heads(self, data: bytes) -> bytes | None:
        """What follows the final head; None while that is not whole."""
        self._buffer += data
        self._drop_blanks()
        if not self._is_past_request():
            return None
        while not _HEADLESS.match(self._buffer):
            end = self._head_end()
            if end is None:
                break
            head = self._parse_head(bytes(self._buffer[:end]))
            self._head_room -= end
            del self._buffer[:end]
            self._searched = 0
            if not head.is_interim:
                return self._begin_body(head)
            self._drop_blanks()
        else:
            return self._begin_body(ResponseHead(200, version=(0, 9)))
        if len(self._buffer) > self._head_room:
            raise TooLong
        word = bytes(self._buffer[:_FIRST_WORD])
        if len(word) == _FIRST_WORD and b"HTTP" not in word.upper() and not _MAY_BEGIN.fullmatch(self._buffer):
            raise NotHttp(word)
        return None

    def _drop_blanks(self) -> None:
        """Drop what stands before the first line of a head."""
        if not self._searched:
            blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n \t\0"))
            self._head_room -= blank
            del self._buffer[:blank]
        if self._head_room < 0:
            raise TooLong

    def _is_past_request(self) -> bool:
        """Whether no head of a request stands (any more) where that of the response should be; it is dropped."""
        found = _REQUEST.match(self._buffer)
        if found is None or found["cut"] is None:
            return True
        since = max(self._searched - _LONGEST_BEGIN, 0)
        for what in _BEHIND_REQUEST:
            begin = what.search(self._buffer, since, _MAX_REQUEST)
            if begin is not None:
                del self._buffer[: begin.start()]
                self._searched = 0
                return True
        self._searched = len(self._buffer)
        if self._searched > _MAX_REQUEST:
            raise NotHttp(bytes(self._buffer))
        return False

    def _head_end(self) -> int | None:
        """Where the head ends: behind an empty line."""
        found = _EMPTY_LINE.search(self._buffer, self._searched)
        if found is not None:
            return found.end()
        self._searched = max(len(self._buffer) - _LONGEST_EMPTY_LINE, 0)
        return None

    def _parse_head(self, data: bytes) -> ResponseHead:
        lines = data.split(b"\n")
        status = read_status(lines[0])
        if status is None:
            raise NotHttp(lines[0])
        return ResponseHead(status.status, status.phrase, read_fields(lines[1:]), status.version)

    def _close_in_head(self) -> bool:
        """A head that lacks its empty line says enough if it says how to log in, or where else to ask."""
        if self._buffer.endswith(b"\n") and read_status(bytes(self._buffer.partition(b"\n")[0])) is not None:
            head = self._parse_head(bytes(self._buffer))
            if head.says_what_to_do:
                self._begin_body(head)
                return True
        begun = bytes(self._buffer[:_FIRST_WORD])
        if self.began and b"HTTP" not in begun.upper() and not b"HTTP".startswith(begun.upper() or b"-"):
            raise NotHttp(begun)
        return False

    # --- body -----------------------------------------------------------------------------------------------------

    def _begin_body(self, head: ResponseHead) -> bytes:
        """Read no further head; what came behind this one."""
        self.head = head
        self._reuse = self._reuse or not head.is_success
        codings = {one.strip().lower() for value in head.values("content-encoding") for one in value.split(",")}
        self._decoder = ContentDecoder(codings, self._limit)
        self._body = self._body_for(head)
        without_body = head.status in (204, 304)  # RFC 9112, 6.3
        self._frame = LengthFrame(0) if without_body else frame_of(head)
        self._past_end = self._frame.ended
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _take(self, piece: bytes) -> None:
        """Give a piece of the frame's content to the body; one that came after the frame's end, if it is needed."""
        if self._whole or (self._past_end and self._came and self._judge() is Wholeness.UNKNOWN):
            return
        self._past_end = self._frame.ended
        self._pieces += len(piece) - OCTETS_OF_PIECE
        if self._pieces < 0:
            raise TooLong
        self._content(self._decoder.feed(piece))

    def _content(self, data: bytes) -> None:
        if data and self._body is not None:
            self._came = True
            self._whole = self._body.feed(data)

    def _judge(self) -> Wholeness:
        if self._frame.ended and not self._whole:
            self._content(self._decoder.finish())
        if self._whole or self._body is None:
            return Wholeness.WHOLE
        return self._body.judge()

    def _progress(self) -> Progress:
        """What is to be done after octets of the body were read."""
        frame = self._frame
        if self._whole:
            return self._settled()
        if frame.broken:
            self.close()
            return Progress.DONE
        wholeness = self._judge()
        if frame.ended and wholeness is not Wholeness.OPEN:
            return Progress.USABLE if self._is_oddly_empty else self._settled()
        return Progress.USABLE if wholeness is Wholeness.USABLE else Progress.MORE

    @property
    def _is_oddly_empty(self) -> bool:
        """Whether it has no content where there should be one."""
        return not self._came and self.head is not None and self.head.is_success and self.head.status != 204

    def _settled(self) -> Progress:
        frame = self._frame
        waits = self._reuse and frame.is_bounded and not frame.over and not frame.broken
        waits = waits and self.head is not None and self.head.keeps_connection
        return Progress.SETTLING if waits else Progress.DONE

    def _is_enough(self, wholeness: Wholeness, *, closed: bool) -> bool:
        """The table at the head of this module."""
        if self.head is None:
            return False
        if self._frame.ended or wholeness in (Wholeness.WHOLE, Wholeness.USABLE):
            return True
        if not self.head.is_success and wholeness is Wholeness.UNKNOWN:
            return closed or self._came or self.head.says_what_to_do
        if self._frame.is_bounded or self._frame.broken:
            return False
        return closed or (self._came and wholeness is not Wholeness.OPEN)
