"""HTTP server whose requests are bounded: all that is larger is refused with a status.

Twisted reads a body of any size onto the disk and answers what is too long with 400; here nothing is larger than a
person's question, and 413, 414 and 431 say what was wrong.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from twisted_detector.web.problem import MEDIA_TYPE, Problem

#: A body is an address or a token.
MAX_BODY = 16 * 1024
#: What is larger than the first is read and thrown away so that the answer is seen, up to this.
MAX_DRAINED = 1024 * 1024
MAX_LINE = 8 * 1024
MAX_HEADERS, MAX_HEADER_COUNT = 16 * 1024, 100
#: Seconds for a request to come in, and of silence between two of them.
IDLE = 30.0


class BoundedRequest(Request):
    """One request.

    :ivar too_large: its body was larger than MAX_BODY, and is not there.
    """

    too_large = False
    _taken = 0
    content: Any

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        self._check_size(length or 0)

    def handleContentChunk(self, data: bytes) -> None:
        self._taken += len(data)
        self._check_size(self._taken)
        if not self.too_large:
            self.content.write(data)

    def _check_size(self, size: int) -> None:
        if size > MAX_BODY:
            self.too_large = True
        if size > MAX_DRAINED:
            refuse(self.channel, Problem(413, f"a body has at most {MAX_BODY} bytes"))


class BoundedChannel(HTTPChannel):
    """One connection."""

    MAX_LENGTH = MAX_LINE
    totalHeadersSize = MAX_HEADERS
    maxHeaders = MAX_HEADER_COUNT
    _lines = 0
    _octets = 0
    _refused = False

    def dataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        if self._refused:
            return
        self._lines += 1
        self._octets += len(line)
        if self._octets > MAX_HEADERS or self._lines > MAX_HEADER_COUNT:
            most = f"{MAX_HEADERS} bytes and {MAX_HEADER_COUNT} lines"
            refuse(self, Problem(431, f"the head of a request has at most {most}"))
            return
        super().lineReceived(line)  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        first = self._lines == 0
        refuse(self, Problem(414 if first else 431, f"a line of the head has at most {MAX_LINE} bytes"))

    def allContentReceived(self) -> None:
        self._lines = self._octets = 0
        if not self._refused:
            super().allContentReceived()  # type: ignore[no-untyped-call]

    def ignore_rest(self) -> None:
        """Ignore all bytes that follow."""
        self._refused = True


def refuse(channel: Any, problem: Problem) -> None:
    """Answer before there is a whole request, and end the connection."""
    body = problem.body()
    title = problem.document()["title"]
    head = (
        f"HTTP/1.1 {problem.status} {title}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    channel.ignore_rest()
    channel.transport.write(head.encode() + body)
    channel.transport.loseConnection()


class BoundedSite(Site):
    """Site without a log of requests, whose URLs are the visitors' own affair."""

    noisy = False
    protocol: Any = BoundedChannel
    requestFactory = BoundedRequest
    displayTracebacks = False

    def __init__(self, resource: IResource, clock: IReactorTime) -> None:
        super().__init__(resource, timeout=IDLE, reactor=clock)  # type: ignore[no-untyped-call]

    def startFactory(self) -> None:
        """No log, and so no timer that keeps the time of its lines."""

    def log(self, request: object) -> None:
        """Nothing."""
