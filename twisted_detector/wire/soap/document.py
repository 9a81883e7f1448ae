"""Answer of a SOAP service while it comes in: whether the envelope is whole; and the envelope out of all that came.

Where an envelope begins and ends says more than the frame around it: parts of MTOM (W3C, 2005) and other multipart
bodies, junk of a buffer that was sent as a whole, a last closing tag that firmware cut off.
"""

from __future__ import annotations

import re

from twisted_detector.wire.http.response import Wholeness

#: Octets in which an envelope begins: before it stand a declaration, or the heads of a part, or a text part.
MAX_BEFORE = 8_192
_OPENING = re.compile(rb"<((?:[\w.-]{1,100}:)?Envelope)[\s>/]")
#: A declaration, or half of one, and half of a tag: an envelope may follow.
_MAY_OPEN = re.compile(rb"(?:<\?xml[^>]{0,200}(?:>\s*|\Z))?(?:<\??[\w.:-]{0,200})?")
_CLOSING = re.compile(rb"</(?:[\w.-]{1,100}:)?Envelope\s{0,100}>")
_LONGEST_CLOSING = 220
_BODY = re.compile(rb"<((?:[\w.-]{1,100}:)?Body)[\s>]")
#: An end at which nothing is missing but the closing tags of the envelope, or of its body and the envelope.
_NEARLY_CLOSED = re.compile(
    rb"</(?:[\w.-]{1,100}:)?(?:(?P<body>Body)|Fault|[\w.-]{0,100}Response)\s{0,100}>\s{0,1000}(?P<cut><[^>]{0,200})?\Z"
)
_NEARLY_TAIL = 2_000
_DECLARATION = re.compile(rb"<\?xml[^>]{0,200}\?>\s*\Z")


class SoapDocument:
    """Content of an answer, judged by the envelope in it; see :class:`wire.http.response.Body`."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._opened = False
        self._whole = False
        self._searched = 0

    def feed(self, data: bytes) -> bool:
        """Take the next octets; True when the envelope is closed."""
        self.content += data
        if not self._opened:
            if self._searched >= MAX_BEFORE:
                return False
            found = _OPENING.search(self.content, self._searched, MAX_BEFORE)
            self._searched = max(len(self.content) - _LONGEST_CLOSING, self._searched)
            if found is None:
                return False
            self._opened, self._searched = True, found.end()
        if not self._whole:
            self._whole = _CLOSING.search(self.content, self._searched) is not None
            self._searched = max(len(self.content) - _LONGEST_CLOSING, self._searched)
        return self._whole

    def judge(self) -> Wholeness:
        """See :class:`wire.http.response.Body`."""
        if self._whole:
            return Wholeness.WHOLE
        if not self._opened:
            begin = bytes(self.content[:MAX_BEFORE]).lstrip(b"\xef\xbb\xbf\r\n\t ")
            return Wholeness.OPEN if begin and _MAY_OPEN.fullmatch(begin) else Wholeness.UNKNOWN
        tail = bytes(self.content[-_NEARLY_TAIL:]).rstrip()
        return Wholeness.OPEN if _NEARLY_CLOSED.search(tail) is None else Wholeness.USABLE


def envelope_in(data: bytes) -> bytes:
    """The envelope in ``data``, with its closing tags if nothing else is missing; ``data`` itself if it has none."""
    opening = _OPENING.search(data, 0, MAX_BEFORE)
    if opening is None:
        return data
    if data.lstrip(b"\xef\xbb\xbf\r\n\t ")[:1] != b"<":
        # In a part, or behind junk: a parser would take the first thing in angle brackets for the root.
        begin = opening.start()
        declaration = _DECLARATION.search(data, max(begin - 300, 0), begin)
        ends = [closing.end() for closing in _CLOSING.finditer(data, begin)]
        data = data[declaration.start() if declaration else begin : ends[-1] if ends else len(data)]
    return data if _CLOSING.search(data, max(data.rfind(b"Envelope") - 110, 0)) else _closed(data, opening[1])


def _closed(data: bytes, root: bytes) -> bytes:
    """``data`` with the closing tags that firmware cut off; as it is if more than these is missing."""
    data = data.rstrip()
    nearly = _NEARLY_CLOSED.search(data, max(len(data) - _NEARLY_TAIL, 0))
    body = _BODY.search(data)
    if nearly is None or body is None:
        return data
    end = nearly.start("cut") if nearly["cut"] is not None else nearly.end()
    closing = b"" if nearly["body"] is not None else b"</" + body[1] + b">"
    return data[:end] + closing + b"</" + root + b">"
