"""A URL, a body and headers go in; one HTTP response comes out, or an error that says how to treat the device.

Made for devices on the own network: no proxy, no redirect, no cookie; a certificate is not verified, since cameras sign
their own (so nothing secret may go in clear through TLS either). Time, size and number of tries are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from OpenSSL.SSL import Error as TlsError
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol as TwistedProtocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from twisted_detector.errors import InspectionError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.http_endpoints import AnswerTooLong, Endpoints

#: 2 MiB for the body of one answer: GetProfiles of an NVR with 64 profiles of 20 kB (the largest seen) has 1.3 MB.
MAX_ANSWER = 2 * 1_048_576
#: 64 KiB for its head, interim answers and chunk headers: heads of devices have below 1 kB, servers allow 8 to 64 KiB.
MAX_HEAD = 65_536
#: Seconds for which a connection is kept between two questions of one inspection.
KEEP_ALIVE = 2


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response: status, headers in order, body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        """All values of one header, whatever its case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Sink(Protocol):
    """Takes a body that need not end by itself."""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True: enough, the connection is cut.

        :raises errors.RemoteError: they are not what they should be.
        """


#: Chooses by an answer's head who takes its body; None: it is gathered as usual.
SinkFor = Callable[[HttpResponse], Sink | None]


class HttpTransport(Protocol):
    """What an inspection needs of HTTP; tests put a scripted device here."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """Send one POST and wait for the whole answer, whatever its status.

        :raises errors.Unreachable: no connection, or no answer in time.
        :raises errors.Malformed: an answer that is not HTTP, or is too long.
        """

    async def close(self) -> None:
        """Close what is open; the transport is not used again."""


class HttpClient:
    """Speaks HTTP with one device over one connection at a time, kept between requests where the device agrees.

    :param timeout: seconds for one request, from connecting to the last byte of the answer.
    :param max_answer: bytes of one answer's body.
    """

    def __init__(self, reactor: Any, *, timeout: float, max_answer: int = MAX_ANSWER) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._max_answer = max_answer
        self._answered: set[bytes] = set()
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = 1
        self._pool.cachedConnectionTimeout = KEEP_ALIVE
        self._pool.retryAutomatically = False
        self._endpoints = Endpoints(reactor, timeout=timeout, limit=max_answer + MAX_HEAD)
        self._agent = Agent.usingEndpointFactory(reactor, self._endpoints, self._pool)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """See :class:`HttpTransport`. Asks once more when the device closed a kept connection under the request."""
        try:
            return await self._bounded("POST", url, body, headers)
        except _Dropped:
            if URI.fromBytes(url.encode("ascii")).netloc not in self._answered:
                raise
        return await self._bounded("POST", url, body, headers)

    async def get(self, url: str, headers: Mapping[str, str], *, sink_for: SinkFor = lambda head: None) -> HttpResponse:
        """Send one GET; the answer's body is empty when ``sink_for`` gave somebody to take it; raises as ``post``."""
        return await self._bounded("GET", url, None, headers, sink_for)

    async def close(self) -> None:
        """Close kept connections, abort all, so that none can linger."""
        closed = self._pool.closeCachedConnections()
        for connection in tuple(self._endpoints.live):
            connection.abortConnection()
        await closed

    async def _bounded(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], sink_for: SinkFor | None = None
    ) -> HttpResponse:
        deferred = Deferred.fromCoroutine(self._exchange(method, url, body, headers, sink_for))
        deferred.addTimeout(self._timeout, self._reactor, _timed_out)
        try:
            return await deferred
        except ConnectingCancelledError:
            raise CancelledError() from None
        except ConnectError as error:
            raise Unreachable("no connection", shown=str(error)) from None
        except (ResponseFailed, RequestTransmissionFailed, ConnectionClosed) as error:
            raise _explain(error) from None

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], sink_for: SinkFor | None
    ) -> HttpResponse:
        raw = Headers({})
        for name, value in headers.items():
            raw.addRawHeader(name.encode("ascii"), value.encode("utf-8", "surrogateescape"))
        uri = URI.fromBytes(url.encode("ascii"))
        raw.setRawHeaders(b"Host", [_host_header(uri.netloc)])
        raw.setRawHeaders(b"User-Agent", [b"camdetect"])
        producer = _Body(body) if body is not None else None
        response = await self._agent.request(method.encode("ascii"), url.encode("ascii"), raw, producer)
        head = HttpResponse(
            status=response.code,
            headers=tuple(
                (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
                for name, values in response.headers.getAllRawHeaders()
                for value in values
            ),
        )
        collector = _Collector(self._max_answer)
        try:
            collector.sink = sink_for(head) if sink_for is not None else None
        finally:
            response.deliverBody(collector)
        data = await collector.whole
        self._answered.add(uri.netloc)
        return replace(head, body=data)


class _Dropped(Unreachable):
    """The device closed the connection without a whole answer."""


def _timed_out(result: object, timeout: float) -> Failure:
    """Whatever a cancelled exchange says of itself, it was the time-out."""
    return Failure(Unreachable(f"no answer within {timeout:g} seconds"))


def _explain(error: Exception) -> InspectionError:
    """Whose fault a broken exchange is: an answer that is not HTTP, or a connection that went away."""
    reasons = [reason.value for reason in getattr(error, "reasons", ())] or [error]
    for reason in reasons:
        if isinstance(reason, AnswerTooLong):
            return Malformed("an answer is too long")
        if isinstance(reason, (ResponseFailed, RequestTransmissionFailed)) and reason is not error:
            return _explain(reason)
    first = reasons[0]  # what follows is a consequence: a connection that closed loses data, bad data closes it
    if isinstance(first, (ConnectionClosed, CancelledError)):
        return _Dropped("the device closed the connection without a whole answer")
    if isinstance(first, TlsError):
        return Unreachable("no TLS connection", shown=type(first).__name__)
    return Malformed("an answer that is not HTTP", shown=type(first).__name__)


def _host_header(netloc: bytes) -> bytes:
    """Host and port without the scope of a link-local address, which means nothing to the device (RFC 6874, 1)."""
    before, percent, after = netloc.partition(b"%25")
    return before + after[after.index(b"]") :] if percent else netloc


@implementer(IBodyProducer)
class _Body:
    """A request's body that is there at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    def resumeProducing(self) -> None:
        """Nothing is left to resume."""

    def stopProducing(self) -> None:
        """Nothing is left to stop."""


class _Collector(TwistedProtocol):
    """Gathers a response's body, at most ``limit`` bytes of it."""

    def __init__(self, limit: int) -> None:
        self.sink: Sink | None = None
        self._parts: list[bytes] = []
        self._room = limit
        self.whole: Deferred[bytes] = Deferred(self._cancelled)

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._room -= len(data)
        if self._room < 0:
            self._end(AnswerTooLong())
        elif self.sink is None:
            self._parts.append(data)
        else:
            try:
                if self.sink.feed(data):
                    self._end(None)
            except RemoteError as error:
                self._end(Malformed(error.what, shown=error.shown))

    def _end(self, problem: Exception | None) -> None:
        self._parts.clear()
        if problem is None:
            self.whole.callback(b"")
        else:
            self.whole.errback(problem)
        self._cancelled(self.whole)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)

    def _cancelled(self, _: Deferred[bytes]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
