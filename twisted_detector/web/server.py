"""HTTP server whose requests and connections are bounded: what is larger is refused, and nobody takes all places.

Twisted reads a body of any size onto the disk and answers what is too long with 400; here nothing is larger than a
person's question, and 413, 414 and 431 say what was wrong.

A connection is *proved* by its first request that was let in: with the token, or where none is needed. The others are
what anybody on the network can open. So there are few of them a peer, the oldest makes room when all places are taken,
and some places are for this machine alone: its owner, a proxy, a watchdog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IProtocolFactory, IReactorTime
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, HTTPFactory, Request, datetimeToString

from twisted_detector.web.problem import MEDIA_TYPE, Problem
from twisted_detector.web.rate_limit import is_loopback, peer_key

#: A body is an address or a token.
MAX_BODY = 16 * 1024
#: What is larger than the first is read and thrown away so that the answer is seen, up to this.
MAX_DRAINED = 1024 * 1024
MAX_LINE = 8 * 1024
MAX_HEADERS, MAX_HEADER_COUNT = 16 * 1024, 100
#: Seconds for the whole head of a request to come in, whatever there is of it already; a browser needs none.
HEAD_TIMEOUT = 10.0
#: Seconds for the body after that, and of silence between two requests.
IDLE = 30.0
#: Connections of one peer that are not proved: a browser opens six for each name that it knows us by. From this
#: machine there may be more: a thousand pages behind a proxy come back at once.
MAX_UNPROVED = 32
#: Places that only this machine can take: a person's browser, a proxy and a watchdog.
LOCAL_PLACES = 8


class BoundedRequest(Request):
    """One request.

    :ivar too_large: its body was larger than MAX_BODY, and is not there.
    :ivar postpath: the segments of its path, decoded.
    """

    too_large = False
    postpath: tuple[bytes, ...] = ()
    _taken = 0
    channel: Any
    content: Any

    def process(self) -> None:
        """It is whole: have it answered."""
        self.setHeader("Date", datetimeToString())  # type: ignore[no-untyped-call]
        self.postpath = tuple(map(unquote_to_bytes, self.path.removeprefix(b"/").split(b"/")))
        self.channel.factory.serve(self)

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
    requestFactory = BoundedRequest
    _lines = 0
    _octets = 0
    _refused = False
    _deadline: IDelayedCall | None = None
    transport: Any
    callLater: Any
    paused: Any

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self._expect(HEAD_TIMEOUT)

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        # The next request begins, unless we hold it back ourselves: then IDLE is for the answer to be taken.
        if self._deadline is None and not self._handlingRequest and not self.paused:
            self._expect(HEAD_TIMEOUT)
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def allHeadersReceived(self) -> None:
        self._expect(IDLE)
        super().allHeadersReceived()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._expect(None)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def report_login(self, accepted: bool) -> None:
        """A request on this connection was let in, or refused for want of a login."""
        if isinstance(self.transport, PageConnection):
            self.transport.report_login(accepted)

    def _expect(self, seconds: float | None) -> None:
        """End the connection unless what is expected has come within so many seconds; None: nothing is expected."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.callLater(seconds, self._expire)

    def timeoutConnection(self) -> None:
        """Nothing was asked for a while, as by every browser that has all it needs: no news, so it is not logged."""
        self._expect(HEAD_TIMEOUT)  # in which it has to take what is left of an answer
        self.loseConnection()  # type: ignore[no-untyped-call]

    def _expire(self) -> None:
        self._deadline = None
        self.transport.abortConnection()

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
            self._expect(None)
            super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Request) -> None:
        """What was asked in the same breath waits until the answers so far are taken: else each of some bytes would
        leave one of some kilobytes here, for whoever asks and does not read.
        """
        if self._waitingForTransport:
            self.paused = True
            self._networkProducer.pauseProducing()
        super().requestDone(request)  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:
        super().resumeProducing()  # type: ignore[no-untyped-call]
        if self.paused:
            self.paused = False
            if self._buffer:
                self.dataReceived(b"")
            else:
                self.resetTimeout()  # type: ignore[no-untyped-call]

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


class BoundedSite(HTTPFactory):
    """Server without a log of requests, whose URLs are the visitors' own affair.

    It has one handler. Twisted's tree of resources would take 2 MB: with it come its templates, its remote objects and
    an XML parser.

    :ivar serve: answers and finishes a request.
    """

    noisy = False
    protocol: Any = BoundedChannel

    def __init__(self, serve: Callable[[BoundedRequest], None], clock: IReactorTime) -> None:
        super().__init__(timeout=IDLE, reactor=clock)
        self.serve = serve

    def startFactory(self) -> None:
        """No log, and so no timer that keeps the time of its lines."""

    def log(self, request: object) -> None:
        """Nothing."""


class PageConnection(ProtocolWrapper):
    """One connection.

    :ivar peer: what counts as one peer: an IPv4 address, or the /64 of an IPv6 address.
    :ivar is_local: from this machine.
    """

    factory: ConnectionLimiter

    def __init__(self, factory: ConnectionLimiter, wrapped: IProtocol, host: str) -> None:
        super().__init__(factory, wrapped)  # type: ignore[arg-type]
        self.peer = peer_key(host)
        self.is_local = is_loopback(host)

    def report_login(self, accepted: bool) -> None:
        """A request was let in, or refused for want of a login."""
        self.factory.mark(self, accepted)


class ConnectionLimiter(WrappingFactory):
    """Factory of the connections of another factory.

    :param capacity: connections at one time, more than LOCAL_PLACES; one more takes the place of the oldest that is not
        proved, or is closed at once.
    """

    noisy = False
    protocols: dict[PageConnection, int]

    def __init__(self, wrapped: IProtocolFactory, capacity: int) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self.capacity = capacity
        self._open: set[PageConnection] = set()
        self._remote_count = 0
        self._unproved: dict[PageConnection, None] = {}  # the oldest first
        self._unproved_of: Counter[str] = Counter()

    def buildProtocol(self, addr: IAddress | None) -> PageConnection | None:  # type: ignore[override]
        """A protocol, or None when there is no room."""
        wrapped: Any = self.wrappedFactory.buildProtocol(addr)
        if wrapped is None:
            return None
        connection = PageConnection(self, wrapped, str(getattr(addr, "host", "")))
        return connection if self._make_room(connection) else None

    def registerProtocol(self, p: PageConnection) -> None:
        """It is made."""
        super().registerProtocol(p)  # type: ignore[no-untyped-call]
        self._open.add(p)
        self._remote_count += not p.is_local
        self._set_unproved(p)

    def unregisterProtocol(self, p: PageConnection) -> None:
        """It is lost."""
        super().unregisterProtocol(p)  # type: ignore[no-untyped-call]
        self._forget(p)

    def mark(self, connection: PageConnection, proved: bool) -> None:
        """Remember whether its last request was let in."""
        if connection not in self._open:
            return
        if proved:
            self._set_proved(connection)
        else:
            self._set_unproved(connection)

    def abort_connections(self) -> None:
        """End every connection now."""
        for connection in tuple(self.protocols):
            connection.abortConnection()

    # --- room ------------------------------------------------------------------------------------------------------

    def _make_room(self, new: PageConnection) -> bool:
        """Whether there is a place for ``new``; perhaps another connection was ended for it."""
        if not new.is_local and self._unproved_of[new.peer] >= MAX_UNPROVED:
            self._evict(one for one in self._unproved if one.peer == new.peer)
        if len(self._open) < self.capacity and (new.is_local or self._remote_count < self.capacity - LOCAL_PLACES):
            return True
        return self._evict(self._remote()) or (new.is_local and self._evict(iter(self._unproved)))

    def _remote(self) -> Iterator[PageConnection]:
        return (one for one in self._unproved if not one.is_local)

    def _evict(self, candidates: Iterator[PageConnection]) -> bool:
        victim = next(candidates, None)
        if victim is None:
            return False
        self._forget(victim)  # now: it is lost in a later turn of the reactor
        victim.abortConnection()
        return True

    def _forget(self, connection: PageConnection) -> None:
        if connection in self._open:
            self._open.discard(connection)
            self._remote_count -= not connection.is_local
            self._set_proved(connection)

    def _set_proved(self, connection: PageConnection) -> None:
        if connection in self._unproved:
            del self._unproved[connection]
            self._unproved_of[connection.peer] -= 1
            if not self._unproved_of[connection.peer]:
                del self._unproved_of[connection.peer]

    def _set_unproved(self, connection: PageConnection) -> None:
        if connection not in self._unproved:
            self._unproved[connection] = None
            self._unproved_of[connection.peer] += 1
